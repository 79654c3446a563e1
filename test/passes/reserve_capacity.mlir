// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-reserve-capacity | FileCheck %s

// What is appended goes into a buffer with room, for all iterations of a counted loop; only where it is full another one of twice the size takes its place. The
// used size is a scalar on the host.
// CHECK-LABEL: func.func @appends
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32, #nimble.dims<[@s, 4]>>
// CHECK-SAME:    %[[ROW:[^:]*]]: tensor<1x4xf32> {
// CHECK:         %[[S:.*]] = "nimble.symbol"(%{{.*}}) {bounds = {min = 1 : i64}, symbol = @s}
// CHECK:         %[[LEAST:.*]] = arith.addi %[[S]], %{{.*}}
// CHECK:         %[[TRIPS:.*]] = arith.minsi
// CHECK:         %[[MORE:.*]] = arith.muli %[[TRIPS]], %{{.*}}
// CHECK:         %[[CAPACITY:.*]] = arith.addi %[[LEAST]], %[[MORE]]
// CHECK:         %[[EMPTY:.*]] = tensor.empty(%[[CAPACITY]]) : tensor<?x4xf32>
// CHECK:         %[[FILLED:.*]] = tensor.insert_slice %[[X]] into %[[EMPTY]][0, 0] [%[[S]], 4] [1, 1]
// CHECK:         %[[INIT:.*]] = "nimble.export"(%[[FILLED]], %[[CAPACITY]])
// CHECK:         %[[LOOP:.*]]:2 = scf.for %{{.*}} iter_args(%[[V:.*]] = %[[INIT]], %[[USED:.*]] = %[[S]]) -> (!nimble.buffer_view, index) {
// CHECK:           %[[K:.*]] = "nimble.symbol"(%[[USED]]) {{.*}}symbol = @k
// CHECK:           %[[NEEDED:.*]] = arith.addi %[[K]], %{{.*}}
// CHECK:           %[[HAS:.*]] = "nimble.view_size"(%[[V]])
// CHECK:           %[[FULL:.*]] = arith.cmpi sgt, %[[NEEDED]], %[[HAS]]
// CHECK:           %[[ROOM:.*]] = scf.if %[[FULL]] -> (!nimble.buffer_view) {
// CHECK:             %[[DOUBLE:.*]] = arith.muli %[[HAS]], %{{.*}}
// CHECK:             %[[NEW:.*]] = arith.maxsi %[[NEEDED]], %[[DOUBLE]]
// CHECK:             %[[OLD:.*]] = "nimble.import"(%[[V]], %[[HAS]])
// CHECK:             tensor.insert_slice %[[OLD]] into %{{.*}}[0, 0] [%[[HAS]], 4] [1, 1]
// CHECK:           } else {
// CHECK:             scf.yield %[[V]]
// CHECK:           %[[HAS:.*]] = "nimble.view_size"(%[[ROOM]])
// CHECK:           %[[BUFFER:.*]] = "nimble.import"(%[[ROOM]], %[[HAS]]) {nimble.consume
// CHECK-NOT:       stablehlo.concatenate
// CHECK:           %[[WRITTEN:.*]] = tensor.insert_slice %{{.*}} into %[[BUFFER]][%[[K]], 0] [%{{.*}}, 4] [1, 1]
// CHECK:           %[[OUT:.*]] = "nimble.export"(%[[WRITTEN]], %[[HAS]])
// CHECK:           scf.yield %[[OUT]], %[[NEEDED]]
// CHECK:         %[[R:.*]] = "nimble.symbol"(%[[LOOP]]#1) {{.*}}symbol = @r
// What the loop has made is handed on where it lies.
// CHECK:         %[[ALL:.*]] = "nimble.import"(%[[LOOP]]#0, %[[R]]) {nimble.front{{.*}} -> tensor<?x4xf32, #nimble.dims<[@r, 4]>>
// CHECK:         return %[[ALL]]
func.func @appends(%k: tensor<i32> {jax.global_constant = "k"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
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
    %3 = stablehlo.concatenate %c, %row, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
    stablehlo.return %2, %3 : tensor<i32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1, %r : tensor<?x4xf32>, tensor<i32>
}

// -----

// A carry that changes in another way keeps no room.
// CHECK-LABEL: func.func @prepends
// CHECK-NOT:     nimble.consume
// CHECK:         scf.for %{{.*}} -> (!nimble.buffer_view) {
// CHECK-NOT:     tensor.insert_slice
// CHECK:         stablehlo.concatenate
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
