// One execution context of a module: it serves one call at a time. Arrays in, arrays out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "iree/modules/hal/types.h"

#include "nimble/device.hpp"
#include "nimble/signature.hpp"
#include "nimble/tensor.hpp"

namespace nimble::detail {

// An entry point and its function in the VM.
struct EntryCode {
  const EntryPoint* entry = nullptr;
  iree_vm_function_t function;
};

inline iree_hal_element_type_t element_type(const DType& dtype) {
  static const std::map<std::string, iree_hal_element_type_t> types = {
      {"bool", IREE_HAL_ELEMENT_TYPE_BOOL_8}, {"int8", IREE_HAL_ELEMENT_TYPE_SINT_8}, {"uint8", IREE_HAL_ELEMENT_TYPE_UINT_8},
      {"int16", IREE_HAL_ELEMENT_TYPE_SINT_16}, {"uint16", IREE_HAL_ELEMENT_TYPE_UINT_16},
      {"int32", IREE_HAL_ELEMENT_TYPE_SINT_32}, {"uint32", IREE_HAL_ELEMENT_TYPE_UINT_32},
      {"int64", IREE_HAL_ELEMENT_TYPE_SINT_64}, {"uint64", IREE_HAL_ELEMENT_TYPE_UINT_64},
      {"float16", IREE_HAL_ELEMENT_TYPE_FLOAT_16}, {"bfloat16", IREE_HAL_ELEMENT_TYPE_BFLOAT_16},
      {"float32", IREE_HAL_ELEMENT_TYPE_FLOAT_32}, {"float64", IREE_HAL_ELEMENT_TYPE_FLOAT_64},
      {"complex64", IREE_HAL_ELEMENT_TYPE_COMPLEX_FLOAT_64}, {"complex128", IREE_HAL_ELEMENT_TYPE_COMPLEX_FLOAT_128}};
  auto found = types.find(dtype.name);
  return found != types.end() ? found->second : IREE_HAL_ELEMENT_TYPE_INT_8;  // a module holds the others as bytes
}

// The text of a check that failed in the run, "" for another message: "[nimble.check kind] text; …".
inline std::string check_text(const std::string& message) {
  std::size_t start = message.find("[nimble.check");
  if (start == std::string::npos || (start = message.find(']', start)) == std::string::npos) return "";
  std::string text = message.substr(start + 1);
  text = text.substr(0, std::min(text.find('\n'), text.find("; [")));
  while (!text.empty() && (text.back() == ';' || text.back() == ' ')) text.pop_back();
  return text.substr(std::min(text.size(), text.find_first_not_of(' ')));
}

class Context {
 public:
  // `parameters` may be null. Raises LoadError.
  Context(std::shared_ptr<Device> device, iree_vm_module_t* parameters, iree_vm_module_t* bytecode) : device_(std::move(device)) {
    iree_runtime_session_options_t options;
    iree_runtime_session_options_initialize(&options);
    check<LoadError>(iree_runtime_session_create_with_device(device_->instance(), &options, device_->get(),
                                                             iree_allocator_system(), session_.out()),
                     "no session");
    for (iree_vm_module_t* module : {parameters, bytecode})
      if (module != nullptr) check<LoadError>(iree_runtime_session_append_module(session_.get(), module), "the module");
    for (VmList* list : {&inputs_, &outputs_})
      check<LoadError>(iree_vm_list_create(iree_vm_make_undefined_type_def(), 8, iree_allocator_system(), list->out()), "a list");
  }

  // Checks the arguments, runs, and gives the results. Raises ShapeError and Error.
  std::vector<Tensor> call(const EntryCode& code, const std::vector<TensorView>& arguments) {
    const EntryPoint& entry = *code.entry;
    check_arguments(entry, arguments);
    Cleared lists(inputs_, outputs_);
    std::vector<Range> borrowed;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      BufferView view = to_device(arguments[i], entry.arguments[i].read_only, borrowed);
      iree_vm_ref_t ref = iree_hal_buffer_view_move_ref(view.get());
      *view.out() = nullptr;
      check(iree_vm_list_push_ref_move(inputs_.get(), &ref), "the arguments");
    }
    iree_status_t status = iree_vm_invoke(iree_runtime_session_context(session_.get()), code.function,
                                          IREE_VM_INVOCATION_FLAG_NONE, nullptr, inputs_.get(), outputs_.get(),
                                          iree_allocator_system());
    if (!iree_status_is_ok(status)) throw_failure(entry, take_message(status), arguments);
    std::vector<Tensor> results;
    results.reserve(entry.results.size());
    for (std::size_t i = 0; i < entry.results.size(); ++i) results.push_back(to_host(i, entry.results[i], borrowed));
    return results;
  }

 private:
  // Memory that a result must not lie in.
  struct Range {
    const unsigned char* begin;
    const unsigned char* end;
  };

  struct Cleared {
    Cleared(VmList& a, VmList& b) : inputs(a), outputs(b) {}
    ~Cleared() {
      iree_vm_list_clear(inputs.get());
      iree_vm_list_clear(outputs.get());
    }
    VmList& inputs;
    VmList& outputs;
  };

  // Shapes that fitted once fit again: a call looks them up.
  void check_arguments(const EntryPoint& entry, const std::vector<TensorView>& arguments) {
    entry.check_count(arguments.size());
    key_.assign(1, reinterpret_cast<std::intptr_t>(&entry));
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      entry.check_argument(i, arguments[i].dtype, arguments[i].shape.size());
      key_.insert(key_.end(), arguments[i].shape.begin(), arguments[i].shape.end());
      if (!entry.arguments[i].values.empty()) append_values(arguments[i], key_);
    }
    if (fitting_.count(key_) != 0) return;
    entry.solve(sizes(entry, arguments));
    if (fitting_.size() >= 1024) fitting_.clear();
    fitting_.insert(key_);
  }

  // What `EntryPoint::solve` takes.
  static std::vector<Shape> sizes(const EntryPoint& entry, const std::vector<TensorView>& arguments) {
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      shapes.push_back(arguments[i].shape);
      if (entry.arguments[i].values.empty()) continue;
      Shape values;
      append_values(arguments[i], values);
      std::reverse(values.begin(), values.end());
      bool scalar = shapes[i].empty();
      shapes[i].insert(shapes[i].end(), values.begin(), values.end());
      if (!scalar) shapes[i].push_back(0);
    }
    return shapes;
  }

  static void append_values(const TensorView& view, Shape& values) {
    Tensor dense(view);
    const auto* bytes = static_cast<const unsigned char*>(dense.raw());
    bool is_signed = std::string(view.dtype.name).rfind("int", 0) == 0;
    for (std::size_t i = 0; i < dense.size(); ++i) {
      std::uint64_t value = 0;
      for (std::size_t byte = view.dtype.bytes; byte-- > 0;) value = value << 8 | bytes[i * view.dtype.bytes + byte];
      unsigned unused = 64 - 8 * static_cast<unsigned>(view.dtype.bytes);
      values.push_back(is_signed ? static_cast<std::int64_t>(value << unused) >> unused : static_cast<std::int64_t>(value));
    }
  }

  BufferView to_device(const TensorView& argument, bool read_only, std::vector<Range>& borrowed) {
    iree_hal_buffer_params_t params = {};
    params.usage = IREE_HAL_BUFFER_USAGE_DEFAULT;
    params.type = IREE_HAL_MEMORY_TYPE_DEVICE_LOCAL;
    params.access = IREE_HAL_MEMORY_ACCESS_ALL;
    std::size_t size = argument.bytes();
    const iree_hal_dim_t* shape = dims(argument.shape);
    iree_hal_element_type_t type = element_type(argument.dtype);
    const iree_hal_encoding_type_t dense = IREE_HAL_ENCODING_TYPE_DENSE_ROW_MAJOR;
    BufferView view;
    if (device_->shares_memory()) {
      params.type |= IREE_HAL_MEMORY_TYPE_HOST_VISIBLE;
      params.usage |= IREE_HAL_BUFFER_USAGE_MAPPING;
    }
    // Below 32 KiB a copy is quicker than importing memory.
    bool aligned = reinterpret_cast<std::uintptr_t>(argument.data) % kAlignment == 0;
    if (device_->shares_memory() && read_only && aligned && size >= 32 * 1024 && argument.is_dense()) {
      iree_hal_external_buffer_t external = {};
      external.type = IREE_HAL_EXTERNAL_BUFFER_TYPE_HOST_ALLOCATION;
      external.size = size;
      external.handle.host_allocation.ptr = const_cast<void*>(argument.data);
      HalBuffer buffer;
      check(iree_hal_allocator_import_buffer(device_->allocator(), params, &external,
                                             iree_hal_buffer_release_callback_null(), buffer.out()),
            "an argument");
      const auto* begin = static_cast<const unsigned char*>(argument.data);
      borrowed.push_back({begin, begin + size});
      check(iree_hal_buffer_view_create(buffer.get(), argument.shape.size(), shape, type, dense, iree_allocator_system(),
                                        view.out()),
            "an argument");
      return view;
    }
    const void* data = argument.data;
    std::unique_ptr<Tensor> copy;
    if (!argument.is_dense()) {
      copy = std::make_unique<Tensor>(argument);
      data = copy->raw();
    }
    check(iree_hal_buffer_view_allocate_buffer_copy(device_->get(), device_->allocator(), argument.shape.size(), shape, type,
                                                    dense, params, iree_make_const_byte_span(data, size), view.out()),
          "an argument");
    return view;
  }

  const iree_hal_dim_t* dims(const Shape& shape) {
    dims_.assign(shape.begin(), shape.end());
    return dims_.data();
  }

  Tensor to_host(std::size_t index, const LeafSpec& spec, std::vector<Range>& taken) {
    iree_hal_buffer_view_t* view = iree_vm_list_get_buffer_view_assign(outputs_.get(), index);
    if (view == nullptr) throw Error("result " + std::to_string(index) + " is no array");
    Shape shape(iree_hal_buffer_view_shape_dims(view), iree_hal_buffer_view_shape_dims(view) + iree_hal_buffer_view_shape_rank(view));
    DType dtype = DType::named(spec.dtype);
    std::size_t size = element_count(shape) * dtype.bytes;
    if (!device_->shares_memory() || size == 0) {
      Tensor result(dtype, std::move(shape));
      if (size != 0)
        check(iree_hal_device_transfer_d2h(device_->get(), iree_hal_buffer_view_buffer(view), 0, result.raw(), size,
                                           IREE_HAL_TRANSFER_BUFFER_FLAG_DEFAULT, iree_infinite_timeout()),
              "a result");
      return result;
    }
    auto mapping = std::make_unique<iree_hal_buffer_mapping_t>();
    check(iree_hal_buffer_map_range(iree_hal_buffer_view_buffer(view), IREE_HAL_MAPPING_MODE_SCOPED, IREE_HAL_MEMORY_ACCESS_ALL,
                                    0, size, mapping.get()),
          "a result");
    auto* data = static_cast<unsigned char*>(static_cast<void*>(mapping->contents.data));
    iree_hal_buffer_view_retain(view);
    std::shared_ptr<Device> device = device_;  // the memory is the device's
    std::shared_ptr<void> owner(mapping.release(), [view, device](void* mapped) {
      auto* range = static_cast<iree_hal_buffer_mapping_t*>(mapped);
      iree_status_ignore(iree_hal_buffer_unmap_range(range));
      delete range;
      iree_hal_buffer_view_release(view);
    });
    Tensor result(dtype, std::move(shape), data, std::move(owner));
    // IREE returns an argument that is passed through as the same buffer, and one value returned twice as one.
    bool shared = std::any_of(taken.begin(), taken.end(), [&](const Range& r) { return data < r.end && r.begin < data + size; });
    taken.push_back({data, data + size});
    return shared ? result.clone() : result;
  }

  [[noreturn]] static void throw_failure(const EntryPoint& entry, const std::string& message,
                                         const std::vector<TensorView>& arguments) {
    std::string text = check_text(message);
    if (text.empty()) throw Error("'" + entry.name + "' failed in the IREE runtime: " + message);
    std::string known;
    SymbolValues values = entry.solve(sizes(entry, arguments));
    for (const Step& step : entry.steps)  // in the order of the Python side
      known += (known.empty() ? " with " : ", ") + step.symbol + " = " + std::to_string(values.at(step.symbol));
    throw ShapeError(text + known);
  }

  std::shared_ptr<Device> device_;
  Session session_;
  VmList inputs_, outputs_;
  std::vector<iree_hal_dim_t> dims_;
  Shape key_;
  std::set<Shape> fitting_;
};

}  // namespace nimble::detail
