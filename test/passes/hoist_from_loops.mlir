// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-hoist-from-loops | FileCheck %s
// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-hoist-from-loops --nimble-hoist-from-loops | FileCheck %s

// A product of one row of xs in each iteration is one product of all rows, of which the body reads one; elementwise ops
// between them come along. A product of what the loop carries stays.
// CHECK-LABEL: func.func @input_projection
// CHECK-SAME:    %[[XS:[^:]*]]: tensor<?x1x6xf32, #nimble.dims<[@xs_0, 1, 6]>>
// CHECK-SAME:    %[[W:[^:]*]]: tensor<6x8xf32>
// CHECK:         %[[TANH:.*]] = stablehlo.tanh %{{.*}} : tensor<?x1x6xf32, #nimble.dims<[@xs_0, 1, 6]>>
// CHECK:         %[[ALL:.*]] = stablehlo.dot_general %[[TANH]], %[[W]], contracting_dims = [2] x [0]
// CHECK-SAME:      -> tensor<?x1x8xf32, #nimble.dims<[@xs_0, 1, 8]>>
// CHECK:         stablehlo.while
// CHECK:         } do {
// CHECK-NOT:       stablehlo.tanh
// CHECK:           %[[ROW:.*]] = stablehlo.dynamic_slice %[[ALL]], %{{.*}}, sizes = [1, 1, 8]
// CHECK:           stablehlo.reshape %[[ROW]] : (tensor<1x1x8xf32>) -> tensor<1x8xf32>
// CHECK:           stablehlo.dot_general %iterArg
func.func @input_projection(%xs: tensor<?x1x6xf32> {nimble.name = "xs"}, %w: tensor<6x8xf32>, %u: tensor<8x8xf32>, %h0: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %n = stablehlo.get_dimension_size %xs, dim = 0 : (tensor<?x1x6xf32>) -> tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %h = %h0) : tensor<i32>, tensor<1x8xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.dynamic_slice %xs, %i, %zero, %zero, sizes = [1, 1, 6] : (tensor<?x1x6xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x1x6xf32>
    %2 = stablehlo.reshape %1 : (tensor<1x1x6xf32>) -> tensor<1x6xf32>
    %3 = stablehlo.tanh %2 : tensor<1x6xf32>
    %4 = stablehlo.dot_general %3, %w, contracting_dims = [1] x [0] : (tensor<1x6xf32>, tensor<6x8xf32>) -> tensor<1x8xf32>
    %5 = stablehlo.dot_general %h, %u, contracting_dims = [1] x [0] : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %6 = stablehlo.add %4, %5 : tensor<1x8xf32>
    %7 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %7, %6 : tensor<i32>, tensor<1x8xf32>
  }
  return %0#1 : tensor<1x8xf32>
}

// -----

// What depends on nothing of the loop leaves it as it is.
// CHECK-LABEL: func.func @invariant
// CHECK-SAME:    %[[W:[^:]*]]: tensor<6x8xf32>
// CHECK:         %[[TANH:.*]] = stablehlo.tanh %[[W]]
// CHECK:         %[[PRODUCT:.*]] = stablehlo.dot_general %[[TANH]]
// CHECK:         stablehlo.while
// CHECK-NOT:       stablehlo.dot_general
// CHECK:           stablehlo.add %{{.*}}, %[[PRODUCT]]
func.func @invariant(%w: tensor<6x8xf32>, %v: tensor<8x8xf32>, %h0: tensor<6x8xf32>, %n: tensor<i32>) -> tensor<6x8xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %h = %h0) : tensor<i32>, tensor<6x8xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.tanh %w : tensor<6x8xf32>
    %2 = stablehlo.dot_general %1, %v, contracting_dims = [1] x [0] : (tensor<6x8xf32>, tensor<8x8xf32>) -> tensor<6x8xf32>
    %3 = stablehlo.add %h, %2 : tensor<6x8xf32>
    %4 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %4, %3 : tensor<i32>, tensor<6x8xf32>
  }
  return %0#1 : tensor<6x8xf32>
}

// -----

// Not where the loop may run fewer times than there are rows, and not where much more would have to be held than is read.
// CHECK-LABEL: func.func @stays
// CHECK-NOT:     stablehlo.dot_general
// CHECK:         stablehlo.while
// CHECK:           stablehlo.dynamic_slice %{{.*}}, sizes = [1, 6]
// CHECK:           stablehlo.dot_general
// CHECK-NOT:     stablehlo.dot_general
// CHECK:         stablehlo.while
// CHECK:           stablehlo.dynamic_slice %{{.*}}, sizes = [1, 6]
// CHECK:           stablehlo.dot_general
func.func @stays(%xs: tensor<?x6xf32> {nimble.name = "xs"}, %w: tensor<6x8xf32>, %wide: tensor<6x200xf32>, %h0: tensor<8xf32>, %m: tensor<i32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %n = stablehlo.get_dimension_size %xs, dim = 0 : (tensor<?x6xf32>) -> tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %h = %h0) : tensor<i32>, tensor<8xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %m : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.dynamic_slice %xs, %i, %zero, sizes = [1, 6] : (tensor<?x6xf32>, tensor<i32>, tensor<i32>) -> tensor<1x6xf32>
    %2 = stablehlo.dot_general %1, %w, contracting_dims = [1] x [0] : (tensor<1x6xf32>, tensor<6x8xf32>) -> tensor<1x8xf32>
    %3 = stablehlo.reshape %2 : (tensor<1x8xf32>) -> tensor<8xf32>
    %4 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %4, %3 : tensor<i32>, tensor<8xf32>
  }
  %5:2 = stablehlo.while(%i = %zero, %h = %h0) : tensor<i32>, tensor<8xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.dynamic_slice %xs, %i, %zero, sizes = [1, 6] : (tensor<?x6xf32>, tensor<i32>, tensor<i32>) -> tensor<1x6xf32>
    %2 = stablehlo.dot_general %1, %wide, contracting_dims = [1] x [0] : (tensor<1x6xf32>, tensor<6x200xf32>) -> tensor<1x200xf32>
    %3 = stablehlo.slice %2 [0:1, 0:8] : (tensor<1x200xf32>) -> tensor<1x8xf32>
    %4 = stablehlo.reshape %3 : (tensor<1x8xf32>) -> tensor<8xf32>
    %6 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %6, %4 : tensor<i32>, tensor<8xf32>
  }
  return %0#1, %5#1 : tensor<8xf32>, tensor<8xf32>
}
