// RUN: %nimble-opt %s --split-input-file --nimble-expand-windows --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @max_pool
// CHECK-SAME:    %[[X:.*]]: tensor<?x?xf32>, %[[PADDING:.*]]: tensor<2x2xi32>
// CHECK:         "nimble.dynamic_reduce_window"(%[[X]], %{{.*}}, %[[PADDING]])
// CHECK:         ^bb0(%[[A:.*]]: tensor<f32>, %[[B:.*]]: tensor<f32>):
// CHECK:           %[[MAX:.*]] = stablehlo.maximum %[[A]], %[[B]]
// CHECK:           stablehlo.return %[[MAX]]
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

// -----

// Operands of several types are padded beforehand.
// CHECK-LABEL: func.func @pair
// CHECK-COUNT-2: stablehlo.dynamic_pad
// CHECK:         "stablehlo.reduce_window"
// CHECK-SAME:      window_dimensions = array<i64: 3>
func.func @pair(%x: tensor<?xf32>, %k: tensor<?xi32>, %a: tensor<f32>, %b: tensor<i32>, %padding: tensor<1x2xi32>) -> tensor<?xf32> {
  %window = stablehlo.constant dense<3> : tensor<1xi32>
  %ones = stablehlo.constant dense<1> : tensor<1xi32>
  %0:2 = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %k, %a, %b, %window, %ones, %ones, %ones, %padding) {called_computations = [@first]} : (tensor<?xf32>, tensor<?xi32>, tensor<f32>, tensor<i32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> (tensor<?xf32>, tensor<?xi32>)
  return %0#0 : tensor<?xf32>
}
func.func private @first(%a: tensor<f32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<i32>) -> (tensor<f32>, tensor<i32>) {
  return %a, %b : tensor<f32>, tensor<i32>
}

// -----

func.func @symbolic_pair(%x: tensor<?xf32>, %k: tensor<?xi32>, %a: tensor<f32>, %b: tensor<i32>, %window: tensor<1xi32>, %padding: tensor<1x2xi32>) -> tensor<?xf32> {
  %ones = stablehlo.constant dense<1> : tensor<1xi32>
  // expected-error @below {{a window of symbolic size over operands of several types is not supported}}
  %0:2 = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %k, %a, %b, %window, %ones, %ones, %ones, %padding) {called_computations = [@first]} : (tensor<?xf32>, tensor<?xi32>, tensor<f32>, tensor<i32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> (tensor<?xf32>, tensor<?xi32>)
  return %0#0 : tensor<?xf32>
}
func.func private @first(%a: tensor<f32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<i32>) -> (tensor<f32>, tensor<i32>) {
  return %a, %b : tensor<f32>, tensor<i32>
}

// -----

// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         stablehlo.custom_call @other
// CHECK-NOT:     nimble
func.func @nothing_to_do(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = stablehlo.custom_call @other(%x) : (tensor<?xf32>) -> tensor<?xf32>
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
