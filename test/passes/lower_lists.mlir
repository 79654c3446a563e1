// RUN: %nimble-opt %s --split-input-file --nimble-lower-lists | FileCheck %s

// CHECK-LABEL: func.func @append
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>, %[[ROW:[^:]*]]: tensor<4xf32>
// CHECK-NOT:     nimble.list
// CHECK:         %[[ROWS:.*]] = stablehlo.reshape %[[ROW]] : (tensor<4xf32>) -> tensor<1x4xf32>
// CHECK:         %[[MORE:.*]] = stablehlo.concatenate %[[X]], %[[ROWS]], dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
// CHECK-NOT:     shape_assertion
// CHECK:         return %[[MORE]]
func.func @append(%x: tensor<?x4xf32>, %row: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = "nimble.list_from"(%x) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  %1 = "nimble.list_append"(%0, %row) {what = "a list"} : (!nimble.list<tensor<4xf32>, {}>, tensor<4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  %2 = "nimble.list_stack"(%1) : (!nimble.list<tensor<4xf32>, {}>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}

// -----

// The bound is checked of each longer list.
// CHECK-LABEL: func.func @bounded
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>, %[[MORE:[^:]*]]: tensor<3xf32>
// CHECK:         %[[ALL:.*]] = stablehlo.concatenate %[[X]], %[[MORE]], dim = 0
// CHECK-DAG:     %[[SIZE:.*]] = stablehlo.get_dimension_size %[[ALL]], dim = 0
// CHECK-DAG:     %[[BOUND:.*]] = stablehlo.constant dense<9> : tensor<i32>
// CHECK:         %[[OK:.*]] = stablehlo.compare LE, %[[SIZE]], %[[BOUND]], SIGNED
// CHECK:         stablehlo.custom_call @shape_assertion(%[[OK]]) {error_message = "a list has more than its bound of 9 rows", has_side_effect = true}
// CHECK:         %[[N:.*]] = stablehlo.get_dimension_size %[[ALL]], dim = 0
// CHECK:         return %[[N]]
func.func @bounded(%x: tensor<?xf32>, %more: tensor<3xf32>) -> tensor<i32> {
  %0 = "nimble.list_from"(%x) : (tensor<?xf32>) -> !nimble.list<tensor<f32>, {bound = 9 : i64}>
  %1 = "nimble.list_extend"(%0, %more) {what = "a list"} : (!nimble.list<tensor<f32>, {bound = 9 : i64}>, tensor<3xf32>) -> !nimble.list<tensor<f32>, {bound = 9 : i64}>
  %2 = "nimble.list_length"(%1) : (!nimble.list<tensor<f32>, {bound = 9 : i64}>) -> tensor<i32>
  return %2 : tensor<i32>
}

// -----

// A loop begins with room; inside of it a list is what its rows are.
// CHECK-LABEL: func.func @loop
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>
// CHECK:         %[[FIRST:.*]] = stablehlo.custom_call @nimble.reserve(%[[X]]) {api_version = 4 : i32, backend_config = {bound = 9 : i64, capacity = 8 : i64}}
// CHECK:         stablehlo.while(%{{.*}} = %[[FIRST]]
// CHECK-NOT:       nimble.reserve
// CHECK:           stablehlo.concatenate
func.func @loop(%x: tensor<?xf32>, %row: tensor<f32>, %n: tensor<i32>) -> tensor<?xf32> {
  %0 = "nimble.list_from"(%x) : (tensor<?xf32>) -> !nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>
  %1 = "nimble.list_reserve"(%0) : (!nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>) -> !nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>
  %2 = "nimble.list_stack"(%1) : (!nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>) -> tensor<?xf32>
  %3 = stablehlo.while(%c = %2) : tensor<?xf32> cond {
    %4 = stablehlo.get_dimension_size %c, dim = 0 : (tensor<?xf32>) -> tensor<i32>
    %5 = stablehlo.compare LT, %4, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %5 : tensor<i1>
  } do {
    %4 = "nimble.list_from"(%c) : (tensor<?xf32>) -> !nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>
    %5 = "nimble.list_append"(%4, %row) {what = "a list"} : (!nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>, tensor<f32>) -> !nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>
    %6 = "nimble.list_stack"(%5) : (!nimble.list<tensor<f32>, {bound = 9 : i64, capacity = 8 : i64}>) -> tensor<?xf32>
    stablehlo.return %6 : tensor<?xf32>
  }
  return %3 : tensor<?xf32>
}

// -----

// Without limits there is no room to speak of.
// CHECK-LABEL: func.func @no_limits
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>
// CHECK-NEXT:    return %[[X]]
func.func @no_limits(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = "nimble.list_from"(%x) : (tensor<?xf32>) -> !nimble.list<tensor<f32>, {}>
  %1 = "nimble.list_reserve"(%0) : (!nimble.list<tensor<f32>, {}>) -> !nimble.list<tensor<f32>, {}>
  %2 = "nimble.list_stack"(%1) : (!nimble.list<tensor<f32>, {}>) -> tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

// A negative index counts from the end; the slice clamps.
// CHECK-LABEL: func.func @get
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>, %[[I:[^:]*]]: tensor<i32>
// CHECK-DAG:     %[[N:.*]] = stablehlo.get_dimension_size %[[X]], dim = 0
// CHECK-DAG:     %[[ZERO:.*]] = stablehlo.constant dense<0> : tensor<i32>
// CHECK-DAG:     %[[NEGATIVE:.*]] = stablehlo.compare LT, %[[I]], %[[ZERO]], SIGNED
// CHECK-DAG:     %[[FROM_END:.*]] = stablehlo.add %[[I]], %[[N]]
// CHECK:         %[[AT:.*]] = stablehlo.select %[[NEGATIVE]], %[[FROM_END]], %[[I]]
// CHECK:         %[[ROWS:.*]] = stablehlo.dynamic_slice %[[X]], %[[AT]], %[[ZERO]], sizes = [1, 4]
// CHECK:         stablehlo.reshape %[[ROWS]] : (tensor<1x4xf32>) -> tensor<4xf32>
func.func @get(%x: tensor<?x4xf32>, %i: tensor<i32>) -> tensor<4xf32> {
  %0 = "nimble.list_from"(%x) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  %1 = "nimble.list_get"(%0, %i) : (!nimble.list<tensor<4xf32>, {}>, tensor<i32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// Rows of dynamic size: sizes come from the rows; nothing clamps the index but a clamp.
// CHECK-LABEL: func.func @dynamic_rows
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?xf32>, %[[ROW:[^:]*]]: tensor<?xf32>
// CHECK:         stablehlo.dynamic_reshape %[[ROW]], %{{.*}} : (tensor<?xf32>, tensor<2xi32>) -> tensor<1x?xf32>
// CHECK:         %[[ALL:.*]] = stablehlo.concatenate %[[X]]
// CHECK:         stablehlo.clamp
// CHECK:         %[[ROWS:.*]] = stablehlo.real_dynamic_slice %[[ALL]]
// CHECK-SAME:      -> tensor<1x?xf32>
// CHECK:         stablehlo.dynamic_reshape %[[ROWS]], %{{.*}} : (tensor<1x?xf32>, tensor<1xi32>) -> tensor<?xf32>
func.func @dynamic_rows(%x: tensor<?x?xf32>, %row: tensor<?xf32>, %i: tensor<i32>) -> tensor<?xf32> {
  %0 = "nimble.list_from"(%x) : (tensor<?x?xf32>) -> !nimble.list<tensor<?xf32>, {}>
  %1 = "nimble.list_append"(%0, %row) {what = "a list"} : (!nimble.list<tensor<?xf32>, {}>, tensor<?xf32>) -> !nimble.list<tensor<?xf32>, {}>
  %2 = "nimble.list_get"(%1, %i) : (!nimble.list<tensor<?xf32>, {}>, tensor<i32>) -> tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

// A list whose number of rows is known, stacked as one whose is not.
// CHECK-LABEL: func.func @fixed_number
// CHECK:         stablehlo.dynamic_reshape %{{.*}} : (tensor<3xf32>, tensor<1xi32>) -> tensor<?xf32>
func.func @fixed_number(%x: tensor<3xf32>) -> tensor<?xf32> {
  %0 = "nimble.list_from"(%x) : (tensor<3xf32>) -> !nimble.list<tensor<f32>, {}>
  %1 = "nimble.list_stack"(%0) : (!nimble.list<tensor<f32>, {}>) -> tensor<?xf32>
  return %1 : tensor<?xf32>
}

// -----

// Nothing to do.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT:    stablehlo.sine
func.func @nothing(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.sine %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
