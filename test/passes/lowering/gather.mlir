// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Start indices are clamped, as StableHLO has it; adjacent elements are copied by the vector.
// CHECK-LABEL: func.func @rows
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32
// CHECK:         %[[LAST:.*]] = arith.subi
// CHECK:         "nimble.kernel"
// CHECK:         ^bb0(%{{.*}}: index, %[[TABLE:.*]]: tensor<?x4xf32, {{.*}}>, %[[STARTS:.*]]: tensor<?x1xi32, {{.*}}>, %{{.*}}: tensor<?x4xf32, {{.*}}>):
// CHECK:           scf.for %[[ROW:[^ ]*]] = %{{.*}}
// CHECK:             %[[START:.*]] = tensor.extract %[[STARTS]][%[[ROW]], %{{.*}}]
// CHECK:             %[[INDEX:.*]] = arith.index_cast %[[START]]
// CHECK:             %[[LOW:.*]] = arith.minsi %[[INDEX]], %[[LAST]]
// CHECK:             %[[AT:.*]] = arith.maxsi %[[LOW]]
// CHECK:             scf.for
// CHECK:               %[[READ:.*]] = vector.transfer_read %[[TABLE]][%[[AT]], %{{.*}}], {{.*}} : {{.*}}, vector<16xf32>
// CHECK:               vector.transfer_write %[[READ]], %{{.*}}[%[[ROW]], %{{.*}}]
// CHECK:             scf.for
// CHECK:               tensor.insert
func.func @rows(%x: tensor<?x4xf32> {nimble.name = "x"}, %i: tensor<?x1xi32> {nimble.name = "i"}) -> tensor<?x4xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 4>}> : (tensor<?x4xf32>, tensor<?x1xi32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @dynamic_gather
// CHECK:         "nimble.kernel"
// CHECK:           vector.transfer_write %{{.*}} : vector<16xf32>, tensor<?x?xf32, #nimble.dims<[@i_0, @x_1]>>
func.func @dynamic_gather(%s: tensor<i32> {jax.global_constant = "x_1"}, %x: tensor<?x?xf32> {nimble.name = "x"}, %i: tensor<?x1xi32> {nimble.name = "i"}) -> tensor<?x?xf32> {
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %s1 = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %sizes = stablehlo.concatenate %one, %s1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = "stablehlo.dynamic_gather"(%x, %i, %sizes) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>}> : (tensor<?x?xf32>, tensor<?x1xi32>, tensor<2xi32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// Dimensions that are copied whole are one.
// CHECK-LABEL: func.func @merged
// CHECK:         tensor.collapse_shape %{{.*}} {{\[\[}}0], [1, 2]] : tensor<?x4x8xf32, {{.*}}> into tensor<?x32xf32
// CHECK:         "nimble.kernel"
// CHECK:         tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]]
func.func @merged(%x: tensor<?x4x8xf32>, %i: tensor<?x1xi32>) -> tensor<?x4x8xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1, 2], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 4, 8>}> : (tensor<?x4x8xf32>, tensor<?x1xi32>) -> tensor<?x4x8xf32>
  return %0 : tensor<?x4x8xf32>
}

// -----

// Where the last dimension is not the operand's, elements are read one by one.
// CHECK-LABEL: func.func @along_the_last
// CHECK:         "nimble.kernel"
// CHECK-NOT:       vector.
// CHECK:           tensor.insert
// CHECK:         "nimble.kernel_yield"
func.func @along_the_last(%x: tensor<?x8xf32>, %i: tensor<?x5x1xi32>) -> tensor<?x5xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>}> : (tensor<?x8xf32>, tensor<?x5x1xi32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}

// -----

// What JAX's mode "fill" puts where an index lies outside is written by the kernel; the select is dead.
// CHECK-LABEL: func.func @filled
// CHECK:         arith.extui %{{.*}} : i1 to i8
// CHECK:         "nimble.kernel"
// CHECK:           %[[KEPT:.*]] = arith.cmpi ne
// CHECK:           scf.if %[[KEPT]]
// CHECK:             vector.transfer_write
// CHECK:           } else {
// CHECK:             tensor.insert
// CHECK:         %[[R:.*]] = "nimble.unbind"
// CHECK:         return %[[R]]
func.func @filled(%x: tensor<?x4xf32>, %i: tensor<?x1xi32> {nimble.name = "i"}, %inside: tensor<?xi1> {nimble.dims = [@i_0]}) -> tensor<?x4xf32> attributes {nimble.symbols = {i_0 = {}}} {
  %nan = stablehlo.constant dense<0x7FC00000> : tensor<f32>
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 4>}> : (tensor<?x4xf32>, tensor<?x1xi32>) -> tensor<?x4xf32>
  %d = stablehlo.get_dimension_size %i, dim = 0 : (tensor<?x1xi32>) -> tensor<i32>
  %d1 = stablehlo.reshape %d : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %shape = stablehlo.concatenate %d1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %1 = stablehlo.dynamic_broadcast_in_dim %inside, %shape, dims = [0] : (tensor<?xi1>, tensor<2xi32>) -> tensor<?x4xi1>
  %2 = stablehlo.dynamic_broadcast_in_dim %nan, %shape, dims = [] : (tensor<f32>, tensor<2xi32>) -> tensor<?x4xf32>
  %3 = stablehlo.select %1, %0, %2 : tensor<?x4xi1>, tensor<?x4xf32>
  return %3 : tensor<?x4xf32>
}

// -----

// Few elements, and those that the host need not loop over, are read by a generic, which fuses with what is around it.
// CHECK-LABEL: func.func @few
// CHECK:         linalg.generic
// CHECK:           tensor.extract
// CHECK:         linalg.generic
// CHECK:           tensor.extract
// CHECK-NOT:     "nimble.kernel"
func.func @few(%x: tensor<?x4xf32>, %y: tensor<?xf32>, %i: tensor<2x1xi32>, %j: tensor<?x1xi32>) -> (tensor<2x4xf32>, tensor<?xf32>) {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 4>}> : (tensor<?x4xf32>, tensor<2x1xi32>) -> tensor<2x4xf32>
  %1 = "stablehlo.gather"(%y, %j) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>}> : (tensor<?xf32>, tensor<?x1xi32>) -> tensor<?xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<?xf32>
}
