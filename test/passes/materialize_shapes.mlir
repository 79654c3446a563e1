// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @shape_operands
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32, #nimble.dims<[@x_0]>>
// CHECK-SAME:    %[[V:[^:]*]]: tensor<f32>
// CHECK-SAME:    %[[I:[^:]*]]: tensor<?x1xi32, #nimble.dims<[@i_0, 1]>>
func.func @shape_operands(%b: tensor<i32> {jax.global_constant = "x_0"}, %x: tensor<?xf32> {nimble.name = "x"}, %v: tensor<f32>, %i: tensor<?x1xi32> {nimble.name = "i"}) -> (tensor<?xi32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) {
  // CHECK-DAG: %[[B:.*]] = "nimble.symbol"{{.*}}symbol = @x_0
  // CHECK-DAG: %[[N:.*]] = arith.muli %[[B]], %{{.*}}
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
  // CHECK-NOT: = stablehlo.
  // CHECK-NOT: tensor.from_elements
  %b1 = stablehlo.reshape %b : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %shape = stablehlo.concatenate %b1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  // CHECK: %[[BROADCAST:.*]] = "nimble.broadcast_in_dim"(%[[X]], %[[B]]) {broadcast_dimensions = array<i64: 0>{{.*}} -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x4xf32>
  // CHECK: "nimble.iota"(%[[B]]) {iota_dimension = 0 : i64{{.*}} -> tensor<?xi32, #nimble.dims<[@x_0]>>
  %1 = stablehlo.dynamic_iota %b1, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  // CHECK: "nimble.reshape"(%[[BROADCAST]], %[[N]]) {{.*}} -> tensor<?xf32, #nimble.dims<["4*x_0"]>>
  %n = stablehlo.multiply %b1, %four : tensor<1xi32>
  %2 = stablehlo.dynamic_reshape %0, %n : (tensor<?x4xf32>, tensor<1xi32>) -> tensor<?xf32>
  // CHECK: "nimble.pad"(%[[X]], %[[V]], %{{[^,]*}}, %[[B]], %[[ONE]]) {{.*}} -> tensor<?xf32, #nimble.dims<["3*x_0 - 1"]>>
  %3 = stablehlo.dynamic_pad %x, %v, %zero, %b1, %one : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  // CHECK: "nimble.slice"(%[[X]], %[[ONE]], %[[B]], %[[ONE]]) {{.*}} -> tensor<?xf32, #nimble.dims<["x_0 - 1"]>>
  %4 = stablehlo.real_dynamic_slice %x, %one, %b1, %one : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  // CHECK: "nimble.gather"(%[[X]], %[[I]], %[[ONE]]) {dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>
  %5 = "stablehlo.dynamic_gather"(%x, %i, %one) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>}> : (tensor<?xf32>, tensor<?x1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %1, %2, %3, %4, %5 : tensor<?xi32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>
}

// -----

// Sizes that are data of the program are computed on the host and become tensors at the end.
// CHECK-LABEL: func.func @sizes_as_data
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[HALF:.*]] = arith.floordivsi %[[S]], %{{.*}}
// CHECK:         %[[HALF32:.*]] = arith.index_cast %[[HALF]] : index to i32
// CHECK:         %[[DATA:.*]] = tensor.from_elements %[[HALF32]] : tensor<i32>
// CHECK:         %[[S32:.*]] = arith.index_cast %[[S]] : index to i32
// CHECK:         %[[FOUR32:.*]] = arith.index_cast %{{.*}} : index to i32
// CHECK:         %[[SHAPE:.*]] = tensor.from_elements %[[S32]], %[[FOUR32]] : tensor<2xi32>
// CHECK-NOT:     stablehlo
// CHECK:         return %[[DATA]], %[[SHAPE]]
func.func @sizes_as_data(%x: tensor<?xf32> {nimble.dims = [@s]}) -> (tensor<i32>, tensor<2xi32>) attributes {nimble.symbols = {s = {min = 0}}} {
  %0 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %1 = stablehlo.divide %0, %two : tensor<i32>
  %2 = stablehlo.reshape %0 : (tensor<i32>) -> tensor<1xi32>
  %four = stablehlo.constant dense<4> : tensor<1xi32>
  %3 = stablehlo.concatenate %2, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  return %1, %3 : tensor<i32>, tensor<2xi32>
}

// -----

// CHECK-LABEL: func.func @with_shape
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32, #nimble.dims<[@x_0]>>
// CHECK:         "nimble.cast"(%[[X]])
// CHECK-NOT:     stablehlo
func.func @with_shape(%s: tensor<i32> {jax.global_constant = "y_0"}, %x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) -> tensor<?xf32> {
  %0 = stablehlo.custom_call @nimble.with_shape(%x, %s) : (tensor<?xf32>, tensor<i32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Arithmetic on data is no arithmetic on sizes.
// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         %[[C:.*]] = stablehlo.constant dense<1> : tensor<1xi32>
// CHECK:         %[[SUM:.*]] = stablehlo.add %{{.*}}, %[[C]] : tensor<1xi32>
// CHECK:         return %[[SUM]]
func.func @nothing_to_do(%x: tensor<1xi32>) -> tensor<1xi32> {
  %c = stablehlo.constant dense<1> : tensor<1xi32>
  %0 = stablehlo.add %x, %c : tensor<1xi32>
  return %0 : tensor<1xi32>
}

// -----

// Padding that data says is read from the tensor; the result's size is known all the same.
// CHECK-LABEL: func.func @data_dependent_padding
// CHECK-SAME:    %[[X:[^:]*]]: tensor<4xf32>
// CHECK-SAME:    %[[V:[^:]*]]: tensor<f32>
// CHECK-SAME:    %[[N:[^:]*]]: tensor<1xi32>
// CHECK:         %[[E:.*]] = tensor.extract %[[N]]
// CHECK:         %[[LOW:.*]] = arith.index_cast %[[E]] : i32 to index
// CHECK:         "nimble.pad"(%[[X]], %[[V]], %[[LOW]],
func.func @data_dependent_padding(%x: tensor<4xf32>, %v: tensor<f32>, %n: tensor<1xi32>) -> tensor<6xf32> {
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %0 = stablehlo.dynamic_pad %x, %v, %n, %zero, %zero : (tensor<4xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<6xf32>
  return %0 : tensor<6xf32>
}

// -----

func.func @data_dependent_sizes(%x: tensor<4x4xf32>, %i: tensor<1xi32>, %n: tensor<2xi32>) -> tensor<2x4xf32> {
  %data = stablehlo.popcnt %n : tensor<2xi32>
  // expected-error @below {{operand 2 of 'stablehlo.dynamic_gather' depends on values computed at run time}}
  %0 = "stablehlo.dynamic_gather"(%x, %i, %data) {dimension_numbers = #stablehlo.gather<offset_dims = [0, 1], start_index_map = [0]>} : (tensor<4x4xf32>, tensor<1xi32>, tensor<2xi32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

// A smaller dimension is the front of the operand.
// CHECK-LABEL: func.func @set_dimension_size
// CHECK-SAME:    %[[X:[^:,]*]]: tensor<?x4xf32
// CHECK:         %[[N:.*]] = "nimble.symbol"{{.*}}symbol = @arg0}
// CHECK:         "nimble.slice"(%[[X]], %{{.*}}, %{{.*}}, %[[N]], %{{.*}}, %{{.*}}, %{{.*}})
// CHECK-NOT:     stablehlo.set_dimension_size
func.func @set_dimension_size(%n: tensor<i32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stablehlo.set_dimension_size %x, %n, dim = 0 : (tensor<?x4xf32>, tensor<i32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

// What reads a size checks it; what depends on it has it as a value.
// CHECK-LABEL: func.func @data_dependent
// CHECK-SAME:    %[[F:[^:]*]]: tensor<?xi8
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32
// CHECK:         %[[O:.*]] = "nimble.count"(%[[F]])
// CHECK:         %[[HUNDRED:.*]] = tensor.extract
// CHECK:         %[[BOUND:.*]] = arith.index_cast %[[HUNDRED]]
// CHECK:         %[[N:.*]] = tensor.extract %{{.*}}[] : tensor<i32>
// CHECK:         %[[SIZE:.*]] = arith.index_cast %[[N]] : i32 to index
// CHECK:         %[[POSITIVE:.*]] = arith.cmpi sge, %[[SIZE]], %{{.*}}
// CHECK:         "nimble.check"(%[[POSITIVE]]) {kind = "size_range", message = "nm.nonzero: a size is negative"}
// CHECK:         %[[BELOW:.*]] = arith.cmpi sle, %[[SIZE]], %[[BOUND]]
// CHECK:         "nimble.check"(%[[BELOW]]) {kind = "size_range", message = "nm.nonzero: the size is above its bound of 100"}
// CHECK:         %[[SAFE:.*]] = arith.maxsi %[[SIZE]], %{{.*}}
// CHECK:         %[[K:.*]] = "nimble.symbol"(%[[SAFE]]) {{.*}}symbol = @k
// CHECK:         "nimble.nonzero"(%[[F]], %[[O]], %[[K]])
// CHECK:         "nimble.compress"(%[[X]], %[[F]], %[[O]], %[[K]]) {dimension = 0 : i64}
// CHECK:         "nimble.nonzero_padded"(%[[F]])
func.func @data_dependent(%k: tensor<i32> {jax.global_constant = "k"}, %f: tensor<?xi8> {nimble.name = "f", nimble.dims = [@s]}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}) attributes {nimble.symbols = {s = {}}} {
  %o = stablehlo.custom_call @nimble.count(%f) {api_version = 4 : i32} : (tensor<?xi8>) -> tensor<65xi32>
  %last = stablehlo.slice %o [64:65] : (tensor<65xi32>) -> tensor<1xi32>
  %n = stablehlo.reshape %last : (tensor<1xi32>) -> tensor<i32>
  %hundred = stablehlo.constant dense<100> : tensor<i32>
  %0 = stablehlo.custom_call @nimble.define_size(%n, %hundred) {backend_config = {symbol = "k", what = "nm.nonzero"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %1 = stablehlo.custom_call @nimble.nonzero(%f, %o, %k) {api_version = 4 : i32} : (tensor<?xi8>, tensor<65xi32>, tensor<i32>) -> tensor<?xi32>
  %2 = stablehlo.custom_call @nimble.compress(%x, %f, %o, %k) {backend_config = {dimension = 0 : i64}, api_version = 4 : i32} : (tensor<?x4xf32>, tensor<?xi8>, tensor<65xi32>, tensor<i32>) -> tensor<?x4xf32>
  %3:2 = stablehlo.custom_call @nimble.nonzero_padded(%f) {api_version = 4 : i32} : (tensor<?xi8>) -> (tensor<9xi32>, tensor<i32>)
  return
}

// -----

// What has fixed sizes in the end is StableHLO's static op.
// CHECK-LABEL: func.func @fixed
// CHECK-SAME:    %[[X:[^:(]*]]: tensor<4x6xf32>
// CHECK-SAME:    %[[I:[^:,]*]]: tensor<2x1xi32>
// CHECK-DAG:     %[[IOTA:.*]] = stablehlo.iota dim = 1 : tensor<6x4xi32>
// CHECK-DAG:     %[[R:.*]] = stablehlo.reshape %[[X]] : (tensor<4x6xf32>) -> tensor<6x4xf32>
// CHECK-DAG:     %[[B:.*]] = stablehlo.broadcast_in_dim %[[X]], dims = [1, 2] : (tensor<4x6xf32>) -> tensor<6x4x6xf32>
// CHECK-DAG:     %[[P:.*]] = stablehlo.slice %[[X]] [0:4:2, 2:6] : (tensor<4x6xf32>) -> tensor<2x4xf32>
// CHECK-DAG:     %[[G:.*]] = "stablehlo.gather"(%[[X]], %[[I]]) <{{.*}}slice_sizes = array<i64: 1, 6>}> : (tensor<4x6xf32>, tensor<2x1xi32>) -> tensor<2x6xf32>
// CHECK-DAG:     "nimble.slice"(%[[X]]
// CHECK:         return %[[IOTA]], %[[R]], %[[B]], %[[P]], %[[G]]
func.func @fixed(%x: tensor<4x6xf32>, %i: tensor<2x1xi32>, %starts: tensor<2xi32>) -> (tensor<?x?xi32>, tensor<?x?xf32>, tensor<?x4x6xf32>, tensor<?x?xf32>, tensor<?x6xf32>) {
  %shape = stablehlo.constant dense<[6, 4]> : tensor<2xi32>
  %wide = stablehlo.constant dense<[6, 4, 6]> : tensor<3xi32>
  %start = stablehlo.constant dense<[0, 2]> : tensor<2xi32>
  %limit = stablehlo.constant dense<[4, 6]> : tensor<2xi32>
  %stride = stablehlo.constant dense<[2, 1]> : tensor<2xi32>
  %sizes = stablehlo.constant dense<[1, 6]> : tensor<2xi32>
  %0 = stablehlo.dynamic_iota %shape, dim = 1 : (tensor<2xi32>) -> tensor<?x?xi32>
  %1 = stablehlo.dynamic_reshape %x, %shape : (tensor<4x6xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  %2 = stablehlo.dynamic_broadcast_in_dim %x, %wide, dims = [1, 2] : (tensor<4x6xf32>, tensor<3xi32>) -> tensor<?x4x6xf32>
  %3 = stablehlo.real_dynamic_slice %x, %start, %limit, %stride : (tensor<4x6xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<?x?xf32>
  %4 = "stablehlo.dynamic_gather"(%x, %i, %sizes) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>}> : (tensor<4x6xf32>, tensor<2x1xi32>, tensor<2xi32>) -> tensor<?x6xf32>
  // Bounds that the program computes stay values.
  %limits = stablehlo.add %starts, %stride : tensor<2xi32>
  %5 = stablehlo.real_dynamic_slice %x, %starts, %limits, %stride : (tensor<4x6xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<1x1xf32>
  return %0, %1, %2, %3, %4 : tensor<?x?xi32>, tensor<?x?xf32>, tensor<?x4x6xf32>, tensor<?x?xf32>, tensor<?x6xf32>
}
