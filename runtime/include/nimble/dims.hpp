// Expressions over symbolic sizes: text such as "2*s + floordiv(t, 4)" in, values out. The text is what a signature holds, in
// canonical form; division and mod round towards minus infinity. An overflow of 64 bits is an Error.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nimble/error.hpp"

namespace nimble {

using SymbolValues = std::map<std::string, std::int64_t>;

// A division by a size that is 0.
class DivisionByZero : public Error {
 public:
  DivisionByZero() : Error("division by zero") {}
};

class DimExpr {
 public:
  DimExpr() = default;
  explicit DimExpr(std::int64_t value) : text_(std::to_string(value)), value_(value) {}

  // Raises Error, with the position, for what is no expression.
  static DimExpr parse(std::string_view text);

  const std::string& text() const { return text_; }
  const std::set<std::string>& symbols() const { return symbols_; }
  bool is_constant() const { return op_ == Op::constant; }
  bool is_symbol() const { return op_ == Op::symbol; }

  // Whether `values` has all symbols.
  bool known(const SymbolValues& values) const {
    return std::all_of(symbols_.begin(), symbols_.end(), [&](const std::string& name) { return values.count(name) != 0; });
  }

  // Raises DivisionByZero, and Error for a symbol without a value.
  std::int64_t evaluate(const SymbolValues& values) const {
    switch (op_) {
      case Op::constant:
        return value_;
      case Op::symbol: {
        auto found = values.find(text_);
        if (found == values.end()) throw Error("symbol '" + text_ + "' has no value");
        return found->second;
      }
      case Op::power: {
        std::int64_t base = args_[0].evaluate(values), result = 1;
        for (std::int64_t i = 0; i < value_; ++i) result = multiply(result, base);
        return result;
      }
      default:
        break;
    }
    std::int64_t result = args_[0].evaluate(values);
    for (std::size_t i = 1; i < args_.size(); ++i) result = apply(result, args_[i].evaluate(values));
    return result;
  }

  static std::int64_t floordiv(std::int64_t a, std::int64_t b) {
    if (b == 0) throw DivisionByZero();
    if (b == -1) return multiply(a, -1);
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
  }

  static std::int64_t mod(std::int64_t a, std::int64_t b) {
    if (b == 0) throw DivisionByZero();
    if (b == -1) return 0;
    std::int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }

  static std::int64_t multiply(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result)) throw Error("a size is too large for 64 bits");
    return result;
  }

  static std::int64_t add(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    if (__builtin_add_overflow(a, b, &result)) throw Error("a size is too large for 64 bits");
    return result;
  }

 private:
  enum class Op { constant, symbol, sum, product, power, floordiv, mod, min, max };
  class Parser;

  std::int64_t apply(std::int64_t a, std::int64_t b) const {
    switch (op_) {
      case Op::sum: return add(a, b);
      case Op::product: return multiply(a, b);
      case Op::floordiv: return floordiv(a, b);
      case Op::mod: return mod(a, b);
      case Op::min: return std::min(a, b);
      default: return std::max(a, b);
    }
  }

  static DimExpr make(Op op, std::vector<DimExpr> args, std::int64_t value = 0) {
    if (op != Op::power && args.size() == 1) return std::move(args[0]);
    DimExpr result;
    result.op_ = op;
    result.value_ = value;
    for (const DimExpr& arg : args) result.symbols_.insert(arg.symbols_.begin(), arg.symbols_.end());
    result.args_ = std::move(args);
    return result;
  }

  std::string text_ = "0";
  Op op_ = Op::constant;
  std::int64_t value_ = 0;  // of a constant; the exponent of a power
  std::vector<DimExpr> args_;
  std::set<std::string> symbols_;
};

class DimExpr::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  DimExpr whole() {
    DimExpr result = sum(0);
    space();
    if (at_ != text_.size()) fail("unexpected text");
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(problem + " at position " + std::to_string(at_) + " of '" + std::string(text_) + "'");
  }

  void space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool accept(char wanted) {
    space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  static DimExpr negated(DimExpr expr) {
    if (expr.is_constant()) return DimExpr(multiply(expr.value_, -1));
    return make(Op::product, {DimExpr(-1), std::move(expr)});
  }

  DimExpr sum(int depth) {
    if (depth > 100) fail("too deeply nested");
    std::vector<DimExpr> terms;
    bool negative = accept('-');
    while (true) {
      DimExpr term = product(depth);
      terms.push_back(negative ? negated(std::move(term)) : std::move(term));
      if (accept('+')) negative = accept('-');
      else if (accept('-')) negative = true;
      else break;
    }
    return make(Op::sum, std::move(terms));
  }

  DimExpr product(int depth) {
    std::vector<DimExpr> factors;
    do factors.push_back(accept('-') ? negated(power(depth)) : power(depth));
    while (accept('*'));
    return make(Op::product, std::move(factors));
  }

  DimExpr power(int depth) {
    DimExpr base = primary(depth);
    while (accept('^')) {
      std::int64_t exponent = number();
      if (exponent > 64) fail("a power larger than 64");
      base = make(Op::power, {std::move(base)}, exponent);
    }
    return base;
  }

  DimExpr primary(int depth) {
    space();
    if (accept('(')) {
      DimExpr inner = sum(depth + 1);
      if (!accept(')')) fail("expected ')'");
      return inner;
    }
    char first = at_ < text_.size() ? text_[at_] : '\0';
    if (std::isdigit(static_cast<unsigned char>(first))) return DimExpr(number());
    if (!std::isalpha(static_cast<unsigned char>(first)) && first != '_') fail("expected a number, a symbol or '('");
    std::size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    std::string name(text_.substr(start, at_ - start));
    return accept('(') ? call(name, depth) : symbol(name);
  }

  static DimExpr symbol(const std::string& name) {
    DimExpr result;
    result.op_ = Op::symbol;
    result.text_ = name;
    result.symbols_ = {name};
    return result;
  }

  DimExpr call(const std::string& name, int depth) {
    static const std::map<std::string, Op> calls = {
        {"floordiv", Op::floordiv}, {"mod", Op::mod}, {"min", Op::min}, {"max", Op::max}};
    auto found = calls.find(name);
    if (found == calls.end()) fail("unknown function '" + name + "'");
    std::vector<DimExpr> args;
    do args.push_back(sum(depth + 1));
    while (accept(','));
    if (!accept(')')) fail("expected ')'");
    bool two = found->second == Op::floordiv || found->second == Op::mod;
    if (two && args.size() != 2) fail(name + " takes 2 arguments");
    return make(found->second, std::move(args));
  }

  std::int64_t number() {
    space();
    std::int64_t value = 0;
    std::size_t start = at_;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_)
      value = add(multiply(value, 10), text_[at_] - '0');
    if (at_ == start) fail("expected a number");
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

inline DimExpr DimExpr::parse(std::string_view text) {
  DimExpr result = Parser(text).whole();
  result.text_ = std::string(text);
  return result;
}

}  // namespace nimble
