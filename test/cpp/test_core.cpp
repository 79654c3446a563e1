// The part without IREE: expressions, JSON, tensors, .npy files, CRC-32.
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>

#include "check.hpp"
#include "nimble/archive.hpp"
#include "nimble/cpu.hpp"
#include "nimble/npy.hpp"

using namespace nimble;

static void cpus() {
  auto check = [](const std::vector<std::string>& needed, const char* cpuinfo) {
    std::istringstream text(cpuinfo);
    detail::check_cpu(needed, "m.vmfb", text);
  };
  const char* cpuinfo = "processor\t: 0\nflags\t\t: fpu avx avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx512f\n";
  check({"avx", "avx2"}, cpuinfo);
  check({"avx512f"}, "Features\t: asimd\n");  // of other machines nothing is known
  EXPECT_ERROR(LoadError, check({"avx", "avx512bw", "avx512f"}, cpuinfo),
               "'m.vmfb' was compiled for a CPU with avx512bw, avx512f, which this one does not have: compile it for one that is "
               "like this one, CompileOptions(target_cpu=\"x86-64-v3\") say, or for any, target_cpu=\"generic\"");
  detail::check_cpu({}, "m.vmfb");
}

static void expressions() {
  SymbolValues values = {{"b", 3}, {"s", 10}, {"t", -7}};
  auto at = [&](const char* text) { return DimExpr::parse(text).evaluate(values); };
  CHECK(at("2*s + 1") == 21);
  CHECK(at("-s + b*b*s") == 80);
  CHECK(at("b^3 - 2*b*s") == -33);
  CHECK(at("floordiv(t, 2)") == -4);
  CHECK(at("mod(t, 4)") == 1);
  CHECK(at("mod(7, -4)") == -1);
  CHECK(at("floordiv(s - 1, b)*b + mod(s - 1, b)") == 9);
  CHECK(at("max(s, 4, 2*b) - min(b, s)") == 7);
  CHECK(at("-2*(s - -b)") == -26);
  CHECK(DimExpr::parse("s").is_symbol());
  CHECK(!DimExpr::parse("s + 0").is_symbol());
  CHECK(DimExpr::parse("12").is_constant());
  CHECK(DimExpr::parse("b*s + max(s, t)").symbols() == (std::set<std::string>{"b", "s", "t"}));
  EXPECT_ERROR(Error, DimExpr::parse("2*"), "expected a number, a symbol or '(' at position 2 of '2*'");
  EXPECT_ERROR(Error, DimExpr::parse("s s"), "unexpected text at position 2 of 's s'");
  EXPECT_ERROR(Error, DimExpr::parse("sin(s)"), "unknown function 'sin' at position 4 of 'sin(s)'");
  EXPECT_ERROR(Error, DimExpr::parse("mod(s)"), "mod takes 2 arguments at position 6 of 'mod(s)'");
  EXPECT_ERROR(Error, DimExpr::parse(std::string(300, '(')), "too deeply nested at position 101 of '" + std::string(300, '(') + "'");
  EXPECT_ERROR(DivisionByZero, at("floordiv(s, b - 3)"), "division by zero");
  EXPECT_ERROR(Error, at("q"), "symbol 'q' has no value");
  values["s"] = std::numeric_limits<std::int64_t>::max();
  EXPECT_ERROR(Error, at("2*s"), "a size is too large for 64 bits");
  EXPECT_ERROR(Error, at("s + 1"), "a size is too large for 64 bits");
  CHECK(DimExpr::floordiv(std::numeric_limits<std::int64_t>::min(), 1) == std::numeric_limits<std::int64_t>::min());
  EXPECT_ERROR(Error, DimExpr::floordiv(std::numeric_limits<std::int64_t>::min(), -1), "a size is too large for 64 bits");
  CHECK(DimExpr::mod(std::numeric_limits<std::int64_t>::min(), -1) == 0);
}

static void json() {
  Json value = Json::parse(R"( {"a": [1, -2.5, true, null, "x\n\u00e9\ud83d\ude00\""], "b": {}} )");
  CHECK(value.at("a").as_array().size() == 5);
  CHECK(value.at("a").array[0].as_integer() == 1);
  CHECK(value.at("a").array[1].real == -2.5);
  CHECK(value.at("a").array[2].boolean);
  CHECK(value.at("a").array[3].is_null());
  CHECK(value.at("a").array[4].as_string() == "x\n\xc3\xa9\xf0\x9f\x98\x80\"");
  CHECK(value.find("c") == nullptr);
  EXPECT_ERROR(JsonError, value.at("c"), "no member 'c'");
  EXPECT_ERROR(JsonError, value.at("b").as_array(), "expected an array");
  EXPECT_ERROR(JsonError, Json::parse("[1, 2"), "malformed JSON at byte 5: expected ']'");
  EXPECT_ERROR(JsonError, Json::parse("{\"a\" 1}"), "malformed JSON at byte 5: expected ':'");
  EXPECT_ERROR(JsonError, Json::parse("\"abc"), "malformed JSON at byte 4: the string does not end");
  EXPECT_ERROR(JsonError, Json::parse("1 2"), "malformed JSON at byte 2: unexpected text");
  EXPECT_ERROR(JsonError, Json::parse(""), "malformed JSON at byte 0: expected a value");
  EXPECT_ERROR(JsonError, Json::parse(std::string(1000, '[')), "malformed JSON at byte 201: too deeply nested");
  EXPECT_ERROR(JsonError, Json::parse("99999999999999999999"), "malformed JSON at byte 20: expected a value");
  std::size_t end = 0;
  CHECK(Json::parse("{} rest", &end).kind == Json::Kind::object && end == 2);
}

static void tensors() {
  std::vector<float> data = {0, 1, 2, 3, 4, 5};
  TensorView dense(data, {2, 3});
  CHECK(dense.is_dense() && dense.bytes() == 24);
  // The transpose and a reversed, broadcast view of the same memory.
  TensorView transposed(data.data(), dtype_of<float>(), {3, 2}, {4, 12});
  CHECK(!transposed.is_dense());
  CHECK(Tensor(transposed).to_vector<float>() == (std::vector<float>{0, 3, 1, 4, 2, 5}));
  TensorView odd(data.data() + 2, dtype_of<float>(), {2, 3}, {0, -4});
  CHECK(Tensor(odd).to_vector<float>() == (std::vector<float>{2, 1, 0, 2, 1, 0}));
  CHECK(TensorView(data.data(), dtype_of<float>(), {1, 6}, {999, 4}).is_dense());
  CHECK(TensorView(data.data(), dtype_of<float>(), {0, 6}, {1, 1}).is_dense());
  CHECK(Tensor(dtype_of<double>(), {0, 4}).size() == 0);
  Tensor owner(data, {6}), copy = owner;
  owner.data<float>()[0] = 9;
  CHECK(copy.data<float>()[0] == 9 && data[0] == 0 && owner.clone().data<float>() != owner.data<float>());
  CHECK(reinterpret_cast<std::uintptr_t>(owner.raw()) % kAlignment == 0);
  EXPECT_ERROR(ShapeError, TensorView(data, {4}), "a tensor of 4 elements was made from 6");
  EXPECT_ERROR(ShapeError, TensorView(data.data(), dtype_of<float>(), {4}, {}), "a tensor of rank 1 was given 0 strides");
  EXPECT_ERROR(ShapeError, TensorView(data, {-1}), "a size is negative: -1");
  EXPECT_ERROR(Error, owner.data<int>(), "the tensor has dtype float32, not int32");
}

static void npy(const std::string& folder) {
  std::string path = folder + "/nimble_test.npy";
  for (const Shape& shape : {Shape{}, Shape{6}, Shape{2, 3}, Shape{3, 0, 2}}) {
    Tensor made(dtype_of<std::int64_t>(), shape);
    for (std::size_t i = 0; i < made.size(); ++i) made.data<std::int64_t>()[i] = static_cast<std::int64_t>(i) - 3;
    write_npy(path, made);
    Tensor again = read_npy(path);
    CHECK(again.shape() == shape && again.dtype() == made.dtype());
    CHECK(again.to_vector<std::int64_t>() == made.to_vector<std::int64_t>());
  }
  std::ofstream(path, std::ios::binary) << "no array";
  EXPECT_ERROR(LoadError, read_npy(path), "'" + path + "' is no .npy file that can be used: it does not begin as one");
  EXPECT_ERROR(LoadError, read_npy(folder + "/absent.npy"), "'" + folder + "/absent.npy' cannot be read");
  EXPECT_ERROR(LoadError, write_npy(path, Tensor(DType::named("int4"), {2})), "a .npy file cannot hold int4");
}

static void archives() {
  CHECK(crc32("123456789") == 0xCBF43926u);  // the check value of the catalogue of CRCs
  CHECK(crc32("") == 0);
  EXPECT_ERROR(LoadError, Archive("", "x"), "'x' is empty");
  EXPECT_ERROR(LoadError, Archive("text", "x"), "'x' is not a .vmfb file: it is no ZIP archive");
  EXPECT_ERROR(LoadError, Archive("PK\x03\x04", "x"), "'x' is damaged or incomplete: it has no end of the directory");
  EXPECT_ERROR(LoadError, Archive(Bytes("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22), "x"),
               "'x' is not a .vmfb file: the archive does not begin with VM bytecode");
  EXPECT_ERROR(LoadError, read_weights("short", "x"), "the weights in 'x' are malformed: the archive ends too early");
}

int main(int argc, char** argv) {
  expressions();
  cpus();
  json();
  tensors();
  npy(argc > 1 ? argv[1] : ".");
  archives();
  return check::report("test_core");
}
