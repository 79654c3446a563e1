// RUN: %nimble-opt %s --split-input-file --nimble-resolve-dims | FileCheck %s

// CHECK-LABEL: func.func @dims
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4x?xf32
func.func @dims(%x: tensor<?x4x?xf32, #nimble.dims<[@b, 4, "2*b + 1"]>>) -> (index, index, index, tensor<3xindex>) {
  // The op that gives the symbol its value stays.
  // CHECK: %[[SIZE:.*]] = tensor.dim {nimble.size_source} %[[X]]
  // CHECK: %[[B:.*]] = "nimble.symbol"(%[[SIZE]])
  // CHECK: %[[TWICE:.*]] = arith.muli %[[B]], %{{.*}}
  // CHECK: %[[MORE:.*]] = arith.addi %[[TWICE]], %{{.*}}
  // CHECK-NOT: tensor.dim
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %size = tensor.dim {nimble.size_source} %x, %c0 : tensor<?x4x?xf32, #nimble.dims<[@b, 4, "2*b + 1"]>>
  %b = "nimble.symbol"(%size) {symbol = @b, bounds = {}} : (index) -> index
  %0 = tensor.dim %x, %c0 : tensor<?x4x?xf32, #nimble.dims<[@b, 4, "2*b + 1"]>>
  %1 = tensor.dim %x, %c1 : tensor<?x4x?xf32, #nimble.dims<[@b, 4, "2*b + 1"]>>
  %2 = tensor.dim %x, %c2 : tensor<?x4x?xf32, #nimble.dims<[@b, 4, "2*b + 1"]>>
  // CHECK: %[[SHAPE:.*]] = tensor.from_elements %[[B]], %[[FOUR:.*]], %[[MORE]] : tensor<3xindex>
  %3 = shape.shape_of %x : tensor<?x4x?xf32, #nimble.dims<[@b, 4, "2*b + 1"]>> -> tensor<3xindex>
  // CHECK: return %[[B]], %[[FOUR]], %[[MORE]], %[[SHAPE]]
  return %0, %1, %2, %3 : index, index, index, tensor<3xindex>
}

// -----

// Also inside regions.
// CHECK-LABEL: func.func @in_a_region
// CHECK:         %[[S:.*]] = "nimble.symbol"
// CHECK:         scf.if
// CHECK-NOT:       tensor.dim
// CHECK:           scf.yield %[[S]]
func.func @in_a_region(%x: tensor<?xf32, #nimble.dims<[@s]>>, %n: index, %condition: i1) -> index {
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  %0 = scf.if %condition -> index {
    %c0 = arith.constant 0 : index
    %1 = tensor.dim %x, %c0 : tensor<?xf32, #nimble.dims<[@s]>>
    scf.yield %1 : index
  } else {
    scf.yield %n : index
  }
  return %0 : index
}

// -----

// The sizes of a tensor without dims, and a dimension that is not constant, stay.
// CHECK-LABEL: func.func @nothing_to_do
// CHECK-COUNT-2: tensor.dim
func.func @nothing_to_do(%x: tensor<?xf32>, %y: tensor<?x?xf32, #nimble.dims<[@s, @s]>>, %n: index) -> (index, index) {
  %c0 = arith.constant 0 : index
  %0 = tensor.dim %x, %c0 : tensor<?xf32>
  %1 = tensor.dim %y, %n : tensor<?x?xf32, #nimble.dims<[@s, @s]>>
  return %0, %1 : index, index
}
