// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @views
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32{{.*}}, %[[N:[^:]*]]: index
func.func @views(%x: tensor<?x4xf32, #nimble.dims<[@n, 4]>>, %n: index) -> (tensor<?x4xf32, #nimble.dims<[@m, 4]>>) {
  // CHECK: %[[V:.*]] = "nimble.export"(%[[X]], %[[N]]) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32, #nimble.dims<[@n, 4]>>, index) -> !nimble.buffer_view
  %v = "nimble.export"(%x, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32, #nimble.dims<[@n, 4]>>, index) -> !nimble.buffer_view
  // CHECK: %[[M:.*]] = "nimble.view_size"(%[[V]]) {dimension = 0 : i64} : (!nimble.buffer_view) -> index
  %m = "nimble.view_size"(%v) {dimension = 0 : i64} : (!nimble.buffer_view) -> index
  // CHECK: "nimble.import"(%[[V]], %[[M]]) {operandSegmentSizes = array<i32: 1, 1>} : (!nimble.buffer_view, index) -> tensor<?x4xf32, #nimble.dims<[@m, 4]>>
  %y = "nimble.import"(%v, %m) {operandSegmentSizes = array<i32: 1, 1>} : (!nimble.buffer_view, index) -> tensor<?x4xf32, #nimble.dims<[@m, 4]>>
  return %y : tensor<?x4xf32, #nimble.dims<[@m, 4]>>
}
