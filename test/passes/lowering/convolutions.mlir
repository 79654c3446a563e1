// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// A named convolution where the width is static. The features go last, and back.
// CHECK-LABEL: func.func @named
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x8x20xf32
// CHECK-SAME:    %[[W:[^:]*]]: tensor<12x8x3xf32>
// CHECK:         %[[XT:.*]] = linalg.transpose ins(%[[X]] : {{.*}} permutation = [0, 2, 1]
// CHECK:         %[[WT:.*]] = linalg.transpose ins(%[[W]] : {{.*}} permutation = [2, 1, 0]
// CHECK:         %[[CONV:.*]] = linalg.conv_1d_nwc_wcf {{.*}} ins(%[[XT]], %[[WT]] : {{.*}} -> tensor<?x18x12xf32, #nimble.dims<[@b, 18, 12]>>
// CHECK:         linalg.transpose ins(%[[CONV]] : {{.*}} permutation = [0, 2, 1]
func.func @named(%x: tensor<?x8x20xf32> {nimble.dims = [@b, 8, 20]}, %w: tensor<12x8x3xf32>) -> tensor<?x12x18xf32> attributes {nimble.symbols = {b = {}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x8x20xf32>, tensor<12x8x3xf32>) -> tensor<?x12x18xf32>
  return %0 : tensor<?x12x18xf32>
}

// -----

// Where the features fill vectors, a kernel holds 7 positions of 2 vectors in registers over the window; then the positions
// that are left one by one.
// CHECK-LABEL: func.func @kernel
// CHECK:         %[[PADDED:.*]] = tensor.pad
// CHECK:         "nimble.bind"(%[[PADDED]]
// CHECK:         "nimble.kernel"
// CHECK:           scf.for %{{.*}} step %{{.*}} iter_args
// CHECK:             scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-14:    math.fma
// CHECK-COUNT-14:    vector.transfer_write
// CHECK:             scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-2:     math.fma
// CHECK-COUNT-2:     vector.transfer_write
func.func @kernel(%x: tensor<?x?x?x8xf32> {nimble.dims = [@b, @h, @w, 8]}, %w: tensor<3x3x8x32xf32>) -> tensor<?x?x?x32xf32> attributes {nimble.symbols = {b = {}, h = {}, w = {}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x?x?x8xf32>, tensor<3x3x8x32xf32>) -> tensor<?x?x?x32xf32>
  return %0 : tensor<?x?x?x32xf32>
}

// -----

// Where it is dynamic, the elements under each window, features and width in one run, are a row of a matmul.
// CHECK-DAG: #[[$SPAN:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1 + d3, d2 * 16 + d4)>
// CHECK-LABEL: func.func @patches
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?x?x8xf32
// CHECK:         %[[MERGED:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0], [1], [2, 3]]
// CHECK:         %[[PATCHES:.*]] = linalg.generic {indexing_maps = [#[[$SPAN]], {{.*}}outs(%{{.*}} : tensor<?x?x?x3x24xf32
// CHECK:         %[[ROWS:.*]] = tensor.collapse_shape %[[PATCHES]] {{\[\[}}0, 1, 2], [3, 4]]
// CHECK:         linalg.matmul ins(%[[ROWS]], %{{.*}} : {{.*}}tensor<72x12xf32>)
func.func @patches(%x: tensor<?x?x?x8xf32> {nimble.dims = [@b, @h, @w, 8]}, %w: tensor<3x3x8x12xf32>) -> tensor<?x?x?x12xf32> attributes {nimble.symbols = {b = {}, h = {min = 3}, w = {min = 3}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 2]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x?x?x8xf32>, tensor<3x3x8x12xf32>) -> tensor<?x?x?x12xf32>
  return %0 : tensor<?x?x?x12xf32>
}

// -----

// A kernel of symbolic size has loops of its own.
// CHECK-LABEL: func.func @symbolic_kernel
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
func.func @symbolic_kernel(%x: tensor<?x?x8xf32> {nimble.dims = [@b, @s, 8]}, %w: tensor<?x8x12xf32> {nimble.dims = [@k, 8, 12]}) -> tensor<?x?x12xf32> attributes {nimble.symbols = {b = {}, s = {min = 3}, k = {}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<?x?x8xf32>, tensor<?x8x12xf32>) -> tensor<?x?x12xf32>
  return %0 : tensor<?x?x12xf32>
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

// Other groups are a batch of matmuls.
// CHECK-LABEL: func.func @grouped
// CHECK:         linalg.batch_matmul {{.*}} -> tensor<2x?x8xf32
// CHECK:         linalg.transpose {{.*}} permutation = [1, 2, 0, 3]
// CHECK:         tensor.collapse_shape {{.*}} into tensor<?x?x16xf32, #nimble.dims<[@b, "s - 2", 16]>>
func.func @grouped(%x: tensor<?x?x8xf32> {nimble.dims = [@b, @s, 8]}, %w: tensor<3x4x16xf32>) -> tensor<?x?x16xf32> attributes {nimble.symbols = {b = {}, s = {min = 3}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1]} {batch_group_count = 1 : i64, feature_group_count = 2 : i64} : (tensor<?x?x8xf32>, tensor<3x4x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}

// -----

// Groups of the batch become groups of features.
// CHECK-LABEL: func.func @batch_groups
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x?x8xf32
// CHECK:         %[[SPLIT:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0, 1], [2], [3]] {{.*}} into tensor<2x?x?x8xf32, #nimble.dims<[2, @b, @s, 8]>>
// CHECK:         %[[MOVED:.*]] = linalg.transpose ins(%[[SPLIT]] {{.*}} permutation = [1, 2, 0, 3]
// CHECK:         tensor.collapse_shape %[[MOVED]] {{.*}} into tensor<?x?x16xf32, #nimble.dims<[@b, @s, 16]>>
// CHECK:         linalg.batch_matmul {{.*}} -> tensor<2x?x8xf32
func.func @batch_groups(%x: tensor<?x?x8xf32> {nimble.dims = ["2*b", @s, 8]}, %w: tensor<3x8x16xf32>) -> tensor<?x?x16xf32> attributes {nimble.symbols = {b = {}, s = {min = 3}}} {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [1]} {batch_group_count = 2 : i64, feature_group_count = 1 : i64} : (tensor<?x?x8xf32>, tensor<3x8x16xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}
