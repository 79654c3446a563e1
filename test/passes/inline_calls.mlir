// RUN: %nimble-opt %s --split-input-file --nimble-inline-calls --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @nested
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>
// CHECK:         %[[COS:.*]] = stablehlo.cosine %[[X]]
// CHECK:         %[[SIN:.*]] = stablehlo.sine %[[COS]]
// CHECK:         return %[[SIN]]
func.func @nested(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @outer(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
// CHECK-NOT: func.func
func.func private @outer(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @inner(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = stablehlo.sine %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @inner(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.cosine %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// Two calls, two copies; several results.
// CHECK-LABEL: func.func @twice
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>
// CHECK:         %[[A:.*]] = stablehlo.sine %[[X]]
// CHECK:         %[[B:.*]] = stablehlo.sine %[[Y]]
// CHECK:         return %[[X]], %[[A]], %[[B]]
func.func @twice(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0:2 = call @same_and_sine(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %1:2 = call @same_and_sine(%y) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0, %0#1, %1#1 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
func.func private @same_and_sine(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = stablehlo.sine %a : tensor<4xf32>
  return %a, %0 : tensor<4xf32>, tensor<4xf32>
}

// -----

// A call inside a region.
// CHECK-LABEL: func.func @in_a_region
// CHECK:         stablehlo.while
// CHECK:           stablehlo.add
// CHECK-NOT:     call
func.func @in_a_region(%x: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.while(%i = %x) : tensor<i32> cond {
    %1 = stablehlo.compare LT, %i, %x : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = func.call @twofold(%i) : (tensor<i32>) -> tensor<i32>
    stablehlo.return %1 : tensor<i32>
  }
  return %0 : tensor<i32>
}
func.func private @twofold(%a: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.add %a, %a : tensor<i32>
  return %0 : tensor<i32>
}

// -----

// A public function is inlined into others, and stays an entry point.
// CHECK-LABEL: func.func @first
// CHECK:         stablehlo.sine
// CHECK-LABEL: func.func @second
// CHECK-NOT:     call
// CHECK:         stablehlo.sine
func.func @first(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @second(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @first(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// Recursive functions stay, and what they call is inlined into them; those that no recursion leads to go.
// CHECK-LABEL: func.func @to_a_recursion
// CHECK-NOT:     func.func private @unused
// CHECK-LABEL: func.func private @f
// CHECK-NOT:     call
// CHECK:         stablehlo.add
// CHECK:         "nimble.recursive_call"({{.*}}) {callee = @g}
// CHECK-LABEL: func.func private @g
// CHECK-NOT:   func.func private @twofold
func.func @to_a_recursion(%n: tensor<i32>) -> tensor<i32> {
  %0 = call @begin(%n) : (tensor<i32>) -> tensor<i32>
  return %0 : tensor<i32>
}
func.func private @begin(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 9 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @unused(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.recursive_call"(%0) {callee = @unused} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %0 = call @twofold(%n) : (tensor<i32>) -> tensor<i32>
  return %0 : tensor<i32>
}
func.func private @twofold(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.add %n, %n : tensor<i32>
  %1 = stablehlo.tuple %0 : tuple<tensor<i32>>
  %2 = "nimble.recursive_call"(%1) {callee = @g} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %3 = stablehlo.get_tuple_element %2[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %3 : tensor<i32>
}
func.func private @g(%n: tensor<i32>) -> tensor<i32> {
  return %n : tensor<i32>
}

// -----

// Shape functions are no entry points, but stay.
// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         stablehlo.sine
// CHECK-LABEL: func.func @nothing_to_do$shape
func.func @nothing_to_do(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @nothing_to_do$shape(%n: i64) -> i64 attributes {nimble.shape_of = @nothing_to_do} {
  return %n : i64
}

// -----

func.func @recursion(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @odd(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @odd(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @even(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @even(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{function 'odd' calls itself; recursion cannot be inlined}}
  %0 = call @odd(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func private @elsewhere(tensor<4xf32>) -> tensor<4xf32>
func.func @no_body(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{function 'elsewhere' has no body in this module}}
  %0 = call @elsewhere(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// A composite is its decomposition; a tuple's element is what it was made of.
// CHECK-LABEL: func.func @composite
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT:    %[[SIN:.*]] = stablehlo.sine %[[X]]
// CHECK-NEXT:    %[[COS:.*]] = stablehlo.cosine %[[SIN]]
// CHECK-NEXT:    return %[[COS]]
func.func @composite(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.composite "some.sine" %x {decomposition = @some_sine} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = stablehlo.tuple %x, %0 : tuple<tensor<4xf32>, tensor<4xf32>>
  %2 = stablehlo.get_tuple_element %1[1] : (tuple<tensor<4xf32>, tensor<4xf32>>) -> tensor<4xf32>
  %3 = stablehlo.cosine %2 : tensor<4xf32>
  return %3 : tensor<4xf32>
}
// CHECK-NOT: func.func
func.func private @some_sine(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
