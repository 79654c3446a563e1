// RUN: %nimble-opt %s --split-input-file --nimble-simplify-loops | FileCheck %s

// What the body hands on as it got it comes from outside of the loop; the other carries stay.
// CHECK-LABEL: func.func @invariant
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>, %[[N:.*]]: tensor<i32>
// CHECK:         %[[ZERO:.*]] = stablehlo.constant dense<0> : tensor<i32>
// CHECK:         %[[LOOP:.*]]:2 = stablehlo.while(%[[I:.*]] = %[[ZERO]], %[[C:.*]] = %[[X]]) : tensor<i32>, tensor<?xf32>
// CHECK:         stablehlo.compare LT, %[[I]], %[[N]]
// CHECK:         %[[SUM:.*]] = stablehlo.add %[[C]], %[[X]]
// CHECK:         stablehlo.return %{{.*}}, %[[SUM]] : tensor<i32>, tensor<?xf32>
// CHECK:         return %[[LOOP]]#1, %[[N]]
func.func @invariant(%x: tensor<?xf32>, %n: tensor<i32>) -> (tensor<?xf32>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:4 = stablehlo.while(%i = %zero, %m = %n, %y = %x, %c = %x) : tensor<i32>, tensor<i32>, tensor<?xf32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %m : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.add %c, %y : tensor<?xf32>
    stablehlo.return %1, %m, %y, %2 : tensor<i32>, tensor<i32>, tensor<?xf32>, tensor<?xf32>
  }
  return %0#3, %0#1 : tensor<?xf32>, tensor<i32>
}

// -----

// A carry of the outer loop that only passes through an inner one; a branch around the inner one.
// CHECK-LABEL: func.func @nested
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>, %[[W:.*]]: tensor<4xf32>, %[[GO:.*]]: tensor<i1>
// CHECK:         stablehlo.while(%[[C:.*]] = %[[X]]) : tensor<4xf32>
// CHECK:         "stablehlo.if"
// CHECK:         stablehlo.while(%[[D:.*]] = %[[C]]) : tensor<4xf32>
// CHECK:         stablehlo.return %[[GO]]
// CHECK:         stablehlo.multiply %[[D]], %[[W]]
func.func @nested(%x: tensor<4xf32>, %w: tensor<4xf32>, %go: tensor<i1>) -> tensor<4xf32> {
  %0:3 = stablehlo.while(%c = %x, %v = %w, %g = %go) : tensor<4xf32>, tensor<4xf32>, tensor<i1>
  cond {
    stablehlo.return %g : tensor<i1>
  } do {
    %1 = "stablehlo.if"(%g) ({
      %2:2 = stablehlo.while(%d = %c, %u = %v) : tensor<4xf32>, tensor<4xf32>
      cond {
        stablehlo.return %g : tensor<i1>
      } do {
        %3 = stablehlo.multiply %d, %u : tensor<4xf32>
        stablehlo.return %3, %u : tensor<4xf32>, tensor<4xf32>
      }
      stablehlo.return %2#0 : tensor<4xf32>
    }, {
      stablehlo.return %c : tensor<4xf32>
    }) : (tensor<i1>) -> tensor<4xf32>
    stablehlo.return %1, %v, %g : tensor<4xf32>, tensor<4xf32>, tensor<i1>
  }
  return %0#0 : tensor<4xf32>
}

// -----

// Carries that change places change.
// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         %[[LOOP:.*]]:2 = stablehlo.while(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}})
// CHECK:         stablehlo.return %[[B]], %[[A]]
func.func @nothing_to_do(%x: tensor<i1>, %y: tensor<i1>) -> (tensor<i1>, tensor<i1>) {
  %0:2 = stablehlo.while(%a = %x, %b = %y) : tensor<i1>, tensor<i1>
  cond {
    stablehlo.return %a : tensor<i1>
  } do {
    stablehlo.return %b, %a : tensor<i1>, tensor<i1>
  }
  return %0#0, %0#1 : tensor<i1>, tensor<i1>
}
