// Threads that call one module at once get the results that one thread gets, with shapes that differ: threads MODULE.vmfb. Also
// errors in some of the calls, and results that outlive the module.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <thread>

#include "nimble/module.hpp"

using namespace nimble;

static std::vector<Tensor> run(const Module& module, std::int64_t size) {
  std::vector<Tensor> inputs;
  for (const LeafSpec& argument : module.signature().entry().arguments) {
    Shape shape;
    for (const DimExpr& dim : argument.dims) shape.push_back(dim.is_constant() ? dim.evaluate({}) : size);
    Tensor input(dtype_of<float>(), shape);
    for (std::size_t i = 0; i < input.size(); ++i) input.data<float>()[i] = static_cast<float>(i % 7) * 0.25f;
    inputs.push_back(input);
  }
  return module.call(std::vector<TensorView>(inputs.begin(), inputs.end()));
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const char* driver : {"local-sync", "local-task"}) {
    LoadOptions options;
    options.device.driver = driver;
    options.contexts = 3;
    auto module = std::make_unique<Module>(Module::load(argv[1], options));
    std::map<std::int64_t, Tensor> expected;
    for (std::int64_t size : {1, 2, 5, 33, 64}) expected.emplace(size, run(*module, size)[0].clone());
    std::atomic<int> wrong{0}, errors{0}, calls{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 8; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 60; ++i) {
          auto which = expected.begin();
          std::advance(which, (thread + i) % static_cast<int>(expected.size()));
          Tensor result = run(*module, which->first)[0];
          wrong += result.bytes() != which->second.bytes() || std::memcmp(result.raw(), which->second.raw(), result.bytes()) != 0;
          ++calls;
          try {
            module->call({});
          } catch (const ShapeError&) {
            ++errors;
          }
        }
      });
    for (std::thread& thread : threads) thread.join();
    Tensor last = run(*module, 33)[0];
    module.reset();
    wrong += std::memcmp(last.raw(), expected.at(33).raw(), last.bytes()) != 0;
    std::printf("%s: %d calls, %d wrong, %d errors of 480 expected\n", driver, calls.load(), wrong.load(), errors.load());
    if (wrong != 0 || errors != 480) return 1;
  }
  return 0;
}
