// RUN: %nimble-opt %s --split-input-file --verify-diagnostics --nimble-bind-symbols --nimble-infer-dims

func.func @not_in_the_condition(%k: tensor<i32> {jax.global_constant = "k"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  // expected-error @below {{a carry that changes its size needs a symbol for it in the condition, the body and the result}}
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?x4xf32>
  cond {
    %2 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %2 : tensor<i1>
  } do {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "k"}} : (tensor<?x4xf32>) -> tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %2 = stablehlo.add %i, %one : tensor<i32>
    %3 = stablehlo.concatenate %c, %row, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
    stablehlo.return %2, %3 : tensor<i32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1, %r : tensor<?x4xf32>, tensor<i32>
}

// -----

func.func @sizes_that_are_not_shared(%x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> tensor<?x4xf32> attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  // expected-error @below {{'stablehlo.while' needs equal sizes, but the sizes 'k' of values 1 and 2 after an iteration are 'k + 1' and 'k'}}
  %0:3 = stablehlo.while(%i = %zero, %c = %x, %d = %x) : tensor<i32>, tensor<?x4xf32>, tensor<?x4xf32>
  cond {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "seen"}} : (tensor<?x4xf32>) -> tensor<i32>
    %2 = stablehlo.custom_call @nimble.size(%d) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "seen"}} : (tensor<?x4xf32>) -> tensor<i32>
    %3 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %3 : tensor<i1>
  } do {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "k"}} : (tensor<?x4xf32>) -> tensor<i32>
    %2 = stablehlo.custom_call @nimble.size(%d) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "k"}} : (tensor<?x4xf32>) -> tensor<i32>
    %3 = stablehlo.concatenate %c, %row, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
    stablehlo.return %i, %3, %d : tensor<i32>, tensor<?x4xf32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  %2 = stablehlo.custom_call @nimble.size(%0#2) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1 : tensor<?x4xf32>
}

// -----

func.func @defined_twice(%x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %p: tensor<i1> {nimble.name = "p", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> tensor<?x4xf32> attributes {nimble.symbols = {s = {min = 1}}} {
  %0 = "stablehlo.if"(%p) ({
    stablehlo.return %x : tensor<?x4xf32>
  }, {
    stablehlo.return %row : tensor<1x4xf32>
  }) : (tensor<i1>) -> tensor<?x4xf32>
  %1 = stablehlo.custom_call @nimble.size(%0) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  %2 = "stablehlo.if"(%p) ({
    stablehlo.return %x : tensor<?x4xf32>
  }, {
    stablehlo.return %row : tensor<1x4xf32>
  }) : (tensor<i1>) -> tensor<?x4xf32>
  // expected-error @below {{the size 'r' is defined twice, by values that do not arrive together}}
  %3 = stablehlo.custom_call @nimble.size(%2) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0 : tensor<?x4xf32>
}
