// One execution context of a module: it serves one call at a time. Arrays in, arrays out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "iree/modules/hal/types.h"

#include "nimble/device.hpp"
#include "nimble/device_tensor.hpp"
#include "nimble/signature.hpp"
#include "nimble/tensor.hpp"

namespace nimble::detail {

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

// An entry point, its function in the VM, and what a call would otherwise look up by names.
struct EntryCode {
  explicit EntryCode(const EntryPoint& entry) : entry(&entry) {
    for (const LeafSpec& argument : entry.arguments) types.push_back(element_type(DType::named(argument.dtype)));
    for (const LeafSpec& result : entry.results) results.push_back(DType::named(result.dtype));
  }

  const EntryPoint* entry;
  iree_vm_function_t function = {};
  std::vector<iree_hal_element_type_t> types;  // of the arguments
  std::vector<DType> results;
};

// One argument of a call: one of the two is there.
struct Given {
  const TensorView* view = nullptr;
  const DeviceTensor* held = nullptr;

  const DType& dtype() const { return view != nullptr ? view->dtype : held->dtype(); }
  const Shape& shape() const { return view != nullptr ? view->shape : held->shape(); }
};

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

  // Where the arguments of the next call go.
  std::vector<Given>& given() {
    given_.clear();
    return given_;
  }

  // Checks the arguments, runs, and gives the results. Raises ShapeError and Error.
  std::vector<Tensor> call(const EntryCode& code) {
    Cleared cleared(*this);
    run(code);
    std::vector<Tensor> results;
    results.reserve(code.results.size());
    for (std::size_t i = 0; i < code.results.size(); ++i) {
      Tensor result = host_tensor(output(i), code.results[i], device_);
      // IREE returns an argument that is passed through as the same buffer, and one value returned twice as one.
      results.push_back(device_->shares_memory() && is_taken(result) ? result.clone() : std::move(result));
    }
    return results;
  }

  // The same; the results stay on the device. None lies in the memory of another, or of an argument that is not donated.
  std::vector<DeviceTensor> on_device(const EntryCode& code) {
    Cleared cleared(*this);
    run(code);
    std::vector<DeviceTensor> results;
    results.reserve(code.results.size());
    for (std::size_t i = 0; i < code.results.size(); ++i) {
      iree_hal_buffer_view_t* view = output(i);
      if (device_->shares_memory()) {
        Tensor elements = host_tensor(view, code.results[i], device_);
        if (is_taken(elements)) {
          results.push_back(to_device(elements));
          continue;
        }
      }
      iree_hal_buffer_view_retain(view);
      results.push_back(DeviceTensor(BufferView(view), code.results[i], device_));
    }
    return results;
  }

  // A copy of an array in the memory of the device.
  DeviceTensor to_device(const TensorView& elements) {
    return DeviceTensor(copied(elements, element_type(elements.dtype)), elements.dtype, device_);
  }

 private:
  // Memory that a result must not lie in.
  struct Range {
    const unsigned char* begin;
    const unsigned char* end;
  };

  // The lists and what the call had of arrays of the device, whatever way it ends.
  struct Cleared {
    explicit Cleared(Context& context) : context(context) {}
    ~Cleared() {
      iree_vm_list_clear(context.inputs_.get());
      iree_vm_list_clear(context.outputs_.get());
      context.taken_.clear();
      for (std::size_t i = 0; i < context.held_; ++i) {
        const DeviceTensor* held = context.given_[i].held;
        if (held == nullptr) continue;
        std::lock_guard<std::mutex> guard(held->state_->lock);
        if (context.taking_[i].donated) held->state_->view = BufferView();
        else --held->state_->readers;
      }
      context.held_ = 0;
      context.taking_.clear();
    }
    Context& context;
  };

  void run(const EntryCode& code) {
    const EntryPoint& entry = *code.entry;
    check_arguments(entry);
    take(entry);
    for (std::size_t i = 0; i < given_.size(); ++i) {
      BufferView view = given_[i].held != nullptr ? held_view(i, entry.arguments[i].read_only, code.types[i])
                                                  : host_view(*given_[i].view, entry.arguments[i].read_only, code.types[i]);
      iree_vm_ref_t ref = iree_hal_buffer_view_move_ref(view.get());
      *view.out() = nullptr;
      check(iree_vm_list_push_ref_move(inputs_.get(), &ref), "the arguments");
    }
    iree_status_t status = iree_vm_invoke(iree_runtime_session_context(session_.get()), code.function,
                                          IREE_VM_INVOCATION_FLAG_NONE, nullptr, inputs_.get(), outputs_.get(),
                                          iree_allocator_system());
    if (!iree_status_is_ok(status)) throw_failure(entry, take_message(status));
  }

  // Arrays of the device: those that are given for donated arguments are taken, by one call. Raises Error.
  void take(const EntryPoint& entry) {
    taking_.resize(given_.size());
    for (std::size_t i = 0; i < given_.size(); ++i) {
      if (given_[i].held == nullptr) continue;
      for (std::size_t first = 0; first < i; ++first)
        if (given_[first].held != nullptr && given_[first].held->state_ == given_[i].held->state_ &&
            (entry.arguments[first].donated || entry.arguments[i].donated))
          throw Error("arguments '" + entry.arguments[first].name + "' and '" + entry.arguments[i].name +
                      "' are one array, and one of them is donated; give a copy, module.to_device(x.to_host())");
    }
    for (std::size_t i = 0; i < given_.size(); held_ = ++i) {
      if (given_[i].held == nullptr) continue;
      DeviceTensor::State& state = *given_[i].held->state_;
      std::lock_guard<std::mutex> guard(state.lock);
      state.check_usable("argument '" + entry.arguments[i].name + "'");  // another call may have been quicker
      iree_hal_buffer_view_retain(state.view.get());
      taking_[i].view = BufferView(state.view.get());
      if (!entry.arguments[i].donated) {
        ++state.readers;
        continue;
      }
      state.donated_to = entry.name;
      taking_[i].donated = true;
      // Nobody else takes it any more. Who reads it in another call, or holds its elements, had it before.
      taking_[i].free = device_->shares_memory() && state.readers == 0 && state.seen.expired();
    }
  }

  // The buffer of an array of the device for the call: its own, but for one that the call writes to and that is not free.
  BufferView held_view(std::size_t index, bool read_only, iree_hal_element_type_t type) {
    const DeviceTensor::State& state = *given_[index].held->state_;
    Taking& taking = taking_[index];
    if (state.device != device_ || (!read_only && !taking.free))
      return copied(host_tensor(taking.view.get(), state.dtype, state.device), type);
    if (!taking.free && device_->shares_memory()) is_taken(host_tensor(taking.view.get(), state.dtype, state.device));
    return std::move(taking.view);
  }

  iree_hal_buffer_view_t* output(std::size_t index) {
    iree_hal_buffer_view_t* view = iree_vm_list_get_buffer_view_assign(outputs_.get(), index);
    if (view == nullptr) throw Error("result " + std::to_string(index) + " is no array");
    return view;
  }

  // Whether elements lie in memory that is somebody else's; from now on this memory is.
  bool is_taken(const Tensor& elements) {
    const auto* begin = static_cast<const unsigned char*>(elements.raw());
    const auto* end = begin + elements.bytes();
    bool shared = std::any_of(taken_.begin(), taken_.end(), [&](const Range& r) { return begin < r.end && r.begin < end; });
    if (begin != end) taken_.push_back({begin, end});
    return shared;
  }

  // Shapes that fitted once fit again: a call looks them up.
  void check_arguments(const EntryPoint& entry) {
    entry.check_count(given_.size());
    key_.assign(1, reinterpret_cast<std::intptr_t>(&entry));
    for (std::size_t i = 0; i < given_.size(); ++i) {
      const Given& argument = given_[i];
      if (argument.held != nullptr) {
        std::lock_guard<std::mutex> guard(argument.held->state_->lock);
        argument.held->state_->check_usable("argument '" + entry.arguments[i].name + "'");
      }
      entry.check_argument(i, argument.dtype(), argument.shape().size());
      key_.insert(key_.end(), argument.shape().begin(), argument.shape().end());
      if (!entry.arguments[i].values.empty()) append_values(elements(argument), key_);
    }
    if (key_ == last_) return;
    if (fitting_.count(key_) == 0) {
      entry.solve(sizes(entry));
      if (fitting_.size() >= 1024) fitting_.clear();
      fitting_.insert(key_);
    }
    last_ = key_;
  }

  static Tensor elements(const Given& argument) {
    return argument.view != nullptr ? Tensor(*argument.view) : argument.held->to_host().clone();
  }

  // What `EntryPoint::solve` takes.
  std::vector<Shape> sizes(const EntryPoint& entry) const {
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < given_.size(); ++i) {
      shapes.push_back(given_[i].shape());
      if (entry.arguments[i].values.empty()) continue;
      Shape values;
      append_values(elements(given_[i]), values);
      std::reverse(values.begin(), values.end());
      bool scalar = shapes[i].empty();
      shapes[i].insert(shapes[i].end(), values.begin(), values.end());
      if (!scalar) shapes[i].push_back(0);
    }
    return shapes;
  }

  static void append_values(const Tensor& dense, Shape& values) {
    const auto* bytes = static_cast<const unsigned char*>(dense.raw());
    bool is_signed = std::string(dense.dtype().name).rfind("int", 0) == 0;
    for (std::size_t i = 0; i < dense.size(); ++i) {
      std::uint64_t value = 0;
      for (std::size_t byte = dense.dtype().bytes; byte-- > 0;) value = value << 8 | bytes[i * dense.dtype().bytes + byte];
      unsigned unused = 64 - 8 * static_cast<unsigned>(dense.dtype().bytes);
      values.push_back(is_signed ? static_cast<std::int64_t>(value << unused) >> unused : static_cast<std::int64_t>(value));
    }
  }

  iree_hal_buffer_params_t params() const {
    iree_hal_buffer_params_t params = {};
    params.usage = IREE_HAL_BUFFER_USAGE_DEFAULT;
    params.type = IREE_HAL_MEMORY_TYPE_DEVICE_LOCAL;
    params.access = IREE_HAL_MEMORY_ACCESS_ALL;
    if (device_->shares_memory()) {
      params.type |= IREE_HAL_MEMORY_TYPE_HOST_VISIBLE;
      params.usage |= IREE_HAL_BUFFER_USAGE_MAPPING;
    }
    return params;
  }

  // The caller's memory as an argument: as it is where the module only reads it, else a copy.
  BufferView host_view(const TensorView& argument, bool read_only, iree_hal_element_type_t type) {
    std::size_t size = argument.bytes();
    // Below 32 KiB a copy is quicker than importing memory.
    bool aligned = reinterpret_cast<std::uintptr_t>(argument.data) % kAlignment == 0;
    if (!device_->shares_memory() || !read_only || !aligned || size < 32 * 1024 || !argument.is_dense())
      return copied(argument, type);
    iree_hal_external_buffer_t external = {};
    external.type = IREE_HAL_EXTERNAL_BUFFER_TYPE_HOST_ALLOCATION;
    external.size = size;
    external.handle.host_allocation.ptr = const_cast<void*>(argument.data);
    HalBuffer buffer;
    check(iree_hal_allocator_import_buffer(device_->allocator(), params(), &external, iree_hal_buffer_release_callback_null(),
                                           buffer.out()),
          "an argument");
    const auto* begin = static_cast<const unsigned char*>(argument.data);
    taken_.push_back({begin, begin + size});
    BufferView view;
    check(iree_hal_buffer_view_create(buffer.get(), argument.shape.size(), dims(argument.shape), type,
                                      IREE_HAL_ENCODING_TYPE_DENSE_ROW_MAJOR, iree_allocator_system(), view.out()),
          "an argument");
    return view;
  }

  BufferView copied(const TensorView& argument, iree_hal_element_type_t type) {
    const void* data = argument.data;
    std::optional<Tensor> dense;
    if (!argument.is_dense()) data = dense.emplace(argument).raw();
    BufferView view;
    check(iree_hal_buffer_view_allocate_buffer_copy(device_->get(), device_->allocator(), argument.shape.size(), dims(argument.shape),
                                                    type, IREE_HAL_ENCODING_TYPE_DENSE_ROW_MAJOR, params(),
                                                    iree_make_const_byte_span(data, argument.bytes()), view.out()),
          "an argument");
    return view;
  }

  const iree_hal_dim_t* dims(const Shape& shape) {
    dims_.assign(shape.begin(), shape.end());
    return dims_.data();
  }

  [[noreturn]] void throw_failure(const EntryPoint& entry, const std::string& message) const {
    std::string text = check_text(message);
    if (text.empty()) throw Error("'" + entry.name + "' failed in the IREE runtime: " + message);
    std::string known;
    SymbolValues values = entry.solve(sizes(entry));
    for (const Step& step : entry.steps)  // in the order of the Python side
      known += (known.empty() ? " with " : ", ") + step.symbol + " = " + std::to_string(values.at(step.symbol));
    throw ShapeError(text + known);
  }

  std::shared_ptr<Device> device_;
  Session session_;
  VmList inputs_, outputs_;
  std::vector<iree_hal_dim_t> dims_;
  std::vector<Given> given_;
  // Of each argument that is an array of the device: its buffer, whether the call has taken it, and may write to the buffer.
  struct Taking {
    BufferView view;
    bool donated = false;
    bool free = false;
  };
  std::vector<Taking> taking_;
  std::size_t held_ = 0;  // how many of the arguments have been taken or counted as read
  std::vector<Range> taken_;
  Shape key_, last_;
  std::set<Shape> fitting_;
};

}  // namespace nimble::detail
