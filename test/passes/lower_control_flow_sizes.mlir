// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow | FileCheck %s

// A carry whose size changes crosses the edges of its loop as a buffer view; its size is read where it arrives.
// CHECK-LABEL: func.func @prepends
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32, #nimble.dims<[@s, 4]>>
// CHECK:         %[[S:.*]] = "nimble.symbol"(%{{.*}}) {bounds = {min = 1 : i64}, symbol = @s}
// CHECK:         %[[INIT:.*]] = "nimble.export"(%[[X]], %[[S]])
// CHECK:         %[[LOOP:.*]] = scf.for %{{.*}} iter_args(%[[V:.*]] = %[[INIT]]) -> (!nimble.buffer_view) {
// CHECK:           %[[D:.*]] = "nimble.view_size"(%[[V]]) {dimension = 0
// CHECK:           %[[K:.*]] = "nimble.symbol"(%[[D]]) {bounds = {min = 0 : i64}, nimble.defined, symbol = @k}
// CHECK:           %[[NEXT:.*]] = arith.addi %[[K]], %{{.*}}
// CHECK:           %[[C:.*]] = "nimble.import"(%[[V]], %[[K]]) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@k, 4]>>
// CHECK:           %[[LONGER:.*]] = stablehlo.concatenate %{{.*}}, %[[C]], dim = 0
// CHECK:           %[[OUT:.*]] = "nimble.export"(%[[LONGER]], %[[NEXT]])
// CHECK:           scf.yield %[[OUT]]
// CHECK:         %[[D:.*]] = "nimble.view_size"(%[[LOOP]]) {dimension = 0
// CHECK:         %[[R:.*]] = "nimble.symbol"(%[[D]]) {{.*}}symbol = @r
// CHECK:         "nimble.import"(%[[LOOP]], %[[R]]) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@r, 4]>>
func.func @prepends(%k: tensor<i32> {jax.global_constant = "k"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?x4xf32>
  cond {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "seen"}} : (tensor<?x4xf32>) -> tensor<i32>
    %2 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %2 : tensor<i1>
  } do {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "k"}} : (tensor<?x4xf32>) -> tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %2 = stablehlo.add %i, %one : tensor<i32>
    %3 = stablehlo.concatenate %row, %c, dim = 0 : (tensor<1x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    stablehlo.return %2, %3 : tensor<i32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1, %r : tensor<?x4xf32>, tensor<i32>
}

// -----

// Branches whose results differ in size give views, too.
// CHECK-LABEL: func.func @branches
// CHECK:         %[[IF:.*]] = scf.if %{{.*}} -> (!nimble.buffer_view) {
// CHECK:           %[[ONE:.*]] = "nimble.export"(%{{.*}}, %{{.*}}) {{.*}} : (tensor<?x4xf32, #nimble.dims<[@s, 4]>>, index)
// CHECK:           scf.yield %[[ONE]]
// CHECK:         } else {
// CHECK:           %[[OTHER:.*]] = "nimble.export"(%{{.*}}) {{.*}} : (tensor<1x4xf32>)
// CHECK:           scf.yield %[[OTHER]]
// CHECK:         %[[D:.*]] = "nimble.view_size"(%[[IF]])
// CHECK:         %[[R:.*]] = "nimble.symbol"(%[[D]]) {{.*}}symbol = @r
// CHECK:         "nimble.import"(%[[IF]], %[[R]]) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@r, 4]>>
func.func @branches(%r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %p: tensor<i1> {nimble.name = "p", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> tensor<?x4xf32> attributes {nimble.symbols = {s = {min = 1}}} {
  %0 = "stablehlo.if"(%p) ({
    stablehlo.return %x : tensor<?x4xf32>
  }, {
    stablehlo.return %row : tensor<1x4xf32>
  }) : (tensor<i1>) -> tensor<?x4xf32>
  %1 = stablehlo.custom_call @nimble.size(%0) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0 : tensor<?x4xf32>
}
