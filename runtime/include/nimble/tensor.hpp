// Arrays that go into a call and come out: `TensorView` borrows the caller's memory (of any strides), `Tensor` owns its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "nimble/dtype.hpp"
#include "nimble/signature.hpp"

namespace nimble {

constexpr std::size_t kAlignment = 64;  // of IREE's buffers; memory that begins at a multiple of it need not be copied

inline std::size_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (std::int64_t size : shape) {
    if (size < 0) throw ShapeError("a size is negative: " + std::to_string(size));
    count = DimExpr::multiply(count, size);
  }
  return static_cast<std::size_t>(count);
}

// The strides of a dense array in row-major order, in bytes.
inline Shape dense_strides(const Shape& shape, std::size_t bytes) {
  Shape strides(shape.size());
  auto step = static_cast<std::int64_t>(bytes);
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= shape[axis] > 0 ? shape[axis] : 1;
  }
  return strides;
}

// An array in memory of the caller's, which must stay unchanged until the call that gets it has returned.
class TensorView {
 public:
  // Dense, in row-major order; `count` elements are there. Raises ShapeError where the shape has another number.
  template <typename T>
  TensorView(const T* data, std::size_t count, Shape shape) : TensorView(data, dtype_of<T>(), std::move(shape)) {
    if (count != element_count(this->shape))
      throw ShapeError("a tensor of " + std::to_string(element_count(this->shape)) + " elements was made from " +
                       std::to_string(count));
  }

  template <typename T>
  TensorView(const std::vector<T>& data, Shape shape) : TensorView(data.data(), data.size(), std::move(shape)) {}

  TensorView(const void* data, DType dtype, Shape shape)
      : data(data), dtype(dtype), shape(std::move(shape)), strides(dense_strides(this->shape, dtype.bytes)) {}

  // With strides in bytes, which may be negative or 0.
  TensorView(const void* data, DType dtype, Shape shape, Shape strides)
      : data(data), dtype(dtype), shape(std::move(shape)), strides(std::move(strides)) {
    if (this->strides.size() != this->shape.size())
      throw ShapeError("a tensor of rank " + std::to_string(this->shape.size()) + " was given " +
                       std::to_string(this->strides.size()) + " strides");
  }

  std::size_t bytes() const { return element_count(shape) * dtype.bytes; }

  bool is_dense() const {
    if (element_count(shape) == 0) return true;
    auto step = static_cast<std::int64_t>(dtype.bytes);
    for (std::size_t axis = shape.size(); axis-- > 0; step *= shape[axis])
      if (shape[axis] != 1 && strides[axis] != step) return false;
    return true;
  }

  // Writes the elements in row-major order to `target`, which has room for `bytes()`.
  void copy_to(void* target) const {
    if (bytes() == 0) return;
    if (is_dense()) {
      std::memcpy(target, data, bytes());
      return;
    }
    auto* out = static_cast<unsigned char*>(target);
    copy_axis(static_cast<const unsigned char*>(data), 0, out);
  }

  const void* data;
  DType dtype;
  Shape shape;
  Shape strides;

 private:
  void copy_axis(const unsigned char* from, std::size_t axis, unsigned char*& out) const {
    if (axis == shape.size()) {
      std::memcpy(out, from, dtype.bytes);
      out += dtype.bytes;
      return;
    }
    for (std::int64_t i = 0; i < shape[axis]; ++i) copy_axis(from + i * strides[axis], axis + 1, out);
  }
};

// A dense array in row-major order that owns its memory. Copies share it; `clone` does not.
class Tensor {
 public:
  Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)), bytes_(element_count(shape_) * dtype_.bytes) {
    void* memory = ::operator new(bytes_ > 0 ? bytes_ : 1, std::align_val_t(kAlignment));
    owner_ = std::shared_ptr<void>(memory, [](void* p) { ::operator delete(p, std::align_val_t(kAlignment)); });
    data_ = memory;
  }

  // Over memory that `owner` keeps.
  Tensor(DType dtype, Shape shape, void* data, std::shared_ptr<void> owner)
      : dtype_(dtype), shape_(std::move(shape)), bytes_(element_count(shape_) * dtype_.bytes), data_(data), owner_(std::move(owner)) {}

  // A dense copy.
  explicit Tensor(const TensorView& view) : Tensor(view.dtype, view.shape) { view.copy_to(data_); }

  template <typename T>
  Tensor(const std::vector<T>& data, Shape shape) : Tensor(TensorView(data, std::move(shape))) {}

  Tensor clone() const { return Tensor(view()); }

  TensorView view() const { return {data_, dtype_, shape_}; }
  operator TensorView() const { return view(); }  // NOLINT: a tensor is given where a view is taken

  const DType& dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return bytes_ / dtype_.bytes; }
  void* raw() const { return data_; }
  const std::shared_ptr<void>& owner() const { return owner_; }  // what keeps the memory

  // The elements. Raises Error for another type than the tensor's.
  template <typename T>
  T* data() const {
    if (dtype_ != dtype_of<T>())
      throw Error(std::string("the tensor has dtype ") + dtype_.name + ", not " + dtype_of<T>().name);
    return static_cast<T*>(data_);
  }

  template <typename T>
  std::vector<T> to_vector() const {
    return std::vector<T>(data<T>(), data<T>() + size());
  }

 private:
  DType dtype_;
  Shape shape_;
  std::size_t bytes_;
  void* data_ = nullptr;
  std::shared_ptr<void> owner_;
};

}  // namespace nimble
