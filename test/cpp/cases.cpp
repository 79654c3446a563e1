// Compares this library with the Python side: a file of cases (JSON, written by test/python/cpp) with signatures, shapes of calls,
// and what Python found for each: the values of the symbols and the shapes of the results, or the text of the error.
#include <fstream>
#include <iterator>
#include <sstream>

#include "check.hpp"
#include "nimble/signature.hpp"

using namespace nimble;

static std::vector<Shape> shapes_from(const Json& data) {
  std::vector<Shape> shapes;
  for (const Json& shape : data.as_array()) {
    shapes.emplace_back();
    for (const Json& size : shape.as_array()) shapes.back().push_back(size.as_integer());
  }
  return shapes;
}

static std::string answer(const EntryPoint& entry, const std::vector<Shape>& shapes) {
  std::ostringstream text;
  try {
    for (const auto& [name, value] : entry.solve(shapes)) text << name << "=" << value << " ";
    for (const Shape& shape : entry.output_shapes(shapes)) {
      text << "(";
      for (std::int64_t size : shape) text << size << ",";
      text << ")";
    }
  } catch (const ShapeError& error) {
    return std::string("ShapeError: ") + error.what();
  }
  return text.str();
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: cases FILE.json\n");
    return 2;
  }
  std::ifstream stream(argv[1]);
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  Json cases = Json::parse(text);
  for (const Json& each : cases.as_array()) {
    Signature signature = Signature::from_json({each.at("signature").as_string()});
    for (const Json& call : each.at("calls").as_array()) {
      std::string found = answer(signature.entry(), shapes_from(call.at("shapes")));
      const std::string& expected = call.at("answer").as_string();
      check::that(found == expected, "expected \"" + expected + "\"\n    came \"" + found + "\"", argv[1], 0);
    }
  }
  return check::report("cases");
}
