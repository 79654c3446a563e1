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

// -----

// The result of a branch in a branch, which gives nothing else, is written where the outer one's is.
// CHECK-LABEL: func.func @nested_branches
// CHECK:         "nimble.kernel"
// CHECK:         ^bb0(%{{[^,]*}}: index, %{{[^,]*}}: tensor<4xf32>, %[[CARRY:[^,]*]]: tensor<4xf32>, %[[SCRATCH:[^,]*]]: tensor<4xf32>):
// CHECK:           scf.for
// CHECK-SAME:        iter_args(%{{.*}} = %[[CARRY]], %[[HELD:.*]] = %[[SCRATCH]])
// CHECK:             scf.if
// CHECK:               scf.for {{.*}} iter_args(%{{.*}} = %[[HELD]])
// CHECK:             } else {
// CHECK:               scf.if
// CHECK:                 scf.for {{.*}} iter_args(%{{.*}} = %[[HELD]])
// CHECK:               } else {
// CHECK:                 scf.for {{.*}} iter_args(%{{.*}} = %[[HELD]])
func.func @nested_branches(%x: tensor<4xf32>, %n: tensor<i32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %half = stablehlo.constant dense<0.5> : tensor<4xf32>
  %0:2 = stablehlo.while(%i = %zero, %c = %half) : tensor<i32>, tensor<4xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.remainder %i, %one : tensor<i32>
    %3 = "stablehlo.case"(%2) ({
      %4 = stablehlo.add %c, %x : tensor<4xf32>
      stablehlo.return %4 : tensor<4xf32>
    }, {
      %4 = stablehlo.multiply %c, %x : tensor<4xf32>
      stablehlo.return %4 : tensor<4xf32>
    }, {
      %4 = stablehlo.subtract %c, %x : tensor<4xf32>
      stablehlo.return %4 : tensor<4xf32>
    }) : (tensor<i32>) -> tensor<4xf32>
    stablehlo.return %1, %3 : tensor<i32>, tensor<4xf32>
  }
  return %0#1 : tensor<4xf32>
}

// -----

// More tensors than a dispatch of IREE takes: those that an iteration holds lie in one, each where a vector may begin.
// CHECK-LABEL: func.func @many_held
// CHECK:         "nimble.kernel"
// CHECK-NEXT:    ^bb0(%{{[^,]*}}: index, %[[CARRY:[^,]*]]: tensor<4xf32>, %[[SHARED:[^,]*]]: tensor<480xf32>):
// CHECK:           scf.for {{.*}} iter_args({{.*}} = %[[CARRY]], {{.*}} = %[[SHARED]])
// CHECK:             %[[OFFSET:.*]] = arith.constant 16 : index
// CHECK:             %[[AT:.*]] = arith.addi %[[OFFSET]], %{{.*}} : index
// CHECK:             tensor.insert %{{.*}} into %{{.*}}[%[[AT]]] : tensor<480xf32>
func.func @many_held(%x: tensor<4xf32>, %n: tensor<i32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<4xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %s0 = stablehlo.sqrt %c : tensor<4xf32>
    %v0 = stablehlo.multiply %s0, %s0 : tensor<4xf32>
    %s1 = stablehlo.sqrt %v0 : tensor<4xf32>
    %v1 = stablehlo.multiply %s1, %s1 : tensor<4xf32>
    %s2 = stablehlo.sqrt %v1 : tensor<4xf32>
    %v2 = stablehlo.multiply %s2, %s2 : tensor<4xf32>
    %s3 = stablehlo.sqrt %v2 : tensor<4xf32>
    %v3 = stablehlo.multiply %s3, %s3 : tensor<4xf32>
    %s4 = stablehlo.sqrt %v3 : tensor<4xf32>
    %v4 = stablehlo.multiply %s4, %s4 : tensor<4xf32>
    %s5 = stablehlo.sqrt %v4 : tensor<4xf32>
    %v5 = stablehlo.multiply %s5, %s5 : tensor<4xf32>
    %s6 = stablehlo.sqrt %v5 : tensor<4xf32>
    %v6 = stablehlo.multiply %s6, %s6 : tensor<4xf32>
    %s7 = stablehlo.sqrt %v6 : tensor<4xf32>
    %v7 = stablehlo.multiply %s7, %s7 : tensor<4xf32>
    %s8 = stablehlo.sqrt %v7 : tensor<4xf32>
    %v8 = stablehlo.multiply %s8, %s8 : tensor<4xf32>
    %s9 = stablehlo.sqrt %v8 : tensor<4xf32>
    %v9 = stablehlo.multiply %s9, %s9 : tensor<4xf32>
    %s10 = stablehlo.sqrt %v9 : tensor<4xf32>
    %v10 = stablehlo.multiply %s10, %s10 : tensor<4xf32>
    %s11 = stablehlo.sqrt %v10 : tensor<4xf32>
    %v11 = stablehlo.multiply %s11, %s11 : tensor<4xf32>
    %s12 = stablehlo.sqrt %v11 : tensor<4xf32>
    %v12 = stablehlo.multiply %s12, %s12 : tensor<4xf32>
    %s13 = stablehlo.sqrt %v12 : tensor<4xf32>
    %v13 = stablehlo.multiply %s13, %s13 : tensor<4xf32>
    %s14 = stablehlo.sqrt %v13 : tensor<4xf32>
    %v14 = stablehlo.multiply %s14, %s14 : tensor<4xf32>
    %s15 = stablehlo.sqrt %v14 : tensor<4xf32>
    %v15 = stablehlo.multiply %s15, %s15 : tensor<4xf32>
    %s16 = stablehlo.sqrt %v15 : tensor<4xf32>
    %v16 = stablehlo.multiply %s16, %s16 : tensor<4xf32>
    %s17 = stablehlo.sqrt %v16 : tensor<4xf32>
    %v17 = stablehlo.multiply %s17, %s17 : tensor<4xf32>
    %s18 = stablehlo.sqrt %v17 : tensor<4xf32>
    %v18 = stablehlo.multiply %s18, %s18 : tensor<4xf32>
    %s19 = stablehlo.sqrt %v18 : tensor<4xf32>
    %v19 = stablehlo.multiply %s19, %s19 : tensor<4xf32>
    %s20 = stablehlo.sqrt %v19 : tensor<4xf32>
    %v20 = stablehlo.multiply %s20, %s20 : tensor<4xf32>
    %s21 = stablehlo.sqrt %v20 : tensor<4xf32>
    %v21 = stablehlo.multiply %s21, %s21 : tensor<4xf32>
    %s22 = stablehlo.sqrt %v21 : tensor<4xf32>
    %v22 = stablehlo.multiply %s22, %s22 : tensor<4xf32>
    %s23 = stablehlo.sqrt %v22 : tensor<4xf32>
    %v23 = stablehlo.multiply %s23, %s23 : tensor<4xf32>
    %s24 = stablehlo.sqrt %v23 : tensor<4xf32>
    %v24 = stablehlo.multiply %s24, %s24 : tensor<4xf32>
    %s25 = stablehlo.sqrt %v24 : tensor<4xf32>
    %v25 = stablehlo.multiply %s25, %s25 : tensor<4xf32>
    %s26 = stablehlo.sqrt %v25 : tensor<4xf32>
    %v26 = stablehlo.multiply %s26, %s26 : tensor<4xf32>
    %s27 = stablehlo.sqrt %v26 : tensor<4xf32>
    %v27 = stablehlo.multiply %s27, %s27 : tensor<4xf32>
    %s28 = stablehlo.sqrt %v27 : tensor<4xf32>
    %v28 = stablehlo.multiply %s28, %s28 : tensor<4xf32>
    %s29 = stablehlo.sqrt %v28 : tensor<4xf32>
    %v29 = stablehlo.multiply %s29, %s29 : tensor<4xf32>
    %s30 = stablehlo.sqrt %v29 : tensor<4xf32>
    %v30 = stablehlo.multiply %s30, %s30 : tensor<4xf32>
    %t1 = stablehlo.add %s0, %s1 : tensor<4xf32>
    %t2 = stablehlo.add %t1, %s2 : tensor<4xf32>
    %t3 = stablehlo.add %t2, %s3 : tensor<4xf32>
    %t4 = stablehlo.add %t3, %s4 : tensor<4xf32>
    %t5 = stablehlo.add %t4, %s5 : tensor<4xf32>
    %t6 = stablehlo.add %t5, %s6 : tensor<4xf32>
    %t7 = stablehlo.add %t6, %s7 : tensor<4xf32>
    %t8 = stablehlo.add %t7, %s8 : tensor<4xf32>
    %t9 = stablehlo.add %t8, %s9 : tensor<4xf32>
    %t10 = stablehlo.add %t9, %s10 : tensor<4xf32>
    %t11 = stablehlo.add %t10, %s11 : tensor<4xf32>
    %t12 = stablehlo.add %t11, %s12 : tensor<4xf32>
    %t13 = stablehlo.add %t12, %s13 : tensor<4xf32>
    %t14 = stablehlo.add %t13, %s14 : tensor<4xf32>
    %t15 = stablehlo.add %t14, %s15 : tensor<4xf32>
    %t16 = stablehlo.add %t15, %s16 : tensor<4xf32>
    %t17 = stablehlo.add %t16, %s17 : tensor<4xf32>
    %t18 = stablehlo.add %t17, %s18 : tensor<4xf32>
    %t19 = stablehlo.add %t18, %s19 : tensor<4xf32>
    %t20 = stablehlo.add %t19, %s20 : tensor<4xf32>
    %t21 = stablehlo.add %t20, %s21 : tensor<4xf32>
    %t22 = stablehlo.add %t21, %s22 : tensor<4xf32>
    %t23 = stablehlo.add %t22, %s23 : tensor<4xf32>
    %t24 = stablehlo.add %t23, %s24 : tensor<4xf32>
    %t25 = stablehlo.add %t24, %s25 : tensor<4xf32>
    %t26 = stablehlo.add %t25, %s26 : tensor<4xf32>
    %t27 = stablehlo.add %t26, %s27 : tensor<4xf32>
    %t28 = stablehlo.add %t27, %s28 : tensor<4xf32>
    %t29 = stablehlo.add %t28, %s29 : tensor<4xf32>
    %t30 = stablehlo.add %t29, %s30 : tensor<4xf32>
    stablehlo.return %1, %t30 : tensor<i32>, tensor<4xf32>
  }
  return %0#1 : tensor<4xf32>
}

// -----

// A row times a weight that is a constant: its columns are laid out in blocks of 64, once, outside of the kernel. A block lies in
// one piece; its sums stand in registers while it is read from its beginning to its end.
// CHECK-LABEL: func.func @times_a_constant
// CHECK:         %[[W:.*]] = "nimble.constant"() {key = "w"}
// CHECK:         %[[APART:.*]] = stablehlo.reshape %[[W]] : (tensor<256x256xf32>) -> tensor<256x4x64xf32>
// CHECK:         %[[BLOCKS:.*]] = stablehlo.transpose %[[APART]], dims = [1, 0, 2] : (tensor<256x4x64xf32>) -> tensor<4x256x64xf32>
// CHECK:         "nimble.bind"(%[[BLOCKS]])
// CHECK:         "nimble.kernel"
// CHECK:           scf.for %[[COLUMN:[^ ]*]] = %{{.*}} step %{{[^ ]*}} iter_args(%{{[^ ]*}} = %{{[^ ]*}}) -> (tensor<1x256xf32>) {
// CHECK-NOT:         scf.for
// CHECK:             %[[BLOCK:.*]] = arith.divui %[[COLUMN]]
// CHECK:             scf.for %[[AT:[^ ]*]] = {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
// CHECK-COUNT-4:       vector.transfer_read %{{.*}}[%[[BLOCK]], %[[AT]], %{{.*}}]{{.*}} : tensor<4x256x64xf32>, vector<16xf32>
// CHECK:             vector.transfer_write %{{.*}}, %{{.*}}[%{{.*}}, %[[COLUMN]]]
func.func @times_a_constant(%x: tensor<1x256xf32>, %n: tensor<i32>) -> tensor<1x256xf32> {
  %w = "nimble.constant"() {key = "w"} : () -> tensor<256x256xf32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<1x256xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.dot_general %c, %w, contracting_dims = [1] x [0] : (tensor<1x256xf32>, tensor<256x256xf32>) -> tensor<1x256xf32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<1x256xf32>
  }
  return %0#1 : tensor<1x256xf32>
}
