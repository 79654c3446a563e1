// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Rows are collapsed to one dimension, and the accumulator is a zero fill.
// CHECK-LABEL: func.func @matmul
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?x8xf32, #nimble.dims<[@x_0, @x_1, 8]>>
// CHECK-SAME:    %[[W:[^:]*]]: tensor<8x4xf32>
// CHECK-DAG:     %[[B:.*]] = "nimble.symbol"{{.*}}symbol = @x_0
// CHECK-DAG:     %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @x_1
// CHECK-DAG:     %[[BS:.*]] = arith.muli %[[B]], %[[S]]
// CHECK:         %[[ROWS:.*]] = tensor.collapse_shape %[[X]] {{\[\[}}0, 1], [2]] : {{.*}} into tensor<?x8xf32, #nimble.dims<["x_0*x_1", 8]>>
// CHECK:         %[[EMPTY:.*]] = tensor.empty(%[[BS]])
// CHECK:         %[[ZERO:.*]] = linalg.fill ins(%{{.*}} : f32) outs(%[[EMPTY]]
// CHECK:         %[[PRODUCT:.*]] = linalg.matmul ins(%[[ROWS]], %[[W]] : {{.*}}) outs(%[[ZERO]]
// CHECK:         tensor.expand_shape %[[PRODUCT]] {{\[\[}}0, 1], [2]] output_shape [%[[B]], %[[S]], 4]
// CHECK-NOT:     stablehlo
func.func @matmul(%x: tensor<?x?x8xf32> {nimble.name = "x"}, %w: tensor<8x4xf32>) -> tensor<?x?x4xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [2] x [0] : (tensor<?x?x8xf32>, tensor<8x4xf32>) -> tensor<?x?x4xf32>
  return %0 : tensor<?x?x4xf32>
}

// -----

// The batching and contracting dimensions are brought to their places.
// CHECK-LABEL: func.func @batch_matmul
// CHECK:         linalg.transpose {{.*}} permutation = [1, 0, 2]
// CHECK:         linalg.batch_matmul
// CHECK-SAME:      -> tensor<?x?x?xf32, #nimble.dims<[@b, @m, @n]>>
func.func @batch_matmul(%x: tensor<?x?x8xf32> {nimble.dims = [@m, @b, 8]}, %y: tensor<?x8x?xf32> {nimble.dims = [@b, 8, @n]}) -> tensor<?x?x?xf32> attributes {nimble.symbols = {b = {}, m = {}, n = {}}} {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [1] x [0], contracting_dims = [2] x [1] : (tensor<?x?x8xf32>, tensor<?x8x?xf32>) -> tensor<?x?x?xf32>
  return %0 : tensor<?x?x?xf32>
}

// -----

// Vectors get rows or columns of size 1 (those of integers: lowering/vector_products.mlir has those of floats).
// CHECK-LABEL: func.func @matrix_vector
// CHECK:         tensor.expand_shape {{.*}} into tensor<?x1xi32, #nimble.dims<[@k, 1]>>
// CHECK:         linalg.matmul {{.*}} -> tensor<4x1xi32>
// CHECK:         tensor.collapse_shape {{.*}} into tensor<4xi32>
// CHECK-LABEL: func.func @inner_product
// CHECK:         linalg.matmul {{.*}} -> tensor<1x1xi32>
// CHECK:         tensor.collapse_shape {{.*}} into tensor<i32>
func.func @matrix_vector(%x: tensor<4x?xi32> {nimble.dims = [4, @k]}, %y: tensor<?xi32> {nimble.dims = [@k]}) -> tensor<4xi32> attributes {nimble.symbols = {k = {}}} {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<4x?xi32>, tensor<?xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}
func.func @inner_product(%x: tensor<?xi32> {nimble.dims = [@k]}, %y: tensor<?xi32> {nimble.dims = [@k]}) -> tensor<i32> attributes {nimble.symbols = {k = {}}} {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [0] x [0] : (tensor<?xi32>, tensor<?xi32>) -> tensor<i32>
  return %0 : tensor<i32>
}

// -----

// linalg's integers are signless; the cast of the operands says that they are unsigned.
// CHECK-LABEL: func.func @unsigned_matmul
// CHECK:         linalg.matmul {cast = #linalg.type_fn<cast_unsigned>} {{.*}} -> tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
func.func @unsigned_matmul(%x: tensor<?x8xui32> {nimble.name = "x"}, %w: tensor<8x4xui32>) -> tensor<?x4xui32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<?x8xui32>, tensor<8x4xui32>) -> tensor<?x4xui32>
  return %0 : tensor<?x4xui32>
}

// -----

// Narrow integers are summed in 32 bits, and wrap around once.
// CHECK-LABEL: func.func @narrow
// CHECK:         %[[SUM:.*]] = linalg.matmul {cast = #linalg.type_fn<cast_unsigned>} {{.*}} -> tensor<?x4xi32, #nimble.dims<[@x_0, 4]>>
// CHECK:         linalg.generic {{.*}} ins(%[[SUM]] :
// CHECK:           arith.trunci %{{.*}} : i32 to i8
func.func @narrow(%x: tensor<?x8xui8> {nimble.name = "x"}, %w: tensor<8x4xui8>) -> tensor<?x4xui8> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<?x8xui8>, tensor<8x4xui8>) -> tensor<?x4xui8>
  return %0 : tensor<?x4xui8>
}

// -----

// Dimensions whose products are proved equal are grouped, others go through one dimension.
// CHECK-LABEL: func.func @reshape
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?x4xf32
// CHECK:         tensor.collapse_shape %[[X]] {{\[\[}}0, 1], [2]] : {{.*}} into tensor<?x4xf32, #nimble.dims<["b*s", 4]>>
// CHECK:         %[[FLAT:.*]] = tensor.collapse_shape %[[X]] {{\[\[}}0, 1, 2]] : {{.*}} into tensor<?xf32, #nimble.dims<["4*b*s"]>>
// CHECK:         tensor.expand_shape %[[FLAT]] {{\[\[}}0, 1]] {{.*}} into tensor<?x?xf32, #nimble.dims<[@s, "4*b"]>>
func.func @reshape(%b: tensor<1xi32> , %x: tensor<?x?x4xf32> {nimble.dims = [@b, @s, 4]}) -> (tensor<?x4xf32>, tensor<?x?xf32>) attributes {nimble.symbols = {b = {}, s = {}}} {
  %n0 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x?x4xf32>) -> tensor<i32>
  %n1 = stablehlo.get_dimension_size %x, dim = 1 : (tensor<?x?x4xf32>) -> tensor<i32>
  %b1 = stablehlo.reshape %n0 : (tensor<i32>) -> tensor<1xi32>
  %s1 = stablehlo.reshape %n1 : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %bs = stablehlo.multiply %b1, %s1 : tensor<1xi32>
  %b4 = stablehlo.multiply %b1, %four : tensor<1xi32>
  %0 = stablehlo.concatenate %bs, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %1 = stablehlo.concatenate %s1, %b4, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %2 = stablehlo.dynamic_reshape %x, %0 : (tensor<?x?x4xf32>, tensor<2xi32>) -> tensor<?x4xf32>
  %3 = stablehlo.dynamic_reshape %x, %1 : (tensor<?x?x4xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  return %2, %3 : tensor<?x4xf32>, tensor<?x?xf32>
}

// -----

// collapse_shape and expand_shape cannot go between static and dynamic sizes.
// CHECK-LABEL: func.func @reshape_to_static
// CHECK:         %[[SHAPE:.*]] = tensor.from_elements {{.*}} : tensor<2xindex>
// CHECK:         tensor.reshape %{{.*}}(%[[SHAPE]]) : {{.*}} -> tensor<2x3xf32>
func.func @reshape_to_static(%x: tensor<?x2xf32> {nimble.name = "x"}) -> tensor<2x3xf32> {
  %0 = stablehlo.reshape %x : (tensor<?x2xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

// CHECK-DAG: #[[$ROW:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-DAG: #[[$FIRST:.*]] = affine_map<(d0) -> (0)>
// CHECK-LABEL: func.func @broadcast_in_dim
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32
// CHECK-SAME:    %[[Y:[^:]*]]: tensor<?xf32
// CHECK-SAME:    %[[Z:[^:]*]]: tensor<1xf32
func.func @broadcast_in_dim(%b: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}, %z: tensor<1xf32>) -> (tensor<?x4xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) {
  %b1 = stablehlo.reshape %b : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %shape = stablehlo.concatenate %b1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  // CHECK: linalg.generic {indexing_maps = [#[[$ROW]], {{.*}}} ins(%[[X]] :
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x4xf32>
  // CHECK: linalg.generic {indexing_maps = [#[[$FIRST]], {{.*}}} ins(%[[Z]] :
  %1 = stablehlo.dynamic_broadcast_in_dim %z, %b1, dims = [0] : (tensor<1xf32>, tensor<1xi32>) -> tensor<?xf32>
  // Whether y expands is known at run time only.
  // CHECK: %[[EXPANDS:.*]] = arith.cmpi eq
  // CHECK: linalg.generic
  // CHECK:   %[[INDEX:.*]] = arith.select %[[EXPANDS]], %{{.*}}, %{{.*}} : index
  // CHECK:   tensor.extract %[[Y]][%[[INDEX]]]
  %2 = stablehlo.dynamic_broadcast_in_dim %y, %b1, dims = [0] : (tensor<?xf32>, tensor<1xi32>) -> tensor<?xf32>
  // A broadcast to its own dims is nothing.
  // CHECK-NOT: linalg.generic
  // CHECK: return %{{.*}}, %{{.*}}, %{{.*}}, %[[X]]
  %3 = stablehlo.dynamic_broadcast_in_dim %x, %b1, dims = [0] : (tensor<?xf32>, tensor<1xi32>) -> tensor<?xf32>
  return %0, %1, %2, %3 : tensor<?x4xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @static_broadcast_in_dim
// CHECK:         linalg.generic {{.*}} ins(%{{.*}} : tensor<2xf32>) outs(%{{.*}} : tensor<3x2xf32>)
func.func @static_broadcast_in_dim(%x: tensor<2xf32>) -> tensor<3x2xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<2xf32>) -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}

// -----

// CHECK-LABEL: func.func @iota
// CHECK:         %[[INDEX:.*]] = linalg.index 1
// CHECK:         %[[I32:.*]] = arith.index_cast %[[INDEX]] : index to i32
// CHECK:         linalg.yield %[[I32]]
// CHECK:         %[[I64:.*]] = arith.index_cast %{{.*}} : index to i64
// CHECK:         %[[F32:.*]] = arith.sitofp %[[I64]] : i64 to f32
// CHECK:         linalg.yield %[[F32]]
func.func @iota(%x: tensor<?x?xf32> {nimble.name = "x"}) -> (tensor<?x?xi32>, tensor<?xf32>) {
  %n0 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x?xf32>) -> tensor<i32>
  %n1 = stablehlo.get_dimension_size %x, dim = 1 : (tensor<?x?xf32>) -> tensor<i32>
  %b1 = stablehlo.reshape %n0 : (tensor<i32>) -> tensor<1xi32>
  %s1 = stablehlo.reshape %n1 : (tensor<i32>) -> tensor<1xi32>
  %shape = stablehlo.concatenate %b1, %s1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = stablehlo.dynamic_iota %shape, dim = 1 : (tensor<2xi32>) -> tensor<?x?xi32>
  %1 = stablehlo.dynamic_iota %b1, dim = 0 : (tensor<1xi32>) -> tensor<?xf32>
  return %0, %1 : tensor<?x?xi32>, tensor<?xf32>
}

// -----

// An element is the operand's where its distance from the low padding is a multiple of the spacing and below its size.
// CHECK-LABEL: func.func @pad
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32
// CHECK-SAME:    %[[V:[^:]*]]: tensor<f32>
// CHECK:         %[[PADDING:.*]] = tensor.extract %[[V]][]
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<?xf32, #nimble.dims<["x_0 + max(x_0 - 1, 0) + 3"]>>)
// CHECK:           %[[SHIFTED:.*]] = arith.subi
// CHECK:           %[[QUOTIENT:.*]] = arith.floordivsi %[[SHIFTED]]
// CHECK:           %[[EXACT:.*]] = arith.cmpi eq
// CHECK:           %[[BELOW:.*]] = arith.cmpi ult, %[[QUOTIENT]]
// CHECK:           %[[INSIDE:.*]] = arith.andi %[[BELOW]], %[[EXACT]]
// CHECK:           %[[ELEMENT:.*]] = tensor.extract %[[X]]
// CHECK:           arith.select %[[INSIDE]], %[[ELEMENT]], %[[PADDING]]
func.func @pad(%x: tensor<?xf32> {nimble.name = "x"}, %v: tensor<f32>) -> tensor<?xf32> {
  %0 = stablehlo.pad %x, %v, low = [1], high = [2], interior = [1] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @dynamic_pad_and_slice
// CHECK-DAG:     %[[S:.*]] = "nimble.symbol"
// CHECK-DAG:     %[[LESS:.*]] = arith.addi %[[S]], %{{.*}}
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<?xf32, #nimble.dims<["2*x_0"]>>)
// CHECK:         tensor.extract_slice %{{.*}}[1] [%[[LESS]]] [1] : {{.*}} to tensor<?xf32, #nimble.dims<["x_0 - 1"]>>
func.func @dynamic_pad_and_slice(%s: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}, %v: tensor<f32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %s1 = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_pad %x, %v, %zero, %s1, %zero : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  %1 = stablehlo.real_dynamic_slice %x, %one, %s1, %one : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0, %1 : tensor<?xf32>, tensor<?xf32>
}

// -----

// Unsigned start indices are extended with zeros.
// CHECK-LABEL: func.func @gather_unsigned
// CHECK:         arith.index_castui
func.func @gather_unsigned(%x: tensor<?xf32>, %i: tensor<?x1xui32>) -> tensor<?xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>}> : (tensor<?xf32>, tensor<?x1xui32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Dims that are equal by a check are spelled alike.
// CHECK-LABEL: func.func @concatenate
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?xf32
// CHECK-SAME:    %[[Y:[^:]*]]: tensor<?x?xf32
// CHECK:         %[[Y1:.*]] = tensor.cast %[[Y]] : {{.*}} to tensor<?x?xf32, #nimble.dims<[@y_0, @x_1]>>
// CHECK:         tensor.concat dim(0) %[[X]], %[[Y1]]
func.func @concatenate(%x: tensor<?x?xf32> {nimble.name = "x"}, %y: tensor<?x?xf32> {nimble.name = "y"}) -> tensor<?x?xf32> {
  %0 = stablehlo.concatenate %x, %y, dim = 0 : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// CHECK-LABEL: func.func @chlo
func.func @chlo(%x: tensor<?xf32> {nimble.name = "x"}) {
  // CHECK: %[[ERF:.*]] = math.erf %[[X:.*]] : f32
  // CHECK: math.copysign %[[ERF]], %[[X]] : f32
  %7 = stablehlo.custom_call @nimble.chlo.erf(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

// Types narrower than f32 are computed in f32.
// CHECK-LABEL: func.func @narrow
// CHECK:         %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK:         %[[ERF:.*]] = math.erf %[[WIDE]] : f32
// CHECK:         %[[SIGNED:.*]] = math.copysign %[[ERF]], %[[WIDE]] : f32
// CHECK:         arith.truncf %[[SIGNED]] : f32 to bf16
func.func @narrow(%x: tensor<?xbf16>) -> tensor<?xbf16> {
  %0 = stablehlo.custom_call @nimble.chlo.erf(%x) : (tensor<?xbf16>) -> tensor<?xbf16>
  return %0 : tensor<?xbf16>
}

// -----

// What upstream lowers rightly is left to it.
// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         stablehlo.add
func.func @nothing_to_do(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = stablehlo.add %x, %x : tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @unsupported(%x: tensor<?xf32> {nimble.name = "x"}) -> tensor<?xf32> {
  // expected-error @below {{custom call 'nimble.chlo.bessel_i1e' on (tensor<?xf32, #nimble.dims<[@x_0]>>) is not supported}}
  %0 = stablehlo.custom_call @nimble.chlo.bessel_i1e(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// By batch over a dynamic size: the named op too (nimble-emit-iree keeps IREE from packing its operands).
// CHECK-LABEL: func.func @batched_dynamic_depth
// CHECK:         linalg.batch_matmul
func.func @batched_dynamic_depth(%x: tensor<?x?x?xf32> {nimble.dims = [@b, @q, @k]}, %y: tensor<?x?x8xf32> {nimble.dims = [@b, @k, 8]}) -> tensor<?x?x8xf32> attributes {nimble.symbols = {b = {min = 1}, q = {min = 1}, k = {min = 1}}} {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<?x?x?xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// A rule that takes over the dims of its operand: the result keeps those that were inferred for it, which the return states.
// CHECK-LABEL: func.func @sizes_by_two_names
// CHECK:         math.erf
// CHECK:         %[[ERF:.*]] = tensor.cast %{{.*}} : tensor<?xf32, #nimble.dims<[@arg1_0]>> to tensor<?xf32, #nimble.dims<[@arg0]>>
// CHECK:         return %{{.*}}, %[[ERF]]
func.func @sizes_by_two_names(%n: tensor<i32>, %x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %sizes = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_broadcast_in_dim %zero, %sizes, dims = [] : (tensor<f32>, tensor<1xi32>) -> tensor<?xf32>
  %1 = stablehlo.add %x, %0 : tensor<?xf32>
  %2 = stablehlo.custom_call @nimble.chlo.erf(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return %1, %2 : tensor<?xf32>, tensor<?xf32>
}
