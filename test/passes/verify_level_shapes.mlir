// RUN: %nimble-opt %s --split-input-file --nimble-verify-level=level=shapes --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @nothing_to_do
func.func @nothing_to_do(%n: index) {
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  %0 = "nimble.iota"(%s) {iota_dimension = 0 : i64, operandSegmentSizes = array<i32: 1>} : (index) -> tensor<?xi32, #nimble.dims<[@s]>>
  return
}

// -----

func.func @shape_in_a_tensor(%shape: tensor<1xi32>) {
  // expected-error @below {{level 'shapes': sizes are index values, but 'stablehlo.dynamic_iota' has them in tensors}}
  %0 = stablehlo.dynamic_iota %shape, dim = 0 : (tensor<1xi32>) -> tensor<4xi32>
  return
}

// -----

// What holds at level nimble holds here, too.
// expected-error @below {{level 'shapes': every dynamic tensor has #nimble.dims and no static one has, but block argument 0 of 'func.func' is tensor<?xf32>}}
func.func @without_dims(%x: tensor<?xf32>) {
  return
}
