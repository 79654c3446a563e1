// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @constant
func.func @constant() -> tensor<768x768xf32> {
  // CHECK: "nimble.constant"() {key = "constant0"} : () -> tensor<768x768xf32>
  %0 = "nimble.constant"() {key = "constant0"} : () -> tensor<768x768xf32>
  return %0 : tensor<768x768xf32>
}
