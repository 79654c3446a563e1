// RUN: %nimble-opt %s --split-input-file --nimble-verify-level=level=linalg --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @nothing_to_do
func.func @nothing_to_do(%x: tensor<?xf32>, %condition: i1, %n: index) -> tensor<?xf32> {
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  "nimble.check"(%condition) {kind = "tag", message = "message"} : (i1) -> ()
  %0 = linalg.add ins(%x, %x : tensor<?xf32>, tensor<?xf32>) outs(%x : tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @stablehlo_op(%x: tensor<?xf32>) {
  // expected-error @below {{level 'linalg': there are only linalg, tensor, scf, arith, math, vector and nimble's run-time ops, but there is 'stablehlo.sine'}}
  %0 = stablehlo.sine %x : tensor<?xf32>
  return
}

// -----

func.func @nimble_op(%n: index) {
  // expected-error @below {{but there is 'nimble.iota'}}
  %0 = "nimble.iota"(%n) {iota_dimension = 0 : i64, operandSegmentSizes = array<i32: 1>} : (index) -> tensor<?xi32>
  return
}

// -----

// expected-error @below {{level 'linalg': no tensor type has an encoding, but block argument 0 of 'func.func' is tensor<?xf32, #nimble.dims<[@s]>>}}
func.func @encoding(%x: tensor<?xf32, #nimble.dims<[@s]>>) {
  return
}

// -----

// expected-error @below {{level 'linalg': integers are signless, but block argument 0 of 'func.func' is tensor<4xui32>}}
func.func @unsigned(%x: tensor<4xui32>) {
  return
}
