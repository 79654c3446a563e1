// Alters a file in bits, bytes and length, and expects a LoadError or a right result: fuzz MODULE.vmfb COUNT SEED. The module takes
// one float32 array whose shape is all ones but the first axis (3), and each result must be what the file as it was gives.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "nimble/module.hpp"

using namespace nimble;

static std::vector<Tensor> run(const std::string& file, const std::shared_ptr<Device>& device) {
  LoadOptions options;
  options.on = device;
  Module module = Module::load_bytes(file, options);
  std::vector<TensorView> arguments;
  std::vector<std::vector<float>> memory;
  for (const LeafSpec& argument : module.signature().entry().arguments) {
    Shape shape;
    for (const DimExpr& dim : argument.dims) shape.push_back(dim.is_constant() ? dim.evaluate({}) : 3);
    memory.emplace_back(element_count(shape), 0.5f);
    arguments.emplace_back(memory.back(), shape);
  }
  return module.call(arguments);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::ifstream stream(argv[1], std::ios::binary);
  const std::string original((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  auto device = Device::open({"local-sync"});
  const std::vector<Tensor> expected = run(original, device);
  std::mt19937_64 random(std::strtoull(argv[3], nullptr, 10));
  int refused = 0, right = 0;
  const int count = std::atoi(argv[2]);
  for (int i = 0; i < count; ++i) {
    std::string file = original;
    std::size_t at = random() % file.size();
    switch (random() % 6) {
      case 0: file[at] = static_cast<char>(file[at] ^ 1 << random() % 8); break;
      case 1: file[at] = static_cast<char>(random()); break;
      case 2: file.resize(at); break;
      case 3: file.append(1 + random() % 100, static_cast<char>(random())); break;
      case 4: file.erase(at, 1 + random() % 64); break;
      default: file.insert(at, 1 + random() % 64, static_cast<char>(random())); break;
    }
    try {
      std::vector<Tensor> results = run(file, device);
      for (std::size_t r = 0; r < results.size(); ++r)
        if (results.size() != expected.size() || results[r].bytes() != expected[r].bytes() ||
            std::memcmp(results[r].raw(), expected[r].raw(), results[r].bytes()) != 0) {
          std::printf("mutation %d of seed %s gives another result\n", i, argv[3]);
          return 1;
        }
      ++right;
    } catch (const LoadError&) {
      ++refused;
    }
  }
  std::printf("%d mutations: %d refused, %d right\n", count, refused, right);
  return refused + right == count && refused > count / 2 ? 0 : 1;
}
