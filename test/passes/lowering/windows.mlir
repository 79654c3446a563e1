// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Only the windowed dimension gets a reduction loop; what no window reaches is cut off, so that sizes follow from loops.
// CHECK-DAG: #[[$WINDOW:.*]] = affine_map<(d0, d1) -> (d0 * 2 + d1)>
// CHECK-DAG: #[[$EXTENT:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @reduce_window
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32
// CHECK:         %[[INIT:.*]] = tensor.extract %{{.*}}[] : tensor<f32>
// CHECK:         %[[START:.*]] = linalg.fill ins(%[[INIT]]
// CHECK:         %[[PADDED:.*]] = tensor.pad %[[X]] low[1] high[1]
// CHECK:           tensor.yield %[[INIT]]
// CHECK:         %[[CUT:.*]] = tensor.extract_slice %[[PADDED]][0] [%{{.*}}] [1] : {{.*}} to tensor<?xf32, #nimble.dims<["2*floordiv(s + 1, 2) + 1"]>>
// CHECK:         %[[SIZES:.*]] = tensor.empty() : tensor<3xf32>
// CHECK:         linalg.generic {indexing_maps = [#[[$WINDOW]], #[[$EXTENT]], {{.*}}iterator_types = ["parallel", "reduction"]} ins(%[[CUT]], %[[SIZES]] : {{.*}} outs(%[[START]]
// CHECK:           arith.maximumf
func.func @reduce_window(%x: tensor<?xf32> {nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 3}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>, window_strides = array<i64: 2>, padding = dense<1> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %max = stablehlo.maximum %a, %b : tensor<f32>
    stablehlo.return %max : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// A window of symbolic size that does not end at its element: its size bounds the reduction loop.
// CHECK-LABEL: func.func @symbolic_window
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[EXTENT:.*]] = tensor.empty(%[[S]]) : tensor<?xf32, #nimble.dims<[@s]>>
// CHECK:         linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]} ins(%{{.*}}, %[[EXTENT]] :
func.func @symbolic_window(%x: tensor<?xf32> {nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 3}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %padding = stablehlo.constant dense<3> : tensor<1x2xi32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %window = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %0 = "nimble.dynamic_reduce_window"(%x, %zero, %window, %one, %one, %one, %padding) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %max = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %max : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Where the initial value is no identity, the elements of the padding are passed over, as XLA does.
// CHECK-LABEL: func.func @padding_is_no_element
// CHECK:         tensor.pad %{{.*}} low[1] high[0]
// CHECK:         %[[MASK:.*]] = tensor.pad %{{.*}} low[1] high[0]
// CHECK:         linalg.generic
// CHECK:           %[[SUM:.*]] = arith.addf %[[OLD:.*]], %{{.*}} : f32
// CHECK:           %[[INSIDE:.*]] = arith.cmpi ne
// CHECK:           arith.select %[[INSIDE]], %[[SUM]], %[[OLD]]
func.func @padding_is_no_element(%x: tensor<?xf32> {nimble.dims = [@s]}, %init: tensor<f32>) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 3}}} {
  %0 = "stablehlo.reduce_window"(%x, %init) <{window_dimensions = array<i64: 2>, padding = dense<[[1, 0]]> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// Where there may be no window at all, the operand is made long enough for one, so that no slice lies outside of it.
// CHECK-LABEL: func.func @perhaps_no_window
// CHECK:         tensor.pad %{{.*}} low[0] high[%{{.*}}]
func.func @perhaps_no_window(%x: tensor<?xf32> {nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @computed_strides(%x: tensor<?xf32> {nimble.dims = [@s]}) -> tensor<?xf32> attributes {nimble.symbols = {s = {min = 3}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %padding = stablehlo.constant dense<3> : tensor<1x2xi32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %window = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  // expected-error @below {{strides and dilations of a window must be constants}}
  %0 = "nimble.dynamic_reduce_window"(%x, %zero, %window, %window, %one, %one, %padding) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %max = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %max : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @unsupported_body(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    // expected-error @below {{'stablehlo.optimization_barrier' in the body of a reduction is not supported}}
    %1 = stablehlo.optimization_barrier %a : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @complex_maximum(%x: tensor<?xcomplex<f32>>) -> tensor<?xcomplex<f32>> {
  %zero = stablehlo.constant dense<(0.0, 0.0)> : tensor<complex<f32>>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<complex<f32>>, %b: tensor<complex<f32>>):
    // expected-error @below {{'stablehlo.maximum' on complex<f32> in the body of a reduction is not supported}}
    %1 = stablehlo.maximum %a, %b : tensor<complex<f32>>
    stablehlo.return %1 : tensor<complex<f32>>
  }) : (tensor<?xcomplex<f32>>, tensor<complex<f32>>) -> tensor<?xcomplex<f32>>
  return %0 : tensor<?xcomplex<f32>>
}

// -----

// CHECK-LABEL: func.func @total_order
// CHECK:           %[[BITS:.*]] = arith.bitcast %{{.*}} : f32 to i32
// CHECK:           %[[NEGATIVE:.*]] = arith.cmpi slt, %[[BITS]]
// CHECK:           %[[FLIPPED:.*]] = arith.xori %[[BITS]]
// CHECK:           arith.select %[[NEGATIVE]], %[[FLIPPED]], %[[BITS]]
// CHECK:           arith.cmpi slt
func.func @total_order(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %less = stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %1 = stablehlo.select %less, %a, %b : tensor<i1>, tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
