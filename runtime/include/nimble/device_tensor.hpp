// Arrays that stay in a device's memory between calls: results of `Module::on_device` and `to_device`, arguments of every call.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "nimble/device.hpp"
#include "nimble/tensor.hpp"

namespace nimble {

namespace detail {

// A buffer's memory as the host sees it, for as long as this is there; `view` is kept alive with it.
class Mapping {
 public:
  Mapping(iree_hal_buffer_view_t* view, std::size_t size, std::shared_ptr<Device> device) : device_(std::move(device)) {
    check(iree_hal_buffer_map_range(iree_hal_buffer_view_buffer(view), IREE_HAL_MAPPING_MODE_SCOPED, IREE_HAL_MEMORY_ACCESS_ALL, 0,
                                    size, &mapping_),
          "a buffer");
    iree_hal_buffer_view_retain(view);
    view_ = BufferView(view);
  }
  ~Mapping() { iree_status_ignore(iree_hal_buffer_unmap_range(&mapping_)); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  unsigned char* data() const { return mapping_.contents.data; }

 private:
  std::shared_ptr<Device> device_;  // the memory is the device's
  BufferView view_;
  iree_hal_buffer_mapping_t mapping_ = {};
};

inline Shape shape_of(iree_hal_buffer_view_t* view) {
  const iree_hal_dim_t* dims = iree_hal_buffer_view_shape_dims(view);
  return Shape(dims, dims + iree_hal_buffer_view_shape_rank(view));
}

// The elements of a view: where the device shares memory with the host its own memory, else a copy.
inline Tensor host_tensor(iree_hal_buffer_view_t* view, const DType& dtype, const std::shared_ptr<Device>& device) {
  Shape shape = shape_of(view);
  std::size_t size = element_count(shape) * dtype.bytes;
  if (device->shares_memory() && size != 0) {
    auto mapping = std::make_shared<Mapping>(view, size, device);
    void* data = mapping->data();
    return Tensor(dtype, std::move(shape), data, std::move(mapping));
  }
  Tensor result(dtype, std::move(shape));
  if (size != 0)
    check(iree_hal_device_transfer_d2h(device->get(), iree_hal_buffer_view_buffer(view), 0, result.raw(), size,
                                       IREE_HAL_TRANSFER_BUFFER_FLAG_DEFAULT, iree_infinite_timeout()),
          "a result");
  return result;
}

class Context;

}  // namespace detail

// An array in the memory of a device. Copies of this object are one array. It does not change, so that several calls may use it; an
// argument that the function was compiled to be donated (`donate_argnums`) is updated where it lies, and is gone. Thread-safe.
class DeviceTensor {
 public:
  const DType& dtype() const { return state_->dtype; }
  const Shape& shape() const { return state_->shape; }
  std::size_t bytes() const { return element_count(shape()) * dtype().bytes; }
  const Device& device() const { return *state_->device; }

  // Whether a call has taken it; its elements are gone then.
  bool is_donated() const {
    std::lock_guard<std::mutex> guard(state_->lock);
    return !state_->donated_to.empty();
  }

  // Its elements, without a copy where the device shares memory with the host. They stay as they are: while they are there, a call
  // that this is donated to copies it. Raises Error for an array that is donated.
  Tensor to_host() const {
    std::lock_guard<std::mutex> guard(state_->lock);
    state_->check_usable("to_host");
    Tensor elements = detail::host_tensor(state_->view.get(), state_->dtype, state_->device);
    state_->seen = elements.owner();
    return elements;
  }

 private:
  friend class detail::Context;

  struct State {
    detail::BufferView view;
    DType dtype;
    Shape shape;
    std::shared_ptr<Device> device;
    std::mutex lock;
    std::string donated_to;    // the entry point of the call that took it
    std::weak_ptr<void> seen;  // what `to_host` handed out last
    int readers = 0;           // calls that read it now

    void check_usable(const std::string& what) const {
      if (donated_to.empty()) return;
      std::string sizes;
      for (std::int64_t size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
      throw Error(what + ": this " + dtype.name + "[" + sizes + "] was donated to a call of '" + donated_to +
                  "', which has updated it in place; use the result of that call, or compile without donate_argnums");
    }
  };

  DeviceTensor(detail::BufferView view, const DType& dtype, std::shared_ptr<Device> device)
      : state_(std::make_shared<State>()) {
    state_->shape = detail::shape_of(view.get());
    state_->view = std::move(view);
    state_->dtype = dtype;
    state_->device = std::move(device);
  }

  std::shared_ptr<State> state_;
};

// What a call takes: memory of the caller's, or an array of the device's.
class Argument {
 public:
  Argument(TensorView view) : view_(std::move(view)) {}               // NOLINT: given where an argument is taken
  Argument(const Tensor& tensor) : view_(tensor.view()) {}            // NOLINT
  Argument(DeviceTensor tensor) : held_(std::move(tensor)) {}         // NOLINT

  const TensorView* view() const { return view_ ? &*view_ : nullptr; }
  const DeviceTensor* held() const { return held_ ? &*held_ : nullptr; }

 private:
  std::optional<TensorView> view_;
  std::optional<DeviceTensor> held_;
};

}  // namespace nimble
