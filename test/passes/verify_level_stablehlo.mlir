// RUN: %nimble-opt %s --split-input-file --nimble-verify-level=level=stablehlo --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @nothing_to_do
func.func @nothing_to_do(%b: tensor<i32> {jax.global_constant = "b"}, %s: tensor<i64> {jax.global_constant = "s"}, %x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %0 = stablehlo.sine %x : tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// expected-error @below {{level 'stablehlo': dimension variables lead the arguments, but argument 1 follows others}}
func.func @not_leading(%x: tensor<?xf32>, %s: tensor<i32> {jax.global_constant = "s"}) {
  return
}

// -----

// expected-error @below {{level 'stablehlo': dimension variables are tensor<i32> or tensor<i64>, but argument 0 is tensor<f32>}}
func.func @no_integer(%s: tensor<f32> {jax.global_constant = "s"}) {
  return
}

// -----

func.func @nimble_op(%n: index) {
  // expected-error @below {{level 'stablehlo': there are no nimble ops, but there is 'nimble.symbol'}}
  %0 = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  return
}

// -----

// expected-error @below {{level 'stablehlo': no type carries #nimble.dims, but block argument 0 of 'func.func' is tensor<?xf32, #nimble.dims<[@s]>>}}
func.func @dims(%x: tensor<?xf32, #nimble.dims<[@s]>>) {
  return
}
