// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --mlir-print-op-generic | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @reshape
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32>, %[[N:.*]]: index
func.func @reshape(%x: tensor<?x4xf32>, %n: index) -> tensor<?xf32> {
  // CHECK: "nimble.reshape"(%[[X]], %[[N]]) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32>, index) -> tensor<?xf32>
  %0 = "nimble.reshape"(%x, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32>, index) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @broadcast_in_dim
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>, %[[N:.*]]: index
func.func @broadcast_in_dim(%x: tensor<4xf32>, %n: index) -> tensor<?x4xf32> {
  // CHECK: "nimble.broadcast_in_dim"(%[[X]], %[[N]]) {broadcast_dimensions = array<i64: 1>, operandSegmentSizes = array<i32: 1, 1>} : (tensor<4xf32>, index) -> tensor<?x4xf32>
  %0 = "nimble.broadcast_in_dim"(%x, %n) {broadcast_dimensions = array<i64: 1>, operandSegmentSizes = array<i32: 1, 1>} : (tensor<4xf32>, index) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @broadcast_of_a_scalar
// CHECK:         "nimble.broadcast_in_dim"
// CHECK-SAME:      broadcast_dimensions = array<i64>
func.func @broadcast_of_a_scalar(%x: tensor<f32>, %n: index) -> tensor<?xf32> {
  %0 = "nimble.broadcast_in_dim"(%x, %n) {broadcast_dimensions = array<i64>, operandSegmentSizes = array<i32: 1, 1>} : (tensor<f32>, index) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @iota
// CHECK-SAME:    %[[M:.*]]: index, %[[N:.*]]: index
func.func @iota(%m: index, %n: index) -> tensor<?x?xi32> {
  // CHECK: "nimble.iota"(%[[M]], %[[N]]) {iota_dimension = 1 : i64, operandSegmentSizes = array<i32: 2>} : (index, index) -> tensor<?x?xi32>
  %0 = "nimble.iota"(%m, %n) {iota_dimension = 1, operandSegmentSizes = array<i32: 2>} : (index, index) -> tensor<?x?xi32>
  return %0 : tensor<?x?xi32>
}

// CHECK-LABEL: func.func @pad
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>, %[[V:.*]]: tensor<f32>, %[[L:.*]]: index, %[[H:.*]]: index, %[[I:.*]]: index
func.func @pad(%x: tensor<?xf32>, %v: tensor<f32>, %low: index, %high: index, %interior: index) -> tensor<?xf32> {
  // CHECK: "nimble.pad"(%[[X]], %[[V]], %[[L]], %[[H]], %[[I]]) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, index, index, index) -> tensor<?xf32>
  %0 = "nimble.pad"(%x, %v, %low, %high, %interior) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, index, index, index) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @slice
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>, %[[A:.*]]: index, %[[B:.*]]: index, %[[C:.*]]: index
func.func @slice(%x: tensor<?xf32>, %start: index, %limit: index, %stride: index) -> tensor<?xf32> {
  // CHECK: "nimble.slice"(%[[X]], %[[A]], %[[B]], %[[C]]) {operandSegmentSizes = array<i32: 1, 1, 1, 1>} : (tensor<?xf32>, index, index, index) -> tensor<?xf32>
  %0 = "nimble.slice"(%x, %start, %limit, %stride) {operandSegmentSizes = array<i32: 1, 1, 1, 1>} : (tensor<?xf32>, index, index, index) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @gather
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32>, %[[I:.*]]: tensor<?x1xi32>, %[[A:.*]]: index, %[[B:.*]]: index
func.func @gather(%x: tensor<?x4xf32>, %indices: tensor<?x1xi32>, %rows: index, %columns: index) -> tensor<?x4xf32> {
  // CHECK: "nimble.gather"(%[[X]], %[[I]], %[[A]], %[[B]])
  // CHECK-SAME: dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>
  // CHECK-SAME: operandSegmentSizes = array<i32: 1, 1, 2>
  %0 = "nimble.gather"(%x, %indices, %rows, %columns) {
    dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>,
    operandSegmentSizes = array<i32: 1, 1, 2>
  } : (tensor<?x4xf32>, tensor<?x1xi32>, index, index) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @tie_shape
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32>, %[[S:.*]]: index
func.func @tie_shape(%x: tensor<?x4xf32>, %s: index) -> tensor<?x4xf32> {
  // CHECK: "nimble.tie_shape"(%[[X]], %[[S]]) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32>, index) -> tensor<?x4xf32>
  %0 = "nimble.tie_shape"(%x, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32>, index) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
