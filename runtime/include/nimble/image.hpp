// The bytes of a compiled module in memory: a mapped file, or bytes that somebody else keeps; and the weights that belong to it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "nimble/archive.hpp"
#include "nimble/tensor.hpp"

namespace nimble::detail {

// Maps a file read-only. Replace a file that is mapped, do not overwrite it in place. Raises LoadError.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
      throw LoadError("'" + path + (errno == ENOENT ? "' does not exist" : std::string("' cannot be read: ") + std::strerror(errno)));
    struct stat status = {};
    bool known = ::fstat(file, &status) == 0;
    if (known && S_ISDIR(status.st_mode)) {
      ::close(file);
      throw LoadError("'" + path + "' cannot be read: Is a directory");
    }
    if (known && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    int error = errno;
    ::close(file);
    if (known && status.st_size == 0) throw LoadError("'" + path + "' is empty");
    if (!known || data_ == MAP_FAILED) throw LoadError("'" + path + "' cannot be read: " + std::strerror(error));
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (data_ != nullptr && data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  Bytes bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes with what keeps them.
struct Memory {
  Bytes bytes;
  std::shared_ptr<const void> owner;

  static Memory of_file(const std::string& path) {
    auto file = std::make_shared<MappedFile>(path);
    return {file->bytes(), file};
  }

  // Bytes that begin at a multiple of 64 are used where they are, and must stay; others are copied.
  static Memory of_bytes(Bytes bytes) {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment == 0) return {bytes, nullptr};
    auto copy = std::make_shared<Tensor>(DType{"uint8", 1}, Shape{static_cast<std::int64_t>(bytes.size())});
    std::memcpy(copy->raw(), bytes.data(), bytes.size());
    return {{static_cast<const char*>(copy->raw()), bytes.size()}, copy};
  }
};

// The safetensors file of a module: an entry of its archive, or the file beside it that the archive names. Empty without one.
inline Memory find_weights(const Archive& archive, const Memory& file, const std::string& path) {
  Bytes link = archive.find("weights.link");
  if (link.empty()) return {archive.find("weights.safetensors"), file.owner};
  std::string written;
  std::int64_t size = 0;
  try {
    Json data = Json::parse(link);
    written = data.at("path").as_string();
    size = data.at("size").as_integer();
  } catch (const JsonError& error) {
    throw LoadError("'" + archive.name() + "' is damaged: " + error.what());
  }
  std::string base = written.substr(written.rfind('/') + 1);
  std::string beside = path.substr(0, path.rfind('/') + 1) + base;
  for (const std::string& candidate : {path.empty() ? written : beside, written}) {
    if (::access(candidate.c_str(), R_OK) != 0) continue;
    Memory weights = Memory::of_file(candidate);
    if (weights.bytes.size() != static_cast<std::size_t>(size))
      throw LoadError("the weights '" + candidate + "' are not those of '" + archive.name() + "': " +
                      std::to_string(weights.bytes.size()) + " bytes instead of " + std::to_string(size));
    return weights;
  }
  throw LoadError("'" + archive.name() + "' needs its weights '" + base + "': expected beside it, or as '" + written + "'");
}

}  // namespace nimble::detail
