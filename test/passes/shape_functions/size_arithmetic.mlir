// RUN: %nimble-opt %s --nimble-inline-calls --nimble-bind-symbols --nimble-infer-dims | FileCheck %s

// How JAX computes with sizes: jax.numpy.floor_divide and remainder, as jax.jit(...).lower() emits them.

func.func private @floor_divide(%a: tensor<i32>, %b: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.divide %a, %b : tensor<i32>
  %1 = stablehlo.sign %a : tensor<i32>
  %2 = stablehlo.sign %b : tensor<i32>
  %3 = stablehlo.compare NE, %1, %2, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %4 = stablehlo.remainder %a, %b : tensor<i32>
  %c = stablehlo.constant dense<0> : tensor<i32>
  %5 = stablehlo.compare NE, %4, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %6 = stablehlo.and %3, %5 : tensor<i1>
  %c_0 = stablehlo.constant dense<1> : tensor<i32>
  %7 = stablehlo.subtract %0, %c_0 : tensor<i32>
  %8 = stablehlo.select %6, %7, %0 : tensor<i1>, tensor<i32>
  return %8 : tensor<i32>
}

// With two symbols, the logical_and compares its operands with false.
func.func private @floor_divide_of_symbols(%a: tensor<i32>, %b: tensor<i32>) -> tensor<i32> {
  %6 = stablehlo.divide %a, %b : tensor<i32>
  %7 = stablehlo.sign %a : tensor<i32>
  %8 = stablehlo.sign %b : tensor<i32>
  %9 = stablehlo.compare NE, %7, %8, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %10 = stablehlo.remainder %a, %b : tensor<i32>
  %c = stablehlo.constant dense<0> : tensor<i32>
  %11 = stablehlo.compare NE, %10, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %c_4 = stablehlo.constant dense<false> : tensor<i1>
  %12 = stablehlo.broadcast_in_dim %c_4, dims = [] : (tensor<i1>) -> tensor<i1>
  %13 = stablehlo.compare NE, %9, %12, UNSIGNED : (tensor<i1>, tensor<i1>) -> tensor<i1>
  %14 = stablehlo.convert %13 : tensor<i1>
  %16 = stablehlo.compare NE, %11, %12, UNSIGNED : (tensor<i1>, tensor<i1>) -> tensor<i1>
  %17 = stablehlo.convert %16 : tensor<i1>
  %18 = stablehlo.and %14, %17 : tensor<i1>
  %c_6 = stablehlo.constant dense<1> : tensor<i32>
  %19 = stablehlo.subtract %6, %c_6 : tensor<i32>
  %20 = stablehlo.select %18, %19, %6 : tensor<i1>, tensor<i32>
  return %20 : tensor<i32>
}

func.func private @remainder(%a: tensor<i32>, %b: tensor<i32>) -> tensor<i32> {
  %c = stablehlo.constant dense<0> : tensor<i32>
  %0 = stablehlo.compare EQ, %b, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %c_0 = stablehlo.constant dense<1> : tensor<i32>
  %1 = stablehlo.select %0, %c_0, %b : tensor<i1>, tensor<i32>
  %2 = stablehlo.remainder %a, %1 : tensor<i32>
  %3 = stablehlo.compare NE, %2, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %4 = stablehlo.compare LT, %2, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %5 = stablehlo.compare LT, %1, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %6 = stablehlo.compare NE, %4, %5, UNSIGNED : (tensor<i1>, tensor<i1>) -> tensor<i1>
  %7 = stablehlo.and %6, %3 : tensor<i1>
  %8 = stablehlo.add %2, %1 : tensor<i32>
  %9 = stablehlo.select %7, %8, %2 : tensor<i1>, tensor<i32>
  return %9 : tensor<i32>
}

// x.shape[0] // 2
// CHECK-LABEL: func.func @half
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["floordiv(x_0, 2)"]>>
func.func @half(%s: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}) {
  %two = stablehlo.constant dense<2> : tensor<i32>
  %0 = call @floor_divide(%s, %two) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %1 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
  %2 = stablehlo.dynamic_iota %1, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// -(-x.shape[0] // 4), the ceiling
// CHECK-LABEL: func.func @ceiling
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["-floordiv(-s, 4)"]>>
func.func @ceiling(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 1}}} {
  %four = stablehlo.constant dense<4> : tensor<i32>
  %negative = stablehlo.constant dense<-1> : tensor<i32>
  %0 = stablehlo.multiply %s, %negative : tensor<i32>
  %1 = call @floor_divide(%0, %four) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %2 = stablehlo.multiply %1, %negative : tensor<i32>
  %3 = stablehlo.reshape %2 : (tensor<i32>) -> tensor<1xi32>
  %4 = stablehlo.dynamic_iota %3, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// (x.shape[0] - 3) // 2 + 5, whose dividend may have either sign
// CHECK-LABEL: func.func @either_sign
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["floordiv(s + 1, 2) + 3"]>>
func.func @either_sign(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 1}}} {
  %two = stablehlo.constant dense<2> : tensor<i32>
  %less3 = stablehlo.constant dense<-3> : tensor<i32>
  %five = stablehlo.constant dense<5> : tensor<i32>
  %0 = stablehlo.add %s, %less3 : tensor<i32>
  %1 = call @floor_divide(%0, %two) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %2 = stablehlo.add %1, %five : tensor<i32>
  %3 = stablehlo.reshape %2 : (tensor<i32>) -> tensor<1xi32>
  %4 = stablehlo.dynamic_iota %3, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// x.shape[0] // x.shape[1]
// CHECK-LABEL: func.func @quotient_of_symbols
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["floordiv(b, s)"]>>
func.func @quotient_of_symbols(%b: tensor<i32> {jax.global_constant = "b"}, %s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?x?xf32> {nimble.dims = [@b, @s]}) attributes {nimble.symbols = {b = {min = 1}, s = {min = 1}}} {
  %0 = call @floor_divide_of_symbols(%b, %s) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %1 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
  %2 = stablehlo.dynamic_iota %1, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// x.shape[0] % 4
// CHECK-LABEL: func.func @rest
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["mod(x_0, 4)"]>>
func.func @rest(%s: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}) {
  %four = stablehlo.constant dense<4> : tensor<i32>
  %0 = call @remainder(%s, %four) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %1 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
  %2 = stablehlo.dynamic_iota %1, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// (x.shape[0] - 3) % 5
// CHECK-LABEL: func.func @rest_of_either_sign
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["mod(s + 2, 5)"]>>
func.func @rest_of_either_sign(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 1}}} {
  %less3 = stablehlo.constant dense<-3> : tensor<i32>
  %five = stablehlo.constant dense<5> : tensor<i32>
  %0 = stablehlo.add %s, %less3 : tensor<i32>
  %1 = call @remainder(%0, %five) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %2 = stablehlo.reshape %1 : (tensor<i32>) -> tensor<1xi32>
  %3 = stablehlo.dynamic_iota %2, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// Minima, maxima, slices and the sizes of values; i64 where jax_enable_x64 is on.
// CHECK-LABEL: func.func @other_arithmetic
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?x?xi32, #nimble.dims<["max(x_0 - 4, 0)", "min(x_0, 8)"]>>
func.func @other_arithmetic(%s: tensor<i64> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}) {
  %four = stablehlo.constant dense<4> : tensor<i64>
  %zero = stablehlo.constant dense<0> : tensor<i64>
  %eight = stablehlo.constant dense<8> : tensor<i32>
  %0 = stablehlo.subtract %s, %four : tensor<i64>
  %1 = stablehlo.maximum %0, %zero : tensor<i64>
  %2 = stablehlo.convert %1 : (tensor<i64>) -> tensor<i32>
  %3 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %4 = stablehlo.minimum %3, %eight : tensor<i32>
  %5 = stablehlo.reshape %2 : (tensor<i32>) -> tensor<1xi32>
  %6 = stablehlo.reshape %4 : (tensor<i32>) -> tensor<1xi32>
  %7 = stablehlo.concatenate %6, %5, %6, dim = 0 : (tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<3xi32>
  %8 = stablehlo.slice %7 [1:3] : (tensor<3xi32>) -> tensor<2xi32>
  %9 = stablehlo.dynamic_iota %8, dim = 0 : (tensor<2xi32>) -> tensor<?x?xi32>
  return
}

// A choice that is decided by what is known of the sizes.
// CHECK-LABEL: func.func @decided_choice
// CHECK:         stablehlo.dynamic_iota {{.*}} -> tensor<?xi32, #nimble.dims<["s + 1"]>>
func.func @decided_choice(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 4}}} {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %three = stablehlo.constant dense<3> : tensor<i32>
  %0 = stablehlo.compare GT, %s, %three, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %1 = stablehlo.add %s, %one : tensor<i32>
  %2 = stablehlo.select %0, %1, %three : tensor<i1>, tensor<i32>
  %3 = stablehlo.reshape %2 : (tensor<i32>) -> tensor<1xi32>
  %4 = stablehlo.dynamic_iota %3, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}
