// RUN: %nimble-opt %s --nimble-verify-level=level=nimbel --verify-diagnostics

// expected-error @unknown {{unknown level 'nimbel'; the levels are stablehlo, nimble, shapes, linalg, iree}}
func.func @f() {
  return
}
