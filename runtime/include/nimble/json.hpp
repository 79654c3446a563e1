// A small JSON reader for signatures and safetensors headers: text in, a tree of values out. Numbers are integers of 64 bits
// where they are written as integers. Raises JsonError, also for nesting deeper than 200.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nimble/error.hpp"

namespace nimble {

class JsonError : public Error {
 public:
  using Error::Error;
};

class Json {
 public:
  enum class Kind { null, boolean, integer, real, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string string;
  std::vector<Json> array;
  std::vector<std::pair<std::string, Json>> object;  // in the order of the text

  bool is_null() const { return kind == Kind::null; }

  // The member of an object, nullptr without one.
  const Json* find(std::string_view key) const {
    for (const auto& [name, value] : object)
      if (name == key) return &value;
    return nullptr;
  }

  const Json& at(std::string_view key) const {
    if (const Json* found = find(key)) return *found;
    throw JsonError("no member '" + std::string(key) + "'");
  }

  std::int64_t as_integer() const { return expect(Kind::integer, "an integer").integer; }
  const std::string& as_string() const { return expect(Kind::string, "a string").string; }
  const std::vector<Json>& as_array() const { return expect(Kind::array, "an array").array; }
  const std::vector<std::pair<std::string, Json>>& as_object() const { return expect(Kind::object, "an object").object; }

  // The value at the beginning of `text`; `end` is where it ends. Without `end` nothing but space may follow.
  static Json parse(std::string_view text, std::size_t* end = nullptr);

 private:
  const Json& expect(Kind wanted, const char* what) const {
    if (kind != wanted) throw JsonError(std::string("expected ") + what);
    return *this;
  }
};

namespace detail {

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  std::size_t position() const { return at_; }

  void expect_end() {
    space();
    if (at_ != text_.size()) fail("unexpected text");
  }

  Json value(int depth = 0) {
    if (depth > 200) fail("too deeply nested");
    space();
    Json result;
    switch (peek()) {
      case '{':
        object(result, depth);
        return result;
      case '[':
        array(result, depth);
        return result;
      case '"':
        result.kind = Json::Kind::string;
        result.string = string();
        return result;
      case 't':
        word("true");
        result.kind = Json::Kind::boolean;
        result.boolean = true;
        return result;
      case 'f':
        word("false");
        result.kind = Json::Kind::boolean;
        return result;
      case 'n':
        word("null");
        return result;
      default:
        number(result);
        return result;
    }
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw JsonError("malformed JSON at byte " + std::to_string(at_) + ": " + problem);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }

  void take(char wanted) {
    space();
    if (peek() != wanted) fail(std::string("expected '") + wanted + "'");
    ++at_;
  }

  bool accept(char wanted) {
    space();
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  void word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) fail("unknown word");
    at_ += wanted.size();
  }

  void object(Json& result, int depth) {
    result.kind = Json::Kind::object;
    take('{');
    if (accept('}')) return;
    do {
      space();
      std::string key = string();
      take(':');
      result.object.emplace_back(std::move(key), value(depth + 1));
    } while (accept(','));
    take('}');
  }

  void array(Json& result, int depth) {
    result.kind = Json::Kind::array;
    take('[');
    if (accept(']')) return;
    do result.array.push_back(value(depth + 1));
    while (accept(','));
    take(']');
  }

  void number(Json& result) {
    std::size_t start = at_;
    bool whole = true;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '.' || c == 'e' || c == 'E') whole = false;
      else if (c != '-' && c != '+' && (c < '0' || c > '9')) break;
    }
    std::string digits(text_.substr(start, at_ - start));
    char* end = nullptr;
    errno = 0;
    if (whole) {
      result.kind = Json::Kind::integer;
      result.integer = std::strtoll(digits.c_str(), &end, 10);
    } else {
      result.kind = Json::Kind::real;
      result.real = std::strtod(digits.c_str(), &end);
    }
    if (digits.empty() || *end != '\0' || (whole && errno == ERANGE)) fail("expected a value");
  }

  std::string string() {
    if (peek() != '"') fail("expected a string");
    std::string result;
    for (++at_; peek() != '"'; ++at_) {
      if (at_ >= text_.size()) fail("the string does not end");
      if (text_[at_] != '\\') {
        result += text_[at_];
        continue;
      }
      ++at_;
      switch (peek()) {
        case 'n': result += '\n'; break;
        case 't': result += '\t'; break;
        case 'r': result += '\r'; break;
        case 'b': result += '\b'; break;
        case 'f': result += '\f'; break;
        case '"': case '\\': case '/': result += peek(); break;
        case 'u': unicode(result); break;
        default: fail("unknown escape");
      }
    }
    ++at_;
    return result;
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      ++at_;
      char c = peek();
      unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
      if (digit > 15) fail("expected four hexadecimal digits");
      code = code * 16 + digit;
    }
    return code;
  }

  // \uXXXX, two of them for a character outside of the basic plane, as UTF-8.
  void unicode(std::string& result) {
    unsigned code = hex4();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_ + 1, 2) == "\\u") {
      at_ += 2;
      code = 0x10000 + ((code - 0xD800) << 10) + (hex4() - 0xDC00);
    }
    if (code < 0x80) {
      result += static_cast<char>(code);
    } else if (code < 0x800) {
      result += static_cast<char>(0xC0 | code >> 6);
      result += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      result += static_cast<char>(0xE0 | code >> 12);
      result += static_cast<char>(0x80 | (code >> 6 & 0x3F));
      result += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      result += static_cast<char>(0xF0 | (code >> 18 & 0x7));
      result += static_cast<char>(0x80 | (code >> 12 & 0x3F));
      result += static_cast<char>(0x80 | (code >> 6 & 0x3F));
      result += static_cast<char>(0x80 | (code & 0x3F));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail

inline Json Json::parse(std::string_view text, std::size_t* end) {
  detail::JsonParser parser(text);
  Json result = parser.value();
  if (end != nullptr) *end = parser.position();
  else parser.expect_end();
  return result;
}

}  // namespace nimble
