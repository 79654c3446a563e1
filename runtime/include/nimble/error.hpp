// The exceptions of nimble, as Python has them: Error, ShapeError (what does not fit a signature), LoadError (a file or device
// that cannot be used). Their texts are the Python side's.
#pragma once

#include <stdexcept>
#include <string>

namespace nimble {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ShapeError : public Error {
 public:
  using Error::Error;
};

class LoadError : public Error {
 public:
  using Error::Error;
};

}  // namespace nimble
