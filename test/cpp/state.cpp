// Arrays that stay on the device and are donated: state MODULE.vmfb DRIVER. test/python/cpp makes the module, of the entries
//   write(cache[c, 4], row[4], at) -> cache with the row, its sum    (cache is donated)
//   keep(cache[c, 4], row[4], at) -> the same                        (nothing is donated)
//   pair(x[n], y[n]) -> x + y, y                                     (x is donated)
//   pass(x[n]) -> x, x                                               (x is donated)
#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <thread>

#include "check.hpp"
#include "nimble/module.hpp"

using namespace nimble;

static std::uintptr_t address(const DeviceTensor& tensor) { return reinterpret_cast<std::uintptr_t>(tensor.to_host().raw()); }

static Tensor numbers(std::int64_t rows, float first) {
  Tensor cache(dtype_of<float>(), {rows, 4});
  std::iota(cache.data<float>(), cache.data<float>() + cache.size(), first);
  return cache;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  LoadOptions options;
  options.device.driver = argv[2];
  options.contexts = 3;
  auto module = std::make_unique<Module>(Module::load(argv[1], options));
  std::vector<float> row = {9, 8, 7, 6};
  auto at = [](std::int32_t position) { return Tensor(std::vector<std::int32_t>{position}, {}); };
  for (std::int64_t capacity : {1, 2, 3, 17, 5000}) {
    // What a chat does: each call updates the one buffer, and the numbers are those of the calls that copy.
    Tensor expected = numbers(capacity, 1);
    DeviceTensor cache = module->to_device(expected);
    CHECK(cache.shape() == (Shape{capacity, 4}) && cache.dtype() == dtype_of<float>() && cache.bytes() == expected.bytes());
    std::uintptr_t memory = address(cache);
    for (std::int32_t step = 0; step < 20; ++step) {
      std::int32_t position = step * 7 % static_cast<std::int32_t>(capacity);
      DeviceTensor before = cache;
      std::vector<DeviceTensor> results = module->on_device({cache, TensorView(row, {4}), at(position)}, "write");
      cache = results[0];
      CHECK(before.is_donated() && !cache.is_donated());
      CHECK(address(cache) == memory);
      expected = module->call({expected, TensorView(row, {4}), at(position)}, "keep")[0];
      Tensor got = cache.to_host();
      CHECK(got.bytes() == expected.bytes() && std::memcmp(got.raw(), expected.raw(), got.bytes()) == 0);
    }
    // One that is not donated stays, also where the function updates its argument.
    Tensor first = cache.to_host().clone();
    Tensor row_of_ones(std::vector<float>{1, 1, 1, 1}, {4});
    DeviceTensor changed = module->on_device({cache, row_of_ones, at(0)}, "keep")[0];
    CHECK(address(changed) != memory && !cache.is_donated());
    CHECK(std::memcmp(cache.to_host().raw(), first.raw(), first.bytes()) == 0);
    CHECK(changed.to_host().data<float>()[0] == 1);
    // What was handed out does not change.
    Tensor seen = cache.to_host();
    DeviceTensor copied = module->on_device({cache, row_of_ones, at(0)}, "write")[0];
    CHECK(address(copied) != memory && std::memcmp(seen.raw(), first.raw(), first.bytes()) == 0);
  }
  // An array that is taken is gone, in every handle of it.
  DeviceTensor gone = module->to_device(numbers(3, 0)), handle = gone;
  module->call({gone, TensorView(row, {4}), at(0)}, "write");
  std::string text = ": this float32[3, 4] was donated to a call of 'write', which has updated it in place; use the result of that "
                     "call, or compile without donate_argnums";
  EXPECT_ERROR(Error, module->call({gone, TensorView(row, {4}), at(0)}, "write"), "argument 'cache'" + text);
  EXPECT_ERROR(Error, handle.to_host(), "to_host" + text);
  DeviceTensor x = module->to_device(Tensor(std::vector<float>{1, 2}, {2}));
  EXPECT_ERROR(Error, module->call({x, x}, "pair"),
               "arguments 'x' and 'y' are one array, and one of them is donated; give a copy, module.to_device(x.to_host())");
  // A call that does not begin takes nothing.
  EXPECT_ERROR(ShapeError, module->call({x, TensorView(row, {4})}, "pair"),
               "argument 'y' axis 0 is 4, but 'n' is 2 (argument 'x' axis 0)");
  EXPECT_ERROR(ShapeError, module->call({x, at(1)}, "pair"),
               "argument 'y' has dtype int32, but float32 is expected");
  CHECK(!x.is_donated());
  // Results are apart from each other and from what is kept: `y` goes through.
  DeviceTensor y = module->to_device(Tensor(std::vector<float>{10, 20}, {2}));
  std::vector<DeviceTensor> pair = module->on_device({x, y}, "pair");
  CHECK(address(pair[1]) != address(y) && pair[1].to_host().data<float>()[1] == 20);
  CHECK(pair[0].to_host().data<float>()[0] == 11);
  Tensor held = pair[0].to_host();  // donated and passed through: what holds its elements keeps them for itself
  std::vector<DeviceTensor> passed = module->on_device({pair[0]}, "pass");
  CHECK(address(passed[0]) != address(passed[1]) && address(passed[0]) != reinterpret_cast<std::uintptr_t>(held.raw()));
  std::uintptr_t before = address(passed[0]);
  passed = module->on_device({passed[0]}, "pass");
  CHECK(address(passed[0]) == before && address(passed[1]) != before);
  // Of threads that give one array away, one has it.
  for (int round = 0; round < 50; ++round) {
    DeviceTensor cache = module->to_device(numbers(64, 0));
    std::atomic<int> taken{0}, refused{0}, read{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&, thread] {
        if (thread == 3) {
          try {
            Tensor kept = module->call({cache, TensorView(row, {4}), at(1)}, "keep")[0];
            read += kept.data<float>()[0] == 0 && kept.data<float>()[4] == 9 && kept.data<float>()[8] == 8;
          } catch (const Error&) {
            ++read;  // gone already
          }
          return;
        }
        try {
          module->call({cache, TensorView(row, {4}), at(thread)}, "write");
          ++taken;
        } catch (const Error&) {
          ++refused;
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(taken == 1 && refused == 2 && read == 1);
  }
  // Arrays outlive their module, and go into another one on the same device.
  DeviceTensor last = module->to_device(numbers(2, 5));
  module.reset();
  CHECK(last.to_host().data<float>()[7] == 12);
  return check::report(argv[2]);
}
