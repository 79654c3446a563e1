// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-carry-in-place | FileCheck %s
// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow --nimble-carry-in-place --nimble-carry-in-place | FileCheck %s

// A tensor that an iteration updates in part is carried as a view of the loop's own buffer, taken at the top and exported at
// the end. One that is replaced stays a tensor.
// CHECK-LABEL: func.func @updated
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x8xf32
// CHECK:         %[[FIRST:.*]] = "nimble.tie_shape"(%[[X]], %[[N:[^)]*]]) {nimble.apart
// CHECK:         %[[VIEW:.*]] = "nimble.export"(%[[FIRST]], %[[N]]) {nimble.own
// CHECK:         %[[LAST:.*]]:2 = scf.for {{.*}} iter_args(%[[CARRIED:[^ ]*]] = %[[VIEW]], %{{.*}}) -> (!nimble.buffer_view, tensor<8xf32>)
// CHECK:           "nimble.import"(%[[CARRIED]], %[[N]]) {nimble.consume
// CHECK:           stablehlo.dynamic_update_slice
// CHECK:           %[[NEXT:.*]] = "nimble.export"(%{{[^,]*}}, %[[N]]) {operandSegmentSizes
// CHECK:           scf.yield %[[NEXT]], %{{.*}} : !nimble.buffer_view, tensor<8xf32>
// CHECK:         "nimble.import"(%[[LAST]]#0, %[[N]]) {nimble.consume
func.func @updated(%x: tensor<?x8xf32> {nimble.name = "x"}, %h0: tensor<8xf32>, %n: tensor<i32>) -> (tensor<?x8xf32>, tensor<8xf32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:3 = stablehlo.while(%i = %zero, %c = %x, %h = %h0) : tensor<i32>, tensor<?x8xf32>, tensor<8xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.tanh %h : tensor<8xf32>
    %3 = stablehlo.reshape %2 : (tensor<8xf32>) -> tensor<1x8xf32>
    %4 = stablehlo.dynamic_update_slice %c, %3, %i, %zero : (tensor<?x8xf32>, tensor<1x8xf32>, tensor<i32>, tensor<i32>) -> tensor<?x8xf32>
    stablehlo.return %1, %4, %2 : tensor<i32>, tensor<?x8xf32>, tensor<8xf32>
  }
  return %0#1, %0#2 : tensor<?x8xf32>, tensor<8xf32>
}

// -----

// An inner loop gets the view of the outer one, and hands its own on.
// CHECK-LABEL: func.func @nested
// CHECK:         "nimble.export"{{.*}} {nimble.own
// CHECK-NOT:     nimble.own
// CHECK:         scf.for {{.*}} iter_args(%[[OUTER:[^ ]*]] = %{{.*}}) -> (!nimble.buffer_view)
// CHECK:           %[[INNER:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %[[OUTER]]) -> (!nimble.buffer_view)
// CHECK:             stablehlo.dynamic_update_slice
// CHECK:           scf.yield %[[INNER]] : !nimble.buffer_view
func.func @nested(%x: tensor<?xf32> {nimble.name = "x"}, %n: tensor<i32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %row = stablehlo.constant dense<2.0> : tensor<1xf32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2:2 = stablehlo.while(%j = %zero, %d = %c) : tensor<i32>, tensor<?xf32>
    cond {
      %3 = stablehlo.compare LT, %j, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %3 : tensor<i1>
    } do {
      %3 = stablehlo.add %j, %one : tensor<i32>
      %4 = stablehlo.dynamic_update_slice %d, %row, %j : (tensor<?xf32>, tensor<1xf32>, tensor<i32>) -> tensor<?xf32>
      stablehlo.return %3, %4 : tensor<i32>, tensor<?xf32>
    }
    stablehlo.return %1, %2#1 : tensor<i32>, tensor<?xf32>
  }
  return %0#1 : tensor<?xf32>
}

// -----

// What is small is copied sooner; and what an iteration makes anew is no update.
// CHECK-LABEL: func.func @stays
// CHECK-NOT:     nimble.export
// CHECK:         return
func.func @stays(%x: tensor<8xf32>, %y: tensor<?xf32> {nimble.name = "y"}, %n: tensor<i32>) -> (tensor<8xf32>, tensor<?xf32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %row = stablehlo.constant dense<2.0> : tensor<1xf32>
  %0:3 = stablehlo.while(%i = %zero, %c = %x, %d = %y) : tensor<i32>, tensor<8xf32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.dynamic_update_slice %c, %row, %i : (tensor<8xf32>, tensor<1xf32>, tensor<i32>) -> tensor<8xf32>
    %3 = stablehlo.tanh %d : tensor<?xf32>
    stablehlo.return %1, %2, %3 : tensor<i32>, tensor<8xf32>, tensor<?xf32>
  }
  return %0#1, %0#2 : tensor<8xf32>, tensor<?xf32>
}
