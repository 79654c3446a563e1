// RUN: %nimble-opt %s --split-input-file --nimble-expand-approx-top-k --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @static
// CHECK:         %[[SORTED:.*]]:2 = "stablehlo.sort"(%{{.*}}, %{{.*}}) <{dimension = 0 : i64, is_stable = true}>
// CHECK:           stablehlo.compare GT
// CHECK:         stablehlo.slice %[[SORTED]]#0 [0:3]
// CHECK:         stablehlo.slice %[[SORTED]]#1 [0:3]
// CHECK-NOT:   @greater
func.func @static(%x: tensor<20xf32>, %i: tensor<20xi32>, %v: tensor<f32>, %n: tensor<i32>) -> (tensor<3xf32>, tensor<3xi32>) {
  %0:2 = stablehlo.custom_call @ApproxTopK(%x, %i, %v, %n) {called_computations = [@greater], mhlo.backend_config = {reduction_dim = 0 : i64, top_k = 3 : i64}} : (tensor<20xf32>, tensor<20xi32>, tensor<f32>, tensor<i32>) -> (tensor<3xf32>, tensor<3xi32>)
  return %0#0, %0#1 : tensor<3xf32>, tensor<3xi32>
}
func.func @greater(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<i32>, %d: tensor<i32>) -> tensor<i1> {
  %0 = stablehlo.compare GT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
  return %0 : tensor<i1>
}

// -----

// CHECK-LABEL: func.func @dynamic
// CHECK-SAME:    %[[SHAPE:[^:]*]]: tensor<2xi32>
// CHECK:         %[[SORTED:.*]]:2 = "stablehlo.sort"(%{{.*}}, %{{.*}}) <{dimension = 1 : i64, is_stable = true}>
// CHECK:         stablehlo.real_dynamic_slice %[[SORTED]]#0, %{{.*}}, %[[SHAPE]], %{{.*}}
// CHECK:         stablehlo.real_dynamic_slice %[[SORTED]]#1, %{{.*}}, %[[SHAPE]], %{{.*}}
func.func @dynamic(%shape: tensor<2xi32>, %x: tensor<?x20xf32>, %i: tensor<?x20xi32>, %v: tensor<f32>, %n: tensor<i32>) -> (tensor<?x3xf32>, tensor<?x3xi32>) {
  %0:2 = stablehlo.custom_call @ApproxTopK(%x, %i, %v, %n, %shape, %shape) {called_computations = [@greater], mhlo.backend_config = {reduction_dim = 1 : i64, top_k = 3 : i64}} : (tensor<?x20xf32>, tensor<?x20xi32>, tensor<f32>, tensor<i32>, tensor<2xi32>, tensor<2xi32>) -> (tensor<?x3xf32>, tensor<?x3xi32>)
  return %0#0, %0#1 : tensor<?x3xf32>, tensor<?x3xi32>
}
func.func @greater(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<i32>, %d: tensor<i32>) -> tensor<i1> {
  %0 = stablehlo.compare GT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
  return %0 : tensor<i1>
}

// -----

func.func @without_comparator(%x: tensor<20xf32>, %i: tensor<20xi32>, %v: tensor<f32>, %n: tensor<i32>) -> (tensor<3xf32>, tensor<3xi32>) {
  // expected-error @below {{custom call 'ApproxTopK' calls a function that this module does not have}}
  %0:2 = stablehlo.custom_call @ApproxTopK(%x, %i, %v, %n) {called_computations = [@absent], mhlo.backend_config = {reduction_dim = 0 : i64, top_k = 3 : i64}} : (tensor<20xf32>, tensor<20xi32>, tensor<f32>, tensor<i32>) -> (tensor<3xf32>, tensor<3xi32>)
  return %0#0, %0#1 : tensor<3xf32>, tensor<3xi32>
}

// -----

// A symbolic k is an operand of its own, before the shapes of the results.
// CHECK-LABEL: func.func @symbolic_k
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>, %[[IOTA:.*]]: tensor<?xi32>, %{{.*}}: tensor<i32>, %[[SHAPE:.*]]: tensor<1xi32>
// CHECK:         %[[SORTED:.*]]:2 = "stablehlo.sort"(%[[X]], %[[IOTA]])
// CHECK:         stablehlo.real_dynamic_slice %[[SORTED]]#0, %{{.*}}, %[[SHAPE]]
// CHECK:         stablehlo.real_dynamic_slice %[[SORTED]]#1, %{{.*}}, %[[SHAPE]]
func.func @symbolic_k(%x: tensor<?xf32>, %iota: tensor<?xi32>, %k: tensor<i32>, %shape: tensor<1xi32>) -> (tensor<?xf32>, tensor<?xi32>) {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %none = stablehlo.constant dense<-1> : tensor<i32>
  %0:2 = stablehlo.custom_call @stablehlo.dynamic_approx_top_k(%x, %iota, %low, %none, %k, %shape, %shape) {called_computations = [@greater], mhlo.backend_config = {reduction_dim = 0 : i64}} : (tensor<?xf32>, tensor<?xi32>, tensor<f32>, tensor<i32>, tensor<i32>, tensor<1xi32>, tensor<1xi32>) -> (tensor<?xf32>, tensor<?xi32>)
  return %0#0, %0#1 : tensor<?xf32>, tensor<?xi32>
}
func.func private @greater(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<i32>, %d: tensor<i32>) -> tensor<i1> {
  %0 = stablehlo.compare GT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
  return %0 : tensor<i1>
}
