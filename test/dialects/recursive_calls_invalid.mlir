// RUN: %nimble-opt %s --split-input-file --verify-diagnostics

func.func @arguments_are_no_tuple(%n: tensor<i32>) {
  // expected-error @below {{'nimble.recursive_call' op has arguments of type tensor<i32>, which is no tuple}}
  %0 = "nimble.recursive_call"(%n) {callee = @f} : (tensor<i32>) -> tuple<tensor<i32>>
  return
}

// -----

func.func @results_are_no_tuple(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.recursive_call' op has results of type tensor<i32>, which is no tuple}}
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<i32>>) -> tensor<i32>
  return
}

// -----

func.func @tuple_from_elsewhere(%n: tuple<tensor<i32>>) {
  // expected-error @below {{'nimble.make_node' op has arguments that are not the result of 'stablehlo.tuple'}}
  %0 = "nimble.make_node"(%n) {constructor = 0 : i64, heap = 0 : i64} : (tuple<tensor<i32>>) -> tensor<i32>
  return
}

// -----

func.func @results_go_elsewhere(%n: tensor<i32>) -> tuple<tensor<i32>> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.recursive_call' op has results that 'func.return' uses; only 'stablehlo.get_tuple_element' reads them}}
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return %1 : tuple<tensor<i32>>
}

// -----

func.func @too_many_invariants(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.start_recursion' op has 2 invariants, but 1 arguments}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 2 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return
}

// -----

func.func @no_depth(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.start_recursion' op has the depth 0, but a call is one deep}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 0 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return
}

// -----

func.func @no_results_for_the_heap(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.start_recursion' op has heaps of [1] tables, but 1 results}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [1], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return
}

// -----

func.func @tables_without_number(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.start_recursion' op has "one" among its tables, which is no number of them}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = ["one"], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return
}

// -----

func.func @negative_heap(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.make_node' op has the heap -1}}
  %1 = "nimble.make_node"(%0) {constructor = 0 : i64, heap = -1 : i64} : (tuple<tensor<i32>>) -> tensor<i32>
  return
}

// -----

func.func @node_is_no_number(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{'nimble.make_node' op has a node of type tensor<2xi32>, which is no i32}}
  %1 = "nimble.make_node"(%0) {constructor = 0 : i64, heap = 0 : i64} : (tuple<tensor<i32>>) -> tensor<2xi32>
  return
}
