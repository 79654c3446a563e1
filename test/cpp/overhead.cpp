// What a call costs above a bare iree_vm_invoke of the same function: overhead MODULE.vmfb. Prints microseconds a call of both, the
// medians of rounds that alternate, in time of this thread on a processor: on local-sync it does all the work. The module takes
// float32 arrays; sizes are 4.
#include <algorithm>
#include <cstdio>
#include <ctime>

#include "nimble/module.hpp"

using namespace nimble;

template <typename F>
static double microseconds(int calls, F&& run) {
  auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
  };
  double start = now();
  for (int i = 0; i < calls; ++i) run();
  return (now() - start) / calls;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  LoadOptions options;
  options.device.driver = "local-sync";
  Module module = Module::load(argv[1], options);
  const EntryPoint& entry = module.signature().entry();
  std::vector<std::vector<float>> memory;
  std::vector<TensorView> arguments;
  for (const LeafSpec& argument : entry.arguments) {
    Shape shape;
    for (const DimExpr& dim : argument.dims) shape.push_back(dim.is_constant() ? dim.evaluate({}) : 4);
    memory.emplace_back(element_count(shape), 1.0f);
    arguments.emplace_back(memory.back(), shape);
  }

  // The same function by IREE's API alone; its arguments are made once.
  detail::Memory file = detail::Memory::of_file(argv[1]);
  auto device = Device::open({"local-sync"});
  detail::VmModule bytecode;
  detail::check(iree_vm_bytecode_module_create(iree_runtime_instance_vm_instance(device->instance()), IREE_VM_BYTECODE_MODULE_FLAG_NONE,
                                               iree_make_const_byte_span(file.bytes.data(), file.bytes.size()), iree_allocator_null(),
                                               iree_allocator_system(), bytecode.out()),
                "module");
  iree_runtime_session_options_t session_options;
  iree_runtime_session_options_initialize(&session_options);
  detail::Session session;
  detail::check(iree_runtime_session_create_with_device(device->instance(), &session_options, device->get(), iree_allocator_system(),
                                                        session.out()),
                "session");
  detail::check(iree_runtime_session_append_module(session.get(), bytecode.get()), "module");
  iree_vm_function_t function;
  detail::check(iree_vm_module_lookup_function_by_name(bytecode.get(), IREE_VM_FUNCTION_LINKAGE_EXPORT,
                                                       detail::view(entry.function), &function),
                "function");
  detail::VmList inputs, outputs;
  for (detail::VmList* list : {&inputs, &outputs})
    detail::check(iree_vm_list_create(iree_vm_make_undefined_type_def(), 8, iree_allocator_system(), list->out()), "list");
  for (const TensorView& argument : arguments) {
    std::vector<iree_hal_dim_t> dims(argument.shape.begin(), argument.shape.end());
    iree_hal_buffer_params_t params = {};
    params.type = IREE_HAL_MEMORY_TYPE_DEVICE_LOCAL | IREE_HAL_MEMORY_TYPE_HOST_VISIBLE;
    params.usage = IREE_HAL_BUFFER_USAGE_DEFAULT | IREE_HAL_BUFFER_USAGE_MAPPING;
    detail::BufferView view;
    detail::check(iree_hal_buffer_view_allocate_buffer_copy(device->get(), device->allocator(), dims.size(), dims.data(),
                                                            IREE_HAL_ELEMENT_TYPE_FLOAT_32, IREE_HAL_ENCODING_TYPE_DENSE_ROW_MAJOR,
                                                            params, iree_make_const_byte_span(argument.data, argument.bytes()),
                                                            view.out()),
                  "argument");
    iree_vm_ref_t ref = iree_hal_buffer_view_move_ref(view.get());
    *view.out() = nullptr;
    detail::check(iree_vm_list_push_ref_move(inputs.get(), &ref), "list");
  }
  std::vector<double> bare, whole, difference;
  for (int round = 0; round < 60; ++round) {
    bare.push_back(microseconds(500, [&] {
      iree_vm_list_clear(outputs.get());
      detail::check(iree_vm_invoke(iree_runtime_session_context(session.get()), function, IREE_VM_INVOCATION_FLAG_NONE, nullptr,
                                   inputs.get(), outputs.get(), iree_allocator_system()),
                    "call");
    }));
    whole.push_back(microseconds(500, [&] { module.call(arguments); }));
    difference.push_back(whole.back() - bare.back());
  }
  auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  std::printf("bare iree_vm_invoke %.2f us, Module::call %.2f us, difference %.2f us\n", median(bare), median(whole), median(difference));
  return 0;
}
