// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Updates in order, one after the other; one out of bounds is dropped.
// CHECK-LABEL: func.func @scatter
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32
// CHECK:         %[[LAST:.*]] = arith.subi
// CHECK-DAG:     %[[OUT:.*]] = "nimble.bind"(%[[X]],
// CHECK:         %[[R:.*]] = "nimble.kernel"(%{{.*}}, %{{.*}}, %[[OUT]], %{{.*}}) ({
// CHECK:         ^bb0(%{{.*}}: index, %[[STARTS:.*]]: tensor<?x1xi32, {{.*}}>, %[[UPDATES:.*]]: tensor<?xf32, {{.*}}>, %[[INTO:.*]]: tensor<?xf32, {{.*}}>):
// CHECK:           scf.for %[[K:.*]] = %{{.*}} iter_args(%[[OLD:.*]] = %[[INTO]])
// CHECK:             %[[START:.*]] = tensor.extract %[[STARTS]][%[[K]], %{{.*}}]
// CHECK:             %[[AT:.*]] = arith.index_cast %[[START]]
// CHECK:             arith.cmpi ule, %[[AT]], %[[LAST]]
// CHECK:             scf.if
// CHECK:               %[[A:.*]] = tensor.extract %[[OLD]][%[[AT]]]
// CHECK:               %[[B:.*]] = tensor.extract %[[UPDATES]][%[[K]]]
// CHECK:               %[[SUM:.*]] = arith.addf %[[A]], %[[B]]
// CHECK:               tensor.insert %[[SUM]] into %[[OLD]][%[[AT]]]
// CHECK:         "nimble.unbind"(%[[R]])
func.func @scatter(%x: tensor<?xf32> {nimble.name = "x"}, %i: tensor<?x1xi32> {nimble.dims = [@m, 1]}, %u: tensor<?xf32> {nimble.dims = [@m]}) -> tensor<?xf32> attributes {nimble.symbols = {m = {}}} {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<?x1xi32>, tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Booleans are bytes in a kernel, and unsigned integers signless.
// CHECK-LABEL: func.func @narrow
// CHECK:         arith.extui %{{.*}} : i1 to i8
// CHECK:         "nimble.kernel"
// CHECK:           %[[START:.*]] = tensor.extract %{{.*}} : tensor<1xi32>
// CHECK:           arith.index_castui %[[START]]
// CHECK:           arith.ori %{{.*}} : i1
// CHECK:           arith.extui %{{.*}} : i1 to i8
// CHECK:         arith.trunci %{{.*}} : i8 to i1
func.func @narrow(%x: tensor<8xi1>, %i: tensor<1xui32>, %u: tensor<i1>) -> tensor<8xi1> {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 0>}> ({
  ^bb0(%a: tensor<i1>, %b: tensor<i1>):
    %1 = stablehlo.maximum %a, %b : tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }) : (tensor<8xi1>, tensor<1xui32>, tensor<i1>) -> tensor<8xi1>
  return %0 : tensor<8xi1>
}

// -----

// Several operands share indices; a value from outside of the body is read before the kernel.
// CHECK-LABEL: func.func @several
// CHECK-SAME:    %[[S:[^:]*]]: tensor<f32>
// CHECK:         %[[SCALAR:.*]] = tensor.extract %[[S]][]
// CHECK:         "nimble.kernel"
// CHECK:           arith.mulf %{{.*}}, %[[SCALAR]]
// CHECK:         "nimble.kernel_yield"(%{{.*}}, %{{.*}})
func.func @several(%s: tensor<f32>, %x: tensor<8xf32>, %y: tensor<8xi32>, %i: tensor<3x1xi32>, %u: tensor<3xf32>, %v: tensor<3xi32>) -> (tensor<8xf32>, tensor<8xi32>) {
  %0:2 = "stablehlo.scatter"(%x, %y, %i, %u, %v) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<i32>):
    %1 = stablehlo.multiply %c, %s : tensor<f32>
    stablehlo.return %1, %d : tensor<f32>, tensor<i32>
  }) : (tensor<8xf32>, tensor<8xi32>, tensor<3x1xi32>, tensor<3xf32>, tensor<3xi32>) -> (tensor<8xf32>, tensor<8xi32>)
  return %0#0, %0#1 : tensor<8xf32>, tensor<8xi32>
}

// -----

// The selected element is searched in the window; along the first dimension workgroups share the work.
// CHECK-LABEL: func.func @select_and_scatter
// CHECK:         %[[GROUPS:.*]] = arith.maxui
// CHECK:         "nimble.kernel"(%{{.*}}, %{{.*}}, %{{.*}}, %[[GROUPS]]) ({
// CHECK:         ^bb0(%[[W:.*]]: index,
// CHECK:           scf.for %{{.*}} = %[[W]] to %{{.*}} step %[[GROUPS]]
// CHECK:             scf.for
// CHECK:               arith.cmpf oge
// CHECK:               scf.if
// CHECK:                 arith.addf
func.func @select_and_scatter(%x: tensor<?x20xf32> {nimble.name = "x"}, %s: tensor<?x9xf32> {nimble.dims = [@x_0, 9]}, %z: tensor<f32>) -> tensor<?x20xf32> attributes {nimble.symbols = {}} {
  %0 = "stablehlo.select_and_scatter"(%x, %s, %z) <{window_dimensions = array<i64: 1, 3>, window_strides = array<i64: 1, 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }, {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?x20xf32>, tensor<?x9xf32>, tensor<f32>) -> tensor<?x20xf32>
  return %0 : tensor<?x20xf32>
}

// -----

// Rows are combined as vectors, what is left of them element by element.
// CHECK-LABEL: func.func @rows
// CHECK:         "nimble.kernel"
// CHECK:           scf.if
// CHECK:             scf.for
// CHECK:               %[[A:.*]] = vector.transfer_read %{{.*}} : tensor<8x?xf32, {{.*}}>, vector<16xf32>
// CHECK:               %[[B:.*]] = vector.transfer_read %{{.*}} : tensor<?x?xf32, {{.*}}>, vector<16xf32>
// CHECK:               %[[SUM:.*]] = arith.addf %[[A]], %[[B]] : vector<16xf32>
// CHECK:               vector.transfer_write %[[SUM]]
// CHECK:             scf.for
// CHECK:               tensor.insert
func.func @rows(%x: tensor<8x?xf32> {nimble.dims = [8, @n]}, %i: tensor<?x1xi32> {nimble.dims = [@m, 1]}, %u: tensor<?x?xf32> {nimble.dims = [@m, @n]}) -> tensor<8x?xf32> attributes {nimble.symbols = {m = {}, n = {}}} {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<8x?xf32>, tensor<?x1xi32>, tensor<?x?xf32>) -> tensor<8x?xf32>
  return %0 : tensor<8x?xf32>
}
