// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// A symbol, an integer and the text of an expression, in order.
// CHECK-LABEL: func.func @three_forms
// CHECK-SAME:    tensor<?x768x?xf32, #nimble.dims<[@s, 768, "floordiv(s, 4)"]>>
func.func @three_forms(%x: tensor<?x768x?xf32, #nimble.dims<[@s, 768, "floordiv(s, 4)"]>>) {
  return
}

// CHECK-LABEL: func.func @through_stablehlo
func.func @through_stablehlo(%x: tensor<?xf32, #nimble.dims<["max(2*s + 1, b)"]>>) -> tensor<?xf32, #nimble.dims<["max(2*s + 1, b)"]>> {
  // CHECK: stablehlo.add {{.*}} : tensor<?xf32, #nimble.dims<["max(2*s + 1, b)"]>>
  %0 = stablehlo.add %x, %x : tensor<?xf32, #nimble.dims<["max(2*s + 1, b)"]>>
  return %0 : tensor<?xf32, #nimble.dims<["max(2*s + 1, b)"]>>
}
