// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg | FileCheck %s

// A sum that is read along both dimensions is a buffer of its own.
// CHECK-LABEL: func.func @both_ways
// CHECK:         %[[SUM:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]
// CHECK:         %[[OWN:.*]] = "nimble.tie_shape"(%[[SUM]], %{{.*}}) {nimble.apart
// CHECK-COUNT-2: linalg.generic {{.*}} ins(%[[OWN]] :
func.func @both_ways(%x: tensor<?x4xf32> {nimble.name = "x"}) -> tensor<?x?xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x4xf32>) -> tensor<i32>
  %n1 = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %shape = stablehlo.concatenate %n1, %n1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<?x4xf32>, tensor<f32>) -> tensor<?xf32>
  %1 = stablehlo.dynamic_broadcast_in_dim %0, %shape, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  %2 = stablehlo.dynamic_broadcast_in_dim %0, %shape, dims = [1] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  %3 = stablehlo.exponential %2 : tensor<?x?xf32>
  %4:2 = stablehlo.optimization_barrier %1, %3 : tensor<?x?xf32>, tensor<?x?xf32>
  %5 = stablehlo.add %4#0, %4#1 : tensor<?x?xf32>
  return %5 : tensor<?x?xf32>
}

// -----

// One that is read along one dimension, twice, is fused as before.
// CHECK-LABEL: func.func @one_way
// CHECK-NOT:     nimble.apart
func.func @one_way(%x: tensor<?x4xf32> {nimble.name = "x"}) -> tensor<?x4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x4xf32>) -> tensor<i32>
  %n1 = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %shape = stablehlo.concatenate %n1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<?x4xf32>, tensor<f32>) -> tensor<?xf32>
  %1 = stablehlo.dynamic_broadcast_in_dim %0, %shape, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x4xf32>
  %2 = stablehlo.subtract %x, %1 : tensor<?x4xf32>
  %3 = stablehlo.divide %2, %1 : tensor<?x4xf32>
  return %3 : tensor<?x4xf32>
}

// -----

// Through a reshape that adds a dimension, and a transpose.
// CHECK-LABEL: func.func @against_its_transpose
// CHECK:         "nimble.tie_shape"(%{{.*}}) {nimble.apart
func.func @against_its_transpose(%x: tensor<5x4xf32>) -> tensor<5x5xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<5x4xf32>, tensor<f32>) -> tensor<5xf32>
  %1 = stablehlo.reshape %0 : (tensor<5xf32>) -> tensor<5x1xf32>
  %2 = stablehlo.transpose %1, dims = [1, 0] : (tensor<5x1xf32>) -> tensor<1x5xf32>
  %3 = stablehlo.broadcast_in_dim %1, dims = [0, 1] : (tensor<5x1xf32>) -> tensor<5x5xf32>
  %4 = stablehlo.broadcast_in_dim %2, dims = [0, 1] : (tensor<1x5xf32>) -> tensor<5x5xf32>
  %5 = stablehlo.subtract %3, %4 : tensor<5x5xf32>
  return %5 : tensor<5x5xf32>
}
