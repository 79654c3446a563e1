// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @shape_operand
func.func @shape_operand(%b: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}) {
  %b1 = stablehlo.reshape %b : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %shape = stablehlo.concatenate %b1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  // CHECK: stablehlo.dynamic_broadcast_in_dim {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  // CHECK: stablehlo.dynamic_iota {{.*}} -> tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
  %1 = stablehlo.dynamic_iota %shape, dim = 1 : (tensor<2xi32>) -> tensor<?x?xi32>
  // CHECK: stablehlo.dynamic_iota {{.*}} -> tensor<4xi32>
  %2 = stablehlo.dynamic_iota %four, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// -----

func.func @data_dependent_size(%n: tensor<1xi32>) {
  %data = stablehlo.popcnt %n : tensor<1xi32>
  // expected-error @below {{the size of the result of 'stablehlo.dynamic_iota' depends on values computed at run time (operand 0); such sizes are not supported here}}
  %0 = stablehlo.dynamic_iota %data, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return
}

// -----

// What JAX emits for x.reshape(b * s, 4): the product of the sizes is the size of the result.
// CHECK-LABEL: func.func @reshape_to_product
// CHECK-NOT:     equal_sizes
// CHECK:         stablehlo.dynamic_reshape {{.*}} -> tensor<?x4xf32, #nimble.dims<["b*s", 4]>>
func.func @reshape_to_product(%b: tensor<i32> {jax.global_constant = "b"}, %s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?x?x4xf32> {nimble.dims = [@b, @s, 4]}) attributes {nimble.symbols = {b = {}, s = {}}} {
  %0 = stablehlo.multiply %s, %b : tensor<i32>
  %1 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
  %2 = stablehlo.constant dense<4> : tensor<1xi32>
  %3 = stablehlo.concatenate %1, %2, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %4 = stablehlo.dynamic_reshape %x, %3 : (tensor<?x?x4xf32>, tensor<2xi32>) -> tensor<?x4xf32>
  return
}

// -----

// CHECK-LABEL: func.func @reshape_undecided
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.dynamic_reshape' needs equal sizes, but the numbers of elements of the operand and the result differ: '6*x_0' and '4*y_0'"
// CHECK:         stablehlo.dynamic_reshape {{.*}} -> tensor<4x?xf32, #nimble.dims<[4, @y_0]>>
func.func @reshape_undecided(%s: tensor<i32> {jax.global_constant = "y_0"}, %x: tensor<?x6xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) {
  %0 = stablehlo.constant dense<4> : tensor<1xi32>
  %1 = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %2 = stablehlo.concatenate %0, %1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %3 = stablehlo.dynamic_reshape %x, %2 : (tensor<?x6xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @reshape_refuted(%x: tensor<?x6xf32> {nimble.name = "x"}) {
  %0 = stablehlo.constant dense<5> : tensor<1xi32>
  // expected-error @below {{'stablehlo.dynamic_reshape' needs equal sizes, but the numbers of elements of the operand and the result are '6*x_0' and '5'}}
  %1 = stablehlo.dynamic_reshape %x, %0 : (tensor<?x6xf32>, tensor<1xi32>) -> tensor<?xf32>
  return
}

// -----

// A static reshape whose operand turns out to be dynamic.
// CHECK-LABEL: func.func @static_reshape
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.reshape' needs equal sizes, but the numbers of elements of the operand and the result differ: '2*x_0' and '6'"
// CHECK:         stablehlo.reshape {{.*}} -> tensor<6xf32>
func.func @static_reshape(%x: tensor<?x2xf32> {nimble.name = "x"}) {
  %0 = stablehlo.reshape %x : (tensor<?x2xf32>) -> tensor<6xf32>
  return
}

// -----

// CHECK-LABEL: func.func @transpose
// CHECK:         stablehlo.transpose {{.*}} -> tensor<?x4x?xf32, #nimble.dims<[@x_2, 4, @x_0]>>
func.func @transpose(%x: tensor<?x4x?xf32> {nimble.name = "x"}) {
  %0 = stablehlo.transpose %x, dims = [2, 1, 0] : (tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @concatenate
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.concatenate' needs equal sizes, but dimension 1 of operands 0 and 1 differ: 'x_1' and 'y_1'"
// CHECK:         stablehlo.concatenate {{.*}} -> tensor<?x?xf32, #nimble.dims<["x_0 + y_0 + 3", @x_1]>>
func.func @concatenate(%x: tensor<?x?xf32> {nimble.name = "x"}, %y: tensor<?x?xf32> {nimble.name = "y"}, %z: tensor<3x?xf32> {nimble.dims = [3, @x_1]}) {
  %0 = stablehlo.concatenate %x, %y, %z, dim = 0 : (tensor<?x?xf32>, tensor<?x?xf32>, tensor<3x?xf32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @concatenate_refuted(%x: tensor<?x?xf32> {nimble.dims = [@s, @t]}, %y: tensor<?x?xf32> {nimble.dims = [@s, "t + 1"]}) attributes {nimble.symbols = {s = {}, t = {}}} {
  // expected-error @below {{'stablehlo.concatenate' needs equal sizes, but dimension 1 of operands 0 and 1 are 't' and 't + 1'}}
  %0 = stablehlo.concatenate %x, %y, dim = 0 : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @slice
// CHECK:         stablehlo.slice {{.*}} -> tensor<2x3xf32>
func.func @slice(%x: tensor<?x8xf32> {nimble.name = "x"}) {
  %0 = stablehlo.slice %x [0:2, 1:6:2] : (tensor<?x8xf32>) -> tensor<2x3xf32>
  return
}

// -----

// CHECK-LABEL: func.func @real_dynamic_slice
// CHECK:         stablehlo.real_dynamic_slice {{.*}} -> tensor<?x2xf32, #nimble.dims<["floordiv(s, 2)", 2]>>
func.func @real_dynamic_slice(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?x4xf32> {nimble.dims = [@s, 4]}) attributes {nimble.symbols = {s = {min = 1}}} {
  %start = stablehlo.constant dense<[1, 2]> : tensor<2xi32>
  %stride = stablehlo.constant dense<[2, 1]> : tensor<2xi32>
  %s1 = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %limit = stablehlo.concatenate %s1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = stablehlo.real_dynamic_slice %x, %start, %limit, %stride : (tensor<?x4xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @slices_at_run_time
func.func @slices_at_run_time(%x: tensor<?x4xf32> {nimble.name = "x"}, %u: tensor<1x4xf32>, %i: tensor<i32>) {
  // CHECK: stablehlo.dynamic_slice {{.*}} -> tensor<1x4xf32>
  %0 = stablehlo.dynamic_slice %x, %i, %i, sizes = [1, 4] : (tensor<?x4xf32>, tensor<i32>, tensor<i32>) -> tensor<1x4xf32>
  // CHECK: stablehlo.dynamic_update_slice {{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %1 = stablehlo.dynamic_update_slice %x, %u, %i, %i : (tensor<?x4xf32>, tensor<1x4xf32>, tensor<i32>, tensor<i32>) -> tensor<?x4xf32>
  return
}

// -----

// CHECK-LABEL: func.func @scatter
// CHECK:         "stablehlo.scatter"
// CHECK:         -> tensor<?xf32, #nimble.dims<[@x_0]>>
func.func @scatter(%x: tensor<?xf32> {nimble.name = "x"}, %i: tensor<?x1xi32> {nimble.name = "i"}, %u: tensor<?xf32> {nimble.dims = [@i_0]}) {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %b : tensor<f32>
  }) : (tensor<?xf32>, tensor<?x1xi32>, tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

// low + size + high, and interior padding between the elements: none where there are none.
// CHECK-LABEL: func.func @pad
func.func @pad(%x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.dims = [@s]}, %v: tensor<f32>) attributes {nimble.symbols = {s = {min = 1}}} {
  // CHECK: stablehlo.pad {{.*}} -> tensor<?xf32, #nimble.dims<["x_0 + 3"]>>
  %0 = stablehlo.pad %x, %v, low = [1], high = [2], interior = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  // CHECK: stablehlo.pad {{.*}} -> tensor<?xf32, #nimble.dims<["x_0 + 2*max(x_0 - 1, 0) - 1"]>>
  %1 = stablehlo.pad %x, %v, low = [-1], high = [0], interior = [2] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  // With at least one element, the maximum goes.
  // CHECK: stablehlo.pad {{.*}} -> tensor<?xf32, #nimble.dims<["2*s + 2"]>>
  %2 = stablehlo.pad %y, %v, low = [1], high = [2], interior = [1] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @dynamic_pad
// CHECK:         stablehlo.dynamic_pad {{.*}} -> tensor<?xf32, #nimble.dims<["2*x_0"]>>
func.func @dynamic_pad(%s: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}, %v: tensor<f32>) {
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %high = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_pad %x, %v, %zero, %high, %zero : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @set_dimension_size
// CHECK:         stablehlo.set_dimension_size {{.*}} -> tensor<?x4xf32, #nimble.dims<[@y_0, 4]>>
func.func @set_dimension_size(%n: tensor<i32> {jax.global_constant = "y_0"}, %x: tensor<?x4xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) {
  %0 = stablehlo.set_dimension_size %x, %n, dim = 0 : (tensor<?x4xf32>, tensor<i32>) -> tensor<?x4xf32>
  return
}

// -----

// CHECK-LABEL: func.func @static_results
func.func @static_results(%x: tensor<?xf32> {nimble.name = "x"}, %n: i32) {
  // CHECK: stablehlo.get_dimension_size {{.*}} -> tensor<i32>
  %0 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  // CHECK: stablehlo.constant dense<1> : tensor<2xi32>
  %1 = stablehlo.constant dense<1> : tensor<2xi32>
  // CHECK: stablehlo.iota dim = 0 : tensor<2xi32>
  %2 = stablehlo.iota dim = 0 : tensor<2xi32>
  // CHECK: stablehlo.broadcast_in_dim {{.*}} -> tensor<3x2xi32>
  %3 = stablehlo.broadcast_in_dim %1, dims = [1] : (tensor<2xi32>) -> tensor<3x2xi32>
  // CHECK: tensor.splat %{{.*}} : tensor<2xi32>
  %4 = tensor.splat %n : tensor<2xi32>
  // CHECK: tensor.from_elements %{{.*}}, %{{.*}} : tensor<2xi32>
  %5 = tensor.from_elements %n, %n : tensor<2xi32>
  return
}

// -----

// with_shape joins sizes that JAX takes to be different: from here on, they are one.
// CHECK-LABEL: func.func @with_shape
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.custom_call' needs equal sizes, but dimension 0 of the value and of the stated shape differ: 'x_0' and 'y_0'"
// CHECK:         stablehlo.custom_call @nimble.with_shape{{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
func.func @with_shape(%s: tensor<i32> {jax.global_constant = "y_0"}, %x: tensor<?x4xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) {
  %four = stablehlo.constant dense<4> : tensor<i32>
  %0 = stablehlo.custom_call @nimble.with_shape(%x, %s, %four) : (tensor<?x4xf32>, tensor<i32>, tensor<i32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @with_shape_of_another_rank(%x: tensor<?x4xf32>) {
  %0 = stablehlo.constant dense<7> : tensor<i32>
  // expected-error @below {{with_shape states 1 dimensions of a value of rank 2}}
  %1 = stablehlo.custom_call @nimble.with_shape(%x, %0) : (tensor<?x4xf32>, tensor<i32>) -> tensor<?x4xf32>
  return
}

// -----

// What could not be proved of sizes is checked at the entry, and relied on afterwards: the last pad needs no check.
// CHECK-LABEL: func.func @size_requirements
// CHECK-DAG:     %[[X:.*]] = "nimble.symbol"{{.*}} symbol = @x_0
// CHECK-DAG:     %[[Y:.*]] = "nimble.symbol"{{.*}} symbol = @y_0
// CHECK:         %[[EITHER:.*]] = arith.cmpi eq, %{{.*}}, %{{.*}}
// CHECK-NEXT:    "nimble.check"(%[[EITHER]]) {kind = "equal_sizes", message = "'stablehlo.dynamic_broadcast_in_dim' needs a size that is 1 or the result's, but dimension 0 of the operand and 0 of the result are 'y_0' and 'x_0'"}
// CHECK-NEXT:    "nimble.constraint"(%[[X]], %[[Y]]) {{.*}}relation = "{{.*}} == 0"
// CHECK:         %[[AT_LEAST:.*]] = arith.cmpi sge, %[[X]], %{{.*}}
// CHECK-NEXT:    "nimble.check"(%[[AT_LEAST]]) {kind = "size_range", message = "'stablehlo.pad' needs sizes that are not negative, but dimension 0 of the result can be: 'x_0' must be at least '3'"}
// CHECK-NEXT:    "nimble.constraint"(%[[X]]) {{.*}}relation = "x_0 >= 3"
// CHECK-NOT:     "nimble.check"
func.func @size_requirements(%n: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}, %v: tensor<f32>) -> (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) {
  %0 = stablehlo.pad %x, %v, low = [-1], high = [-2], interior = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %shape = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %1 = stablehlo.dynamic_broadcast_in_dim %y, %shape, dims = [0] : (tensor<?xf32>, tensor<1xi32>) -> tensor<?xf32>
  %2 = stablehlo.pad %x, %v, low = [-3], high = [0], interior = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0, %1, %2 : tensor<?xf32>, tensor<?xf32>, tensor<?xf32>
}

// -----

func.func @slice_never_fits(%x: tensor<?xf32> {nimble.dims = [@s]}, %i: tensor<i32>) attributes {nimble.symbols = {s = {min = 1, max = 4}}} {
  // expected-error @below {{'stablehlo.dynamic_slice' needs an operand that is at least as large as the slice in dimension 0: 's' must be at least '5'}}
  %0 = stablehlo.dynamic_slice %x, %i, sizes = [5] : (tensor<?xf32>, tensor<i32>) -> tensor<5xf32>
  return
}

// -----

func.func @never_broadcasts(%n: tensor<i32> {jax.global_constant = "s"}, %s: tensor<?xf32> {nimble.dims = [@s]}, %x: tensor<2xf32>) attributes {nimble.symbols = {s = {min = 3}}} {
  %shape = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  // expected-error @below {{'stablehlo.dynamic_broadcast_in_dim' needs a size that is 1 or the result's, but dimension 0 of the operand and 0 of the result are '2' and 's'}}
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<2xf32>, tensor<1xi32>) -> tensor<?xf32>
  return
}
