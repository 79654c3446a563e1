// A compiled module on a device, over IREE's C runtime.
//
//   nimble::Module module = nimble::Module::load("model.vmfb");
//   std::vector<nimble::Tensor> results = module.call({nimble::TensorView(ids, {1, 128})});
//
// A .vmfb is native code: load only files that you trust. Calls from several threads at once are safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "iree/io/parameter_index.h"
#include "iree/io/parameter_index_provider.h"
#include "iree/modules/io/parameters/module.h"
#include "iree/vm/bytecode/module.h"

#include "nimble/context.hpp"
#include "nimble/cpu.hpp"
#include "nimble/image.hpp"

namespace nimble {

struct LoadOptions {
  DeviceOptions device;             // what to open, if `on` is not given
  std::shared_ptr<Device> on;       // a device that is open
  bool verify = true;               // compare every entry of the file with its CRC-32 (IREE crashes on altered files)
  std::size_t contexts = 0;         // how many calls may run at once; 0: one on local-task, on local-sync as fit in 8 MiB
};

class Module {
 public:
  // Maps the file. Raises LoadError for one that is missing, damaged, not made by nimble_mlir, or for another device.
  static Module load(const std::string& path, const LoadOptions& options = {}) {
    return Module(detail::Memory::of_file(path), path, path, options);
  }

  // From bytes in memory. Where they begin at a multiple of 64 they are used in place and must outlive the module.
  static Module load_bytes(Bytes bytes, const LoadOptions& options = {}) {
    return Module(detail::Memory::of_bytes(bytes), "bytes", "", options);
  }

  const Signature& signature() const { return state_->signature; }
  const Device& device() const { return *state_->device; }

  // Runs an entry point ("": the only one). The results own their memory, and stay valid when the module is gone. Raises
  // ShapeError for arguments that do not fit and for checks that fail in the run, Error for other failures; the module can be
  // called again after each.
  std::vector<Tensor> call(const std::vector<TensorView>& arguments, const std::string& entry = "") const {
    return run(arguments.begin(), arguments.end(), entry, &detail::Context::call);
  }
  std::vector<Tensor> call(const std::vector<Argument>& arguments, const std::string& entry = "") const {
    return run(arguments.begin(), arguments.end(), entry, &detail::Context::call);
  }
  std::vector<Tensor> call(std::initializer_list<Argument> arguments, const std::string& entry = "") const {
    return run(arguments.begin(), arguments.end(), entry, &detail::Context::call);
  }

  // As `call`; the results stay on the device, and go into further calls without a copy.
  std::vector<DeviceTensor> on_device(const std::vector<TensorView>& arguments, const std::string& entry = "") const {
    return run(arguments.begin(), arguments.end(), entry, &detail::Context::on_device);
  }
  std::vector<DeviceTensor> on_device(const std::vector<Argument>& arguments, const std::string& entry = "") const {
    return run(arguments.begin(), arguments.end(), entry, &detail::Context::on_device);
  }
  std::vector<DeviceTensor> on_device(std::initializer_list<Argument> arguments, const std::string& entry = "") const {
    return run(arguments.begin(), arguments.end(), entry, &detail::Context::on_device);
  }

  // A copy of an array in the memory of the module's device.
  DeviceTensor to_device(const TensorView& elements) const {
    Borrowed context(*state_);
    return context->to_device(elements);
  }

  // The shapes of the results for shapes of arguments, without running.
  std::vector<Shape> output_shapes(const std::vector<Shape>& shapes, const std::string& entry = "") const {
    return state_->signature.entry(entry).output_shapes(shapes);
  }

 private:
  struct State {
    detail::Memory file, weights;
    Signature signature;
    std::shared_ptr<Device> device;
    detail::VmModule bytecode, parameters;
    std::vector<detail::EntryCode> entries;
    std::size_t limit = 1;
    // Contexts that no call uses. One serves one call at a time.
    std::mutex lock;
    std::condition_variable returned;
    std::vector<std::unique_ptr<detail::Context>> free;
    std::size_t made = 0;

    const detail::EntryCode& code(const std::string& name) const {
      const EntryPoint& wanted = signature.entry(name);
      for (const detail::EntryCode& each : entries)
        if (each.entry == &wanted) return each;
      throw Error("no entry point '" + name + "'");
    }

    std::unique_ptr<detail::Context> make() { return std::make_unique<detail::Context>(device, parameters.get(), bytecode.get()); }

    std::unique_ptr<detail::Context> acquire() {
      std::unique_lock<std::mutex> guard(lock);
      returned.wait(guard, [&] { return !free.empty() || made < limit; });
      if (!free.empty()) {
        auto context = std::move(free.back());
        free.pop_back();
        return context;
      }
      ++made;
      guard.unlock();
      try {
        return make();
      } catch (...) {
        guard.lock();
        --made;
        returned.notify_one();
        throw;
      }
    }

    void release(std::unique_ptr<detail::Context> context) {
      {
        std::lock_guard<std::mutex> guard(lock);
        free.push_back(std::move(context));
      }
      returned.notify_one();
    }
  };

  class Borrowed {
   public:
    explicit Borrowed(State& state) : state_(state), context_(state.acquire()) {}
    ~Borrowed() { state_.release(std::move(context_)); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    detail::Context* operator->() const { return context_.get(); }
    detail::Context* get() const { return context_.get(); }

   private:
    State& state_;
    std::unique_ptr<detail::Context> context_;
  };

  template <typename Iterator, typename Results>
  Results run(Iterator first, Iterator last, const std::string& entry, Results (detail::Context::*method)(const detail::EntryCode&)) const {
    const detail::EntryCode& code = state_->code(entry);
    Borrowed context(*state_);
    auto& given = context->given();
    for (; first != last; ++first) given.push_back(given_of(*first));
    return (context.get()->*method)(code);
  }

  static detail::Given given_of(const TensorView& view) { return {&view, nullptr}; }
  static detail::Given given_of(const Argument& argument) { return {argument.view(), argument.held()}; }

  Module(detail::Memory file, const std::string& name, const std::string& path, const LoadOptions& options)
      : state_(std::make_shared<State>()) {
    State& state = *state_;
    state.file = std::move(file);
    Archive archive(state.file.bytes, name, options.verify);
    Bytes image = choose_image(archive, options);
    // The outer CRC-32 covers an image inside of the file.
    state.signature = Signature::from_json(Archive(image, name, false).signature_texts());
    detail::check_cpu(state.signature.cpu_features, name);
    state.weights = detail::find_weights(archive, state.file, path);
    state.device = options.on != nullptr ? options.on : open_device(options);
    iree_vm_instance_t* instance = iree_runtime_instance_vm_instance(state.device->instance());
    detail::check<LoadError>(
        iree_vm_bytecode_module_create(instance, IREE_VM_BYTECODE_MODULE_FLAG_NONE,
                                       iree_make_const_byte_span(image.data(), image.size()), iree_allocator_null(),
                                       iree_allocator_system(), state.bytecode.out()),
        "the IREE runtime cannot read '" + name + "' (it was compiled for IREE " + state.signature.iree_version + ")");
    if (!state.weights.bytes.empty()) make_parameters(instance, name);
    for (const EntryPoint& entry : state.signature.entries) {
      detail::EntryCode code(entry);
      if (!iree_status_is_ok(iree_status_ignore_code(iree_vm_module_lookup_function_by_name(
              state.bytecode.get(), IREE_VM_FUNCTION_LINKAGE_EXPORT, detail::view(entry.function), &code.function))))
        throw LoadError("'" + name + "' has no function '" + entry.function + "' for its entry point '" + entry.name + "'");
      state.entries.push_back(std::move(code));
    }
    state.limit = options.contexts != 0 ? options.contexts : context_limit(*state.device, state.file.bytes.size());
    try {
      state.release(state.acquire());  // so that what is wrong is said now
    } catch (const LoadError& error) {
      throw LoadError("'" + name + "' cannot be started on " + state.device->driver() + ": " + error.what());
    }
  }

  static iree_status_t iree_status_ignore_code(iree_status_t status) {
    iree_status_code_t code = iree_status_code(status);
    iree_status_ignore(status);
    return iree_status_from_code(code);
  }

  static const char* target_of(const std::string& driver) {
    return driver.rfind("local-", 0) == 0 ? "llvm-cpu" : driver.c_str();
  }

  static std::string driver_of(const std::string& target) { return target == "llvm-cpu" ? "local-task" : target; }

  // The image that runs on the device asked for; without one, the first whose device can be opened.
  static Bytes choose_image(const Archive& archive, const LoadOptions& options) {
    auto images = archive.images();
    std::string driver = options.on != nullptr ? options.on->driver() : options.device.driver;
    std::string listed;
    for (const auto& [target, image] : images) {
      listed += (listed.empty() ? "" : ", ") + target;
      if (!driver.empty() ? target == target_of(driver) : images.size() == 1 || can_open(driver_of(target))) return image;
    }
    if (driver.empty()) return images[0].second;
    throw LoadError("'" + archive.name() + "' was compiled for " + listed + ", but the device '" + driver + "' runs code for " +
                    target_of(driver));
  }

  static bool can_open(const std::string& driver) {
    try {
      Device::open({driver});
      return true;
    } catch (const LoadError&) {
      return false;
    }
  }

  std::shared_ptr<Device> open_device(const LoadOptions& options) const {
    DeviceOptions device = options.device;
    if (device.driver.empty()) {
      const Signature& signature = state_->signature;
      bool threads = device.threads != 0 || device.worker_stack_size != 0;
      device.driver = threads ? "local-task" : !signature.driver.empty() ? signature.driver : driver_of(signature.target);
    }
    return Device::open(device);
  }

  static std::size_t context_limit(const Device& device, std::size_t bytes) {
    if (device.driver() != "local-sync") return 1;
    std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    return std::min(cores, 1 + (std::size_t{8} << 20) / bytes);
  }

  // An IREE module that answers the parameters of scope "nimble" from where the weights lie.
  void make_parameters(iree_vm_instance_t* instance, const std::string& name) {
    State& state = *state_;
    detail::Handle<iree_io_parameter_index_t, iree_io_parameter_index_release> index;
    detail::Handle<iree_io_file_handle_t, iree_io_file_handle_release> handle;
    detail::Handle<iree_io_parameter_provider_t, iree_io_parameter_provider_release> provider;
    iree_allocator_t allocator = iree_allocator_system();
    const std::string what = "the weights in '" + name + "'";
    auto* bytes = reinterpret_cast<std::uint8_t*>(const_cast<char*>(state.weights.bytes.data()));  // access is read only
    detail::check<LoadError>(iree_io_parameter_index_create(allocator, index.out()), what);
    detail::check<LoadError>(
        iree_io_file_handle_wrap_host_allocation(IREE_IO_FILE_ACCESS_READ, iree_make_byte_span(bytes, state.weights.bytes.size()),
                                                 iree_io_file_handle_release_callback_null(), allocator, handle.out()),
        what);
    for (const Weight& weight : read_weights(state.weights.bytes, name)) {
      iree_io_parameter_index_entry_t entry = {};
      entry.key = detail::view(weight.key);
      entry.length = weight.size;
      entry.type = IREE_IO_PARAMETER_INDEX_ENTRY_STORAGE_TYPE_FILE;
      entry.storage.file.handle = handle.get();
      entry.storage.file.offset = weight.offset;
      detail::check<LoadError>(iree_io_parameter_index_add(index.get(), &entry), what);
    }
    detail::check<LoadError>(
        iree_io_parameter_index_provider_create(iree_make_cstring_view("nimble"), index.get(),
                                                IREE_IO_PARAMETER_INDEX_PROVIDER_DEFAULT_MAX_CONCURRENT_OPERATIONS, allocator,
                                                provider.out()),
        what);
    iree_io_parameter_provider_t* providers[] = {provider.get()};
    detail::check<LoadError>(iree_io_parameters_module_create(instance, 1, providers, allocator, state.parameters.out()), what);
  }

  std::shared_ptr<State> state_;
};

}  // namespace nimble
