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

// -----

// A gather reads the rows of a table where they lie, also where the slice drops dimensions itself.
#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @gathers
// CHECK-SAME:    %[[X:[^:]*]]: tensor<5x?xf32>, %[[AT:[^:]*]]: tensor<?xindex>, %[[ROW:[^:]*]]: index
func.func @gathers(%x: tensor<5x?xf32>, %at: tensor<?xindex>, %row: index, %b: index, %n: index) -> (tensor<?xf32>, tensor<?xf32>) {
  // CHECK-NOT: tensor.extract_slice
  // CHECK-NOT: tensor.collapse_shape
  // CHECK:      ^bb0(%[[I:.*]]: index, %{{.*}}: f32):
  // CHECK:        %[[C0:.*]] = arith.constant 0 : index
  // CHECK:        %[[J:.*]] = arith.addi %[[C0]], %[[I]]
  // CHECK:        tensor.extract %[[X]][%[[ROW]], %[[J]]]
  %0 = tensor.extract_slice %x[%row, 0] [1, %b] [1, 1] : tensor<5x?xf32> to tensor<1x?xf32>
  %1 = tensor.collapse_shape %0 [[0, 1]] : tensor<1x?xf32> into tensor<?xf32>
  %2 = tensor.empty(%n) : tensor<?xf32>
  %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%at : tensor<?xindex>) outs(%2 : tensor<?xf32>) {
  ^bb0(%i: index, %out: f32):
    %6 = tensor.extract %1[%i] : tensor<?xf32>
    linalg.yield %6 : f32
  } -> tensor<?xf32>
  // CHECK:      ^bb0(%[[I:.*]]: index, %{{.*}}: f32):
  // CHECK-DAG:    %[[C3:.*]] = arith.constant 3 : index
  // CHECK-DAG:    %[[J:.*]] = arith.addi %[[ROW]], %[[I]]
  // CHECK:        tensor.extract %[[X]][%[[C3]], %[[J]]]
  %4 = tensor.extract_slice %x[3, %row] [1, %b] [1, 1] : tensor<5x?xf32> to tensor<?xf32>
  %5 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%at : tensor<?xindex>) outs(%2 : tensor<?xf32>) {
  ^bb0(%i: index, %out: f32):
    %6 = tensor.extract %4[%i] : tensor<?xf32>
    linalg.yield %6 : f32
  } -> tensor<?xf32>
  return %3, %5 : tensor<?xf32>, tensor<?xf32>
}

// -----

// A slice with strides stays, and one whose dimensions are joined.
#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @gathers_that_stay
// CHECK-COUNT-2: tensor.extract_slice
func.func @gathers_that_stay(%x: tensor<5x8xf32>, %at: tensor<4xindex>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = tensor.extract_slice %x[1, 0] [1, 4] [1, 2] : tensor<5x8xf32> to tensor<4xf32>
  %1 = tensor.extract_slice %x[1, 0] [2, 4] [1, 1] : tensor<5x8xf32> to tensor<2x4xf32>
  %2 = tensor.collapse_shape %1 [[0, 1]] : tensor<2x4xf32> into tensor<8xf32>
  %3 = tensor.empty() : tensor<4xf32>
  %4:2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%at : tensor<4xindex>) outs(%3, %3 : tensor<4xf32>, tensor<4xf32>) {
  ^bb0(%i: index, %out: f32, %other: f32):
    %5 = tensor.extract %0[%i] : tensor<4xf32>
    %6 = tensor.extract %2[%i] : tensor<8xf32>
    linalg.yield %5, %6 : f32, f32
  } -> (tensor<4xf32>, tensor<4xf32>)
  return %4#0, %4#1 : tensor<4xf32>, tensor<4xf32>
}
