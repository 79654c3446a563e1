// RUN: %nimble-opt %s --split-input-file --nimble-fold-constants | FileCheck %s

// A chain of scalars becomes its result.
// CHECK-LABEL: func.func @variance_divisor
// CHECK:         %[[N:.*]] = stablehlo.constant dense<3.200000e+01> : tensor<f32>
// CHECK-NOT:     stablehlo.subtract
// CHECK:         return %[[N]]
func.func @variance_divisor() -> tensor<f32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %n = stablehlo.constant dense<3.2e1> : tensor<f32>
  %0 = stablehlo.convert %zero : (tensor<i32>) -> tensor<f32>
  %1 = stablehlo.subtract %n, %0 : tensor<f32>
  return %1 : tensor<f32>
}

// -----

// Integers wrap around, and become other integers by their bits.
// CHECK-LABEL: func.func @integers
// CHECK-DAG:     %[[SUM:.*]] = stablehlo.constant dense<-56> : tensor<i8>
// CHECK-DAG:     %[[ALL:.*]] = stablehlo.constant dense<4294967295> : tensor<ui32>
// CHECK-DAG:     %[[LESS:.*]] = stablehlo.constant dense<false> : tensor<i1>
// CHECK:         return %[[SUM]], %[[ALL]], %[[LESS]]
func.func @integers() -> (tensor<i8>, tensor<ui32>, tensor<i1>) {
  %a = stablehlo.constant dense<100> : tensor<i8>
  %0 = stablehlo.add %a, %a : tensor<i8>
  %b = stablehlo.constant dense<-1> : tensor<i32>
  %1 = stablehlo.convert %b : (tensor<i32>) -> tensor<ui32>
  %c = stablehlo.constant dense<1> : tensor<ui32>
  %2 = stablehlo.compare LT, %1, %c : (tensor<ui32>, tensor<ui32>) -> tensor<i1>
  return %0, %1, %2 : tensor<i8>, tensor<ui32>, tensor<i1>
}

// -----

// Inside of control flow, with the constants of outside.
// CHECK-LABEL: func.func @branches
// CHECK:         "stablehlo.if"
// CHECK:         %[[THREE:.*]] = stablehlo.constant dense<3.000000e+00> : tensor<f32>
// CHECK:         stablehlo.return %[[THREE]]
func.func @branches(%p: tensor<i1>) -> tensor<f32> {
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %0 = "stablehlo.if"(%p) ({
    %two = stablehlo.constant dense<2.0> : tensor<f32>
    %1 = stablehlo.add %one, %two : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }, {
    stablehlo.return %one : tensor<f32>
  }) : (tensor<i1>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// What is not the same on every machine stays: NaNs, subnormal numbers, what an integer cannot hold, a division by zero;
// so does what depends on an argument.
// CHECK-LABEL: func.func @kept
// CHECK:         stablehlo.divide
// CHECK:         stablehlo.multiply
// CHECK:         stablehlo.convert
// CHECK:         stablehlo.divide
// CHECK:         stablehlo.add
func.func @kept(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<i32>, tensor<i32>, tensor<f32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %nan = stablehlo.divide %zero, %zero : tensor<f32>
  %small = stablehlo.constant dense<1.0e-30> : tensor<f32>
  %smaller = stablehlo.constant dense<1.0e-10> : tensor<f32>
  %subnormal = stablehlo.multiply %small, %smaller : tensor<f32>
  %large = stablehlo.constant dense<1.0e10> : tensor<f32>
  %outside = stablehlo.convert %large : (tensor<f32>) -> tensor<i32>
  %i = stablehlo.constant dense<0> : tensor<i32>
  %by_zero = stablehlo.divide %i, %i : tensor<i32>
  %sum = stablehlo.add %x, %small : tensor<f32>
  return %nan, %subnormal, %outside, %by_zero, %sum : tensor<f32>, tensor<f32>, tensor<i32>, tensor<i32>, tensor<f32>
}
