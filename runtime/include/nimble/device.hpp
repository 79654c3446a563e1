// Devices of IREE's C runtime, and what every use of it needs: handles that release what they hold, statuses as exceptions.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "iree/base/tooling/flags.h"
#include "iree/runtime/api.h"

#include "nimble/error.hpp"

namespace nimble {

namespace detail {

inline std::string take_message(iree_status_t status) {
  char* buffer = nullptr;
  iree_host_size_t length = 0;
  iree_allocator_t allocator = iree_allocator_system();
  std::string text = iree_status_code_string(iree_status_code(status));
  if (iree_status_to_string(status, &allocator, &buffer, &length)) {
    text.assign(buffer, length);
    iree_allocator_free(allocator, buffer);
  }
  iree_status_ignore(status);
  return text;
}

// Raises E with `what` in front of IREE's message.
template <typename E = Error>
void check(iree_status_t status, const std::string& what) {
  if (iree_status_is_ok(status)) return;
  throw E(what + ": " + take_message(status));
}

// Owns one reference to an object of IREE's.
template <typename T, void (*release)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T* object) : object_(object) {}
  Handle(Handle&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Handle() {
    if (object_ != nullptr) release(object_);
  }
  T* get() const { return object_; }
  T** out() { return &object_; }

 private:
  T* object_ = nullptr;
};

using Instance = Handle<iree_runtime_instance_t, iree_runtime_instance_release>;
using Session = Handle<iree_runtime_session_t, iree_runtime_session_release>;
using VmModule = Handle<iree_vm_module_t, iree_vm_module_release>;
using VmList = Handle<iree_vm_list_t, iree_vm_list_release>;
using BufferView = Handle<iree_hal_buffer_view_t, iree_hal_buffer_view_release>;
using HalBuffer = Handle<iree_hal_buffer_t, iree_hal_buffer_release>;
using HalDevice = Handle<iree_hal_device_t, iree_hal_device_release>;

inline iree_string_view_t view(const std::string& text) { return iree_make_string_view(text.data(), text.size()); }

inline std::mutex& device_lock() {
  static std::mutex lock;
  return lock;
}

// The one instance of the process, as long as something uses it.
inline std::shared_ptr<Instance> instance() {
  static std::weak_ptr<Instance> shared;
  static std::mutex lock;
  std::lock_guard<std::mutex> guard(lock);
  std::shared_ptr<Instance> found = shared.lock();
  if (found == nullptr) {
    iree_runtime_instance_options_t options;
    iree_runtime_instance_options_initialize(&options);
    iree_runtime_instance_options_use_all_available_drivers(&options);
    found = std::make_shared<Instance>();
    check<LoadError>(iree_runtime_instance_create(&options, iree_allocator_system(), found->out()), "IREE cannot be started");
    shared = found;
  }
  return found;
}

}  // namespace detail

struct DeviceOptions {
  std::string driver;                 // "local-sync", "local-task", "vulkan", "cuda"; "": what the file asks for
  int threads = 0;                    // worker threads of local-task; 0: one a physical core
  std::size_t worker_stack_size = 0;  // of each of them, in bytes; 0: IREE's 128 KiB
};

// A device that modules run on; several modules may share one. Thread-safe.
class Device {
 public:
  // Raises LoadError for a driver that the IREE runtime was built without, and where the machine has no such device.
  static std::shared_ptr<Device> open(const DeviceOptions& options) {
    if (options.driver != "local-task" && (options.threads != 0 || options.worker_stack_size != 0))
      throw LoadError("threads and worker_stack_size are options of local-task only, not of " + options.driver);
    // The settings of worker threads are flags of the process, which a driver reads when it is made.
    std::lock_guard<std::mutex> guard(detail::device_lock());
    auto device = std::shared_ptr<Device>(new Device(options.driver));
    if (options.threads != 0 || options.worker_stack_size != 0) set_flags(options.threads, options.worker_stack_size);
    iree_status_t status = iree_runtime_instance_try_create_default_device(device->instance_->get(), detail::view(options.driver),
                                                                           device->device_.out());
    if (options.threads != 0 || options.worker_stack_size != 0) set_flags(0, 0);
    detail::check<LoadError>(status, "the device '" + options.driver + "' cannot be opened");
    return device;
  }

  const std::string& driver() const { return driver_; }
  bool shares_memory() const { return driver_.rfind("local-", 0) == 0; }
  iree_hal_device_t* get() const { return device_.get(); }
  iree_hal_allocator_t* allocator() const { return iree_hal_device_allocator(device_.get()); }
  iree_runtime_instance_t* instance() const { return instance_->get(); }

 private:
  explicit Device(std::string driver) : driver_(std::move(driver)), instance_(detail::instance()) {}

  static void set_flags(int threads, std::size_t stack) {
    std::vector<std::string> texts = {"nimble", "--task_topology_group_count=" + std::to_string(threads),
                                      "--task_worker_stack_size=" + std::to_string(stack != 0 ? stack : 131072)};
    std::vector<char*> arguments;
    for (std::string& text : texts) arguments.push_back(text.data());
    int count = static_cast<int>(arguments.size());
    char** values = arguments.data();
    detail::check<LoadError>(iree_flags_parse(IREE_FLAGS_PARSE_MODE_DEFAULT, &count, &values), "the settings of threads");
  }

  std::string driver_;
  std::shared_ptr<detail::Instance> instance_;
  detail::HalDevice device_;
};

}  // namespace nimble
