// RUN: %nimble-opt %s --split-input-file --nimble-fold-extracts | FileCheck %s

// CHECK-LABEL: func.func @table
// CHECK-SAME:    %[[TABLE:[^:]*]]: tensor<?x3xi32>, %[[I:[^:]*]]: index
func.func @table(%table: tensor<?x3xi32>, %i: index) -> i32 {
  // CHECK-NOT: tensor.extract_slice
  // CHECK: %[[TWO:.*]] = arith.constant 2 : index
  // CHECK: %[[READ:.*]] = tensor.extract %[[TABLE]][%[[I]], %[[TWO]]]
  // CHECK: return %[[READ]]
  %0 = tensor.extract_slice %table[%i, 2] [1, 1] [1, 1] : tensor<?x3xi32> to tensor<1x1xi32>
  %1 = tensor.collapse_shape %0 [] : tensor<1x1xi32> into tensor<i32>
  %2 = tensor.extract %1[] : tensor<i32>
  return %2 : i32
}

// -----

// What else reads the slice still has it.
// CHECK-LABEL: func.func @read_twice
// CHECK-SAME:    %[[X:[^:]*]]: tensor<8xi32>
// CHECK:         %[[SLICE:.*]] = tensor.extract_slice
// CHECK:         tensor.extract %[[X]]
// CHECK:         return %{{.*}}, %[[SLICE]]
func.func @read_twice(%x: tensor<8xi32>, %i: index) -> (i32, tensor<1xi32>) {
  %c0 = arith.constant 0 : index
  %0 = tensor.extract_slice %x[%i] [1] [1] : tensor<8xi32> to tensor<1xi32>
  %1 = tensor.extract %0[%c0] : tensor<1xi32>
  return %1, %0 : i32, tensor<1xi32>
}

// -----

// A slice of several elements, and one that drops a dimension, stay.
// CHECK-LABEL: func.func @stay
// CHECK-COUNT-2: tensor.extract_slice
func.func @stay(%x: tensor<8x4xi32>, %i: index) -> (i32, i32) {
  %c0 = arith.constant 0 : index
  %0 = tensor.extract_slice %x[%i, 0] [2, 1] [1, 1] : tensor<8x4xi32> to tensor<2x1xi32>
  %1 = tensor.extract %0[%c0, %c0] : tensor<2x1xi32>
  %2 = tensor.extract_slice %x[%i, 0] [1, 1] [1, 1] : tensor<8x4xi32> to tensor<1xi32>
  %3 = tensor.extract %2[%c0] : tensor<1xi32>
  return %1, %3 : i32, i32
}
