// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// An f64 sine is computed in place: IREE has none. An f32 one is computed in f64 and rounded.
// CHECK-LABEL: func.func @sines
func.func @sines(%x: tensor<4xf64>, %y: tensor<4xf32>) -> (tensor<4xf64>, tensor<4xf32>) {
  // CHECK: linalg.generic
  // CHECK-NOT: arith.extf
  // CHECK: linalg.yield {{.*}} : f64
  %0 = stablehlo.sine %x : tensor<4xf64>
  // CHECK: linalg.generic
  // CHECK: arith.extf {{.*}} : f32 to f64
  // CHECK: arith.truncf {{.*}} : f64 to f32
  %1 = stablehlo.sine %y : tensor<4xf32>
  return %0, %1 : tensor<4xf64>, tensor<4xf32>
}

// -----

// Upstream's lowering of an f32 logarithm is good.
// CHECK-LABEL: func.func @logarithm
func.func @logarithm(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: stablehlo.log
  %0 = stablehlo.log %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @map
func.func @map(%x: tensor<4xui8>, %y: tensor<4xui8>) -> tensor<4xf32> {
  // CHECK: linalg.generic
  // CHECK: arith.divui
  // CHECK: arith.uitofp
  %0 = "stablehlo.map"(%x, %y) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<ui8>, %b: tensor<ui8>):
    %1 = stablehlo.divide %a, %b : tensor<ui8>
    %2 = stablehlo.convert %1 : (tensor<ui8>) -> tensor<f32>
    stablehlo.return %2 : tensor<f32>
  }) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @no_rule(%x: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
  %0 = "stablehlo.map"(%x) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<complex<f32>>):
    // expected-error@+1 {{'stablehlo.atan2' on elements of type complex<f32> is not supported here}}
    %1 = stablehlo.atan2 %a, %a : tensor<complex<f32>>
    stablehlo.return %1 : tensor<complex<f32>>
  }) : (tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>>
  return %0 : tensor<4xcomplex<f32>>
}

// -----

// An integer becomes bfloat16 by way of f32, whose bits are rounded: MLIR folds a truncation into a conversion that CPUs lack.
// CHECK-LABEL: func.func @into_bfloat16
func.func @into_bfloat16(%x: tensor<4xui8>) -> tensor<4xbf16> {
  // CHECK: arith.uitofp {{.*}} : i8 to f32
  // CHECK-NOT: arith.truncf
  // CHECK: arith.bitcast {{.*}} : i16 to bf16
  %0 = stablehlo.convert %x : (tensor<4xui8>) -> tensor<4xbf16>
  return %0 : tensor<4xbf16>
}

// -----

// CHECK-LABEL: func.func @indices
// CHECK-NOT:     stablehlo.iota dim = 0 : tensor<4xbf16>
// CHECK:         arith.sitofp {{.*}} : i64 to f32
// CHECK:         arith.bitcast {{.*}} : i16 to bf16
// CHECK:         stablehlo.iota dim = 0 : tensor<4xf32>
func.func @indices() -> (tensor<4xbf16>, tensor<4xf32>) {
  %0 = stablehlo.iota dim = 0 : tensor<4xbf16>
  %1 = stablehlo.iota dim = 0 : tensor<4xf32>
  return %0, %1 : tensor<4xbf16>, tensor<4xf32>
}

// -----

// What lies beyond the integers becomes the nearest one, NaN 0.
// CHECK-LABEL: func.func @convert
// CHECK:         arith.cmpf oge
// CHECK:         arith.cmpf ole
// CHECK:         arith.cmpf uno
// CHECK:         arith.fptosi
// CHECK:         arith.trunci
func.func @convert(%x: tensor<4xf32>) -> tensor<4xi8> {
  %0 = stablehlo.convert %x : (tensor<4xf32>) -> tensor<4xi8>
  return %0 : tensor<4xi8>
}

// -----

// CHECK-LABEL: func.func @bits_of_the_same_type
// CHECK-NEXT:    return
func.func @bits_of_the_same_type(%x: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
  %0 = stablehlo.bitcast_convert %x : (tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>>
  return %0 : tensor<4xcomplex<f32>>
}

// -----

func.func @complex_bits(%x: tensor<4x2xcomplex<f32>>) -> tensor<4xcomplex<f64>> {
  // expected-error@+1 {{a bitcast of complex<f32> to complex<f64> is not supported}}
  %0 = stablehlo.bitcast_convert %x : (tensor<4x2xcomplex<f32>>) -> tensor<4xcomplex<f64>>
  return %0 : tensor<4xcomplex<f64>>
}

// -----

// CHECK-LABEL: func.func @barrier
// CHECK-SAME:    %[[X:[^:]*]]: tensor<4xf32>
// CHECK-SAME:    %[[Y:[^:]*]]: tensor<2xf32>
// CHECK-NEXT:    return %[[Y]], %[[X]]
func.func @barrier(%x: tensor<4xf32>, %y: tensor<2xf32>) -> (tensor<2xf32>, tensor<4xf32>) {
  %0:2 = stablehlo.optimization_barrier %y, %x : tensor<2xf32>, tensor<4xf32>
  return %0#0, %0#1 : tensor<2xf32>, tensor<4xf32>
}
