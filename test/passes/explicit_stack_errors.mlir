// RUN: %nimble-opt %s --split-input-file --nimble-explicit-stack --verify-diagnostics

func.func @main(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{function 'elsewhere' has no body in this module}}
  %1 = "nimble.start_recursion"(%0) {callee = @elsewhere, invariants = 0 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return
}

// -----

func.func @main(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  return
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{function 'g' has no body in this module}}
  %1 = "nimble.recursive_call"(%0) {callee = @g} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @g(tensor<i32>) -> tensor<i32>

// -----

func.func @main(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{function 'f' returns (tensor<i32>), and is called for (tensor<f32>)}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<f32>>
  return
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  return %n : tensor<i32>
}

// -----

// The invariants are those of the recursion.
func.func @main(%w: tensor<?xf32>, %n: tensor<i32>) {
  %0 = stablehlo.tuple %w, %n : tuple<tensor<?xf32>, tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 1 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<?xf32>, tensor<i32>>) -> tuple<tensor<i32>>
  return
}
func.func private @f(%w: tensor<?xf32>, %n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %w, %n : tuple<tensor<?xf32>, tensor<i32>>
  // expected-error @below {{function 'f' takes (tensor<?xf32>, tensor<i32>), and is called for (tensor<?xf32>, tensor<?xf32>, tensor<i32>)}}
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<?xf32>, tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}

// -----

func.func @main(%x: tensor<?xf32>) {
  %0 = stablehlo.tuple %x : tuple<tensor<?xf32>>
  // expected-error @below {{nm.recursive 'f' keeps float32[?] across a call: what stands in a frame needs sizes that are numbers}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<?xf32>>) -> tuple<tensor<?xf32>>
  return
}
func.func private @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// A result of a call, or what is needed after one.
func.func @main(%w: tensor<?xf32>, %n: tensor<i32>) {
  %0 = stablehlo.tuple %w, %n : tuple<tensor<?xf32>, tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 1 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<?xf32>, tensor<i32>>) -> tuple<tensor<i32>>
  return
}
func.func private @f(%w: tensor<?xf32>, %n: tensor<i32>) -> tensor<i32> {
  %x = stablehlo.sine %w : tensor<?xf32>
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{nm.recursive 'f' keeps float32[?] across a call: what stands in a frame needs sizes that are numbers}}
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  %3 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %4 = stablehlo.add %2, %3 : tensor<i32>
  return %4 : tensor<i32>
}

// -----

func.func @main(%n: tensor<4xi32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<4xi32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<4xi32>>) -> tuple<tensor<4xi32>>
  return
}
func.func private @f(%n: tensor<4xi32>) -> tensor<4xi32> {
  // expected-error @below {{a recursive call within 'stablehlo.sort' cannot be compiled; call the function outside of it}}
  %0 = "stablehlo.sort"(%n) ({
  ^bb0(%a: tensor<i32>, %b: tensor<i32>):
    %1 = stablehlo.tuple %n : tuple<tensor<4xi32>>
    %2 = "nimble.recursive_call"(%1) {callee = @f} : (tuple<tensor<4xi32>>) -> tuple<tensor<4xi32>>
    %3 = stablehlo.compare LT, %a, %b : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %3 : tensor<i1>
  }) : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// -----

func.func @main(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{a table of nodes is of type tensor<9x2xi32>; it has a row a node, whose number nobody knows}}
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [1], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>, tensor<9x2xi32>, tensor<i32>>
  return
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  return %n : tensor<i32>
}

// -----

func.func @main(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [1], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>, tensor<?x2xi32>, tensor<i32>>
  return
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{a node is made of heap 1, but the recursion has 1 heaps}}
  %1 = "nimble.make_node"(%0) {constructor = 0 : i64, heap = 1 : i64} : (tuple<tensor<i32>>) -> tensor<i32>
  return %1 : tensor<i32>
}

// -----

func.func @main(%n: tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [1], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>, tensor<?x1xi32>, tensor<i32>>
  return
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  // expected-error @below {{a node has 2 elements of i32, but there is room for 1 in the heap's table}}
  %1 = "nimble.make_node"(%0) {constructor = 0 : i64, heap = 0 : i64} : (tuple<tensor<i32>>) -> tensor<i32>
  return %1 : tensor<i32>
}
