// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-loops-to-kernels | FileCheck %s

// Iterations that do not depend on each other are the workgroups of one kernel, where the program asks for it; the other side
// of the branch goes.
// CHECK-LABEL: func.func @workgroups
// CHECK-NOT:     scf.if
// CHECK-NOT:     scf.for
// CHECK:         %[[COUNT:.*]] = "nimble.symbol"
// CHECK-NOT:     scf.if
// CHECK-NOT:     scf.for
// CHECK:         "nimble.kernel"(%{{.*}}, %[[COUNT]]) ({
// CHECK:         ^bb0(%[[NUMBER:.*]]: index, %[[ROWS:.*]]: tensor<?x64xf32{{.*}}>):
// CHECK-NOT:       scf.if
// CHECK:           vector.transfer_read %{{.*}}[%{{.*}}, %{{.*}}]
// CHECK:           arith.mulf
// CHECK:           vector.transfer_write
// CHECK-NOT:     stablehlo.negate
// CHECK:         return
func.func @workgroups(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %which = stablehlo.custom_call @nimble.one_dispatch() : () -> tensor<i1>
  %0 = "stablehlo.if"(%which) ({
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x64xf32>) -> tensor<i32>
    %1:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?x64xf32>
    cond {
      %2 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %2 : tensor<i1>
    } do {
      %2 = stablehlo.add %i, %one : tensor<i32>
      %3 = stablehlo.dynamic_slice %c, %i, %zero, sizes = [1, 64] : (tensor<?x64xf32>, tensor<i32>, tensor<i32>) -> tensor<1x64xf32>
      %4 = stablehlo.multiply %3, %3 : tensor<1x64xf32>
      %5 = stablehlo.dynamic_update_slice %c, %4, %i, %zero : (tensor<?x64xf32>, tensor<1x64xf32>, tensor<i32>, tensor<i32>) -> tensor<?x64xf32>
      stablehlo.return %2, %5 : tensor<i32>, tensor<?x64xf32>
    }
    stablehlo.return %1#1 : tensor<?x64xf32>
  }, {
    %1 = stablehlo.negate %x : tensor<?x64xf32>
    stablehlo.return %1 : tensor<?x64xf32>
  }) : (tensor<i1>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----

// A workgroup that would replace all of a tensor writes over what the others do: the other side is taken.
// CHECK-LABEL: func.func @otherwise
// CHECK-NOT:     scf.if
// CHECK-NOT:     nimble.kernel
// CHECK:         stablehlo.negate
// CHECK-NOT:     nimble.kernel
// CHECK-NOT:     stablehlo.custom_call
// CHECK:         return
func.func @otherwise(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %which = stablehlo.custom_call @nimble.one_dispatch() : () -> tensor<i1>
  %0 = "stablehlo.if"(%which) ({
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x64xf32>) -> tensor<i32>
    %1:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?x64xf32>
    cond {
      %2 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %2 : tensor<i1>
    } do {
      %2 = stablehlo.add %i, %one : tensor<i32>
      %3 = stablehlo.multiply %c, %c : tensor<?x64xf32>
      stablehlo.return %2, %3 : tensor<i32>, tensor<?x64xf32>
    }
    stablehlo.return %1#1 : tensor<?x64xf32>
  }, {
    %1 = stablehlo.negate %x : tensor<?x64xf32>
    stablehlo.return %1 : tensor<?x64xf32>
  }) : (tensor<i1>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
