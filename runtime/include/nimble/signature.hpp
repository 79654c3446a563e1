// What a compiled module says about itself: entry points with arguments, results, symbols and constraints, and how the symbols
// are solved from the shapes of a call. JSON (of nimble_mlir/dims/signature.py) in; checks with the Python side's messages out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nimble/dims.hpp"
#include "nimble/dtype.hpp"
#include "nimble/json.hpp"

namespace nimble {

using Shape = std::vector<std::int64_t>;

constexpr int kSignatureSchema = 1;

// An array that goes in (its name) or comes out (its path in the result).
struct LeafSpec {
  std::string name;
  std::string dtype;
  std::vector<DimExpr> dims;
  bool read_only = false;        // the module never writes to this argument: it may be the caller's own memory
  bool donated = false;          // the caller gives the array away: a device's memory may be updated
  std::vector<DimExpr> values;   // elements of an argument of integers that sizes are taken from

  // "float32[b, s]"
  std::string str() const {
    std::string text = dtype + "[";
    for (std::size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + dims[i].text();
    return text + "]";
  }
};

struct Symbol {
  std::string name;
  std::int64_t min = 1;
  std::optional<std::int64_t> max;
  std::int64_t multiple_of = 1;

  // What `value` fails to be ("at least 1"), "" where it is admitted.
  std::string problem(std::int64_t value) const {
    if (value < min) return "at least " + std::to_string(min);
    if (max && value > *max) return "at most " + std::to_string(*max);
    if (DimExpr::mod(value, multiple_of) != 0) return "a multiple of " + std::to_string(multiple_of);
    return "";
  }
};

struct Constraint {
  std::string text;
  DimExpr lhs;
  bool equal = false;  // else lhs >= rhs
  DimExpr rhs;

  bool known(const SymbolValues& values) const { return lhs.known(values) && rhs.known(values); }

  bool holds(const SymbolValues& values) const {
    try {
      std::int64_t left = lhs.evaluate(values), right = rhs.evaluate(values);
      return equal ? left == right : left >= right;
    } catch (const DivisionByZero&) {
      return false;
    }
  }
};

// Solves `symbol` = (size of the argument's axis - rest) / coefficient; a step of a constraint has argument -1 and size 0.
struct Step {
  std::string symbol;
  int argument = -1;
  int axis = -1;
  DimExpr rest;
  DimExpr coefficient;
  DimExpr dim;
  std::string constraint;
};

// The size of the argument's axis must be `expected`.
struct Check {
  int argument = 0;
  int axis = 0;
  DimExpr expected;
};

class EntryPoint {
 public:
  std::string name;
  std::string function;  // the exported symbol in the .vmfb
  std::vector<LeafSpec> arguments;
  std::vector<LeafSpec> results;
  std::vector<Symbol> symbols;
  std::vector<Constraint> constraints;
  std::vector<Step> steps;
  std::vector<Check> checks;

  // The values of the symbols for the shapes of all arguments; of an argument with `values`, its shape, its elements from the
  // last to the first, and a 0 (a scalar: its one element). Raises ShapeError.
  SymbolValues solve(const std::vector<Shape>& shapes) const;

  // The shapes of all results, without running anything. Raises ShapeError, also where a size depends on data.
  std::vector<Shape> output_shapes(const std::vector<Shape>& shapes) const { return output_shapes(solve(shapes)); }

  std::vector<Shape> output_shapes(const SymbolValues& values) const {
    std::vector<Shape> found;
    for (const LeafSpec& result : results) {
      Shape shape;
      for (std::size_t axis = 0; axis < result.dims.size(); ++axis) {
        const DimExpr& dim = result.dims[axis];
        if (!dim.known(values))
          throw ShapeError("result" + (result.name.empty() ? "" : " " + result.name) + " axis " + std::to_string(axis) +
                           " is '" + dim.text() + "', which depends on the values of the arguments: run the module to know it");
        shape.push_back(dim.evaluate(values));
      }
      found.push_back(std::move(shape));
    }
    return found;
  }

  // Raises ShapeError for a wrong number of arguments, and for one of another dtype or rank.
  void check_count(std::size_t given) const {
    if (given == arguments.size()) return;
    throw ShapeError((given == 1 ? "1 array was" : std::to_string(given) + " arrays were") + " given, but " +
                     std::to_string(arguments.size()) + (arguments.size() == 1 ? " is" : " are") + " expected");
  }

  void check_argument(std::size_t index, const DType& dtype, std::size_t rank) const {
    const LeafSpec& argument = arguments[index];
    if (argument.dtype != dtype.name)
      throw ShapeError("argument '" + argument.name + "' has dtype " + dtype.name + ", but " + argument.dtype + " is expected");
    if (argument.dims.size() != rank)
      throw ShapeError("argument '" + argument.name + "' has rank " + std::to_string(rank) + ", but rank " +
                       std::to_string(argument.dims.size()) + " is expected (" + argument.str() + ")");
  }

  static EntryPoint from_json(const Json& data);
};

class Signature {
 public:
  std::vector<EntryPoint> entries;
  std::string nimble_version;
  std::string iree_version;
  std::string target;
  std::vector<std::string> cpu_features;  // what the code needs of a CPU, by the names of Linux
  std::string driver;  // the device driver that the compiler recommends, or ""

  // The entry of this name; "": the only one. Raises Error that names those that exist.
  const EntryPoint& entry(const std::string& name = "") const {
    for (const EntryPoint& each : entries)
      if (each.name == name || (name.empty() && entries.size() == 1)) return each;
    std::string listed;
    for (const EntryPoint& each : entries) listed += (listed.empty() ? "'" : ", '") + each.name + "'";
    throw Error(name.empty() ? "this module has several entry points (" + listed + "): name one"
                             : "no entry point '" + name + "'; this module has " + listed);
  }

  // Reads the texts of the entries of one module. Raises LoadError.
  static Signature from_json(const std::vector<std::string>& texts);
};

namespace detail {

inline DimExpr dim_from(const Json& data) {
  return data.kind == Json::Kind::string ? DimExpr::parse(data.string) : DimExpr(data.as_integer());
}

inline std::vector<DimExpr> dims_from(const Json& data) {
  std::vector<DimExpr> dims;
  for (const Json& dim : data.as_array()) dims.push_back(dim_from(dim));
  return dims;
}

inline LeafSpec leaf_from(const Json& data, const char* label) {
  LeafSpec leaf;
  leaf.name = data.at(label).as_string();
  leaf.dtype = data.at("dtype").as_string();
  leaf.dims = dims_from(data.at("dims"));
  if (const Json* flag = data.find("read_only")) leaf.read_only = flag->boolean;
  if (const Json* flag = data.find("donated")) leaf.donated = flag->boolean;
  if (const Json* values = data.find("values")) leaf.values = dims_from(*values);
  DType::named(leaf.dtype);
  return leaf;
}

inline Symbol symbol_from(const Json& data) {
  Symbol symbol{data.at("name").as_string(), data.at("min").as_integer(), std::nullopt, data.at("multiple_of").as_integer()};
  if (!data.at("max").is_null()) symbol.max = data.at("max").as_integer();
  if (symbol.multiple_of < 1) throw JsonError("a symbol is a multiple of less than 1");
  return symbol;
}

}  // namespace detail

inline EntryPoint EntryPoint::from_json(const Json& data) {
  EntryPoint entry;
  entry.name = data.at("name").as_string();
  entry.function = data.at("function").as_string();
  for (const Json& leaf : data.at("arguments").as_array()) entry.arguments.push_back(detail::leaf_from(leaf, "name"));
  for (const Json& leaf : data.at("results").as_array()) entry.results.push_back(detail::leaf_from(leaf, "path"));
  const Json& plan = data.at("plan");
  for (const Json& symbol : plan.at("symbols").as_array()) entry.symbols.push_back(detail::symbol_from(symbol));
  for (const Json& each : plan.at("constraints").as_array())
    entry.constraints.push_back({each.at("text").as_string(), detail::dim_from(each.at("lhs")),
                                 each.at("kind").as_string() == "==", detail::dim_from(each.at("rhs"))});
  for (const Json& each : plan.at("steps").as_array())
    entry.steps.push_back({each.at("symbol").as_string(), static_cast<int>(each.at("argument").as_integer()),
                           static_cast<int>(each.at("axis").as_integer()), detail::dim_from(each.at("rest")),
                           detail::dim_from(each.at("coefficient")), detail::dim_from(each.at("dim")),
                           each.at("constraint").is_null() ? "" : each.at("constraint").as_string()});
  for (const Json& each : plan.at("checks").as_array())
    entry.checks.push_back({static_cast<int>(each.at("argument").as_integer()), static_cast<int>(each.at("axis").as_integer()),
                            detail::dim_from(each.at("expected"))});
  auto count = static_cast<std::int64_t>(entry.arguments.size());
  for (const Step& step : entry.steps)
    if (step.argument >= count || (step.argument < 0 && step.constraint.empty())) throw JsonError("a step of no argument");
  for (const Check& check : entry.checks)
    if (check.argument < 0 || check.argument >= count) throw JsonError("a check of no argument");
  return entry;
}

inline Signature Signature::from_json(const std::vector<std::string>& texts) {
  if (texts.empty()) throw LoadError("the module has no entry points");
  Signature signature;
  for (const std::string& text : texts) {
    try {
      Json data = Json::parse(text);
      std::int64_t schema = data.at("nimble_schema").as_integer();
      if (schema != kSignatureSchema)
        throw LoadError("the module's signature has schema " + std::to_string(schema) + ", but this nimble_mlir reads schema " +
                        std::to_string(kSignatureSchema) + ": it was compiled by nimble_mlir " + data.at("nimble").as_string());
      Signature part;
      part.nimble_version = data.at("nimble").as_string();
      part.iree_version = data.at("iree").as_string();
      part.target = data.at("target").as_string();
      if (const Json* features = data.find("cpu"))
        for (const Json& feature : features->as_array()) part.cpu_features.push_back(feature.as_string());
      part.driver = data.at("driver").is_null() ? "" : data.at("driver").as_string();
      for (const Json& entry : data.at("entries").as_array()) part.entries.push_back(EntryPoint::from_json(entry));
      if (signature.entries.empty()) {
        signature = std::move(part);
        continue;
      }
      if (part.nimble_version != signature.nimble_version || part.iree_version != signature.iree_version ||
          part.target != signature.target || part.driver != signature.driver ||
          part.cpu_features != signature.cpu_features)
        throw LoadError("the entry points of the module disagree about versions or target");
      for (EntryPoint& entry : part.entries) {
        for (const EntryPoint& other : signature.entries)
          if (other.name == entry.name) throw LoadError("the module has two entry points called '" + entry.name + "'");
        signature.entries.push_back(std::move(entry));
      }
    } catch (const LoadError&) {
      throw;
    } catch (const Error& error) {
      throw LoadError(std::string("malformed signature in the module: ") + error.what());
    }
  }
  return signature;
}

}  // namespace nimble

#include "nimble/solve.hpp"
