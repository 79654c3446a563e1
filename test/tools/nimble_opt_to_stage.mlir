// RUN: %nimble-opt %s --to-stage=nimble | FileCheck %s --check-prefixes=CHECK,NIMBLE
// RUN: %nimble-opt %s --to-stage=shapes | FileCheck %s --check-prefixes=CHECK,SHAPES
// RUN: %nimble-opt %s --to-stage=linalg | FileCheck %s --check-prefixes=CHECK,LINALG
// RUN: %nimble-opt %s --to-stage=iree | FileCheck %s --check-prefixes=CHECK,IREE

// CHECK-LABEL: func.func @f
// NIMBLE:        "nimble.symbol"
// NIMBLE:        stablehlo.dynamic_iota {{.*}} -> tensor<?xf32, #nimble.dims<[@s]>>
// NIMBLE:        stablehlo.add
// SHAPES:        "nimble.iota"
// SHAPES-LABEL: func.func @f$shape
// LINALG:        "nimble.symbol"
// LINALG:        linalg.generic {{.*}} : tensor<?xf32>)
// LINALG-NOT:    nimble.dims<
// IREE:          util.assume.int
// IREE:          flow.tensor.tie_shape
// IREE-NOT:      "nimble.
func.func @f(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.name = "x", nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 1}}} {
  %shape = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_iota %shape, dim = 0 : (tensor<1xi32>) -> tensor<?xf32>
  %1 = stablehlo.add %0, %x : tensor<?xf32>
  return %1 : tensor<?xf32>
}
