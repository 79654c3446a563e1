// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-reserve-capacity | FileCheck %s

// One branch appends, the other keeps: both leave the buffer with room, and how much of it is used. Nothing is copied but where it is full.
// CHECK-LABEL: func.func @appends_in_a_branch
// CHECK-SAME:    %{{.*}}: tensor<1x4xf32> {{{.*}}}, %[[P:[^:]*]]: tensor<i1>
// CHECK:         scf.for %{{.*}} iter_args(%[[V:.*]] = %{{.*}}, %[[USED:.*]] = %{{.*}}) -> (!nimble.buffer_view, index) {
// CHECK:           %[[K:.*]] = "nimble.symbol"(%[[USED]]) {{.*}}symbol = @k
// CHECK:           %[[CHOSEN:.*]] = tensor.extract %[[P]]
// CHECK:           %[[R:.*]]:2 = scf.if %[[CHOSEN]] -> (!nimble.buffer_view, index) {
// CHECK:             %[[ROOM:.*]] = scf.if %{{.*}} -> (!nimble.buffer_view) {
// CHECK:             %[[BUFFER:.*]] = "nimble.import"(%[[ROOM]], %{{.*}}) {nimble.consume
// CHECK-NOT:         stablehlo.concatenate
// CHECK:             %[[WRITTEN:.*]] = tensor.insert_slice %{{.*}} into %[[BUFFER]][%[[K]], 0] [%{{.*}}, 4] [1, 1]
// CHECK:             %[[OUT:.*]] = "nimble.export"(%[[WRITTEN]], %{{.*}})
// CHECK:             scf.yield %[[OUT]], %{{.*}} : !nimble.buffer_view, index
// CHECK:           } else {
// CHECK-NEXT:        scf.yield %[[V]], %[[K]] : !nimble.buffer_view, index
// CHECK:           %[[M:.*]] = "nimble.symbol"(%[[R]]#1) {{.*}}symbol = @m
// CHECK:           scf.yield %[[R]]#0, %[[M]] : !nimble.buffer_view, index
func.func @appends_in_a_branch(%k: tensor<i32> {jax.global_constant = "k"}, %m: tensor<i32> {jax.global_constant = "m"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}, %p: tensor<i1> {nimble.name = "p", nimble.dims = []}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
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
    %3 = "stablehlo.if"(%p) ({
      %5 = stablehlo.concatenate %c, %row, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
      stablehlo.return %5 : tensor<?x4xf32>
    }, {
      stablehlo.return %c : tensor<?x4xf32>
    }) : (tensor<i1>) -> tensor<?x4xf32>
    %4 = stablehlo.custom_call @nimble.size(%3) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "m"}} : (tensor<?x4xf32>) -> tensor<i32>
    stablehlo.return %2, %3 : tensor<i32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1, %r : tensor<?x4xf32>, tensor<i32>
}

// -----

// An inner loop takes the buffer of the outer one over: only the outer one makes one.
// CHECK-LABEL: func.func @appends_in_an_inner_loop
// CHECK:         tensor.empty
// CHECK:         scf.for %{{.*}} iter_args(%[[V:.*]] = %{{.*}}, %[[USED:.*]] = %{{.*}}) -> (!nimble.buffer_view, index) {
// CHECK:           %[[K:.*]] = "nimble.symbol"(%[[USED]]) {{.*}}symbol = @k
// CHECK-NOT:       tensor.empty
// CHECK:           %[[INNER:.*]]:2 = scf.for %{{.*}} iter_args(%[[W:.*]] = %[[V]], %[[SO_FAR:.*]] = %[[K]]) -> (!nimble.buffer_view, index) {
// CHECK:             "nimble.symbol"(%[[SO_FAR]]) {{.*}}symbol = @j
// CHECK:             "nimble.import"(%{{.*}}) {nimble.consume
// CHECK:             scf.yield %{{.*}}, %{{.*}} : !nimble.buffer_view, index
// CHECK:           %[[M:.*]] = "nimble.symbol"(%[[INNER]]#1) {{.*}}symbol = @m
// CHECK:           scf.yield %[[INNER]]#0, %[[M]] : !nimble.buffer_view, index
func.func @appends_in_an_inner_loop(%k: tensor<i32> {jax.global_constant = "k"}, %j: tensor<i32> {jax.global_constant = "j"}, %m: tensor<i32> {jax.global_constant = "m"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?x4xf32>
  cond {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "seen"}} : (tensor<?x4xf32>) -> tensor<i32>
    %2 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %2 : tensor<i1>
  } do {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "k"}} : (tensor<?x4xf32>) -> tensor<i32>
    %2 = stablehlo.add %i, %one : tensor<i32>
    %3:2 = stablehlo.while(%q = %zero, %d = %c) : tensor<i32>, tensor<?x4xf32>
    cond {
      %5 = stablehlo.custom_call @nimble.size(%d) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "also"}} : (tensor<?x4xf32>) -> tensor<i32>
      %6 = stablehlo.compare LT, %q, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %6 : tensor<i1>
    } do {
      %5 = stablehlo.custom_call @nimble.size(%d) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "j"}} : (tensor<?x4xf32>) -> tensor<i32>
      %6 = stablehlo.add %q, %one : tensor<i32>
      %7 = stablehlo.concatenate %d, %row, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
      stablehlo.return %6, %7 : tensor<i32>, tensor<?x4xf32>
    }
    %4 = stablehlo.custom_call @nimble.size(%3#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "m"}} : (tensor<?x4xf32>) -> tensor<i32>
    stablehlo.return %2, %3#1 : tensor<i32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1, %r : tensor<?x4xf32>, tensor<i32>
}

// -----

// A list says how many rows to have room for, and how many it has at most: more than these are not made.
// CHECK-LABEL: func.func @reserves
// CHECK-DAG:     %[[WISH:.*]] = arith.constant 100
// CHECK:         %[[WANTED:.*]] = arith.maxsi %{{.*}}, %[[WISH]]
// CHECK:         %[[MOST:.*]] = arith.constant 200
// CHECK:         %[[CAPPED:.*]] = arith.minsi %[[WANTED]], %[[MOST]]
// CHECK:         %[[FIRST:.*]] = arith.maxsi %{{.*}}, %[[CAPPED]]
// CHECK:         tensor.empty(%[[FIRST]]) : tensor<?x4xf32>
// CHECK:         scf.for
// CHECK:             %[[DOUBLE:.*]] = arith.muli
// CHECK:             %[[MOST2:.*]] = arith.constant 200
// CHECK:             %[[LESS:.*]] = arith.minsi %[[DOUBLE]], %[[MOST2]]
// CHECK:             %[[NEW:.*]] = arith.maxsi %{{.*}}, %[[LESS]]
// CHECK:             tensor.empty(%[[NEW]]) : tensor<?x4xf32>
// CHECK-NOT:     nimble.reserve
func.func @reserves(%k: tensor<i32> {jax.global_constant = "k"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %list = stablehlo.custom_call @nimble.reserve(%x) {api_version = 4 : i32, backend_config = {capacity = 100 : i64, bound = 200 : i64}} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0:2 = stablehlo.while(%i = %zero, %c = %list) : tensor<i32>, tensor<?x4xf32>
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
