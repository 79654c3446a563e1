// RUN: %nimble-opt %s --split-input-file --allow-unregistered-dialect --nimble-verify-level=level=iree --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @nothing_to_do
func.func @nothing_to_do(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %0 = "flow.tensor.tie_shape"(%x, %n) : (tensor<?xf32>, index) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @nimble_op(%n: index) {
  // expected-error @below {{level 'iree': there are only linalg, tensor, scf, arith, math, vector and IREE's ops, but there is 'nimble.symbol'}}
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  return
}
