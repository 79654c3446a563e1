// A thread pool that answers requests with one module: server MODEL.vmfb THREADS REQUESTS. The device is local-sync, on which each
// call runs in the thread that makes it, and the module has a context for each thread. Prints requests a second.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "inputs.hpp"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: server MODEL.vmfb THREADS REQUESTS\n");
    return 2;
  }
  try {
    const int count = std::atoi(argv[2]), requests = std::atoi(argv[3]);
    nimble::LoadOptions options;
    options.device.driver = "local-sync";
    options.contexts = static_cast<std::size_t>(count);
    nimble::Module module = nimble::Module::load(argv[1], options);
    const nimble::EntryPoint& entry = module.signature().entry();
    std::atomic<int> next{0}, failed{0};
    auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (int thread = 0; thread < count; ++thread)
      threads.emplace_back([&] {
        for (int request = next++; request < requests; request = next++) {
          try {
            std::vector<nimble::Tensor> inputs = example_inputs(entry, 1 + request % 32);
            module.call(views(inputs));
          } catch (const nimble::Error& error) {
            ++failed;
            std::fprintf(stderr, "request %d: %s\n", request, error.what());
          }
        }
      });
    for (std::thread& thread : threads) thread.join();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("%d requests by %d threads, %d failed, %.0f a second\n", requests, count, failed.load(), requests / seconds);
    return failed == 0 ? 0 : 1;
  } catch (const nimble::Error& error) {
    std::fprintf(stderr, "server: %s\n", error.what());
    return 1;
  }
}
