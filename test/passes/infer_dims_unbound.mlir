// RUN: %nimble-opt %s --nimble-infer-dims --verify-diagnostics

// nimble-bind-symbols, which knows the dims of the arguments, has not run.
func.func @unbound(%x: tensor<?xf32>) {
  // expected-error @below {{operand 0 of 'stablehlo.sine' has type tensor<?xf32> without dims}}
  %0 = stablehlo.sine %x : tensor<?xf32>
  return
}
