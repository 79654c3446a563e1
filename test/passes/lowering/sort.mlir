// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// A merge sort between the halves of a buffer, a row a workgroup.
// CHECK-LABEL: func.func @sort
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?xf32
// CHECK:         %[[ROWS:.*]] = linalg.transpose ins(%[[X]]
// CHECK:         %[[BUFFER:.*]] = tensor.empty(%{{.*}}, %{{.*}}) : tensor<?x2x?xf32
// CHECK:         %[[R:.*]] = "nimble.kernel"
// CHECK:         ^bb0(%[[W:.*]]: index, %[[IN:.*]]: tensor<?x?xf32, {{.*}}>, %[[OUT:.*]]: tensor<?x2x?xf32, {{.*}}>):
// CHECK:           scf.for %[[ROW:.*]] = %[[W]]
// CHECK:             scf.while
// The blocks.
// CHECK:             scf.for
// CHECK:               arith.bitcast
// CHECK:               arith.cmpi slt
// The passes, their pairs of runs, and the merge of each.
// CHECK:             scf.for
// CHECK:               scf.for
// CHECK:                 scf.for
// CHECK:         %[[SORTED:.*]] = "nimble.unbind"(%[[R]])
// CHECK:         tensor.extract_slice %[[SORTED]][0, 0, 0]
// CHECK:         linalg.transpose
func.func @sort(%x: tensor<?x?xf32> {nimble.name = "x"}) -> tensor<?x?xf32> {
  %0 = "stablehlo.sort"(%x) <{dimension = 0 : i64, is_stable = true}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// CHECK-LABEL: func.func @keys_of_several_types
// CHECK:         "nimble.kernel"
// CHECK-DAG:       complex.re
// CHECK-DAG:       complex.im
// CHECK-DAG:       arith.xori
// CHECK:         "nimble.kernel_yield"(%{{.*}}, %{{.*}})
func.func @keys_of_several_types(%x: tensor<5xcomplex<f32>>, %p: tensor<5xi1>) -> (tensor<5xcomplex<f32>>, tensor<5xi1>) {
  %0:2 = "stablehlo.sort"(%x, %p) <{dimension = 0 : i64}> ({
  ^bb0(%a: tensor<complex<f32>>, %b: tensor<complex<f32>>, %c: tensor<i1>, %d: tensor<i1>):
    %re = stablehlo.real %a : (tensor<complex<f32>>) -> tensor<f32>
    %im = stablehlo.imag %b : (tensor<complex<f32>>) -> tensor<f32>
    %1 = stablehlo.compare LT, %re, %im : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %same = stablehlo.compare EQ, %a, %b : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<i1>
    %2 = stablehlo.not %c : tensor<i1>
    %3 = stablehlo.and %2, %same : tensor<i1>
    %4 = stablehlo.or %1, %3 : tensor<i1>
    stablehlo.return %4 : tensor<i1>
  }) : (tensor<5xcomplex<f32>>, tensor<5xi1>) -> (tensor<5xcomplex<f32>>, tensor<5xi1>)
  return %0#0, %0#1 : tensor<5xcomplex<f32>>, tensor<5xi1>
}

// -----

// Complex numbers have no order.
func.func @order_of_complex_numbers(%x: tensor<5xcomplex<f32>>) -> tensor<5xcomplex<f32>> {
  %0 = "stablehlo.sort"(%x) <{dimension = 0 : i64}> ({
  ^bb0(%a: tensor<complex<f32>>, %b: tensor<complex<f32>>):
    // expected-error @below {{'stablehlo.compare' LT on complex<f32> is not supported}}
    %1 = stablehlo.compare LT, %a, %b : (tensor<complex<f32>>, tensor<complex<f32>>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }) : (tensor<5xcomplex<f32>>) -> tensor<5xcomplex<f32>>
  return %0 : tensor<5xcomplex<f32>>
}

// -----

// A heap of the largest, the worst on top: filled, built, updated by what is better, and emptied in order.
// CHECK-LABEL: func.func @top_k
// CHECK:         "nimble.kernel"
// CHECK:           scf.for
// CHECK:           scf.for
// CHECK:             scf.while
// CHECK:           scf.for
// CHECK:             arith.cmpi sgt
// CHECK:             scf.if
// CHECK:               scf.while
// CHECK:           scf.for
// CHECK:             scf.while
// CHECK-NOT:     tensor.extract_slice
func.func @top_k(%x: tensor<?x?xf32> {nimble.name = "x"}) -> (tensor<?x3xf32>, tensor<?x3xi32>) {
  %0:2 = stablehlo.custom_call @nimble.chlo.top_k(%x) {api_version = 4 : i32, backend_config = {k = 3 : i64}} : (tensor<?x?xf32>) -> (tensor<?x3xf32>, tensor<?x3xi32>)
  return %0#0, %0#1 : tensor<?x3xf32>, tensor<?x3xi32>
}

// -----

// Many are the front of a sort.
// CHECK-LABEL: func.func @dynamic_top_k
// CHECK:         linalg.generic
// CHECK:           linalg.index 0
// CHECK:         "nimble.kernel"
// CHECK-COUNT-2: tensor.extract_slice %{{.*}}[0] [%{{.*}}] [1]
func.func @dynamic_top_k(%s: tensor<i32> {jax.global_constant = "k"}, %x: tensor<?xui8> {nimble.dims = [@n]}, %y: tensor<?xf32> {nimble.dims = [@k]}) -> (tensor<?xui8>, tensor<?xi32>) attributes {nimble.symbols = {n = {}, k = {}}} {
  %0:2 = stablehlo.custom_call @stablehlo.dynamic_top_k(%x, %s) : (tensor<?xui8>, tensor<i32>) -> (tensor<?xui8>, tensor<?xi32>)
  return %0#0, %0#1 : tensor<?xui8>, tensor<?xi32>
}

// -----

func.func @top_k_of_complex_numbers(%x: tensor<8xcomplex<f32>>) -> (tensor<3xcomplex<f32>>, tensor<3xi32>) {
  // expected-error @below {{top_k of complex<f32> is not supported}}
  %0:2 = stablehlo.custom_call @nimble.chlo.top_k(%x) {api_version = 4 : i32, backend_config = {k = 3 : i64}} : (tensor<8xcomplex<f32>>) -> (tensor<3xcomplex<f32>>, tensor<3xi32>)
  return %0#0, %0#1 : tensor<3xcomplex<f32>>, tensor<3xi32>
}
