// The features of this machine's CPU, and those that a file's code needs: a CPU without them would end the process (SIGILL).
// Features have the names of Linux (/proc/cpuinfo).
#pragma once

#include <fstream>
#include <istream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "nimble/error.hpp"

namespace nimble::detail {

// The features that a text like /proc/cpuinfo says of the first CPU; none where it says nothing.
inline std::set<std::string> cpu_features(std::istream& text) {
  std::set<std::string> features;
  for (std::string line; std::getline(text, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) features.insert(word);
    break;
  }
  return features;
}

// Raises LoadError where the CPU of `text` lacks features that are needed; nothing is said where `text` says none.
inline void check_cpu(const std::vector<std::string>& needed, const std::string& name, std::istream& text) {
  std::set<std::string> here = cpu_features(text);
  std::string missing;
  for (const std::string& feature : needed)
    if (here.count(feature) == 0) missing += (missing.empty() ? "" : ", ") + feature;
  if (!here.empty() && !missing.empty())
    throw LoadError("'" + name + "' was compiled for a CPU with " + missing +
                    ", which this one does not have: compile it for one that is like this one, "
                    "CompileOptions(target_cpu=\"x86-64-v3\") say, or for any, target_cpu=\"generic\"");
}

inline void check_cpu(const std::vector<std::string>& needed, const std::string& name) {
  std::ifstream text("/proc/cpuinfo");
  check_cpu(needed, name, text);
}

}  // namespace nimble::detail
