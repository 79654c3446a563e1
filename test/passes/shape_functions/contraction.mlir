// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --verify-diagnostics | FileCheck %s

// Batching dims, then the free dims of the left operand, then those of the right one.
// CHECK-LABEL: func.func @dot_general
func.func @dot_general(%x: tensor<?x?x?xf32> {nimble.dims = [@b, @m, @k]}, %y: tensor<?x?x?xf32> {nimble.dims = [@b, @k, @n]}) attributes {nimble.symbols = {b = {}, m = {}, k = {}, n = {}}} {
  // CHECK-NOT: equal_sizes
  // CHECK: stablehlo.dot_general {{.*}} -> tensor<?x?x?xf32, #nimble.dims<[@b, @m, @n]>>
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<?x?x?xf32>, tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  // A falsely dynamic result becomes static.
  // CHECK: stablehlo.dot_general {{.*}} -> tensor<f32>
  %v = stablehlo.constant dense<1.0> : tensor<4xf32>
  %1 = stablehlo.dot_general %v, %v, contracting_dims = [0] x [0] : (tensor<4xf32>, tensor<4xf32>) -> tensor<f32>
  return
}

// -----

// CHECK-LABEL: func.func @dot_general_undecided
// CHECK-DAG:     "nimble.check"{{.*}} message = "'stablehlo.dot_general' needs equal sizes, but contracting dimension 1 of the left and 0 of the right operand differ: 'x_1' and 'y_0'"
// CHECK-DAG:     "nimble.check"{{.*}} message = "'stablehlo.dot_general' needs equal sizes, but batching dimension 0 of the left and 1 of the right operand differ: 'x_0' and 'y_1'"
// CHECK:         stablehlo.dot_general {{.*}} -> tensor<?xf32, #nimble.dims<[@x_0]>>
func.func @dot_general_undecided(%x: tensor<?x?xf32> {nimble.name = "x"}, %y: tensor<?x?xf32> {nimble.name = "y"}) {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0] x [1], contracting_dims = [1] x [0] : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @dot_general_refuted(%x: tensor<?x?xf32> {nimble.dims = [@m, "2*k"]}, %y: tensor<?x?xf32> {nimble.dims = ["2*k + 1", @n]}) attributes {nimble.symbols = {m = {}, k = {}, n = {}}} {
  // expected-error @below {{'stablehlo.dot_general' needs equal sizes, but contracting dimension 1 of the left and 0 of the right operand are '2*k' and '2*k + 1'}}
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @reduce
func.func @reduce(%x: tensor<?x4x?xf32> {nimble.name = "x"}) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  // CHECK: stablehlo.reduce{{.*}} across dimensions = [1] {{.*}} -> tensor<?x?xf32, #nimble.dims<[@x_0, @x_2]>>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<?x4x?xf32>, tensor<f32>) -> tensor<?x?xf32>
  // CHECK: stablehlo.reduce{{.*}} across dimensions = [0, 2] {{.*}} -> tensor<4xf32>
  %1 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0, 2] : (tensor<?x4x?xf32>, tensor<f32>) -> tensor<4xf32>
  return
}

// -----

// CHECK-LABEL: func.func @reduce_of_two
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.reduce' needs equal sizes, but dimension 0 of operands 0 and 1 differ: 'x_0' and 'y_0'"
// CHECK:         stablehlo.reduce{{.*}} -> (tensor<?xf32, #nimble.dims<[@x_1]>>, tensor<?xf32, #nimble.dims<[@x_1]>>)
func.func @reduce_of_two(%x: tensor<?x?xf32> {nimble.name = "x"}, %y: tensor<?x?xf32> {nimble.name = "y"}) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0:2 = stablehlo.reduce(%x init: %zero), (%y init: %zero) across dimensions = [0] : (tensor<?x?xf32>, tensor<?x?xf32>, tensor<f32>, tensor<f32>) -> (tensor<?xf32>, tensor<?xf32>)
    reducer(%a: tensor<f32>, %c: tensor<f32>) (%b: tensor<f32>, %d: tensor<f32>) {
      stablehlo.return %a, %b : tensor<f32>, tensor<f32>
    }
  return
}

// -----

// CHECK-LABEL: func.func @reduce_window
func.func @reduce_window(%x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 3}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  // CHECK: "stablehlo.reduce_window"
  // CHECK: -> tensor<?xf32, #nimble.dims<["floordiv(s + 1, 2) - 1"]>>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>, window_strides = array<i64: 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %sum = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %sum : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  // "Same" padding keeps the size.
  // CHECK: "stablehlo.reduce_window"
  // CHECK: -> tensor<?xf32, #nimble.dims<[@s]>>
  %1 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>, padding = dense<1> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %sum = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %sum : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  // A base dilation of 2 puts a hole between each two elements, a window dilation of 2 makes the window 3 wide.
  // CHECK: "stablehlo.reduce_window"
  // CHECK: -> tensor<?xf32, #nimble.dims<["2*s - 3"]>>
  %2 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 2>, base_dilations = array<i64: 2>, window_dilations = array<i64: 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %sum = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %sum : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----

// Window, strides, dilations and padding as operands; a whole dimension's window, padded in front, keeps its size.
// CHECK-LABEL: func.func @dynamic_reduce_window
// CHECK:         -> tensor<?xf32, #nimble.dims<[@s]>>
func.func @dynamic_reduce_window(%x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %none = stablehlo.constant dense<0> : tensor<1xi32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %window = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %low = stablehlo.subtract %window, %one : tensor<1xi32>
  %flat = stablehlo.concatenate %low, %none, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %padding = stablehlo.reshape %flat : (tensor<2xi32>) -> tensor<1x2xi32>
  %0 = "nimble.dynamic_reduce_window"(%x, %zero, %window, %one, %one, %one, %padding) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return
}

// -----

// An empty input has no window: the size is no negative number.
// CHECK-LABEL: func.func @reduce_window_of_few
// CHECK:         -> tensor<?xf32, #nimble.dims<["max(x_0 - 2, 0)"]>>
func.func @reduce_window_of_few(%x: tensor<?xf32> {nimble.name = "x"}) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 3>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %sum = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %sum : tensor<f32>
  }) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @convolution
func.func @convolution(%x: tensor<?x8x?xf32> {nimble.dims = [@b, 8, @s]}, %w: tensor<16x8x3xf32>) attributes {nimble.symbols = {b = {}, s = {min = 3}}} {
  // CHECK: stablehlo.convolution{{.*}} -> tensor<?x16x?xf32, #nimble.dims<[@b, 16, "s - 2"]>>
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x8x?xf32>, tensor<16x8x3xf32>) -> tensor<?x16x?xf32>
  // CHECK: stablehlo.convolution{{.*}} -> tensor<?x16x?xf32, #nimble.dims<[@b, 16, "floordiv(s + 1, 2)"]>>
  %1 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {stride = [2], pad = [[1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x8x?xf32>, tensor<16x8x3xf32>) -> tensor<?x16x?xf32>
  return
}

// -----

// The features of the operand are those of the kernel times the number of groups.
// CHECK-LABEL: func.func @convolution_of_groups
// CHECK:         "nimble.check"{{.*}} message = "'stablehlo.convolution' needs equal sizes, but the input features of the operand and of the kernel differ: 'x_1' and '16'"
// CHECK:         stablehlo.convolution{{.*}} -> tensor<?x32x6xf32, #nimble.dims<[@x_0, 32, 6]>>
func.func @convolution_of_groups(%x: tensor<?x?x8xf32> {nimble.name = "x"}, %w: tensor<32x8x3xf32>) {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 2 : i64} : (tensor<?x?x8xf32>, tensor<32x8x3xf32>) -> tensor<?x?x?xf32>
  return
}

// -----

// CHECK-LABEL: func.func @dynamic_conv
// CHECK:         "stablehlo.dynamic_conv"{{.*}} -> tensor<1x16x?xf32, #nimble.dims<[1, 16, @s]>>
func.func @dynamic_conv(%x: tensor<1x8x?xf32> {nimble.dims = [1, 8, @s]}, %w: tensor<16x8x3xf32>) attributes {nimble.symbols = {s = {min = 3}}} {
  %padding = stablehlo.constant dense<1> : tensor<1x2xi32>
  %0 = "stablehlo.dynamic_conv"(%x, %w, %padding) <{batch_group_count = 1 : i64, dimension_numbers = #stablehlo.conv<[b, f, 0]x[o, i, 0]->[b, f, 0]>, feature_group_count = 1 : i64}> : (tensor<1x8x?xf32>, tensor<16x8x3xf32>, tensor<1x2xi32>) -> tensor<1x16x?xf32>
  return
}
