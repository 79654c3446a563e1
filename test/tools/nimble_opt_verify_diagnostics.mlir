// RUN: not %nimble-opt %s --split-input-file --nimble-infer-dims --verify-diagnostics 2>&1 | FileCheck %s

// A diagnostic that is not raised, and one that is not expected.
// CHECK: verify_diagnostics.mlir:[[#@LINE+2]]:1: error: expected error "another text" was not produced
func.func @missing(%n: index) {
  // expected-error @below {{another text}}
  return
}

// -----

// CHECK: verify_diagnostics.mlir:[[#@LINE+2]]:8: error: unexpected error: 'tensor.empty' with dynamic sizes is not supported
func.func @unexpected(%n: index) {
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

// The right text on another line is no match.
// CHECK: verify_diagnostics.mlir:[[#@LINE+4]]:8: error: unexpected error
// CHECK: verify_diagnostics.mlir:[[#@LINE+2]]:1: error: expected error "'tensor.empty'" was not produced
func.func @elsewhere(%n: index) {
  // expected-error {{'tensor.empty'}}
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

// CHECK: malformed expected diagnostic: // expected-eror @below {text}
func.func @malformed(%n: index) {
  // expected-eror @below {text}
  return
}

// -----

// All the ways to say where: none of these is reported.
// CHECK-NOT: error
func.func @same_line(%n: index) {
  %0 = tensor.empty(%n) : tensor<?xf32> // expected-error {{'tensor.empty'}}
  return
}

// -----

func.func @above(%n: index) {
  %0 = tensor.empty(%n) : tensor<?xf32>
  // expected-error @above {{'tensor.empty'}}
  return
}

// -----

func.func @by_number(%n: index) {
  // expected-error @+2 {{'tensor.empty'}}

  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

func.func @by_regex(%n: index) {
  // expected-error-re @below {{'tensor.{{e[a-z]+}}' with dynamic sizes}}
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}
