// Solving the symbols of an entry point from the shapes of a call, and the messages for what does not fit: the twin of
// nimble_mlir/dims/messages.py, text for text (test/cpp/cases.cpp compares the two over random signatures).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "nimble/signature.hpp"

namespace nimble::detail {

// An axis, or an element, of an argument.
inline std::string place_text(const std::string& argument, int axis) {
  std::string text = "argument '" + argument + "'";
  if (axis >= 0) return text + " axis " + std::to_string(axis);
  return axis < -1 ? text + " element " + std::to_string(-2 - axis) : text;
}

class Solver {
 public:
  Solver(const EntryPoint& entry, const std::vector<Shape>& shapes) : entry_(entry), shapes_(shapes) {}

  // Fixed sizes first, then each symbol as it is solved (whole number, range, multiple), other sizes, constraints.
  SymbolValues run() {
    entry_.check_count(shapes_.size());
    for (std::size_t i = 0; i < shapes_.size(); ++i) check_rank(entry_.arguments[i], shapes_[i]);
    for (const Check& check : entry_.checks)
      if (check.expected.is_constant()) compare(check);
    for (const Step& step : entry_.steps) solve(step);
    for (const Check& check : entry_.checks) compare(check);
    for (const Constraint& constraint : entry_.constraints) {
      if (!constraint.known(values_) || constraint.holds(values_)) continue;
      std::set<std::string> symbols = constraint.lhs.symbols();
      symbols.insert(constraint.rhs.symbols().begin(), constraint.rhs.symbols().end());
      throw ShapeError("constraint '" + constraint.text + "' does not hold for " + assignment(symbols, false));
    }
    return std::move(values_);
  }

 private:
  static void check_rank(const LeafSpec& argument, const Shape& shape) {
    std::size_t rank = argument.dims.size();
    if (!argument.values.empty()) {
      if (shape.size() <= rank)
        throw ShapeError("argument '" + argument.name + "' says sizes: give its value, not only its shape");
    } else if (shape.size() != rank) {
      throw ShapeError("argument '" + argument.name + "' has rank " + std::to_string(shape.size()) + ", but rank " +
                       std::to_string(rank) + " is expected (" + argument.str() + ")");
    }
  }

  // "b = 64, s = 128", with the place that each was solved from if asked for.
  std::string assignment(const std::set<std::string>& symbols, bool places) const {
    std::string text;
    for (const std::string& name : symbols) {
      auto found = values_.find(name);
      if (found == values_.end()) continue;
      text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(found->second);
      if (places) text += " (" + places_.at(name) + ")";
    }
    return text;
  }

  std::int64_t size(int argument, int axis) const {
    const Shape& shape = shapes_[static_cast<std::size_t>(argument)];
    std::int64_t position = axis < 0 ? static_cast<std::int64_t>(shape.size()) + axis : axis;
    if (position < 0 || position >= static_cast<std::int64_t>(shape.size()))
      throw ShapeError(place_text(name(argument), axis) + " is missing");
    return shape[static_cast<std::size_t>(position)];
  }

  const std::string& name(int argument) const { return entry_.arguments[static_cast<std::size_t>(argument)].name; }

  std::int64_t evaluate(const DimExpr& expr, const Step& step, const std::string& place, const std::string& known) const {
    try {
      return expr.evaluate(values_);
    } catch (const DivisionByZero&) {
      throw ShapeError(place + " must be '" + step.dim.text() + "', which divides by zero" + known);
    }
  }

  void solve(const Step& step) {
    bool by_constraint = !step.constraint.empty();
    std::int64_t size = by_constraint ? 0 : this->size(step.argument, step.axis);
    std::string place = by_constraint ? "constraint '" + step.constraint + "'" : place_text(name(step.argument), step.axis);
    std::string known = assignment(step.dim.symbols(), true);
    if (!known.empty()) known = " with " + known;
    std::string is = place + " is " + std::to_string(size) + ", ";
    std::int64_t numerator = DimExpr::add(size, -evaluate(step.rest, step, place, known));
    std::int64_t coefficient = evaluate(step.coefficient, step, place, known);
    std::string whole = "whole number '" + step.symbol + "'" + known;
    if (coefficient == 0 && numerator == 0)
      throw ShapeError(is + "but '" + step.dim.text() + "' leaves '" + step.symbol + "' undetermined" + known);
    if (coefficient == 0 || DimExpr::mod(numerator, coefficient) != 0)
      throw ShapeError(by_constraint ? place + " does not hold for any " + whole
                                     : is + "but it must be '" + step.dim.text() + "' for a " + whole);
    std::int64_t value = DimExpr::floordiv(numerator, coefficient);
    values_[step.symbol] = value;
    places_[step.symbol] = place;
    std::string problem;
    for (const Symbol& symbol : entry_.symbols)
      if (symbol.name == step.symbol) problem = symbol.problem(value);
    if (problem.empty()) return;
    std::string but = "but '" + step.symbol + "' must be " + problem;
    std::string is_value = std::to_string(value);
    if (by_constraint) throw ShapeError(place + " makes '" + step.symbol + "' " + is_value + known + ", " + but);
    if (!step.dim.is_symbol())
      throw ShapeError(is + "so '" + step.symbol + "' is " + is_value + " (from '" + step.dim.text() + "'" + known + "), " + but);
    throw ShapeError(is + but);
  }

  void compare(const Check& check) const {
    std::int64_t size = this->size(check.argument, check.axis);
    const DimExpr& expected = check.expected;
    std::string what = place_text(name(check.argument), check.axis) + " is " + std::to_string(size) + ", but";
    if (expected.is_constant()) {
      if (size != expected.evaluate({})) throw ShapeError(what + " it must be " + expected.text());
      return;
    }
    std::string known = assignment(expected.symbols(), true);
    std::int64_t value = 0;
    try {
      value = expected.evaluate(values_);
    } catch (const DivisionByZero&) {
      throw ShapeError(what + " '" + expected.text() + "' has no value with " + known);
    }
    if (size == value) return;
    std::string is = what + " '" + expected.text() + "' is " + std::to_string(value);
    throw ShapeError(expected.is_symbol() ? is + " (" + places_.at(expected.text()) + ")" : is + " with " + known);
  }

  const EntryPoint& entry_;
  const std::vector<Shape>& shapes_;
  SymbolValues values_;
  std::map<std::string, std::string> places_;
};

}  // namespace nimble::detail

namespace nimble {

inline SymbolValues EntryPoint::solve(const std::vector<Shape>& shapes) const { return detail::Solver(*this, shapes).run(); }

}  // namespace nimble
