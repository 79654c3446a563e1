// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg | FileCheck %s

// A window as long as the dimension that ends at its element is a scan.
// CHECK-LABEL: func.func @cumulative_sum
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32
// CHECK:         %[[OUT:.*]] = tensor.empty(%{{.*}}) : tensor<?xf32
// CHECK:         %[[CARRY:.*]] = tensor.empty() : tensor<f32>
// CHECK:         "nimble.scan"(%[[X]], %[[OUT]], %[[CARRY]])
// CHECK:         ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
// CHECK:           %[[SUM:.*]] = arith.addf %[[A]], %[[B]]
// CHECK:           "nimble.yield"(%[[SUM]])
func.func @cumulative_sum(%x: tensor<?xf32> {nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %window = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %c1 = stablehlo.constant dense<1> : tensor<1xi32>
  %c0 = stablehlo.constant dense<0> : tensor<1xi32>
  %low = stablehlo.subtract %window, %c1 : tensor<1xi32>
  %flat = stablehlo.concatenate %low, %c0, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %padding = stablehlo.reshape %flat : (tensor<2xi32>) -> tensor<1x2xi32>
  %0 = "nimble.dynamic_reduce_window"(%x, %zero, %window, %one, %one, %one, %padding) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// One that starts at its element is a scan from the end; narrow floats are f32 inside.
// CHECK-LABEL: func.func @from_the_end
// CHECK:         arith.extf %{{.*}} : f16 to f32
// CHECK:         %[[SCAN:.*]]:2 = "nimble.scan"
// CHECK:           arith.maximumf %{{.*}} : f32
// CHECK:         arith.truncf %{{.*}} : f32 to f16
func.func @from_the_end(%x: tensor<?x5xf16> {nimble.dims = [@b, 5]}) -> tensor<?x5xf16> attributes {nimble.symbols = {b = {min = 1}}} {
  %low = stablehlo.constant dense<0xFC00> : tensor<f16>
  %0 = "stablehlo.reduce_window"(%x, %low) <{window_dimensions = array<i64: 1, 5>, padding = dense<[[0, 0], [0, 4]]> : tensor<2x2xi64>}> ({
  ^bb0(%a: tensor<f16>, %b: tensor<f16>):
    %1 = stablehlo.maximum %a, %b : tensor<f16>
    stablehlo.return %1 : tensor<f16>
  }) : (tensor<?x5xf16>, tensor<f16>) -> tensor<?x5xf16>
  return %0 : tensor<?x5xf16>
}

// -----

// An initial value that is no identity stands in front of the elements.
// CHECK-LABEL: func.func @initial_value
// CHECK:         %[[LONGER:.*]] = tensor.pad %{{.*}} low[1] high[0]
// CHECK:         %[[SCAN:.*]]:2 = "nimble.scan"(%[[LONGER]]
// CHECK:         tensor.extract_slice %[[SCAN]]#0[1] [5] [1]
func.func @initial_value(%x: tensor<5xf32>, %init: tensor<f32>) -> tensor<5xf32> {
  %0 = "stablehlo.reduce_window"(%x, %init) <{window_dimensions = array<i64: 5>, padding = dense<[[4, 0]]> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.subtract %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<5xf32>, tensor<f32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}

// -----

// From the end the order of the elements is the opposite, which not every computation allows.
// CHECK-LABEL: func.func @order_matters
// CHECK-NOT:     nimble.scan
// CHECK:         arith.subf
func.func @order_matters(%x: tensor<5xf32>, %init: tensor<f32>) -> tensor<5xf32> {
  %0 = "stablehlo.reduce_window"(%x, %init) <{window_dimensions = array<i64: 5>, padding = dense<[[0, 4]]> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.subtract %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<5xf32>, tensor<f32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
