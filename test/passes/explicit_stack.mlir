// RUN: %nimble-opt %s --split-input-file --nimble-explicit-stack | FileCheck %s

// A call in the straight line: the block behind it gets %n in its frame and the result in the registers.
// CHECK-LABEL: func.func @straight_line
// CHECK-SAME:    %[[N:[^:]*]]: tensor<i32>
// CHECK:         %[[FRAME:.*]] = stablehlo.reshape %[[N]] : (tensor<i32>) -> tensor<1xi32>
// CHECK:         %[[STACK:.*]] = stablehlo.broadcast_in_dim %[[FRAME]], dims = [1] : (tensor<1xi32>) -> tensor<32x1xi32>
// CHECK:         %[[GROWN:.*]]:4 = stablehlo.while(%[[S:.*]] = %[[STACK]], %[[B:.*]] = %{{.*}}, %[[D:.*]] = %{{.*}}, %[[R:.*]] = %{{.*}}) : tensor<32x1xi32>, tensor<32xi32>, tensor<i32>, tensor<1xi32>
// CHECK-DAG:       stablehlo.custom_call @nimble.size(%[[S]])
// CHECK-SAME:        symbol = "_stack0_asked"
// CHECK-DAG:       %[[SOME:.*]] = stablehlo.compare GT, %[[D]]
// CHECK-DAG:       %[[DEEP:.*]] = stablehlo.constant dense<1000> : tensor<i32>
// CHECK:           stablehlo.compare LE, %[[D]], %[[DEEP]]
// CHECK:         do
// CHECK:           stablehlo.custom_call @nimble.size(%[[S]])
// CHECK-SAME:        symbol = "_stack0_begun"
// CHECK:           %[[MORE:.*]] = stablehlo.concatenate %[[S]]
// CHECK-SAME:        -> tensor<?x1xi32>
// CHECK:           stablehlo.while(%[[INNER:.*]] = %[[MORE]]
// CHECK:           do
// CHECK:             %[[ROW:.*]] = stablehlo.dynamic_slice %[[INNER]], %[[TOP:[^,]*]]
// CHECK:             %[[OWN:.*]] = stablehlo.reshape %[[ROW]] : (tensor<1x1xi32>) -> tensor<1xi32>
// CHECK:             "stablehlo.case"
// CHECK-NEXT:          %[[N0:.*]] = stablehlo.reshape %[[OWN]] : (tensor<1xi32>) -> tensor<i32>
// CHECK:               %[[LESS:.*]] = stablehlo.subtract %[[N0]]
// CHECK-DAG:           %[[KEPT:.*]] = stablehlo.reshape %[[N0]]
// CHECK-DAG:           %[[ARG:.*]] = stablehlo.reshape %[[LESS]]
// CHECK-DAG:           %[[UP:.*]] = stablehlo.constant dense<1> : tensor<i32>
// CHECK-DAG:           stablehlo.concatenate %[[KEPT]], %[[ARG]], %{{.*}}, dim = 0
// CHECK:               stablehlo.return %{{.*}} : tensor<i32>, tensor<i32>, tensor<i32>, tensor<i32>, tensor<3xi32>
// CHECK-NEXT:        }, {
// CHECK-DAG:           %[[N1:.*]] = stablehlo.reshape %[[OWN]]
// CHECK-DAG:           %[[RESULT:.*]] = stablehlo.reshape %{{.*}} : (tensor<1xi32>) -> tensor<i32>
// CHECK:               stablehlo.add
// CHECK:               stablehlo.constant dense<-1> : tensor<i32>
// CHECK:         stablehlo.custom_call @nimble.size(%[[GROWN]]#0)
// CHECK-SAME:      symbol = "_stack0"
// CHECK:         %[[DONE:.*]] = stablehlo.compare EQ, %[[GROWN]]#2
// CHECK:         stablehlo.custom_call @shape_assertion(%[[DONE]]) {error_message = "nm.recursive 'f': calls nest deeper than 1000 (max_depth)", has_side_effect = true}
// CHECK:         %[[OUT:.*]] = stablehlo.reshape %[[GROWN]]#3 : (tensor<1xi32>) -> tensor<i32>
// CHECK:         return %[[OUT]]
// CHECK-NOT:   func.func private
func.func @straight_line(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 1000 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %less = stablehlo.subtract %n, %one : tensor<i32>
  %0 = stablehlo.tuple %less : tuple<tensor<i32>>
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  %3 = stablehlo.add %n, %2 : tensor<i32>
  return %3 : tensor<i32>
}

// -----

// A call in a branch; what comes after the branch is a block for both sides. An invariant is no part of a frame: the widest
// vector has two integers for each of two frames, and one result.
// CHECK-LABEL: func.func @branch
// CHECK-SAME:    %[[W:[^:]*]]: tensor<?xf32>, %[[N:[^:]*]]: tensor<i32>
// CHECK:         stablehlo.while
// CHECK:           stablehlo.while
// CHECK:             "stablehlo.case"
// CHECK:               "stablehlo.if"
// CHECK:                 stablehlo.subtract
// CHECK:               }, {
// CHECK:               -> (tensor<i32>, tensor<i32>, tensor<i32>, tensor<i32>, tensor<5xi32>)
// CHECK:               stablehlo.get_dimension_size %[[W]], dim = 0
func.func @branch(%w: tensor<?xf32>, %n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %w, %n : tuple<tensor<?xf32>, tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 1 : i64, max_depth = 1000 : i64, tables = [], what = "f"} : (tuple<tensor<?xf32>, tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @f(%w: tensor<?xf32>, %n: tensor<i32>) -> tensor<i32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %more = stablehlo.compare GT, %n, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %0 = "stablehlo.if"(%more) ({
    %one = stablehlo.constant dense<1> : tensor<i32>
    %less = stablehlo.subtract %n, %one : tensor<i32>
    %2 = stablehlo.tuple %less : tuple<tensor<i32>>
    %3 = "nimble.recursive_call"(%2) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
    %4 = stablehlo.get_tuple_element %3[0] : (tuple<tensor<i32>>) -> tensor<i32>
    stablehlo.return %4 : tensor<i32>
  }, {
    stablehlo.return %zero : tensor<i32>
  }) : (tensor<i1>) -> tensor<i32>
  %size = stablehlo.get_dimension_size %w, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %sum = stablehlo.add %0, %size : tensor<i32>
  %1 = stablehlo.multiply %sum, %n : tensor<i32>
  return %1 : tensor<i32>
}

// -----

// A tail call, made by a branch: the callee's frame takes the place of the caller's. There is one block.
// CHECK-LABEL: func.func @tail
// CHECK:         stablehlo.while
// CHECK:           stablehlo.while
// CHECK-NOT:         "stablehlo.case"
// CHECK:             %[[MADE:.*]]:5 = "stablehlo.if"
// CHECK:               stablehlo.subtract
// CHECK:               %[[SAME:.*]] = stablehlo.constant dense<0> : tensor<i32>
// CHECK:               stablehlo.return %[[SAME]]
// CHECK:             }, {
// CHECK:               %[[DOWN:.*]] = stablehlo.constant dense<-1> : tensor<i32>
// CHECK:               stablehlo.return %[[DOWN]]
func.func @tail(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 1 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %more = stablehlo.compare GT, %n, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %0 = "stablehlo.if"(%more) ({
    %one = stablehlo.constant dense<1> : tensor<i32>
    %less = stablehlo.subtract %n, %one : tensor<i32>
    %2 = stablehlo.tuple %less : tuple<tensor<i32>>
    %3 = "nimble.recursive_call"(%2) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
    %4 = stablehlo.get_tuple_element %3[0] : (tuple<tensor<i32>>) -> tensor<i32>
    stablehlo.return %4 : tensor<i32>
  }, {
    stablehlo.return %n : tensor<i32>
  }) : (tensor<i1>) -> tensor<i32>
  return %0 : tensor<i32>
}

// -----

// A call in a loop: a block asks the condition, and each iteration goes back to it. Loops without a call stay.
// CHECK-LABEL: func.func @loop
// CHECK:         stablehlo.while
// CHECK:           stablehlo.while
// CHECK:             "stablehlo.case"
// The function: its own loop, then on to the header.
// CHECK:               stablehlo.while
// CHECK:                 stablehlo.multiply
// CHECK:             }, {
// CHECK:               stablehlo.compare LT
// CHECK:               "stablehlo.if"
// CHECK:             }) : (tensor<i32>)
func.func @loop(%n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 1000 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>>) -> tensor<i32>
  return %2 : tensor<i32>
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %p = stablehlo.while(%i = %one) : tensor<i32> cond {
    %3 = stablehlo.compare NE, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %3 : tensor<i1>
  } do {
    %3 = stablehlo.multiply %i, %i : tensor<i32>
    stablehlo.return %3 : tensor<i32>
  }
  %0:2 = stablehlo.while(%i = %p, %sum = %n) : tensor<i32>, tensor<i32> cond {
    %3 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %3 : tensor<i1>
  } do {
    %3 = stablehlo.tuple %i : tuple<tensor<i32>>
    %4 = "nimble.recursive_call"(%3) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
    %5 = stablehlo.get_tuple_element %4[0] : (tuple<tensor<i32>>) -> tensor<i32>
    %6 = stablehlo.add %sum, %5 : tensor<i32>
    %7 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %7, %6 : tensor<i32>, tensor<i32>
  }
  return %0#1 : tensor<i32>
}

// -----

// Two functions that call each other, with other arguments and results: one stack, whose frames are wide enough for both.
// CHECK-LABEL: func.func @mutual
// CHECK:         stablehlo.while(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : tensor<32x1xi32>, tensor<32x2xf32>, tensor<32xi32>, tensor<i32>, tensor<3xf32>
// CHECK:           stablehlo.while
// CHECK:             "stablehlo.case"
// CHECK-COUNT-3:       }, {
// CHECK-NOT:   func.func private
func.func @mutual(%n: tensor<i32>) -> tensor<f32> {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 1000 : i64, tables = [], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<f32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<f32>>) -> tensor<f32>
  return %2 : tensor<f32>
}
func.func private @f(%n: tensor<i32>) -> tensor<f32> {
  %x = stablehlo.convert %n : (tensor<i32>) -> tensor<f32>
  %y = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<2xf32>
  %0 = stablehlo.tuple %y : tuple<tensor<2xf32>>
  %1 = "nimble.recursive_call"(%0) {callee = @g} : (tuple<tensor<2xf32>>) -> tuple<tensor<3xf32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<3xf32>>) -> tensor<3xf32>
  %3 = stablehlo.slice %2 [0:1] : (tensor<3xf32>) -> tensor<1xf32>
  %4 = stablehlo.reshape %3 : (tensor<1xf32>) -> tensor<f32>
  return %4 : tensor<f32>
}
func.func private @g(%y: tensor<2xf32>) -> tensor<3xf32> {
  %x = stablehlo.slice %y [0:1] : (tensor<2xf32>) -> tensor<1xf32>
  %n = stablehlo.convert %x : (tensor<1xf32>) -> tensor<1xi32>
  %m = stablehlo.reshape %n : (tensor<1xi32>) -> tensor<i32>
  %0 = stablehlo.tuple %m : tuple<tensor<i32>>
  %1 = "nimble.recursive_call"(%0) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<f32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<f32>>) -> tensor<f32>
  %3 = stablehlo.reshape %2 : (tensor<f32>) -> tensor<1xf32>
  %4 = stablehlo.concatenate %y, %3, dim = 0 : (tensor<2xf32>, tensor<1xf32>) -> tensor<3xf32>
  return %4 : tensor<3xf32>
}

// -----

// Made values: a row in the tables of the heap, whose number is how many there were. What reads a table has a name for its
// size, which is the size of the whole stack.
// CHECK-LABEL: func.func @made
// CHECK:         %[[LOOP:.*]]:7 = stablehlo.while({{.*}}) : tensor<32x1xi32>, tensor<32xi32>, tensor<i32>, tensor<1xi32>, tensor<32x2xi32>, tensor<32x3xf32>, tensor<i32>
// CHECK:           stablehlo.while({{.*}} %[[COUNT:[^ ]*]] = %{{[^ ]*}})
// CHECK:             stablehlo.maximum
// CHECK:           do
// CHECK:             %[[TAG:.*]] = stablehlo.constant dense<4> : tensor<i32>
// CHECK:             stablehlo.reshape %[[TAG]]
// CHECK:             %[[NEW:.*]] = stablehlo.compare EQ
// CHECK:             %[[ONE:.*]] = stablehlo.convert %[[NEW]]
// CHECK:             stablehlo.dynamic_update_slice
// CHECK:             stablehlo.add %[[COUNT]], %[[ONE]]
// CHECK:         stablehlo.custom_call @nimble.size(%[[LOOP]]#0)
// CHECK-SAME:      symbol = "_n7"
// CHECK:         return %{{.*}}, %[[LOOP]]#4, %[[LOOP]]#5, %[[LOOP]]#6
func.func @made(%n: tensor<i32>) -> (tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>) {
  %0 = stablehlo.tuple %n : tuple<tensor<i32>>
  %1 = "nimble.start_recursion"(%0) {callee = @f, invariants = 0 : i64, max_depth = 1000 : i64, tables = [2], what = "f"} : (tuple<tensor<i32>>) -> tuple<tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>>
  %2 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>>) -> tensor<i32>
  %3 = stablehlo.get_tuple_element %1[1] : (tuple<tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>>) -> tensor<?x2xi32>
  %4 = stablehlo.get_tuple_element %1[2] : (tuple<tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>>) -> tensor<?x3xf32>
  %5 = stablehlo.get_tuple_element %1[3] : (tuple<tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>>) -> tensor<i32>
  %6 = stablehlo.custom_call @nimble.size(%3) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "_n7"}} : (tensor<?x2xi32>) -> tensor<i32>
  return %2, %3, %4, %5 : tensor<i32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<i32>
}
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %x = stablehlo.convert %n : (tensor<i32>) -> tensor<f32>
  %y = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<3xf32>
  %0 = stablehlo.tuple %n, %y : tuple<tensor<i32>, tensor<3xf32>>
  %1 = "nimble.make_node"(%0) {constructor = 4 : i64, heap = 0 : i64} : (tuple<tensor<i32>, tensor<3xf32>>) -> tensor<i32>
  return %1 : tensor<i32>
}

// -----

// Nothing to do: what is not called stays.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT:    stablehlo.sine
// CHECK:       func.func private @other
func.func @nothing(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @other(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
