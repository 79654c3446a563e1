// A model inside of the executable, run without any file: embed LENGTH. Built with -DNIMBLE_EMBED=model.vmfb.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "inputs.hpp"

extern "C" const char model_begin[], model_end[];

int main(int argc, char** argv) {
  try {
    nimble::Bytes bytes(model_begin, static_cast<std::size_t>(model_end - model_begin));
    nimble::Module module = nimble::Module::load_bytes(bytes);
    const nimble::EntryPoint& entry = module.signature().entry();
    std::vector<nimble::Tensor> inputs = example_inputs(entry, argc > 1 ? std::atoll(argv[1]) : 8);
    nimble::Tensor result = module.call(views(inputs)).front();
    std::printf("%s:", entry.name.c_str());
    for (std::size_t k = 0; k < std::min<std::size_t>(4, result.size()); ++k) std::printf(" %.6f", result.data<float>()[k]);
    std::printf("\n");
  } catch (const nimble::Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
  }
  return 0;
}
