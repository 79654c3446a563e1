// The type of examples/expressions.py, and expressions in prefix notation: "+ 1 * x0 0.5" is 1 + x0 * 0.5.
#pragma once

#include <array>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "nimble/tree.hpp"

inline nimble::TreeType expression_type() {
  using nimble::field, nimble::part;
  return {"Expr",
          {{"Const", {field<float>("value")}},
           {"Var", {field<std::int32_t>("index")}},
           {"Unary", {field<std::int32_t>("op"), part("of")}},
           {"Binary", {field<std::int32_t>("op"), part("left"), part("right")}},
           {"IfPositive", {part("condition"), part("then"), part("otherwise")}}}};
}

// Of "neg abs half + - * min if", numbers, and x0, x1, …, with spaces between. Raises nimble::Error for another text.
inline nimble::TreeNode parsed(nimble::Trees& trees, const std::string& text) {
  static const std::array<std::string, 3> unary = {"neg", "abs", "half"};
  static const std::array<std::string, 4> binary = {"+", "-", "*", "min"};
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);

  // From the last word to the first, parts stand on a stack before what they are parts of; no depth is too large.
  std::vector<nimble::TreeNode> made;
  auto next = [&] {
    if (made.empty()) throw nimble::Error("'" + text + "' lacks an operand");
    nimble::TreeNode node = made.back();
    made.pop_back();
    return node;
  };
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    std::int32_t number = 0;
    auto is_one_of = [&](const auto& names) {
      for (number = 0; number < static_cast<std::int32_t>(names.size()); ++number)
        if (names[static_cast<std::size_t>(number)] == *word) return true;
      return false;
    };
    if (is_one_of(unary)) {
      made.push_back(trees.make("Unary", {number, next()}));
    } else if (is_one_of(binary)) {
      nimble::TreeNode left = next(), right = next();
      made.push_back(trees.make("Binary", {number, left, right}));
    } else if (*word == "if") {
      nimble::TreeNode condition = next(), then = next(), otherwise = next();
      made.push_back(trees.make("IfPositive", {condition, then, otherwise}));
    } else {
      bool variable = word->front() == 'x';
      const char* begin = word->c_str() + variable;
      char* end = nullptr;
      float value = std::strtof(begin, &end);
      if (end == begin || *end != '\0') throw nimble::Error("'" + *word + "' is no operator, number or variable");
      if (variable) made.push_back(trees.make("Var", {static_cast<std::int32_t>(value)}));
      else made.push_back(trees.make("Const", {value}));
    }
  }
  nimble::TreeNode root = next();
  if (!made.empty()) throw nimble::Error("'" + text + "' is more than one expression");
  return root;
}
