// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$COLUMNS:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @pair
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?xf32{{.*}}, %[[K:[^:]*]]: tensor<?x?xi32
// CHECK:         %[[S0:.*]] = linalg.fill
// CHECK:         %[[S1:.*]] = linalg.fill
// CHECK:         linalg.generic {indexing_maps = [#[[$ID]], #[[$ID]], #[[$COLUMNS]], #[[$COLUMNS]]], iterator_types = ["reduction", "parallel"]} ins(%[[X]], %[[K]] : {{.*}} outs(%[[S0]], %[[S1]]
// CHECK:           arith.addf
// CHECK:           arith.maxsi
func.func @pair(%x: tensor<?x?xf32> {nimble.dims = [@b, @s]}, %k: tensor<?x?xi32> {nimble.dims = [@b, @s]}) -> (tensor<?xf32>, tensor<?xi32>) attributes {nimble.symbols = {b = {min = 1}, s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %low = stablehlo.constant dense<-9> : tensor<i32>
  %0:2 = stablehlo.reduce(%x init: %zero), (%k init: %low) across dimensions = [0] : (tensor<?x?xf32>, tensor<?x?xi32>, tensor<f32>, tensor<i32>) -> (tensor<?xf32>, tensor<?xi32>)
   reducer(%a: tensor<f32>, %b: tensor<f32>) (%c: tensor<i32>, %d: tensor<i32>) {
    %1 = stablehlo.add %a, %b : tensor<f32>
    %2 = stablehlo.maximum %c, %d : tensor<i32>
    stablehlo.return %1, %2 : tensor<f32>, tensor<i32>
  }
  return %0#0, %0#1 : tensor<?xf32>, tensor<?xi32>
}

// -----

// Narrow floats accumulate in f32 and are rounded once.
// CHECK-LABEL: func.func @narrow
// CHECK:         %[[ACC:.*]] = linalg.generic
// CHECK-SAME:      iterator_types = ["reduction", "parallel"]
// CHECK:           %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK:           arith.addf %{{.*}}, %[[WIDE]] : f32
// CHECK:         linalg.generic {{.*}} ins(%[[ACC]]
// CHECK:           arith.bitcast %{{.*}} : i16 to bf16
func.func @narrow(%x: tensor<?x?xbf16> {nimble.dims = [@b, @s]}) -> tensor<?xbf16> attributes {nimble.symbols = {b = {min = 1}, s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<bf16>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<?x?xbf16>, tensor<bf16>) -> tensor<?xbf16>
  return %0 : tensor<?xbf16>
}

// -----

// Rows of dynamic length: four vectors of partial results, then one, then the elements that are left.
// CHECK-LABEL: func.func @rows
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?x?xbf16
// CHECK:         tensor.collapse_shape %[[X]] {{\[\[}}0], [1, 2]]
// CHECK:         "nimble.kernel"
// CHECK:           scf.if
// CHECK:             scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-4:       arith.addf %{{.*}} : vector<16xf32>
// CHECK:             scf.for {{.*}} -> (vector<16xf32>)
// CHECK:             vector.extract %{{.*}}[15]
// CHECK:           scf.for {{.*}} -> (f32)
// CHECK:             arith.extf %{{.*}} : bf16 to f32
// CHECK:           arith.bitcast %{{.*}} : i16 to bf16
func.func @rows(%x: tensor<?x?x?xbf16> {nimble.dims = [@b, @s, @t]}) -> tensor<?xbf16> attributes {nimble.symbols = {b = {}, s = {}, t = {}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<bf16>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1, 2] : (tensor<?x?x?xbf16>, tensor<bf16>) -> tensor<?xbf16>
  return %0 : tensor<?xbf16>
}

// -----

// Not where the operand is larger than all that it is computed from: it would have to be held.
// CHECK-LABEL: func.func @products
// CHECK-NOT:     "nimble.kernel"
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
func.func @products(%x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) -> tensor<?xf32> {
  %b = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %s = stablehlo.get_dimension_size %y, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %b1 = stablehlo.reshape %b : (tensor<i32>) -> tensor<1xi32>
  %s1 = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %shape = stablehlo.concatenate %b1, %s1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  %1 = stablehlo.dynamic_broadcast_in_dim %y, %shape, dims = [1] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x?xf32>
  %2 = stablehlo.multiply %0, %1 : tensor<?x?xf32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %3 = stablehlo.reduce(%2 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<?x?xf32>, tensor<f32>) -> tensor<?xf32>
  return %3 : tensor<?xf32>
}

// -----

func.func @unsupported_body(%x: tensor<?xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
   reducer(%a: tensor<f32>, %b: tensor<f32>) {
    // expected-error @below {{'stablehlo.optimization_barrier' in the body of a reduction is not supported}}
    %1 = stablehlo.optimization_barrier %a : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

func.func @unsupported_call(%x: tensor<?xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) across dimensions = [0] : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
   reducer(%a: tensor<f32>, %b: tensor<f32>) {
    // expected-error @below {{'stablehlo.custom_call' in the body of a reduction is not supported}}
    %1 = stablehlo.custom_call @other(%a) : (tensor<f32>) -> tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }
  return %0 : tensor<f32>
}

// -----

func.func @complex_maximum(%x: tensor<?xcomplex<f32>>, %init: tensor<complex<f32>>) -> tensor<complex<f32>> {
  %0 = stablehlo.reduce(%x init: %init) across dimensions = [0] : (tensor<?xcomplex<f32>>, tensor<complex<f32>>) -> tensor<complex<f32>>
   reducer(%a: tensor<complex<f32>>, %b: tensor<complex<f32>>) {
    // expected-error @below {{'stablehlo.maximum' on complex<f32> in the body of a reduction is not supported}}
    %1 = stablehlo.maximum %a, %b : tensor<complex<f32>>
    stablehlo.return %1 : tensor<complex<f32>>
  }
  return %0 : tensor<complex<f32>>
}

// -----

// argmax: values and positions in vectors, of which the greatest with the lowest position is kept.
// CHECK-LABEL: func.func @argmax
// CHECK:         nimble.kernel
// CHECK:           arith.cmpf ult, {{.*}} : vector<16xf32>
// CHECK:           vector.reduction <maximumf>
// CHECK:           vector.reduction <minsi>
// CHECK-NOT:     linalg.generic {{.*}}"reduction"
func.func @argmax(%x: tensor<?x?xf32> {nimble.dims = [@b, @s]}) -> tensor<?xi32> attributes {nimble.symbols = {b = {min = 1}, s = {min = 1}}} {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %b = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x?xf32>) -> tensor<i32>
  %s = stablehlo.get_dimension_size %x, dim = 1 : (tensor<?x?xf32>) -> tensor<i32>
  %b1 = stablehlo.reshape %b : (tensor<i32>) -> tensor<1xi32>
  %s1 = stablehlo.reshape %s : (tensor<i32>) -> tensor<1xi32>
  %shape = stablehlo.concatenate %b1, %s1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %k = stablehlo.dynamic_iota %shape, dim = 1 : (tensor<2xi32>) -> tensor<?x?xi32>
  %0:2 = stablehlo.reduce(%x init: %low), (%k init: %zero) across dimensions = [1] : (tensor<?x?xf32>, tensor<?x?xi32>, tensor<f32>, tensor<i32>) -> (tensor<?xf32>, tensor<?xi32>)
   reducer(%a: tensor<f32>, %c: tensor<f32>) (%i: tensor<i32>, %j: tensor<i32>) {
    %1 = stablehlo.compare GT, %a, %c : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %2 = stablehlo.compare NE, %a, %a : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %3 = stablehlo.or %1, %2 : tensor<i1>
    %4 = stablehlo.compare EQ, %a, %c : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %5 = stablehlo.compare LT, %i, %j : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %6 = stablehlo.and %4, %5 : tensor<i1>
    %7 = stablehlo.or %3, %6 : tensor<i1>
    %8 = stablehlo.select %3, %a, %c : tensor<i1>, tensor<f32>
    %9 = stablehlo.select %7, %i, %j : tensor<i1>, tensor<i32>
    stablehlo.return %8, %9 : tensor<f32>, tensor<i32>
  }
  return %0#1 : tensor<?xi32>
}
