// What a call costs by the capacity of the caches that it updates: chat MODULE.vmfb [CALLS]. The module is that of benchmarks/chat.py:
// (keys[c, 64], values[c, 64], token[64], n) -> keys, values, what is read of them; the first two are donated. Prints microseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "nimble/module.hpp"

using namespace nimble;

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  int calls = argc > 2 ? std::atoi(argv[2]) : 1000;
  LoadOptions options;
  options.device.driver = "local-sync";
  Module module = Module::load(argv[1], options);
  std::vector<float> token(64, 0.5f);
  std::vector<std::int32_t> n = {0};
  const std::vector<std::int64_t> capacities = {100, 1000, 100000};
  std::vector<double> least(capacities.size(), std::numeric_limits<double>::max());
  for (int round = 0; round < 5; ++round)
    for (std::size_t i = 0; i < capacities.size(); ++i) {
      Tensor zeros(dtype_of<float>(), {capacities[i], 64});
      std::fill_n(zeros.data<float>(), zeros.size(), 0.0f);
      DeviceTensor keys = module.to_device(zeros), values = module.to_device(zeros);
      const void* memory = keys.to_host().raw();
      auto start = std::chrono::steady_clock::now();
      for (int call = 0; call < calls; ++call) {
        n[0] = call % 100;
        std::vector<DeviceTensor> results = module.on_device({keys, values, TensorView(token, {64}), TensorView(n, {})});
        keys = results[0];
        values = results[1];
      }
      std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
      least[i] = std::min(least[i], taken.count() / calls);
      if (keys.to_host().raw() != memory) {
        std::printf("the cache of capacity %lld moved\n", static_cast<long long>(capacities[i]));
        return 1;
      }
    }
  for (std::size_t i = 0; i < capacities.size(); ++i)
    std::printf("capacity %lld: %.1f us a call, %.2f of the first\n", static_cast<long long>(capacities[i]), least[i], least[i] / least[0]);
  return 0;
}
