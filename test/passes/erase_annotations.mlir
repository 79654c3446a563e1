// RUN: %nimble-opt %s --split-input-file --nimble-erase-annotations --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @placements
// CHECK-SAME:    (%[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT:    return %[[X]]
func.func @placements(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stablehlo.custom_call @Sharding(%x) {mhlo.sharding = "{replicated}"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = stablehlo.custom_call @annotate_device_placement(%0) {has_side_effect = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// Other custom calls stay.
// CHECK-LABEL: func.func @others
// CHECK:         stablehlo.custom_call @SPMDFullToShardShape
func.func @others(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.custom_call @SPMDFullToShardShape(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// Tokens are no arguments and results; a barrier hands on a boolean in their place.
// CHECK-LABEL: func.func @signature
// CHECK-SAME:    (%[[X:.*]]: tensor<?xf32> {jax.name = "x"}) -> (tensor<?xf32> {jax.result_info = "y"})
// CHECK:         %[[NOTHING:.*]] = stablehlo.constant dense<false> : tensor<i1>
// CHECK:         %[[Y:.*]]:2 = stablehlo.optimization_barrier %[[X]], %[[NOTHING]] : tensor<?xf32>, tensor<i1>
// CHECK:         return %[[Y]]#0 : tensor<?xf32>
func.func @signature(%t: !stablehlo.token {jax.token = true}, %x: tensor<?xf32> {jax.name = "x"})
    -> (!stablehlo.token, tensor<?xf32> {jax.result_info = "y"}) {
  %0:2 = stablehlo.optimization_barrier %x, %t : tensor<?xf32>, !stablehlo.token
  return %0#1, %0#0 : !stablehlo.token, tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @control_flow
// CHECK-NOT:     token
// CHECK:         stablehlo.while({{.*}}) : tensor<i32>, tensor<i1>, tensor<?xf32>
// CHECK:         stablehlo.if
// CHECK:         return
func.func @control_flow(%x: tensor<?xf32>, %n: tensor<i32>) -> tensor<?xf32> {
  %t = stablehlo.create_token : !stablehlo.token
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:3 = stablehlo.while(%i = %zero, %u = %t, %y = %x) : tensor<i32>, !stablehlo.token, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.compare LT, %i, %one : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %3:2 = "stablehlo.if"(%2) ({
      %4 = stablehlo.after_all %u, %t : !stablehlo.token
      stablehlo.return %4, %y : !stablehlo.token, tensor<?xf32>
    }, {
      %4 = stablehlo.add %y, %x : tensor<?xf32>
      stablehlo.return %u, %4 : !stablehlo.token, tensor<?xf32>
    }) : (tensor<i1>) -> (!stablehlo.token, tensor<?xf32>)
    stablehlo.return %1, %3#0, %3#1 : tensor<i32>, !stablehlo.token, tensor<?xf32>
  }
  return %0#2 : tensor<?xf32>
}

// -----

func.func @effect(%x: tensor<3xf32>) -> tensor<3xf32> {
  %t = stablehlo.create_token : !stablehlo.token
  // expected-error@+1 {{'stablehlo.outfeed' is not supported: it has an effect outside of the module}}
  %0 = "stablehlo.outfeed"(%x, %t) {outfeed_config = ""} : (tensor<3xf32>, !stablehlo.token) -> !stablehlo.token
  return %x : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @neither
// CHECK-NEXT:    stablehlo.add
// CHECK-NEXT:    return
func.func @neither(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = stablehlo.add %x, %x : tensor<?xf32>
  return %0 : tensor<?xf32>
}
