// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$COLUMNS:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @pair
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?xf32{{.*}}, %[[K:[^:]*]]: tensor<?x?xi32
// CHECK:         %[[S0:.*]] = linalg.fill
// CHECK:         %[[S1:.*]] = linalg.fill
// CHECK:         linalg.generic {indexing_maps = [#[[$ID]], #[[$ID]], #[[$COLUMNS]], #[[$COLUMNS]]], iterator_types = ["reduction", "parallel"]} ins(%[[X]], %[[K]] : {{.*}} outs(%[[S0]], %[[S1]]
// CHECK:           arith.addf
// CHECK:           arith.maxsi
func.func @pair(%x: tensor<?x?xf32> {nimble.dims = [@b, @s]}, %k: tensor<?x?xi32> {nimble.dims = [@b, @s]}) -> (tensor<?xf32>, tensor<?xi32>) attributes {nimble.symbols = {b = {min = 1}, s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %low = stablehlo.constant dense<-9> : tensor<i32>
  %0:2 = stablehlo.reduce(%x init: %zero), (%k init: %low) across dimensions = [0] : (tensor<?x?xf32>, tensor<?x?xi32>, tensor<f32>, tensor<i32>) -> (tensor<?xf32>, tensor<?xi32>)
   reducer(%a: tensor<f32>, %b: tensor<f32>) (%c: tensor<i32>, %d: tensor<i32>) {
    %1 = stablehlo.add %a, %b : tensor<f32>
    %2 = stablehlo.maximum %c, %d : tensor<i32>
    stablehlo.return %1, %2 : tensor<f32>, tensor<i32>
  }
  return %0#0, %0#1 : tensor<?xf32>, tensor<?xi32>
}

// -----

// Narrow floats accumulate in f32 and are rounded once.
// CHECK-LABEL: func.func @narrow
// CHECK:         %[[ACC:.*]] = linalg.generic
// CHECK-SAME:      iterator_types = ["parallel", "reduction"]
// CHECK:           %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK:           arith.addf %{{.*}}, %[[WIDE]] : f32
// CHECK:         linalg.generic {{.*}} ins(%[[ACC]]
// CHECK:           arith.truncf %{{.*}} : f32 to bf16
func.func @narrow(%x: tensor<?x?xbf16> {nimble.dims = [@b, @s]}) -> tensor<?xbf16> attributes {nimble.symbols = {b = {min = 1}, s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<bf16>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<?x?xbf16>, tensor<bf16>) -> tensor<?xbf16>
  return %0 : tensor<?xbf16>
}

// -----

func.func @unsupported_body(%x: tensor<?xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
   reducer(%a: tensor<f32>, %b: tensor<f32>) {
    // expected-error @below {{'stablehlo.optimization_barrier' in the body of a reduction is not supported}}
    %1 = stablehlo.optimization_barrier %a : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

func.func @unsupported_call(%x: tensor<?xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
   reducer(%a: tensor<f32>, %b: tensor<f32>) {
    // expected-error @below {{'stablehlo.custom_call' in the body of a reduction is not supported}}
    %1 = stablehlo.custom_call @other(%a) : (tensor<f32>) -> tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

func.func @complex_maximum(%x: tensor<?xcomplex<f32>>, %init: tensor<complex<f32>>) -> tensor<complex<f32>> {
  %0 = stablehlo.reduce(%x init: %init) across dimensions = [0] : (tensor<?xcomplex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
   reducer(%a: tensor<complex<f32>>, %b: tensor<complex<f32>>) {
    // expected-error @below {{'stablehlo.maximum' on complex<f32> in the body of a reduction is not supported}}
    %1 = stablehlo.maximum %a, %b : tensor<complex<f32>>
    stablehlo.return %1 : tensor<complex<f32>>
  }
  return %0 : tensor<complex<f32>>
}
