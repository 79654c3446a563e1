// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-loops-to-kernels | FileCheck %s
// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-loops-to-kernels --nimble-loops-to-kernels | FileCheck %s

// A counted loop over little work is one kernel: a loop in it, whose carry stands in the kernel's own tensor. Rows are taken in
// vectors, and what is read where it is written needs no copy.
// CHECK-LABEL: func.func @counted
// CHECK-SAME:    %[[X:[^:]*]]: tensor<64xf32>
// CHECK:         %[[BOUND:.*]] = "nimble.bind"(%[[X]])
// CHECK:         "nimble.kernel"(%[[BOUND]], %{{.*}}) ({
// CHECK:         ^bb0(%{{.*}}: index, %[[BUFFER:.*]]: tensor<64xf32>):
// CHECK:           scf.for {{.*}} iter_args(%[[CARRY:.*]] = %[[BUFFER]])
// CHECK:             scf.for %[[AT:[^ ]*]] = {{.*}} iter_args(%[[PART:.*]] = %[[CARRY]])
// CHECK:               %[[READ:.*]] = vector.transfer_read %[[PART]][%[[AT]]]
// CHECK:               %[[NEW:.*]] = arith.mulf %[[READ]]
// CHECK:               vector.transfer_write %[[NEW]], %[[PART]][%[[AT]]]
// CHECK:         %[[RESULT:.*]] = "nimble.unbind"
// CHECK:         return %[[RESULT]]
func.func @counted(%x: tensor<64xf32>, %n: tensor<i32>) -> tensor<64xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<64xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %c, %c : tensor<64xf32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<64xf32>
  }
  return %0#1 : tensor<64xf32>
}

// -----

// A condition on data is looked at in the kernel: the host waits for nothing. Scalars stand in registers.
// CHECK-LABEL: func.func @until_data
// CHECK:         "nimble.kernel"
// CHECK:           %[[FIRST:.*]] = tensor.extract
// CHECK:           %[[LAST:.*]] = scf.while (%[[C:.*]] = %[[FIRST]]) : (f32) -> f32 {
// CHECK:             %[[GOES_ON:.*]] = arith.cmpf olt, %[[C]]
// CHECK:             scf.condition(%[[GOES_ON]]) %[[C]]
// CHECK:             arith.addf
// CHECK:           tensor.insert %[[LAST]] into
func.func @until_data(%x: tensor<f32>) -> tensor<f32> {
  %limit = stablehlo.constant dense<100.0> : tensor<f32>
  %0 = stablehlo.while(%c = %x) : tensor<f32>
  cond {
    %1 = stablehlo.compare LT, %c, %limit : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %c, %c : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

// A row times a matrix reads the matrix once, eight rows at a time; rows of a result are written in place, also where their
// number is known only when it runs.
// CHECK-LABEL: func.func @product
// CHECK-SAME:    %[[H:[^:]*]]: tensor<1x64xf32>
// CHECK-SAME:    %[[W:[^:]*]]: tensor<64x64xf32>
// CHECK-DAG:     %[[W_BOUND:.*]] = "nimble.bind"(%[[W]])
// CHECK-DAG:     %[[H_BOUND:.*]] = "nimble.bind"(%[[H]])
// CHECK:         "nimble.kernel"(%[[W_BOUND]], %[[H_BOUND]]
// CHECK:         ^bb0(%{{.*}}: index, %[[MATRIX:[^:]*]]: tensor<64x64xf32>
// CHECK-COUNT-8:       vector.transfer_read %[[MATRIX]]
// CHECK:           math.tanh %{{.*}} : vector<16xf32>
// CHECK:           vector.transfer_write {{.*}} tensor<?x64xf32
// CHECK-NOT:     stablehlo.dynamic_update_slice
func.func @product(%h: tensor<1x64xf32>, %w: tensor<64x64xf32>, %ys: tensor<?x64xf32> {nimble.name = "ys"}) -> tensor<?x64xf32> {
  %n = stablehlo.get_dimension_size %ys, dim = 0 : (tensor<?x64xf32>) -> tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:3 = stablehlo.while(%i = %zero, %c = %h, %y = %ys) : tensor<i32>, tensor<1x64xf32>, tensor<?x64xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.dot_general %c, %w, contracting_dims = [1] x [0] : (tensor<1x64xf32>, tensor<64x64xf32>) -> tensor<1x64xf32>
    %3 = stablehlo.tanh %2 : tensor<1x64xf32>
    %4 = stablehlo.dynamic_update_slice %y, %3, %i, %zero : (tensor<?x64xf32>, tensor<1x64xf32>, tensor<i32>, tensor<i32>) -> tensor<?x64xf32>
    stablehlo.return %1, %3, %4 : tensor<i32>, tensor<1x64xf32>, tensor<?x64xf32>
  }
  return %0#2 : tensor<?x64xf32>
}

// -----

// A loop whose work depends on sizes stays one of the host, unless their bounds say that it is little.
// CHECK-LABEL: func.func @of_any_size
// CHECK-NOT:     nimble.kernel
// CHECK:         scf.for
func.func @of_any_size(%x: tensor<?xf32> {nimble.name = "x"}, %n: tensor<i32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %c, %c : tensor<?xf32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<?xf32>
  }
  return %0#1 : tensor<?xf32>
}

// CHECK-LABEL: func.func @of_bounded_size
// CHECK:         "nimble.kernel"
func.func @of_bounded_size(%x: tensor<?xf32> {nimble.dims = [@s], nimble.name = "x"}, %n: tensor<i32>) -> tensor<?xf32> attributes {nimble.symbols = {s = {max = 100}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %c, %c : tensor<?xf32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<?xf32>
  }
  return %0#1 : tensor<?xf32>
}

// -----

// Much work, elements that kernels do not compute with, and integers that the host computes: the loops stay.
// CHECK-LABEL: func.func @stays
// CHECK-NOT:     nimble.kernel
// CHECK:         scf.for
// CHECK-NOT:     nimble.kernel
// CHECK:         scf.for
// CHECK-NOT:     nimble.kernel
// CHECK:         scf.while
// CHECK-NOT:     nimble.kernel
// CHECK:         return
func.func @stays(%x: tensor<2048x2048xf32>, %z: tensor<4xcomplex<f32>>, %n: tensor<i32>) -> (tensor<2048x2048xf32>, tensor<4xcomplex<f32>>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<2048x2048xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %c, %c : tensor<2048x2048xf32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<2048x2048xf32>
  }
  %3:2 = stablehlo.while(%i = %zero, %c = %z) : tensor<i32>, tensor<4xcomplex<f32>>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %c, %c : tensor<4xcomplex<f32>>
    stablehlo.return %1, %2 : tensor<i32>, tensor<4xcomplex<f32>>
  }
  %4 = stablehlo.while(%i = %n) : tensor<i32>
  cond {
    %1 = stablehlo.compare GT, %i, %one : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.divide %i, %one : tensor<i32>
    stablehlo.return %1 : tensor<i32>
  }
  return %0#1, %3#1, %4 : tensor<2048x2048xf32>, tensor<4xcomplex<f32>>, tensor<i32>
}
