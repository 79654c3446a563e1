// The smallest test harness: CHECK counts failures and says where; EXPECT_ERROR compares the text of an exception.
#pragma once

#include <cstdio>
#include <string>

namespace check {

inline int failures = 0;
inline int checks = 0;

inline void that(bool ok, const std::string& text, const char* file, int line) {
  ++checks;
  if (ok) return;
  ++failures;
  std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, text.c_str());
}

template <typename E, typename F>
void error(F&& run, const std::string& expected, const char* file, int line) {
  std::string found = "no error";
  try {
    run();
  } catch (const E& caught) {
    found = caught.what();
  }
  that(found == expected, "expected \"" + expected + "\", came \"" + found + "\"", file, line);
}

inline int report(const char* name) {
  std::printf("%s: %d checks, %d failures\n", name, checks, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace check

#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define EXPECT_ERROR(type, expression, text) check::error<type>([&] { (void)(expression); }, (text), __FILE__, __LINE__)
