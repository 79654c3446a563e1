// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-legalize-to-linalg=target=vulkan --verify-diagnostics | FileCheck %s

// IREE compiles kernels for CPUs alone: for a GPU a reduction and a reverse have none.
// CHECK-LABEL: func.func @without_kernels
// CHECK-NOT:     nimble.kernel
// CHECK:         linalg.generic
// CHECK:         tensor.extract
func.func @without_kernels(%x: tensor<?x?xf32>) -> (tensor<?xf32>, tensor<?x?xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<?x?xf32>, tensor<f32>) -> tensor<?xf32>
  %1 = stablehlo.reverse %x, dims = [1] : tensor<?x?xf32>
  return %0, %1 : tensor<?xf32>, tensor<?x?xf32>
}

// -----

// A gather is a dispatch of its own: fused with a reduction of what it reads, IREE cannot make SPIR-V of it.
// CHECK-LABEL: func.func @a_gather
// CHECK:         %[[READ:.+]] = linalg.generic
// CHECK:           tensor.extract
// CHECK:         "nimble.tie_shape"(%[[READ]]{{.*}}) {nimble.apart,
func.func @a_gather(%x: tensor<100x32xf32>, %i: tensor<?x1xi32>) -> tensor<?x32xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{
    dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>,
    slice_sizes = array<i64: 1, 32>}> : (tensor<100x32xf32>, tensor<?x1xi32>) -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// -----

// SPIR-V has the exponential and the logarithm of float64 in no instruction: powers of float32 are computed with them.
// CHECK-LABEL: func.func @a_power
// CHECK-NOT:     math.{{exp|log}}
// CHECK:         arith.fptosi {{.*}} : f64 to i64
// CHECK:         arith.bitcast {{.*}} : i64 to f64
// CHECK-NOT:     math.{{exp|log}}
// CHECK:         return
func.func @a_power(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %0 = stablehlo.power %x, %y : tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @only_as_a_kernel(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{'stablehlo.sort' is not supported for the target vulkan: it is a kernel of nimble's own, which IREE compiles for llvm-cpu alone; compile the function for llvm-cpu, or leave the op out of it}}
  %0 = "stablehlo.sort"(%x) <{dimension = 0 : i64, is_stable = true}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }) : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
