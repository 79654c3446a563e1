// Inputs for the examples: a batch of one, of a given length, for each argument of an entry point. Integers are 0, 1, 2, … modulo
// 1000 (a mask: 1), floats 0.5.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "nimble/module.hpp"

inline std::vector<nimble::Tensor> example_inputs(const nimble::EntryPoint& entry, std::int64_t length) {
  std::vector<nimble::Tensor> inputs;
  for (const nimble::LeafSpec& argument : entry.arguments) {
    nimble::Shape shape;
    for (const nimble::DimExpr& dim : argument.dims) shape.push_back(dim.is_constant() ? dim.evaluate({}) : dim.text() == "b" ? 1 : length);
    nimble::Tensor input(nimble::DType::named(argument.dtype), shape);
    bool mask = argument.name.find("mask") != std::string::npos;
    for (std::size_t i = 0; i < input.size(); ++i) {
      if (argument.dtype == "int32") input.data<std::int32_t>()[i] = mask ? 1 : static_cast<std::int32_t>(i % 1000);
      else if (argument.dtype == "float32") input.data<float>()[i] = mask ? 1.0f : 0.5f;
      else throw nimble::Error("argument '" + argument.name + "' is " + argument.str() + "; the examples make int32 and float32");
    }
    inputs.push_back(input);
  }
  return inputs;
}

inline std::vector<nimble::TensorView> views(const std::vector<nimble::Tensor>& tensors) {
  return {tensors.begin(), tensors.end()};
}
