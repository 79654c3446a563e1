// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --verify-diagnostics | FileCheck %s

// The result of an elementwise op has the dims of its operands.

// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<?x4xf32> {nimble.name = "x"}, %i: tensor<?x4xi32> {nimble.name = "x"}) {
  // CHECK: stablehlo.cbrt %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f0 = stablehlo.cbrt %x : tensor<?x4xf32>
  // CHECK: stablehlo.ceil %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f1 = stablehlo.ceil %x : tensor<?x4xf32>
  // CHECK: stablehlo.cosine %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f2 = stablehlo.cosine %x : tensor<?x4xf32>
  // CHECK: stablehlo.exponential %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f3 = stablehlo.exponential %x : tensor<?x4xf32>
  // CHECK: stablehlo.exponential_minus_one %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f4 = stablehlo.exponential_minus_one %x : tensor<?x4xf32>
  // CHECK: stablehlo.floor %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f5 = stablehlo.floor %x : tensor<?x4xf32>
  // CHECK: stablehlo.log %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f6 = stablehlo.log %x : tensor<?x4xf32>
  // CHECK: stablehlo.log_plus_one %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f7 = stablehlo.log_plus_one %x : tensor<?x4xf32>
  // CHECK: stablehlo.logistic %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f8 = stablehlo.logistic %x : tensor<?x4xf32>
  // CHECK: stablehlo.round_nearest_afz %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f9 = stablehlo.round_nearest_afz %x : tensor<?x4xf32>
  // CHECK: stablehlo.round_nearest_even %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f10 = stablehlo.round_nearest_even %x : tensor<?x4xf32>
  // CHECK: stablehlo.rsqrt %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f11 = stablehlo.rsqrt %x : tensor<?x4xf32>
  // CHECK: stablehlo.sine %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f12 = stablehlo.sine %x : tensor<?x4xf32>
  // CHECK: stablehlo.sqrt %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f13 = stablehlo.sqrt %x : tensor<?x4xf32>
  // CHECK: stablehlo.tan %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f14 = stablehlo.tan %x : tensor<?x4xf32>
  // CHECK: stablehlo.tanh %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f15 = stablehlo.tanh %x : tensor<?x4xf32>
  // CHECK: stablehlo.abs %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f16 = stablehlo.abs %x : tensor<?x4xf32>
  // CHECK: stablehlo.negate %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f17 = stablehlo.negate %x : tensor<?x4xf32>
  // CHECK: stablehlo.sign %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f18 = stablehlo.sign %x : tensor<?x4xf32>
  // CHECK: stablehlo.count_leading_zeros %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i0 = stablehlo.count_leading_zeros %i : tensor<?x4xi32>
  // CHECK: stablehlo.not %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i1 = stablehlo.not %i : tensor<?x4xi32>
  // CHECK: stablehlo.popcnt %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i2 = stablehlo.popcnt %i : tensor<?x4xi32>
  return
}

// -----

// The element type changes, the dims do not.
// CHECK-LABEL: func.func @unary_to_another_type
func.func @unary_to_another_type(%x: tensor<?x4xf32> {nimble.name = "x"}, %z: tensor<?x4xcomplex<f32>> {nimble.name = "x"}) {
  // CHECK: stablehlo.convert {{.*}}tensor<?x4xi8, #nimble.dims<[@x_0, 4]>>{{$}}
  %0 = stablehlo.convert %x : (tensor<?x4xf32>) -> tensor<?x4xi8>
  // CHECK: stablehlo.is_finite {{.*}}tensor<?x4xi1, #nimble.dims<[@x_0, 4]>>{{$}}
  %1 = stablehlo.is_finite %x : (tensor<?x4xf32>) -> tensor<?x4xi1>
  // CHECK: stablehlo.real {{.*}}tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>{{$}}
  %2 = stablehlo.real %z : (tensor<?x4xcomplex<f32>>) -> tensor<?x4xf32>
  // CHECK: stablehlo.imag {{.*}}tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>{{$}}
  %3 = stablehlo.imag %z : (tensor<?x4xcomplex<f32>>) -> tensor<?x4xf32>
  // CHECK: stablehlo.reduce_precision {{.*}}tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>{{$}}
  %4 = stablehlo.reduce_precision %x, format = e5m10 : tensor<?x4xf32>
  // CHECK: stablehlo.bitcast_convert {{.*}}tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>{{$}}
  %5 = stablehlo.bitcast_convert %x : (tensor<?x4xf32>) -> tensor<?x4xi32>
  return
}

// -----

// A bitcast to a narrower type appends a dimension, to a wider one it drops the last.
// CHECK-LABEL: func.func @bitcast_of_another_width
func.func @bitcast_of_another_width(%x: tensor<?xf32> {nimble.name = "x"}) {
  // CHECK: stablehlo.bitcast_convert {{.*}} -> tensor<?x4xi8, #nimble.dims<[@x_0, 4]>>
  %0 = stablehlo.bitcast_convert %x : (tensor<?xf32>) -> tensor<?x4xi8>
  // CHECK: stablehlo.bitcast_convert {{.*}} -> tensor<?xi32, #nimble.dims<[@x_0]>>
  %1 = stablehlo.bitcast_convert %0 : (tensor<?x4xi8>) -> tensor<?xi32>
  return
}

// -----

// CHECK-LABEL: func.func @binary
func.func @binary(%x: tensor<?x4xf32> {nimble.name = "x"}, %i: tensor<?x4xi32> {nimble.name = "x"}) {
  // CHECK: stablehlo.add %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f0 = stablehlo.add %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.atan2 %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f1 = stablehlo.atan2 %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.divide %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f2 = stablehlo.divide %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.maximum %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f3 = stablehlo.maximum %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.minimum %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f4 = stablehlo.minimum %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.multiply %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f5 = stablehlo.multiply %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.power %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f6 = stablehlo.power %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.remainder %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f7 = stablehlo.remainder %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.subtract %{{.*}} : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %f8 = stablehlo.subtract %x, %x : tensor<?x4xf32>
  // CHECK: stablehlo.and %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i0 = stablehlo.and %i, %i : tensor<?x4xi32>
  // CHECK: stablehlo.or %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i1 = stablehlo.or %i, %i : tensor<?x4xi32>
  // CHECK: stablehlo.xor %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i2 = stablehlo.xor %i, %i : tensor<?x4xi32>
  // CHECK: stablehlo.shift_left %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i3 = stablehlo.shift_left %i, %i : tensor<?x4xi32>
  // CHECK: stablehlo.shift_right_arithmetic %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i4 = stablehlo.shift_right_arithmetic %i, %i : tensor<?x4xi32>
  // CHECK: stablehlo.shift_right_logical %{{.*}} : tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %i5 = stablehlo.shift_right_logical %i, %i : tensor<?x4xi32>
  // CHECK: stablehlo.compare {{.*}} -> tensor<?x4xi1, #nimble.dims<[@x_0, 4]>>
  %c0 = stablehlo.compare LT, %x, %x, FLOAT : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xi1>
  // CHECK: stablehlo.complex {{.*}} : tensor<?x4xcomplex<f32>, #nimble.dims<[@x_0, 4]>>
  %c1 = stablehlo.complex %x, %x : tensor<?x4xcomplex<f32>>
  return
}

// -----

// CHECK-LABEL: func.func @chlo
func.func @chlo(%x: tensor<?x4xf32> {nimble.name = "x"}) {
  // CHECK: stablehlo.custom_call @nimble.chlo.acos(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u0 = stablehlo.custom_call @nimble.chlo.acos(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.acosh(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u1 = stablehlo.custom_call @nimble.chlo.acosh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.asin(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u2 = stablehlo.custom_call @nimble.chlo.asin(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.asinh(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u3 = stablehlo.custom_call @nimble.chlo.asinh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.atan(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u4 = stablehlo.custom_call @nimble.chlo.atan(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.atanh(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u5 = stablehlo.custom_call @nimble.chlo.atanh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.bessel_i1e(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u6 = stablehlo.custom_call @nimble.chlo.bessel_i1e(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.conj(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u7 = stablehlo.custom_call @nimble.chlo.conj(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.cosh(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u8 = stablehlo.custom_call @nimble.chlo.cosh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.digamma(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u9 = stablehlo.custom_call @nimble.chlo.digamma(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.erf(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u10 = stablehlo.custom_call @nimble.chlo.erf(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.erf_inv(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u11 = stablehlo.custom_call @nimble.chlo.erf_inv(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.erfc(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u12 = stablehlo.custom_call @nimble.chlo.erfc(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.lgamma(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u13 = stablehlo.custom_call @nimble.chlo.lgamma(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.sinh(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u14 = stablehlo.custom_call @nimble.chlo.sinh(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.square(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u15 = stablehlo.custom_call @nimble.chlo.square(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.tan(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %u16 = stablehlo.custom_call @nimble.chlo.tan(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.is_inf(%{{.*}}) {{.*}} -> tensor<?x4xi1, #nimble.dims<[@x_0, 4]>>
  %p0 = stablehlo.custom_call @nimble.chlo.is_inf(%x) : (tensor<?x4xf32>) -> tensor<?x4xi1>
  // CHECK: stablehlo.custom_call @nimble.chlo.is_neg_inf(%{{.*}}) {{.*}} -> tensor<?x4xi1, #nimble.dims<[@x_0, 4]>>
  %p1 = stablehlo.custom_call @nimble.chlo.is_neg_inf(%x) : (tensor<?x4xf32>) -> tensor<?x4xi1>
  // CHECK: stablehlo.custom_call @nimble.chlo.is_pos_inf(%{{.*}}) {{.*}} -> tensor<?x4xi1, #nimble.dims<[@x_0, 4]>>
  %p2 = stablehlo.custom_call @nimble.chlo.is_pos_inf(%x) : (tensor<?x4xf32>) -> tensor<?x4xi1>
  // CHECK: stablehlo.custom_call @nimble.chlo.next_after(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %b0 = stablehlo.custom_call @nimble.chlo.next_after(%x, %x) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.polygamma(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %b1 = stablehlo.custom_call @nimble.chlo.polygamma(%x, %x) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stablehlo.custom_call @nimble.chlo.zeta(%{{.*}}) {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %b2 = stablehlo.custom_call @nimble.chlo.zeta(%x, %x) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// The more static operand wins: the other's size is checked once, and relied on afterwards.
// CHECK-LABEL: func.func @refine
func.func @refine(%x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<8xf32>) -> tensor<?xf32> {
  // CHECK: %[[S:.*]] = "nimble.symbol"{{.*}} symbol = @x_0
  // CHECK: %[[EQUAL:.*]] = arith.cmpi eq, %[[S]], %{{.*}} : index
  // CHECK: "nimble.check"(%[[EQUAL]]) {kind = "equal_sizes", message = "'stablehlo.add' needs equal sizes, but dimension 0 of operands 0 and 1 differ: 'x_0' and '8'"}
  // CHECK: "nimble.constraint"(%[[S]]) {{.*}}relation = "x_0 == 8", symbols = [@x_0]
  // CHECK-NOT: nimble.check
  // CHECK: stablehlo.add {{.*}} -> tensor<8xf32>
  %0 = stablehlo.add %x, %y : (tensor<?xf32>, tensor<8xf32>) -> tensor<?xf32>
  %1 = stablehlo.multiply %x, %0 : tensor<?xf32>
  return %1 : tensor<?xf32>
}

// -----

// A relation between symbols proves it.
// CHECK-LABEL: func.func @proved
// CHECK-NOT:     equal_sizes
// CHECK:         stablehlo.add {{.*}} -> tensor<?xf32, #nimble.dims<[@s]>>
func.func @proved(%x: tensor<?xf32> {nimble.dims = [@s]}, %y: tensor<?xf32> {nimble.dims = [@t]}) attributes {nimble.symbols = {s = {}, t = {}}, nimble.constraints = ["s == t"]} {
  %0 = stablehlo.add %x, %y : tensor<?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @undecided
// CHECK:         %[[EQUAL:.*]] = arith.cmpi eq
// CHECK:         "nimble.check"(%[[EQUAL]]) {kind = "equal_sizes", message = "'stablehlo.add' needs equal sizes, but dimension 0 of operands 0 and 1 differ: 'x_0' and 'y_0' (model.py:7)"}
// CHECK:         "nimble.constraint"{{.*}} relation = "x_0 == y_0"
// CHECK:         stablehlo.add {{.*}} -> tensor<?xf32, #nimble.dims<[@x_0]>>
func.func @undecided(%x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) {
  %0 = stablehlo.add %x, %y : tensor<?xf32> loc("model.py":7:3)
  return
}

// -----

func.func @refuted(%x: tensor<?xf32> {nimble.dims = [@s]}, %y: tensor<?xf32> {nimble.dims = ["s + 1"]}) attributes {nimble.symbols = {s = {}}} {
  // expected-error @below {{'stablehlo.add' needs equal sizes, but dimension 0 of operands 0 and 1 are 's' and 's + 1'}}
  %0 = stablehlo.add %x, %y : tensor<?xf32>
  return
}

// -----

func.func @ranks_differ(%x: tensor<?xf32>, %y: tensor<2x2xf32>) {
  // expected-error @below {{'stablehlo.custom_call' has operands of ranks 1 and 2}}
  %0 = stablehlo.custom_call @nimble.chlo.zeta(%x, %y) : (tensor<?xf32>, tensor<2x2xf32>) -> tensor<?xf32>
  return
}

// -----

// The predicate is a scalar, or has the dims of the other operands.
// CHECK-LABEL: func.func @select
func.func @select(%p: tensor<i1>, %q: tensor<?xi1> {nimble.name = "x"}, %x: tensor<?xf32> {nimble.name = "x"}) {
  // CHECK: stablehlo.select {{.*}} : tensor<i1>, tensor<?xf32, #nimble.dims<[@x_0]>>
  %0 = stablehlo.select %p, %x, %x : tensor<i1>, tensor<?xf32>
  // CHECK: stablehlo.select {{.*}} : tensor<?xi1, #nimble.dims<[@x_0]>>, tensor<?xf32, #nimble.dims<[@x_0]>>
  %1 = stablehlo.select %q, %x, %x : tensor<?xi1>, tensor<?xf32>
  return
}

// -----

// The bounds are scalars, or have the dims of the operand.
// CHECK-LABEL: func.func @clamp
func.func @clamp(%s: tensor<f32>, %x: tensor<?xf32> {nimble.name = "x"}) {
  // CHECK: stablehlo.clamp {{.*}} : (tensor<f32>, tensor<?xf32, #nimble.dims<[@x_0]>>, tensor<f32>) -> tensor<?xf32, #nimble.dims<[@x_0]>>
  %0 = stablehlo.clamp %s, %x, %s : (tensor<f32>, tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  // CHECK: stablehlo.clamp {{.*}} : tensor<?xf32, #nimble.dims<[@x_0]>>
  %1 = stablehlo.clamp %x, %x, %x : tensor<?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @results_like_operands
func.func @results_like_operands(%x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?x?xf32> {nimble.name = "y"}) {
  // CHECK: stablehlo.optimization_barrier {{.*}} : tensor<?xf32, #nimble.dims<[@x_0]>>, tensor<?x?xf32, #nimble.dims<[@y_0, @y_1]>>
  %0:2 = stablehlo.optimization_barrier %x, %y : tensor<?xf32>, tensor<?x?xf32>
  // CHECK: stablehlo.reverse {{.*}} : tensor<?xf32, #nimble.dims<[@x_0]>>
  %1 = stablehlo.reverse %x, dims = [0] : tensor<?xf32>
  // CHECK: stablehlo.cholesky {{.*}} : tensor<?x?xf32, #nimble.dims<[@y_0, @y_1]>>
  %2 = stablehlo.cholesky %y, lower = true : tensor<?x?xf32>
  // CHECK: stablehlo.sort
  %3:2 = "stablehlo.sort"(%x, %x) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>, %d: tensor<f32>):
    %less = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %less : tensor<i1>
  // CHECK: -> (tensor<?xf32, #nimble.dims<[@x_0]>>, tensor<?xf32, #nimble.dims<[@x_0]>>)
  }) {dimension = 0 : i64} : (tensor<?xf32>, tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>)
  return
}
