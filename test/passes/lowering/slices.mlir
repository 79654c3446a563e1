// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Starts are clamped so that the slice lies inside; a start that is known to lie inside stays.
// CHECK-LABEL: func.func @dynamic_slice
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32
// CHECK-SAME:    %[[I:[^:]*]]: tensor<i32>
// CHECK:         %[[ROOM:.*]] = arith.addi
// CHECK:         %[[START:.*]] = tensor.extract %[[I]][]
// CHECK:         %[[INDEX:.*]] = arith.index_cast %[[START]]
// CHECK:         %[[LOW:.*]] = arith.minsi %[[INDEX]], %[[ROOM]]
// CHECK:         %[[CLAMPED:.*]] = arith.maxsi %[[LOW]]
// CHECK:         tensor.extract_slice %[[X]][%[[CLAMPED]], 0] [1, 4] [1, 1] : {{.*}} to tensor<1x4xf32>
func.func @dynamic_slice(%x: tensor<?x4xf32>, %i: tensor<i32>) -> tensor<1x4xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0 = stablehlo.dynamic_slice %x, %i, %zero, sizes = [1, 4] : (tensor<?x4xf32>, tensor<i32>, tensor<i32>) -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}

// -----

// CHECK-LABEL: func.func @dynamic_update_slice
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32
// CHECK-SAME:    %[[U:[^:]*]]: tensor<1x4xf32>
// CHECK:         %[[CLAMPED:.*]] = arith.maxsi
// CHECK:         tensor.insert_slice %[[U]] into %[[X]][%[[CLAMPED]], 0] [1, 4] [1, 1]
func.func @dynamic_update_slice(%x: tensor<?x4xf32>, %u: tensor<1x4xf32>, %i: tensor<i32>) -> tensor<?x4xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0 = stablehlo.dynamic_update_slice %x, %u, %i, %zero : (tensor<?x4xf32>, tensor<1x4xf32>, tensor<i32>, tensor<i32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @static_slice
// CHECK:         tensor.extract_slice %{{.*}}[1] [3] [2] : tensor<8xf32> to tensor<3xf32>
func.func @static_slice(%x: tensor<8xf32>) -> tensor<3xf32> {
  %0 = stablehlo.slice %x [1:6:2] : (tensor<8xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// Rows are copied from the mirrored ones; where the last dimension is reversed, vectors are.
// CHECK-LABEL: func.func @reverse
// CHECK:         "nimble.kernel"
// CHECK:           %[[MIRRORED:.*]] = arith.subi
// CHECK:           vector.transfer_read %{{.*}}[%[[MIRRORED]], %{{.*}}]
// CHECK-NOT:       vector.shuffle
// CHECK:         "nimble.kernel"
// CHECK:           vector.shuffle %[[V:.*]], %[[V]] [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
func.func @reverse(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = stablehlo.reverse %x, dims = [0] : tensor<?x4xf32>
  %1 = stablehlo.reverse %x, dims = [1] : tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// Few elements are read by a generic.
// CHECK-LABEL: func.func @reverse_few
// CHECK:         linalg.generic
// CHECK-DAG:       %[[I:.*]] = linalg.index 0
// CHECK:           %[[MIRRORED:.*]] = arith.subi %{{.*}}, %[[I]]
// CHECK:           tensor.extract %{{.*}}[%[[MIRRORED]]]
func.func @reverse_few(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = stablehlo.reverse %x, dims = [0] : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

// CHECK-LABEL: func.func @transpose
// CHECK:         linalg.transpose {{.*}} permutation = [1, 0]
func.func @transpose(%x: tensor<?x4xf32>) -> tensor<4x?xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<?x4xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// -----

// Without elements, dims may differ in any way: no grouping of 32 and 1 has equal products.
// CHECK-LABEL: func.func @reshape_of_nothing
// CHECK-NEXT:    tensor.empty() : tensor<0x1xf32>
// CHECK-NEXT:    return
func.func @reshape_of_nothing(%x: tensor<0x32x1xf32>) -> tensor<0x1xf32> {
  %0 = stablehlo.reshape %x : (tensor<0x32x1xf32>) -> tensor<0x1xf32>
  return %0 : tensor<0x1xf32>
}
