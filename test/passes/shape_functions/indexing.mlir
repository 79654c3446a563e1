// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --verify-diagnostics | FileCheck %s

// Batch dims from the indices, offset dims from the slice sizes.
// CHECK-LABEL: func.func @gather
func.func @gather(%x: tensor<?x4xf32> {nimble.name = "x"}, %i: tensor<?x?x1xi32> {nimble.name = "i"}) {
  // CHECK: "stablehlo.gather"{{.*}} -> tensor<?x?x4xf32, #nimble.dims<[@i_0, @i_1, 4]>>
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [2], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1, 4>}> : (tensor<?x4xf32>, tensor<?x?x1xi32>) -> tensor<?x?x4xf32>
  // CHECK: "stablehlo.gather"{{.*}} -> tensor<4x?x?xf32, #nimble.dims<[4, @i_0, @i_1]>>
  %1 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [0], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 2>, slice_sizes = array<i64: 1, 4>}> : (tensor<?x4xf32>, tensor<?x?x1xi32>) -> tensor<4x?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @batched_gather
// CHECK:         "stablehlo.gather"{{.*}} -> tensor<?x?xf32, #nimble.dims<[@b, @n]>>
func.func @batched_gather(%x: tensor<?x?xf32> {nimble.dims = [@b, @s]}, %i: tensor<?x?x1xi32> {nimble.dims = [@b, @n, 1]}) attributes {nimble.symbols = {b = {}, s = {}, n = {}}} {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 2>, slice_sizes = array<i64: 1, 1>}> : (tensor<?x?xf32>, tensor<?x?x1xi32>) -> tensor<?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @dynamic_gather
// CHECK:         "stablehlo.dynamic_gather"{{.*}} -> tensor<?x?xf32, #nimble.dims<[@n, "s - 1"]>>
func.func @dynamic_gather(%s: tensor<i32> {jax.global_constant = "s"}, %x: tensor<?x?xf32> {nimble.dims = [@b, @s]}, %i: tensor<?x1xi32> {nimble.dims = [@n, 1]}) attributes {nimble.symbols = {b = {}, s = {min = 1}, n = {}}} {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %width = stablehlo.subtract %s, %one : tensor<i32>
  %unit = stablehlo.constant dense<1> : tensor<1xi32>
  %width1 = stablehlo.reshape %width : (tensor<i32>) -> tensor<1xi32>
  %sizes = stablehlo.concatenate %unit, %width1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = "stablehlo.dynamic_gather"(%x, %i, %sizes) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>}> : (tensor<?x?xf32>, tensor<?x1xi32>, tensor<2xi32>) -> tensor<?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @top_k
// CHECK:         stablehlo.custom_call @nimble.chlo.top_k{{.*}} -> (tensor<?x3xf32, #nimble.dims<[@x_0, 3]>>, tensor<?x3xi32, #nimble.dims<[@x_0, 3]>>)
func.func @top_k(%x: tensor<?x?xf32> {nimble.name = "x"}) {
  %0:2 = stablehlo.custom_call @nimble.chlo.top_k(%x) {api_version = 4 : i32, backend_config = {k = 3 : i64}} : (tensor<?x?xf32>) -> (tensor<?x3xf32>, tensor<?x3xi32>)
  return
}

// -----

// CHECK-LABEL: func.func @dynamic_top_k
// CHECK:         stablehlo.custom_call @stablehlo.dynamic_top_k{{.*}} -> (tensor<?x?xf32, #nimble.dims<[@b, @k]>>, tensor<?x?xi32, #nimble.dims<[@b, @k]>>)
func.func @dynamic_top_k(%k: tensor<i32> {jax.global_constant = "k"}, %x: tensor<?x?xf32> {nimble.dims = [@b, "k + 2"]}) attributes {nimble.symbols = {b = {}, k = {}}} {
  %0:2 = stablehlo.custom_call @stablehlo.dynamic_top_k(%x, %k) : (tensor<?x?xf32>, tensor<i32>) -> (tensor<?x?xf32>, tensor<?x?xi32>)
  return
}

// -----

// CHECK-LABEL: func.func @select_and_scatter
// CHECK:         "stablehlo.select_and_scatter"
// CHECK:         -> tensor<?x20xf32, #nimble.dims<[@x_0, 20]>>
func.func @select_and_scatter(%x: tensor<?x20xf32> {nimble.name = "x"}, %s: tensor<?x9xf32> {nimble.name = "s"}, %z: tensor<f32>) {
  %0 = "stablehlo.select_and_scatter"(%x, %s, %z) <{window_dimensions = array<i64: 1, 3>, window_strides = array<i64: 1, 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }, {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?x20xf32>, tensor<?x9xf32>, tensor<f32>) -> tensor<?x20xf32>
  return
}

// -----

func.func @select_and_scatter_of_another_size(%x: tensor<?xf32> {nimble.dims = ["2*n"]}, %s: tensor<?xf32> {nimble.dims = ["n + 1"]}, %z: tensor<f32>) attributes {nimble.symbols = {n = {min = 1}}} {
  // expected-error @below {{'stablehlo.select_and_scatter' needs equal sizes, but dimension 0 of the source and the number of windows are 'n + 1' and 'n'}}
  %0 = "stablehlo.select_and_scatter"(%x, %s, %z) <{window_dimensions = array<i64: 2>, window_strides = array<i64: 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }, {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----

// An update for each index, rows of the operand's size.
// CHECK-LABEL: func.func @scatter
// CHECK-DAG:     "nimble.check"(%{{.*}}) {kind = "equal_sizes", message = "'stablehlo.scatter' needs equal sizes, but dimension 0 of the indices and of the updates differ: 'm' and 'k'{{.*}}"}
// CHECK-DAG:     "nimble.check"(%{{.*}}) {kind = "size_range", message = "'stablehlo.scatter' needs an operand that is at least as large as dimension 1 of the updates: 'd' must be at least 'w'{{.*}}"}
// CHECK:         "stablehlo.scatter"
// CHECK:         -> tensor<?x?xf32, #nimble.dims<[@n, @d]>>
func.func @scatter(%x: tensor<?x?xf32> {nimble.dims = [@n, @d]}, %i: tensor<?x1xi32> {nimble.dims = [@m, 1]}, %u: tensor<?x?xf32> {nimble.dims = [@k, @w]}) attributes {nimble.symbols = {n = {}, d = {}, m = {}, k = {}, w = {}}} {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %b : tensor<f32>
  }) : (tensor<?x?xf32>, tensor<?x1xi32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @scatter_of_other_batches(%x: tensor<?x?xf32> {nimble.dims = ["2*b", @n]}, %i: tensor<?x?x1xi32> {nimble.dims = ["2*b + 1", @m, 1]}, %u: tensor<?x?xf32> {nimble.dims = ["2*b + 1", @m]}) attributes {nimble.symbols = {b = {}, n = {}, m = {}}} {
  // expected-error @below {{'stablehlo.scatter' needs equal sizes, but batching dimension 0 of the operand and of the indices are '2*b' and '2*b + 1'}}
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [1], input_batching_dims = [0], scatter_indices_batching_dims = [0], scatter_dims_to_operand_dims = [1], index_vector_dim = 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %b : tensor<f32>
  }) : (tensor<?x?xf32>, tensor<?x?x1xi32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return
}
