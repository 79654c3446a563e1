// RUN: %nimble-opt %s --split-input-file --nimble-expand-windows --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @max_pool
// CHECK-SAME:    %[[X:.*]]: tensor<?x?xf32>, %[[PADDING:.*]]: tensor<2x2xi32>
// CHECK:         %[[FLAT:.*]] = stablehlo.reshape %[[PADDING]] : (tensor<2x2xi32>) -> tensor<4xi32>
// CHECK:         %[[PADDED:.*]] = stablehlo.dynamic_pad %[[X]]
// CHECK:         "stablehlo.reduce_window"(%[[PADDED]]
// CHECK-SAME:      window_dimensions = array<i64: 1, 3>, window_strides = array<i64: 1, 2>
// CHECK:           stablehlo.maximum
func.func @max_pool(%x: tensor<?x?xf32>, %padding: tensor<2x2xi32>) -> tensor<?x?xf32> {
  %init = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %window = stablehlo.constant dense<[1, 3]> : tensor<2xi32>
  %strides = stablehlo.constant dense<[1, 2]> : tensor<2xi32>
  %ones = stablehlo.constant dense<1> : tensor<2xi32>
  %0 = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %init, %window, %strides, %ones, %ones, %padding) {called_computations = [@max]} : (tensor<?x?xf32>, tensor<f32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>, tensor<2x2xi32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
func.func private @max(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.maximum %a, %b : tensor<f32>
  return %0 : tensor<f32>
}

// A window of symbolic size, as a cumulative sum has, stays.
// CHECK-LABEL: func.func @cumulative
// CHECK:         stablehlo.custom_call @stablehlo.dynamic_reduce_window
func.func @cumulative(%x: tensor<?xf32>, %window: tensor<1xi32>, %padding: tensor<1x2xi32>) -> tensor<?xf32> {
  %init = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %ones = stablehlo.constant dense<1> : tensor<1xi32>
  %0 = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %init, %window, %ones, %ones, %ones, %padding) {called_computations = [@max]} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @without_computation(%x: tensor<?xf32>, %padding: tensor<1x2xi32>) -> tensor<?xf32> {
  %init = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %ones = stablehlo.constant dense<1> : tensor<1xi32>
  // expected-error @below {{custom call 'stablehlo.dynamic_reduce_window' calls a function that this module does not have}}
  %0 = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %init, %ones, %ones, %ones, %ones, %padding) {called_computations = [@absent]} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
