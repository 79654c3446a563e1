// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @sizes
// CHECK-SAME:    %[[V:[^:]*]]: tensor<i32>, %[[W:[^:]*]]: tensor<i64>, %[[B:[^:]*]]: index
func.func @sizes(%v: tensor<i32>, %w: tensor<i64>, %b: index) -> (index, index) {
  // CHECK: "nimble.define_size"(%[[V]]) {operandSegmentSizes = array<i32: 1, 0>, what = "nm.zeros"} : (tensor<i32>) -> index
  %0 = "nimble.define_size"(%v) {operandSegmentSizes = array<i32: 1, 0>, what = "nm.zeros"} : (tensor<i32>) -> index
  // CHECK: "nimble.define_size"(%[[W]], %[[B]]) {operandSegmentSizes = array<i32: 1, 1>, what = "nm.top_k"} : (tensor<i64>, index) -> index
  %1 = "nimble.define_size"(%w, %b) {operandSegmentSizes = array<i32: 1, 1>, what = "nm.top_k"} : (tensor<i64>, index) -> index
  return %0, %1 : index, index
}

// CHECK-LABEL: func.func @selections
// CHECK-SAME:    %[[F:[^:]*]]: tensor<?xi8, {{[^:]*}}, %[[X:[^:]*]]: tensor<4x?xf32, {{.*}}, %[[N:[^:]*]]: index
func.func @selections(%f: tensor<?xi8, #nimble.dims<[@s]>>, %x: tensor<4x?xf32, #nimble.dims<[4, @s]>>, %n: index) {
  // CHECK: %[[O:.*]] = "nimble.count"(%[[F]]) : (tensor<?xi8, #nimble.dims<[@s]>>) -> tensor<65xi32>
  %o = "nimble.count"(%f) : (tensor<?xi8, #nimble.dims<[@s]>>) -> tensor<65xi32>
  // CHECK: "nimble.nonzero"(%[[F]], %[[O]], %[[N]]) : (tensor<?xi8, #nimble.dims<[@s]>>, tensor<65xi32>, index) -> tensor<?xi32, #nimble.dims<[@n]>>
  %0 = "nimble.nonzero"(%f, %o, %n) : (tensor<?xi8, #nimble.dims<[@s]>>, tensor<65xi32>, index) -> tensor<?xi32, #nimble.dims<[@n]>>
  // CHECK: "nimble.nonzero_padded"(%[[F]]) : (tensor<?xi8, #nimble.dims<[@s]>>) -> (tensor<9xi32>, tensor<i32>)
  %1:2 = "nimble.nonzero_padded"(%f) : (tensor<?xi8, #nimble.dims<[@s]>>) -> (tensor<9xi32>, tensor<i32>)
  // CHECK: "nimble.compress"(%[[X]], %[[F]], %[[O]], %[[N]]) {dimension = 1 : i64}
  %2 = "nimble.compress"(%x, %f, %o, %n) {dimension = 1 : i64} : (tensor<4x?xf32, #nimble.dims<[4, @s]>>, tensor<?xi8, #nimble.dims<[@s]>>, tensor<65xi32>, index) -> tensor<4x?xf32, #nimble.dims<[4, @n]>>
  return
}
