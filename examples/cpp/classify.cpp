// Runs a model at the lengths given: classify MODEL.vmfb LENGTH… Prints the first numbers of the first result and µs a call.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "inputs.hpp"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: classify MODEL.vmfb LENGTH...\n");
    return 2;
  }
  try {
    nimble::Module module = nimble::Module::load(argv[1]);
    const nimble::EntryPoint& entry = module.signature().entry();
    std::printf("%s on %s\n", entry.name.c_str(), module.device().driver().c_str());
    for (int i = 2; i < argc; ++i) {
      std::int64_t length = std::atoll(argv[i]);
      std::vector<nimble::Tensor> inputs = example_inputs(entry, length);
      std::vector<nimble::Tensor> results = module.call(views(inputs));
      const int calls = 10;
      auto start = std::chrono::steady_clock::now();
      for (int call = 0; call < calls; ++call) module.call(views(inputs));
      double microseconds = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / calls;
      std::printf("length %lld: %.0f us a call, result", static_cast<long long>(length), microseconds);
      const nimble::Tensor& first = results.front();
      for (std::size_t k = 0; k < std::min<std::size_t>(4, first.size()); ++k) std::printf(" %.6f", first.data<float>()[k]);
      std::printf("\n");
    }
  } catch (const nimble::Error& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
  }
  return 0;
}
