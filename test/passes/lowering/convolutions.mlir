// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// The features go last, and back.
// CHECK-LABEL: func.func @named
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x8x?xf32
// CHECK-SAME:    %[[W:[^:]*]]: tensor<16x8x3xf32>
// CHECK:         %[[XT:.*]] = linalg.transpose ins(%[[X]] : {{.*}} permutation = [0, 2, 1]
// CHECK:         %[[WT:.*]] = linalg.transpose ins(%[[W]] : {{.*}} permutation = [2, 1, 0]
// CHECK:         %[[CONV:.*]] = linalg.conv_1d_nwc_wcf {{.*}} ins(%[[XT]], %[[WT]] : {{.*}} -> tensor<?x?x16xf32, #nimble.dims<[@b, "s - 2", 16]>>
// CHECK:         linalg.transpose ins(%[[CONV]] : {{.*}} permutation = [0, 2, 1]
func.func @named(%x: tensor<?x8x?xf32> {nimble.dims = [@b, 8, @s]}, %w: tensor<16x8x3xf32>) -> tensor<?x16x?xf32> attributes {nimble.symbols = {b = {}, s = {min = 3}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x8x?xf32>, tensor<16x8x3xf32>) -> tensor<?x16x?xf32>
  return %0 : tensor<?x16x?xf32>
}

// -----

// Windows that do not overlap are rows of a matmul.
// CHECK-LABEL: func.func @matmul
// CHECK-NOT:     linalg.conv
// CHECK:         linalg.matmul {{.*}} -> tensor<?x16xf32, #nimble.dims<["b*s", 16]>>
func.func @matmul(%x: tensor<?x?x8xf32> {nimble.dims = [@b, @s, 8]}, %w: tensor<1x8x16xf32>) -> tensor<?x?x16xf32> attributes {nimble.symbols = {b = {}, s = {}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x?x8xf32>, tensor<1x8x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}

// -----

// CHECK-LABEL: func.func @depthwise
// CHECK:         tensor.pad {{.*}} low[0, 1, 0] high[0, 1, 0]
// CHECK:         linalg.depthwise_conv_1d_nwc_wc {{.*}} -> tensor<?x?x8xf32, #nimble.dims<[@b, @s, 8]>>
func.func @depthwise(%x: tensor<?x?x8xf32> {nimble.dims = [@b, @s, 8]}, %w: tensor<3x1x8xf32>) -> tensor<?x?x8xf32> attributes {nimble.symbols = {b = {}, s = {}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1], pad = [[1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 8 : i64} : (tensor<?x?x8xf32>, tensor<3x1x8xf32>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// Other groups get a loop of their own.
// CHECK-LABEL: func.func @grouped
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]} {{.*}} outs(%{{.*}} : tensor<?x?x2x8xf32, #nimble.dims<[@b, "s - 2", 2, 8]>>)
// CHECK:         tensor.collapse_shape {{.*}} into tensor<?x?x16xf32, #nimble.dims<[@b, "s - 2", 16]>>
func.func @grouped(%x: tensor<?x?x8xf32> {nimble.dims = [@b, @s, 8]}, %w: tensor<3x4x16xf32>) -> tensor<?x?x16xf32> attributes {nimble.symbols = {b = {}, s = {min = 3}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 2 : i64} : (tensor<?x?x8xf32>, tensor<3x4x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}

// -----

func.func @batch_groups(%x: tensor<?x?x8xf32> {nimble.dims = ["2*b", @s, 8]}, %w: tensor<3x8x16xf32>) -> tensor<?x?x16xf32> attributes {nimble.symbols = {b = {}, s = {min = 3}}} {
  // expected-error @below {{'stablehlo.convolution' with batch groups is not supported}}
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1]} {batch_group_count = 2 : i64, feature_group_count = 1 : i64} : (tensor<?x?x8xf32>, tensor<3x8x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}
