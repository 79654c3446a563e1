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

// -----

// So it is where the batch has a symbolic size: the row and what is read of the product are slices whose sizes are values.
// CHECK-LABEL: func.func @symbolic_batch
// CHECK-SAME:    %[[XS:[^:]*]]: tensor<?x?x6xf32, #nimble.dims<[@xs_0, @xs_1, 6]>>
// CHECK-SAME:    %[[W:[^:]*]]: tensor<6x8xf32>
// CHECK:         %[[ALL:.*]] = stablehlo.dot_general %{{.*}}, %[[W]], contracting_dims = [2] x [0]
// CHECK-SAME:      -> tensor<?x?x8xf32, #nimble.dims<[@xs_0, @xs_1, 8]>>
// CHECK:         stablehlo.while
// CHECK:         } do {
// CHECK-NOT:       stablehlo.dot_general
// CHECK:           %[[ROW:.*]] = "nimble.slice"(%[[ALL]],
// CHECK-SAME:        -> tensor<1x?x8xf32, #nimble.dims<[1, @xs_1, 8]>>
// CHECK:           "nimble.reshape"(%[[ROW]],
func.func @symbolic_batch(%xs: tensor<?x?x6xf32> {nimble.name = "xs"}, %w: tensor<6x8xf32>, %h0: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %n = stablehlo.get_dimension_size %xs, dim = 0 : (tensor<?x?x6xf32>) -> tensor<i32>
  %b = stablehlo.get_dimension_size %xs, dim = 1 : (tensor<?x?x6xf32>) -> tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %six = stablehlo.constant dense<6> : tensor<i32>
  %zeros = stablehlo.constant dense<0> : tensor<2xi32>
  %ones = stablehlo.constant dense<1> : tensor<3xi32>
  %one1 = stablehlo.reshape %one : (tensor<i32>) -> tensor<1xi32>
  %b1 = stablehlo.reshape %b : (tensor<i32>) -> tensor<1xi32>
  %six1 = stablehlo.reshape %six : (tensor<i32>) -> tensor<1xi32>
  %sizes = stablehlo.concatenate %one1, %b1, %six1, dim = 0 : (tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<3xi32>
  %row = stablehlo.concatenate %b1, %six1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %0:2 = stablehlo.while(%i = %zero, %h = %h0) : tensor<i32>, tensor<?x8xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.reshape %i : (tensor<i32>) -> tensor<1xi32>
    %2 = stablehlo.concatenate %1, %zeros, dim = 0 : (tensor<1xi32>, tensor<2xi32>) -> tensor<3xi32>
    %3 = stablehlo.add %2, %sizes : tensor<3xi32>
    %4 = stablehlo.real_dynamic_slice %xs, %2, %3, %ones : (tensor<?x?x6xf32>, tensor<3xi32>, tensor<3xi32>, tensor<3xi32>) -> tensor<1x?x6xf32>
    %5 = stablehlo.dynamic_reshape %4, %row : (tensor<1x?x6xf32>, tensor<2xi32>) -> tensor<?x6xf32>
    %6 = stablehlo.dot_general %5, %w, contracting_dims = [1] x [0] : (tensor<?x6xf32>, tensor<6x8xf32>) -> tensor<?x8xf32>
    %7 = stablehlo.add %h, %6 : tensor<?x8xf32>
    %8 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %8, %7 : tensor<i32>, tensor<?x8xf32>
  }
  return %0#1 : tensor<?x8xf32>
}
