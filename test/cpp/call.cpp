// Calls a module: call MODULE.vmfb DRIVER OUT_PREFIX INPUT.npy…; results go to OUT_PREFIX0.npy …. test/python/cpp compares them.
// Errors are printed on stdout, as "ShapeError: …" and so on, and the exit code is 1.
#include <cstdio>

#include "nimble/module.hpp"
#include "nimble/npy.hpp"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: call MODULE.vmfb DRIVER OUT_PREFIX INPUT.npy...\n");
    return 2;
  }
  try {
    nimble::LoadOptions options;
    options.device.driver = argv[2];
    nimble::Module module = nimble::Module::load(argv[1], options);
    std::vector<nimble::Tensor> inputs;
    for (int i = 4; i < argc; ++i) inputs.push_back(nimble::read_npy(argv[i]));
    std::vector<nimble::TensorView> views(inputs.begin(), inputs.end());
    std::vector<nimble::Tensor> results = module.call(views);
    for (std::size_t i = 0; i < results.size(); ++i)
      nimble::write_npy(argv[3] + std::to_string(i) + ".npy", results[i]);
    // A second call with the same memory: what was remembered of the first is right, and arguments are as they were.
    std::vector<nimble::Tensor> again = module.call(views);
    for (std::size_t i = 0; i < results.size(); ++i)
      if (std::memcmp(results[i].raw(), again[i].raw(), results[i].bytes()) != 0) {
        std::printf("result %zu of the second call differs\n", i);
        return 1;
      }
    std::printf("%zu results on %s\n", results.size(), module.device().driver().c_str());
    return 0;
  } catch (const nimble::ShapeError& error) {
    std::printf("ShapeError: %s\n", error.what());
  } catch (const nimble::LoadError& error) {
    std::printf("LoadError: %s\n", error.what());
  } catch (const nimble::Error& error) {
    std::printf("Error: %s\n", error.what());
  }
  return 1;
}
