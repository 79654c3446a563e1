// RUN: not %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims 2>%t | FileCheck %s --check-prefix=OUT
// RUN: FileCheck %s --check-prefix=ERR < %t
// RUN: not %nimble-opt %s.nowhere 2>&1 | FileCheck %s --check-prefix=FILE

// What is right is printed, the rest is an error with its place: that of the input, or that of the user's program.

// OUT: func.func @first
func.func @first() {
  return
}

// -----

// ERR: nimble_opt_errors.mlir:[[#@LINE+2]]:8: error: 'tensor.empty' with dynamic sizes is not supported [pass nimble-infer-dims]
func.func @in_a_pass(%n: index) {
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

// ERR: model.py:7:3: error: model.py:7: 'tensor.empty' with dynamic sizes is not supported [pass nimble-infer-dims]
func.func @of_the_user(%n: index) {
  %0 = tensor.empty(%n) : tensor<?xf32> loc("model.py":7:3)
  return
}

// -----

// ERR: nimble_opt_errors.mlir:[[#@LINE+2]]:3: error: custom op 'nonsense' is unknown
func.func @in_the_syntax() {
  nonsense
}

// -----

// ERR: nimble_opt_errors.mlir:[[#@LINE+2]]:3: error: 'nimble.check' op has an empty message
func.func @in_a_verifier(%condition: i1) {
  "nimble.check"(%condition) {kind = "tag", message = ""} : (i1) -> ()
  return
}

// -----

// OUT: func.func @last
func.func @last() {
  return
}

// FILE: nimble-opt: error: cannot read '{{.*}}.nowhere': No such file or directory
