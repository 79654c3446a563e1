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

func.func @only_as_a_kernel(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{'stablehlo.sort' is not supported for the target vulkan: it is a kernel of nimble's own, which IREE compiles for llvm-cpu alone; compile the function for llvm-cpu, or leave the op out of it}}
  %0 = "stablehlo.sort"(%x) <{dimension = 0 : i64, is_stable = true}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }) : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
