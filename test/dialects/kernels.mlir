// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @kernel
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32{{.*}}, %[[N:[^:]*]]: index
func.func @kernel(%x: tensor<?xf32, #nimble.dims<[@n]>>, %n: index) -> tensor<4xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  // CHECK: %[[IN:.*]] = "nimble.bind"(%[[X]], %[[N]]) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32, #nimble.dims<[@n]>>, index) -> !nimble.binding
  // CHECK: %[[OUT:.*]] = "nimble.bind"(%{{.*}}) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
  %in = "nimble.bind"(%x, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32, #nimble.dims<[@n]>>, index) -> !nimble.binding
  %out = "nimble.bind"(%e) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
  // CHECK: %[[R:.*]] = "nimble.kernel"(%[[IN]], %[[OUT]], %{{.*}}) ({
  // CHECK: ^bb0(%[[W:.*]]: index, %[[A:.*]]: tensor<?xf32, {{.*}}>, %[[B:.*]]: tensor<4xf32>):
  %r = "nimble.kernel"(%in, %out, %c1) ({
  ^bb0(%w: index, %a: tensor<?xf32, #nimble.dims<[@n]>>, %b: tensor<4xf32>):
    %0 = tensor.extract %a[%w] : tensor<?xf32, #nimble.dims<[@n]>>
    %1 = tensor.insert %0 into %b[%w] : tensor<4xf32>
    %2 = "nimble.bind"(%1) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
    // CHECK: "nimble.kernel_yield"(%{{.*}})
    "nimble.kernel_yield"(%2) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, !nimble.binding, index) -> !nimble.binding
  // CHECK: "nimble.unbind"(%[[R]]) : (!nimble.binding) -> tensor<4xf32>
  %y = "nimble.unbind"(%r) : (!nimble.binding) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
