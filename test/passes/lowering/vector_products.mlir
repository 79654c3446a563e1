// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg | FileCheck %s

// A row of a dynamic matrix times a vector: both are read by the vector, in several sums.
// CHECK-LABEL: func.func @rows
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?xf32
// CHECK-NOT:     linalg.matmul
// CHECK:         %[[BOUND:.*]] = "nimble.bind"(%[[X]]
// CHECK:         "nimble.kernel"(%{{.*}}, %[[BOUND]]
// CHECK:           vector.fma
// CHECK-COUNT-3:   vector.fma
// CHECK:           arith.mulf
// CHECK:           tensor.insert
func.func @rows(%x: tensor<?x?xf32> {nimble.dims = [@n, @k]}, %y: tensor<?xf32> {nimble.dims = [@k]}) -> tensor<?xf32> attributes {nimble.symbols = {k = {}, n = {}}} {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Columns that lie side by side are computed together. The matrix is a slice of a transpose: the kernel reads the argument.
// CHECK-LABEL: func.func @columns
// CHECK-SAME:    tensor<?x4xf32{{[^%]*}}, %[[X:[^:]*]]: tensor<?x2x4x64xf32
// CHECK-NOT:     linalg.batch_matmul
// CHECK:         %[[BOUND:.*]] = "nimble.bind"(%[[X]]
// CHECK:         "nimble.kernel"(%{{.*}}, %[[BOUND]]
// CHECK:         ^bb0(%{{.*}}: index, %{{.*}}: tensor<4x?xf32, {{.*}}>, %[[IN:.*]]: tensor<?x2x4x64xf32, {{.*}}>, %[[OUT:.*]]: tensor<4x64xf32>):
// CHECK:           vector.transfer_read %[[IN]][%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}]
// CHECK:           vector.fma
// CHECK:           vector.transfer_write
func.func @columns(%w: tensor<?x4xf32> {nimble.dims = [@k, 4]}, %x: tensor<?x2x4x64xf32> {nimble.dims = [@k, 2, 4, 64]}) -> tensor<4x64xf32> attributes {nimble.symbols = {k = {}}} {
  %0 = stablehlo.transpose %x, dims = [1, 0, 2, 3] : (tensor<?x2x4x64xf32>) -> tensor<2x?x4x64xf32>
  %size = stablehlo.get_dimension_size %0, dim = 1 : (tensor<2x?x4x64xf32>) -> tensor<i32>
  %n = stablehlo.reshape %size : (tensor<i32>) -> tensor<1xi32>
  %start = stablehlo.constant dense<[1, 0, 0, 0]> : tensor<4xi32>
  %two = stablehlo.constant dense<2> : tensor<1xi32>
  %rest = stablehlo.constant dense<[4, 64]> : tensor<2xi32>
  %limit = stablehlo.concatenate %two, %n, %rest, dim = 0 : (tensor<1xi32>, tensor<1xi32>, tensor<2xi32>) -> tensor<4xi32>
  %ones = stablehlo.constant dense<1> : tensor<4xi32>
  %1 = stablehlo.real_dynamic_slice %0, %start, %limit, %ones : (tensor<2x?x4x64xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi32>) -> tensor<1x?x4x64xf32>
  %one = stablehlo.constant dense<[4, 64]> : tensor<2xi32>
  %shape = stablehlo.concatenate %n, %one, dim = 0 : (tensor<1xi32>, tensor<2xi32>) -> tensor<3xi32>
  %2 = stablehlo.dynamic_reshape %1, %shape : (tensor<1x?x4x64xf32>, tensor<3xi32>) -> tensor<?x4x64xf32>
  %3 = stablehlo.dot_general %w, %2, batching_dims = [1] x [1], contracting_dims = [0] x [0] : (tensor<?x4xf32>, tensor<?x4x64xf32>) -> tensor<4x64xf32>
  return %3 : tensor<4x64xf32>
}

// -----

// A matrix of static size is packed once, by IREE: that is as it was.
// CHECK-LABEL: func.func @weights
// CHECK-NOT:     nimble.kernel
// CHECK:         linalg.matmul
func.func @weights(%x: tensor<1x8xf32>, %w: tensor<8x16xf32>) -> tensor<1x16xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<1x8xf32>, tensor<8x16xf32>) -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}
