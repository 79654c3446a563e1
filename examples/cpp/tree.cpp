// Evaluates expressions, all in one call: tree MODULE.vmfb "1.5 -2" "+ x0 * 2 x1" "if x1 x0 neg x1" …
// The module is that of `python examples/expressions.py --save expressions.vmfb`; the first text has the values of x0, x1, ….
#include <cstdio>

#include "expressions.hpp"
#include "nimble/module.hpp"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: tree MODULE.vmfb VALUES EXPRESSION...\n");
    return 2;
  }
  try {
    nimble::Module module = nimble::Module::load(argv[1]);
    std::vector<float> environment;
    std::istringstream values(argv[2]);
    for (float value = 0; values >> value;) environment.push_back(value);

    nimble::Trees trees(expression_type());
    std::vector<nimble::TreeNode> roots;
    for (int i = 3; i < argc; ++i) roots.push_back(parsed(trees, argv[i]));
    std::vector<nimble::Tensor> arrays = trees.pack(roots);
    std::vector<nimble::TensorView> arguments(arrays.begin(), arrays.end());
    arguments.emplace_back(environment, nimble::Shape{static_cast<std::int64_t>(environment.size())});

    nimble::Tensor results = module.call(arguments)[0];
    for (int i = 3; i < argc; ++i) std::printf("%s = %.9g\n", argv[i], results.data<float>()[i - 3]);
  } catch (const nimble::Error& error) {
    std::fprintf(stderr, "tree: %s\n", error.what());
    return 1;
  }
  return 0;
}
