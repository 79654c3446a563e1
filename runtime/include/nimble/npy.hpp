// .npy files of numpy: reading and writing one array. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "nimble/tensor.hpp"

namespace nimble {

namespace detail {

// numpy's type codes of little-endian arrays.
inline const std::vector<std::pair<std::string, const char*>>& npy_codes() {
  static const std::vector<std::pair<std::string, const char*>> codes = {
      {"|b1", "bool"}, {"|i1", "int8"}, {"|u1", "uint8"}, {"<i2", "int16"}, {"<u2", "uint16"}, {"<i4", "int32"},
      {"<u4", "uint32"}, {"<i8", "int64"}, {"<u8", "uint64"}, {"<f2", "float16"}, {"<f4", "float32"}, {"<f8", "float64"},
      {"<c8", "complex64"}, {"<c16", "complex128"}, {"<V2", "bfloat16"}, {"|V2", "bfloat16"}};
  return codes;
}

// The text after "'key':" in the header of a file, without spaces in front.
inline std::string_view npy_field(std::string_view header, const std::string& key) {
  std::size_t at = header.find("'" + key + "'");
  if (at == std::string_view::npos || (at = header.find(':', at)) == std::string_view::npos)
    throw LoadError("the header has no '" + key + "'");
  header.remove_prefix(at + 1);
  while (!header.empty() && header[0] == ' ') header.remove_prefix(1);
  return header;
}

inline Tensor parse_npy(std::string_view file) {
  if (file.size() < 10 || file.substr(0, 6) != "\x93NUMPY") throw LoadError("it does not begin as one");
  int version = static_cast<unsigned char>(file[6]);
  if (version < 1 || version > 3) throw LoadError("its version is " + std::to_string(version));
  std::size_t length_bytes = version == 1 ? 2 : 4, length = 0;
  for (std::size_t i = length_bytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(file[8 + i]);
  std::size_t start = 8 + length_bytes + length;
  if (start > file.size()) throw LoadError("its header is incomplete");
  std::string_view header = file.substr(8 + length_bytes, length);
  std::string_view code = npy_field(header, "descr");
  if (npy_field(header, "fortran_order").substr(0, 5) != "False") throw LoadError("it is in Fortran order");
  Shape shape;
  std::string_view sizes = npy_field(header, "shape");
  if (sizes.empty() || sizes[0] != '(') throw LoadError("its shape is malformed");
  std::string text(sizes.substr(1, sizes.find(')') - 1));
  for (char* at = text.data(); *at != '\0';) {
    if (*at == ' ' || *at == ',') { ++at; continue; }
    char* end = nullptr;
    shape.push_back(std::strtoll(at, &end, 10));
    if (end == at || shape.back() < 0) throw LoadError("its shape is malformed");
    at = end;
  }
  for (const auto& [known, name] : npy_codes()) {
    if (code.substr(0, known.size() + 2) != "'" + known + "'") continue;
    DType dtype = DType::named(name);
    if (file.size() - start != element_count(shape) * dtype.bytes) throw LoadError("its size is not that of its shape");
    return Tensor(TensorView(file.data() + start, dtype, std::move(shape)));
  }
  throw LoadError("its dtype " + std::string(code.substr(0, code.find(','))) + " is not supported");
}

}  // namespace detail

// Raises LoadError for a file that cannot be read or is no .npy file.
inline Tensor read_npy(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw LoadError("'" + path + "' cannot be read");
  std::string file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  try {
    return detail::parse_npy(file);
  } catch (const Error& error) {
    throw LoadError("'" + path + "' is no .npy file that can be used: " + error.what());
  }
}

// Raises LoadError for a file that cannot be written, and for dtypes that the format lacks.
inline void write_npy(const std::string& path, const TensorView& tensor) {
  const char* code = nullptr;
  for (const auto& [known, name] : detail::npy_codes())
    if (tensor.dtype == DType::named(name)) code = known.c_str();
  if (code == nullptr) throw LoadError(std::string("a .npy file cannot hold ") + tensor.dtype.name);
  std::string header = std::string("{'descr': '") + code + "', 'fortran_order': False, 'shape': (";
  for (std::int64_t size : tensor.shape) header += std::to_string(size) + ",";
  header += "), }";
  header += std::string(64 - (10 + header.size() + 1) % 64, ' ') + "\n";
  Tensor dense(tensor);
  std::ofstream stream(path, std::ios::binary);
  stream << "\x93NUMPY" << '\1' << '\0' << static_cast<char>(header.size() & 0xFF) << static_cast<char>(header.size() >> 8)
         << header;
  stream.write(static_cast<const char*>(dense.raw()), static_cast<std::streamsize>(dense.bytes()));
  if (!stream.flush()) throw LoadError("'" + path + "' cannot be written");
}

}  // namespace nimble
