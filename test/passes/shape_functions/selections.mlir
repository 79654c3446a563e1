// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --verify-diagnostics | FileCheck %s

// As many as the count says, which is known to be no more than there are flags.
// CHECK-LABEL: func.func @nonzero
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[K:.*]] = "nimble.symbol"{{.*}}symbol = @k
// CHECK:         %[[FEWER:.*]] = arith.cmpi sge, %[[S]], %[[K]]
// CHECK:         "nimble.check"(%[[FEWER]]) {{.*}}needs at least as many flags as are set: 's' must be at least 'k'
// CHECK:         "nimble.constraint"({{.*}}relation = "s >= k"
// CHECK:         stablehlo.custom_call @nimble.nonzero{{.*}} -> tensor<?xi32, #nimble.dims<[@k]>>
// CHECK:         stablehlo.custom_call @nimble.compress{{.*}} -> tensor<4x?xf32, #nimble.dims<[4, @k]>>
func.func @nonzero(%k: tensor<i32> {jax.global_constant = "k"}, %f: tensor<?xi8> {nimble.name = "f", nimble.dims = [@s]}, %x: tensor<4x?xf32> {nimble.name = "x", nimble.dims = [4, @s]}) attributes {nimble.symbols = {s = {}}} {
  %o = stablehlo.custom_call @nimble.count(%f) {api_version = 4 : i32} : (tensor<?xi8>) -> tensor<65xi32>
  %last = stablehlo.slice %o [64:65] : (tensor<65xi32>) -> tensor<1xi32>
  %n = stablehlo.reshape %last : (tensor<1xi32>) -> tensor<i32>
  %0 = stablehlo.custom_call @nimble.define_size(%n) {backend_config = {symbol = "k", what = "nm.nonzero"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  %1 = stablehlo.custom_call @nimble.nonzero(%f, %o, %k) {api_version = 4 : i32} : (tensor<?xi8>, tensor<65xi32>, tensor<i32>) -> tensor<?xi32>
  %2 = stablehlo.custom_call @nimble.compress(%x, %f, %o, %k) {backend_config = {dimension = 1 : i64}, api_version = 4 : i32} : (tensor<4x?xf32>, tensor<?xi8>, tensor<65xi32>, tensor<i32>) -> tensor<4x?xf32>
  return
}

// -----

// The upper-bound mode: the bound is in the type, the true size is at most that.
// CHECK-LABEL: func.func @nonzero_padded
// CHECK:         %[[K:.*]] = "nimble.symbol"{{.*}}symbol = @k
// CHECK:         "nimble.constraint"(%[[K]]) {{.*}}relation = "k <= 9"
// CHECK-NOT:     nimble.check
// CHECK:         stablehlo.real_dynamic_slice{{.*}} -> tensor<?xi32, #nimble.dims<[@k]>>
func.func @nonzero_padded(%k: tensor<i32> {jax.global_constant = "k"}, %f: tensor<?xi8> {nimble.name = "f", nimble.dims = [@s]}) attributes {nimble.symbols = {s = {}}} {
  %p:2 = stablehlo.custom_call @nimble.nonzero_padded(%f) {api_version = 4 : i32} : (tensor<?xi8>) -> (tensor<9xi32>, tensor<i32>)
  %nine = stablehlo.constant dense<9> : tensor<i32>
  %0 = stablehlo.custom_call @nimble.define_size(%p#1, %nine) {backend_config = {symbol = "k", what = "nm.nonzero"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %end = stablehlo.reshape %k : (tensor<i32>) -> tensor<1xi32>
  %1 = stablehlo.real_dynamic_slice %p#0, %zero, %end, %one : (tensor<9xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xi32>
  return
}

// -----

// A size that follows from others is known to be equal to them.
// CHECK-LABEL: func.func @of_sizes
// CHECK:         "nimble.constraint"{{.*}}relation = "{{k == 2\*s|2\*s == k}}"
func.func @of_sizes(%s: tensor<i32> {jax.global_constant = "s"}, %k: tensor<i32> {jax.global_constant = "k"}, %x: tensor<?xi32> {nimble.name = "x", nimble.dims = [@s]}) attributes {nimble.symbols = {s = {}}} {
  %n = stablehlo.add %s, %s : tensor<i32>
  %0 = stablehlo.custom_call @nimble.define_size(%n) {backend_config = {symbol = "k", what = "nm.zeros"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  return
}

// -----

// A size that nothing can have.
func.func @impossible(%k: tensor<i32> {jax.global_constant = "k"}) attributes {nimble.symbols = {}} {
  %n = stablehlo.constant dense<-1> : tensor<i32>
  // expected-error @below {{the size 'k': }}
  %0 = stablehlo.custom_call @nimble.define_size(%n) {backend_config = {symbol = "k", what = "nm.zeros"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  return
}

// -----

// There is no largest of no elements; with JAX's `initial=`, and of any number that a program hands in, there is.
// CHECK-LABEL: func.func @extrema
// CHECK-NOT:     must be at least '1'
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.reduce' needs elements to find the largest or smallest of: 'k' must be at least '1'"
// CHECK-NOT:     must be at least '1'
// CHECK:         return
func.func @extrema(%k: tensor<i32> {jax.global_constant = "k"}, %f: tensor<?xi8> {nimble.name = "f", nimble.dims = [@s]}, %x: tensor<?xf32> {nimble.name = "x", nimble.dims = [@s]}) -> (tensor<f32>, tensor<f32>, tensor<f32>) attributes {nimble.symbols = {s = {}}} {
  %o = stablehlo.custom_call @nimble.count(%f) {api_version = 4 : i32} : (tensor<?xi8>) -> tensor<65xi32>
  %n = stablehlo.slice %o [64:65] : (tensor<65xi32>) -> tensor<1xi32>
  %m = stablehlo.reshape %n : (tensor<1xi32>) -> tensor<i32>
  %0 = stablehlo.custom_call @nimble.define_size(%m) {backend_config = {symbol = "k", what = "nm.compress"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  %y = stablehlo.custom_call @nimble.compress(%x, %f, %o, %k) {backend_config = {dimension = 0 : i64}, api_version = 4 : i32} : (tensor<?xf32>, tensor<?xi8>, tensor<65xi32>, tensor<i32>) -> tensor<?xf32>
  %least = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %initial = stablehlo.constant dense<2.0> : tensor<f32>
  %1 = stablehlo.reduce(%y init: %least) applies stablehlo.maximum across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
  %2 = stablehlo.maximum %initial, %1 : tensor<f32>
  %3 = stablehlo.reduce(%x init: %least) applies stablehlo.maximum across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
  %z = stablehlo.negate %y : tensor<?xf32>
  %4 = stablehlo.reduce(%z init: %least) applies stablehlo.maximum across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
  return %2, %3, %4 : tensor<f32>, tensor<f32>, tensor<f32>
}
