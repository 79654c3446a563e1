// Prints what Archive says of each file on the command line, a line a file: "ok", or the error. test/python/cpp compares it with
// what Python says of the same files.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "nimble/archive.hpp"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream stream(argv[i], std::ios::binary);
    std::string file((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    try {
      nimble::Archive archive(file, "bytes");
      nimble::Signature signature = nimble::Signature::from_json(archive.signature_texts());
      std::string targets;
      for (const auto& [target, image] : archive.images()) targets += " " + target + ":" + std::to_string(image.size());
      nimble::Bytes weights = archive.find("weights.safetensors");
      std::size_t tensors = weights.empty() ? 0 : nimble::read_weights(weights, "bytes").size();
      std::printf("ok %zu entry points, %zu weights,%s\n", signature.entries.size(), tensors, targets.c_str());
    } catch (const nimble::Error& error) {
      std::printf("%s\n", error.what());
    }
  }
  return 0;
}
