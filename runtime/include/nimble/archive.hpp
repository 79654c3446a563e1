// The file of a compiled module, before IREE sees it: every entry of the ZIP archive has the bytes that its CRC-32 was made from,
// and headers agree with the directory (IREE crashes on files that were altered). Then its images, weights and signature.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nimble/error.hpp"
#include "nimble/json.hpp"
#include "nimble/signature.hpp"

namespace nimble {

// Bytes that somebody else owns.
using Bytes = std::string_view;

struct ArchiveEntry {
  std::string name;
  std::size_t header = 0;  // where its local header begins
  std::size_t start = 0;   // where its bytes begin
  std::size_t size = 0;
  std::uint32_t crc = 0;
};

namespace detail {

// Little-endian integers; raises LoadError where the bytes end before.
inline std::uint64_t read_integer(Bytes data, std::size_t at, std::size_t bytes) {
  if (at > data.size() || bytes > data.size() - at) throw LoadError("the archive ends too early");
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(data[at + i]);
  return value;
}

}  // namespace detail

// CRC-32 as ZIP has it (polynomial 0xEDB88320), eight bytes at a time.
inline std::uint32_t crc32(Bytes data) {
  static const auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
      made[0][i] = value;
    }
    for (std::uint32_t i = 0; i < 256; ++i)
      for (std::size_t table = 1; table < 8; ++table)
        made[table][i] = made[table - 1][i] >> 8 ^ made[0][made[table - 1][i] & 0xFF];
    return made;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  std::size_t left = data.size();
  for (; left >= 8; left -= 8, bytes += 8) {
    std::uint32_t low = crc ^ (bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<std::uint32_t>(bytes[3]) << 24);
    crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24] ^
          tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^ tables[0][bytes[7]];
  }
  for (; left > 0; --left, ++bytes) crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 0xFF];
  return ~crc;
}

class Archive {
 public:
  // `data` must outlive the archive; `name` is for messages. With `verify` every entry is compared with its CRC-32.
  // Raises LoadError.
  Archive(Bytes data, std::string name, bool verify = true) : data_(data), name_(std::move(name)) {
    if (data_.empty()) throw LoadError("'" + name_ + "' is empty");
    try {
      read_directory();
    } catch (const LoadError& error) {
      if (data_.substr(0, 4) == "PK\x03\x04") throw LoadError("'" + name_ + "' is damaged or incomplete: " + error.what());
      throw LoadError("'" + name_ + "' is not a .vmfb file: it is no ZIP archive");
    }
    const std::string first = entries_.empty() ? "" : entries_[0].name;
    if (entries_.empty() || entries_[0].header != 0 || first.size() < 3 || first.compare(first.size() - 3, 3, ".fb") != 0)
      throw LoadError("'" + name_ + "' is not a .vmfb file: the archive does not begin with VM bytecode");
    std::size_t end = 0;
    for (ArchiveEntry& entry : entries_) {
      if (entry.header < end) throw LoadError("'" + name_ + "' is damaged: entry '" + entry.name + "' overlaps the one before");
      end = check(entry, verify);
    }
  }

  const std::vector<ArchiveEntry>& entries() const { return entries_; }
  Bytes data() const { return data_; }
  const std::string& name() const { return name_; }

  // The bytes of an entry; empty without one.
  Bytes find(std::string_view name) const {
    for (const ArchiveEntry& entry : entries_)
      if (entry.name == name) return data_.substr(entry.start, entry.size);
    return {};
  }

  // The texts of the signature, one an entry point. Raises LoadError where there is none.
  std::vector<std::string> signature_texts() const {
    static constexpr std::string_view marker = "{\"nimble_schema\":";
    std::vector<std::string> texts;
    Bytes code = data_.substr(entries_[0].start, entries_[0].size);
    for (std::size_t at = code.find(marker); at != Bytes::npos; at = code.find(marker, at + 1)) {
      std::size_t length = 0;
      try {
        Json::parse(code.substr(at), &length);
      } catch (const JsonError& error) {
        throw LoadError(std::string("malformed signature in the module: ") + error.what());
      }
      std::string text(code.substr(at, length));
      if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
    }
    if (texts.empty()) throw LoadError("'" + name_ + "' was not compiled by nimble_mlir: it holds no nimble signature");
    return texts;
  }

  // (target, image) of each target: the file itself for the first, entries for the others.
  std::vector<std::pair<std::string, Bytes>> images() const {
    std::vector<std::pair<std::string, Bytes>> found = {{Signature::from_json(signature_texts()).target, data_}};
    for (const ArchiveEntry& entry : entries_)
      if (entry.name.rfind("targets/", 0) == 0 && entry.name.size() > 13)
        found.emplace_back(entry.name.substr(8, entry.name.size() - 13), data_.substr(entry.start, entry.size));
    return found;
  }

 private:
  void read_directory() {
    using detail::read_integer;
    constexpr std::size_t end_size = 22;
    if (data_.size() < end_size) throw LoadError("it has no end of the directory");
    std::size_t end = data_.size() - end_size;
    std::size_t lowest = end > 0xFFFF ? end - 0xFFFF : 0;
    while (read_integer(data_, end, 4) != 0x06054B50 || end + end_size + read_integer(data_, end + 20, 2) != data_.size()) {
      if (end == lowest) throw LoadError("it has no end of the directory");
      --end;
    }
    std::uint64_t count = read_integer(data_, end + 10, 2), size = read_integer(data_, end + 12, 4);
    std::uint64_t start = read_integer(data_, end + 16, 4);
    if (end >= 20 && read_integer(data_, end - 20, 4) == 0x07064B50) {  // ZIP64
      std::size_t record = static_cast<std::size_t>(read_integer(data_, end - 12, 8));
      if (read_integer(data_, record, 4) != 0x06064B50) throw LoadError("its ZIP64 directory is not where it should be");
      count = read_integer(data_, record + 32, 8);
      size = read_integer(data_, record + 40, 8);
      start = read_integer(data_, record + 48, 8);
    }
    if (start > data_.size() || size > data_.size() - start) throw LoadError("its directory lies outside of the file");
    std::size_t at = static_cast<std::size_t>(start);
    for (std::uint64_t i = 0; i < count; ++i) at = read_entry(at);
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.header < b.header; });
  }

  // One record of the directory; returns where the next one begins.
  std::size_t read_entry(std::size_t at) {
    using detail::read_integer;
    if (read_integer(data_, at, 4) != 0x02014B50) throw LoadError("its directory is malformed");
    std::size_t name_length = read_integer(data_, at + 28, 2), extra_length = read_integer(data_, at + 30, 2);
    std::size_t comment_length = read_integer(data_, at + 32, 2);
    std::uint64_t packed = read_integer(data_, at + 20, 4), size = read_integer(data_, at + 24, 4);
    std::uint64_t header = read_integer(data_, at + 42, 4);
    std::size_t name_at = at + 46, extra = name_at + name_length, extra_end = extra + extra_length;
    if (extra_end > data_.size()) throw LoadError("its directory is malformed");
    for (std::size_t field = extra; field + 4 <= extra_end;) {
      std::size_t next = field + 4 + static_cast<std::size_t>(read_integer(data_, field + 2, 2));
      if (read_integer(data_, field, 2) == 1) {  // ZIP64: the values that did not fit, in order
        std::size_t value = field + 4;
        for (std::uint64_t* wide : {&size, &packed, &header})
          if (*wide == 0xFFFFFFFF && value + 8 <= std::min(next, extra_end)) {
            *wide = read_integer(data_, value, 8);
            value += 8;
          }
      }
      field = next;
    }
    ArchiveEntry entry{std::string(data_.substr(name_at, name_length)), static_cast<std::size_t>(header), 0,
                       static_cast<std::size_t>(size), static_cast<std::uint32_t>(read_integer(data_, at + 16, 4))};
    if (read_integer(data_, at + 10, 2) != 0 || packed != size || (read_integer(data_, at + 8, 2) & ~0x800u) != 0)
      throw LoadError("entry '" + entry.name + "' has a wrong header");
    entries_.push_back(std::move(entry));
    return extra_end + comment_length;
  }

  // Compares an entry with its local header and its CRC-32; returns where it ends.
  std::size_t check(ArchiveEntry& entry, bool verify) const {
    using detail::read_integer;
    std::string damaged = "'" + name_ + "' is damaged: entry '" + entry.name + "'";
    std::size_t at = entry.header;
    if (at > data_.size() || data_.size() - at < 30) throw LoadError(damaged + " lies outside of the file");
    std::size_t name_length = read_integer(data_, at + 26, 2), extra_length = read_integer(data_, at + 28, 2);
    std::uint64_t packed = read_integer(data_, at + 18, 4), size = read_integer(data_, at + 22, 4);
    bool right = read_integer(data_, at, 4) == 0x04034B50 && (read_integer(data_, at + 6, 2) & ~0x800u) == 0 &&
                 read_integer(data_, at + 8, 2) == 0 && read_integer(data_, at + 14, 4) == entry.crc &&
                 (size == entry.size || size == 0xFFFFFFFF) && (packed == entry.size || packed == 0xFFFFFFFF) &&
                 data_.size() - at - 30 >= name_length && data_.substr(at + 30, name_length) == entry.name;
    if (!right) throw LoadError(damaged + " has a wrong header");
    entry.start = at + 30 + name_length + extra_length;
    if (entry.start > data_.size() || entry.size > data_.size() - entry.start)
      throw LoadError(damaged + " lies outside of the file");
    if (verify && crc32(data_.substr(entry.start, entry.size)) != entry.crc)
      throw LoadError(damaged + " does not match its CRC-32");
    return entry.start + entry.size;
  }

  Bytes data_;
  std::string name_;
  std::vector<ArchiveEntry> entries_;
};

// A tensor of a safetensors file: its bytes lie at `offset` from the file's beginning.
struct Weight {
  std::string key;
  std::size_t offset = 0;
  std::size_t size = 0;
};

// The tensors that the header of a safetensors file lists. Raises LoadError.
inline std::vector<Weight> read_weights(Bytes file, const std::string& name) {
  std::vector<Weight> weights;
  try {
    std::uint64_t length = detail::read_integer(file, 0, 8);
    if (length > file.size() - 8) throw JsonError("its header is longer than the file");
    std::size_t data = 8 + static_cast<std::size_t>(length);
    std::size_t room = file.size() - data;
    Json header = Json::parse(file.substr(8, data - 8));
    for (const auto& [key, entry] : header.as_object()) {
      if (key == "__metadata__") continue;
      const std::vector<Json>& offsets = entry.at("data_offsets").as_array();
      if (offsets.size() != 2) throw JsonError("tensor '" + key + "' has no two offsets");
      std::int64_t begin = offsets[0].as_integer(), end = offsets[1].as_integer();
      if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > room)
        throw JsonError("tensor '" + key + "' lies outside of the file");
      weights.push_back({key, data + static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)});
    }
  } catch (const Error& error) {
    throw LoadError("the weights in '" + name + "' are malformed: " + error.what());
  }
  return weights;
}

}  // namespace nimble
