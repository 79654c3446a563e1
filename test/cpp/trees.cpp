// Trees as arrays. trees: checks of its own. trees FILE.txt OUT_PREFIX: packs the expressions of FILE.txt, a line each, in prefix
// notation (examples/cpp/expressions.hpp); the arrays go to OUT_PREFIX0.npy …. test/python/cpp compares them with Python's.
#include <fstream>

#include "../../examples/cpp/expressions.hpp"
#include "check.hpp"
#include "nimble/npy.hpp"

using namespace nimble;

static Trees trees_of_pairs() {
  return Trees({"Tree", {{"Leaf", {field<float>("x", {2})}}, {"Node", {part("left"), part("right")}}, {"Nil", {}}}});
}

// docs/abi.md: ((1 2), Nil) beside Nil.
static void arrays() {
  Trees trees = trees_of_pairs();
  TreeNode unused = trees.make("Nil", {});
  TreeNode leaf = trees.make("Leaf", {std::vector<float>{1, 2}});
  TreeNode node = trees.make("Node", {leaf, trees.make("Nil", {})});
  std::vector<Tensor> made = trees.pack({node, trees.make("Nil", {})});
  auto integers = [&](std::size_t i) { return made[i].to_vector<std::int32_t>(); };
  using Integers = std::vector<std::int32_t>;
  CHECK(made.size() == 7);
  CHECK(integers(0) == Integers({3, 2}));
  CHECK(integers(1) == Integers({0, 0, 1, 1, 0, 0, 1, 0, 2, 3, 1, 0, 3, 0, 1, 4, 2, 0}));
  CHECK(made[1].shape() == Shape({2, 3, 3}));
  CHECK(made[2].shape() == Shape({1, 2, 3, 3}));
  CHECK(made[3].shape() == Shape({2, 2}));
  CHECK(made[3].to_vector<float>() == std::vector<float>({1, 2, 0, 0}));
  CHECK(integers(4) == Integers({0, 0}));
  CHECK(integers(5) == Integers({1, 0}));
  CHECK(integers(6) == Integers({0, 0, 0}));
  CHECK(trees.pack({unused})[0].to_vector<std::int32_t>() == Integers({0}));
}

static void deep() {
  Trees trees = trees_of_pairs();
  TreeNode chain = trees.make("Nil", {});
  for (int i = 0; i < 100000; ++i) chain = trees.make("Node", {trees.make("Nil", {}), chain});
  CHECK(trees.pack({chain})[1].shape() == Shape({100001, 3, 3}));
}

static void messages() {
  Trees trees = trees_of_pairs();
  TreeNode nil = trees.make("Nil", {});
  EXPECT_ERROR(ShapeError, trees.make("Tip", {}), "Tree has no constructor 'Tip'; it has Leaf, Node, Nil");
  EXPECT_ERROR(ShapeError, trees.make("Node", {nil}), "Tree.Node has the fields (left, right); got 1");
  EXPECT_ERROR(ShapeError, trees.make("Leaf", {1.0f}), "Tree.Leaf: field 'x' must be float32[2], got float32[]");
  EXPECT_ERROR(ShapeError, trees.make("Leaf", {std::vector<double>(2)}), "Tree.Leaf: field 'x' must be float32[2], got float64[2]");
  EXPECT_ERROR(ShapeError, trees.make("Leaf", {nil}), "Tree.Leaf: field 'x' must be float32[2], got a Tree");
  EXPECT_ERROR(ShapeError, trees.make("Node", {nil, 1}), "Tree.Node: field 'right' must be a Tree, got int32[]");
  EXPECT_ERROR(ShapeError, trees.make("Node", {nil, TreeNode{7}}), "Tree.Node: field 'right' must be a Tree of these trees");
  EXPECT_ERROR(ShapeError, trees.pack({}), "Tree.pack: a batch needs at least one value");
  EXPECT_ERROR(ShapeError, trees.pack({TreeNode{7}}), "Tree.pack: value 0 is none of these trees");
  EXPECT_ERROR(ShapeError, trees.pack({trees.make("Node", {nil, nil})}),
               "field 'right' of Tree.Node is shared: another field holds the same value; make a value of its own for each");
  EXPECT_ERROR(ShapeError, trees.pack({nil, nil}),
               "value 1 of the batch, a Tree.Nil, is shared: another field holds the same value; make a value of its own for each");
  CHECK(trees.pack({nil}).size() == 7);  // nothing is lost
}

int main(int argc, char** argv) {
  if (argc == 3) {
    Trees trees(expression_type());
    std::vector<TreeNode> roots;
    std::ifstream file(argv[1]);
    for (std::string line; std::getline(file, line);) roots.push_back(parsed(trees, line));
    std::vector<Tensor> arrays = trees.pack(roots);
    for (std::size_t i = 0; i < arrays.size(); ++i) write_npy(argv[2] + std::to_string(i) + ".npy", arrays[i]);
    std::printf("%zu arrays\n", arrays.size());
    return 0;
  }
  arrays();
  deep();
  messages();
  return check::report("trees");
}
