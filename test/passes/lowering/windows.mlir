// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Only the windowed dimension gets a reduction loop; what no window reaches is cut off, so that sizes follow from loops.
// CHECK-DAG: #[[$WINDOW:.*]] = affine_map<(d0, d1) -> (d0 * 2 + d1)>
// CHECK-DAG: #[[$EXTENT:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @reduce_window
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32
// CHECK:         %[[INIT:.*]] = tensor.extract %{{.*}}[] : tensor<f32>
// CHECK:         %[[PADDED:.*]] = tensor.pad %[[X]] low[1] high[1]
// CHECK:           tensor.yield %[[INIT]]
// CHECK:         %[[CUT:.*]] = tensor.extract_slice %[[PADDED]][0] [%{{.*}}] [1] : {{.*}} to tensor<?xf32, #nimble.dims<["2*floordiv(s + 1, 2) + 1"]>>
// CHECK:         %[[SIZES:.*]] = tensor.empty() : tensor<3xf32>
// CHECK:         %[[START:.*]] = linalg.fill ins(%[[INIT]]
// CHECK:         linalg.generic {indexing_maps = [#[[$WINDOW]], #[[$EXTENT]], {{.*}}iterator_types = ["parallel", "reduction"]} ins(%[[CUT]], %[[SIZES]] : {{.*}} outs(%[[START]]
// CHECK:           arith.maximumf
func.func @reduce_window(%x: tensor<?xf32> {nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 3}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>, window_strides = array<i64: 2>, padding = dense<1> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %max = stablehlo.maximum %a, %b : tensor<f32>
    stablehlo.return %max : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @unsupported_body(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    // expected-error @below {{'stablehlo.optimization_barrier' in the body of a reduction is not supported}}
    %1 = stablehlo.optimization_barrier %a : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @complex_maximum(%x: tensor<?xcomplex<f32>>) -> tensor<?xcomplex<f32>> {
  %zero = stablehlo.constant dense<(0.0, 0.0)> : tensor<complex<f32>>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<complex<f32>>, %b: tensor<complex<f32>>):
    // expected-error @below {{'stablehlo.maximum' on complex<f32> in the body of a reduction is not supported}}
    %1 = stablehlo.maximum %a, %b : tensor<complex<f32>>
    stablehlo.return %1 : tensor<complex<f32>>
  }) : (tensor<?xcomplex<f32>>, tensor<complex<f32>>) -> tensor<?xcomplex<f32>>
  return %0 : tensor<?xcomplex<f32>>
}

// -----

// CHECK-LABEL: func.func @total_order
// CHECK:           %[[BITS:.*]] = arith.bitcast %{{.*}} : f32 to i32
// CHECK:           %[[NEGATIVE:.*]] = arith.cmpi slt, %[[BITS]]
// CHECK:           %[[FLIPPED:.*]] = arith.xori %[[BITS]]
// CHECK:           arith.select %[[NEGATIVE]], %[[FLIPPED]], %[[BITS]]
// CHECK:           arith.cmpi slt
func.func @total_order(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %less = stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %1 = stablehlo.select %less, %a, %b : tensor<i1>, tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
