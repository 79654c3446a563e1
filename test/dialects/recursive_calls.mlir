// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @begin
func.func @begin(%w: tensor<?x4xf32>, %n: tensor<i32>) -> (tensor<i32>, tensor<?x3xi32>, tensor<i32>) {
  // CHECK: %[[ARGS:.*]] = stablehlo.tuple
  %0 = stablehlo.tuple %w, %n : tuple<tensor<?x4xf32>, tensor<i32>>
  // CHECK: %[[R:.*]] = "nimble.start_recursion"(%[[ARGS]]) {callee = @f, invariants = 1 : i64, max_depth = 1000 : i64, tables = [1], what = "f"}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 1 : i64, max_depth = 1000 : i64, tables = [1], what = "f"} : (tuple<tensor<?x4xf32>, tensor<i32>>) -> tuple<tensor<i32>, tensor<?x3xi32>, tensor<i32>>
  // CHECK: stablehlo.get_tuple_element %[[R]][0]
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>, tensor<?x3xi32>, tensor<i32>>) -> tensor<i32>
  %3 = stablehlo.get_tuple_element %1[1] : (tuple<tensor<i32>, tensor<?x3xi32>, tensor<i32>>) -> tensor<?x3xi32>
  %4 = stablehlo.get_tuple_element %1[2] : (tuple<tensor<i32>, tensor<?x3xi32>, tensor<i32>>) -> tensor<i32>
  return %2, %3, %4 : tensor<i32>, tensor<?x3xi32>, tensor<i32>
}

// CHECK-LABEL: func.func private @f
func.func private @f(%w: tensor<?x4xf32>, %n: tensor<i32>) -> tensor<i32> {
  // CHECK: %[[ARGS:.*]] = stablehlo.tuple
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // CHECK: "nimble.recursive_call"(%[[ARGS]]) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  %3 = stablehlo.tuple %2, %n : tuple<tensor<i32>, tensor<i32>>
  // CHECK: "nimble.make_node"(%{{.*}}) {constructor = 1 : i64, heap = 0 : i64} : (tuple<tensor<i32>, tensor<i32>>) -> tensor<i32>
  %4 = "nimble.make_node"(%3) {constructor = 1 : i64, heap = 0 : i64} : (tuple<tensor<i32>, tensor<i32>>) -> tensor<i32>
  return %4 : tensor<i32>
}
