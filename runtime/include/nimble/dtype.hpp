// Element types by the names that numpy and ml_dtypes give them, and the C++ types that hold them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nimble/error.hpp"

namespace nimble {

// `bytes` is the size of an element; types of fewer than 8 bits are held one a byte.
struct DType {
  const char* name;
  std::size_t bytes;

  friend bool operator==(const DType& a, const DType& b) { return std::string_view(a.name) == b.name; }
  friend bool operator!=(const DType& a, const DType& b) { return !(a == b); }

  // Raises LoadError for an unknown name.
  static DType named(std::string_view name) {
    for (const DType& known : all())
      if (name == known.name) return known;
    throw LoadError("dtype " + std::string(name) + " cannot be passed to the IREE runtime");
  }

  static const std::array<DType, 30>& all() {
    static const std::array<DType, 30> types = {{
        {"bool", 1}, {"int8", 1}, {"uint8", 1}, {"int16", 2}, {"uint16", 2}, {"int32", 4}, {"uint32", 4}, {"int64", 8},
        {"uint64", 8}, {"float16", 2}, {"bfloat16", 2}, {"float32", 4}, {"float64", 8}, {"complex64", 8}, {"complex128", 16},
        {"int2", 1}, {"uint2", 1}, {"int4", 1}, {"uint4", 1}, {"float4_e2m1fn", 1}, {"float6_e2m3fn", 1}, {"float6_e3m2fn", 1},
        {"float8_e3m4", 1}, {"float8_e4m3", 1}, {"float8_e4m3b11fnuz", 1}, {"float8_e4m3fn", 1}, {"float8_e4m3fnuz", 1},
        {"float8_e5m2", 1}, {"float8_e5m2fnuz", 1}, {"float8_e8m0fnu", 1},
    }};
    return types;
  }
};

// The DType of a C++ type: dtype_of<float>().
template <typename T>
DType dtype_of();
template <> inline DType dtype_of<bool>() { return {"bool", 1}; }
template <> inline DType dtype_of<std::int8_t>() { return {"int8", 1}; }
template <> inline DType dtype_of<std::uint8_t>() { return {"uint8", 1}; }
template <> inline DType dtype_of<std::int16_t>() { return {"int16", 2}; }
template <> inline DType dtype_of<std::uint16_t>() { return {"uint16", 2}; }
template <> inline DType dtype_of<std::int32_t>() { return {"int32", 4}; }
template <> inline DType dtype_of<std::uint32_t>() { return {"uint32", 4}; }
template <> inline DType dtype_of<std::int64_t>() { return {"int64", 8}; }
template <> inline DType dtype_of<std::uint64_t>() { return {"uint64", 8}; }
template <> inline DType dtype_of<float>() { return {"float32", 4}; }
template <> inline DType dtype_of<double>() { return {"float64", 8}; }

}  // namespace nimble
