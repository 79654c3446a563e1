// RUN: %nimble-opt %s --split-input-file | %nimble-opt --split-input-file | FileCheck %s
// RUN: %nimble-opt %s --split-input-file --mlir-print-op-generic | %nimble-opt --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @dynamic_reduce_window
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>, %[[I:.*]]: tensor<f32>, %[[W:.*]]: tensor<1xi32>, %[[P:.*]]: tensor<1x2xi32>
func.func @dynamic_reduce_window(%x: tensor<?xf32>, %init: tensor<f32>, %w: tensor<1xi32>, %p: tensor<1x2xi32>) -> tensor<?xf32> {
  // CHECK: "nimble.dynamic_reduce_window"(%[[X]], %[[I]], %[[W]], %[[W]], %[[W]], %[[W]], %[[P]])
  %0 = "nimble.dynamic_reduce_window"(%x, %init, %w, %w, %w, %w, %p) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @reduce_window
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>, %[[I:.*]]: tensor<f32>, %[[W:.*]]: tensor<?xi8>, %[[L:.*]]: index, %[[H:.*]]: index
func.func @reduce_window(%x: tensor<?xf32>, %init: tensor<f32>, %w: tensor<?xi8>, %low: index, %high: index) -> tensor<?xf32> {
  // CHECK: "nimble.reduce_window"(%[[X]], %[[I]], %[[W]], %[[L]], %[[H]])
  // CHECK: window_strides = array<i64: 2>
  %0 = "nimble.reduce_window"(%x, %init, %w, %low, %high) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>, window_strides = array<i64: 2>, base_dilations = array<i64: 1>, window_dilations = array<i64: 1>} : (tensor<?xf32>, tensor<f32>, tensor<?xi8>, index, index) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @scan
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32>, %[[O:.*]]: tensor<?x4xf32>, %[[C:.*]]: tensor<4xf32>
func.func @scan(%x: tensor<?x4xf32>, %o: tensor<?x4xf32>, %c: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: "nimble.scan"(%[[X]], %[[O]], %[[C]])
  // CHECK: "nimble.yield"(%{{.*}}) : (f32) -> ()
  // CHECK: dimension = 0
  %0:2 = "nimble.scan"(%x, %o, %c) ({
  ^bb0(%a: f32, %b: f32):
    %1 = arith.addf %a, %b : f32
    "nimble.yield"(%1) : (f32) -> ()
  }) {dimension = 0} : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32>) -> (tensor<?x4xf32>, tensor<4xf32>)
  return %0#0 : tensor<?x4xf32>
}
