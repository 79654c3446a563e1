// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-materialize-shapes --nimble-lower-control-flow | FileCheck %s

// A loop that counts to a size: the host never asks the device. What the body computes with the counter is host
// arithmetic, too. The sizes of what is carried are those that symbols give, and each carry is a buffer of its own.
// CHECK-LABEL: func.func @counted
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32, #nimble.dims<[@x_0]>>
// CHECK:         %[[S:.*]] = "nimble.symbol"
// CHECK:         %[[N:.*]] = arith.index_cast %[[S]] : index to i32
// CHECK:         %[[FIRST:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         %[[LAST:.*]] = arith.index_cast %[[N]] : i32 to index
// CHECK:         %[[INIT:.*]] = "nimble.tie_shape"(%[[X]], %[[S]]) {nimble.apart
// CHECK:         %[[LOOP:.*]] = scf.for %[[K:[^ ]*]] = %[[FIRST]] to %[[LAST]] step %{{.*}} iter_args(%[[C:.*]] = %[[INIT]]) -> (tensor<?xf32, #nimble.dims<[@x_0]>>) {
// CHECK:           %[[TIED:.*]] = "nimble.tie_shape"(%[[C]], %[[S]])
// CHECK:           %[[I:.*]] = arith.index_cast %[[K]] : index to i32
// CHECK:           %[[TWICE:.*]] = arith.muli %[[I]], %{{.*}} : i32
// CHECK:           %[[START:.*]] = tensor.from_elements %[[TWICE]] : tensor<i32>
// CHECK:           stablehlo.dynamic_slice %[[TIED]], %[[START]], sizes = [1]
// CHECK:           %[[SUM:.*]] = stablehlo.add %[[TIED]], %[[TIED]]
// CHECK:           %[[NEXT:.*]] = "nimble.tie_shape"(%[[SUM]], %[[S]]) {nimble.apart
// CHECK:           scf.yield %[[NEXT]]
// CHECK:         %[[RESULT:.*]] = "nimble.tie_shape"(%[[LOOP]], %[[S]])
// CHECK:         return %[[RESULT]]
func.func @counted(%x: tensor<?xf32> {nimble.name = "x"}) -> (tensor<?xf32>) {
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %two = stablehlo.constant dense<2> : tensor<i32>
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %i, %two : tensor<i32>
    %3 = stablehlo.dynamic_slice %c, %2, sizes = [1] : (tensor<?xf32>, tensor<i32>) -> tensor<1xf32>
    %4 = stablehlo.add %c, %c : tensor<?xf32>
    stablehlo.return %1, %4 : tensor<i32>, tensor<?xf32>
  }
  return %0#1 : tensor<?xf32>
}

// -----

// A bound that is data is read once, before the loop. The counter ends at the bound, or where it began. An inner loop
// that counts to the outer counter is counted as well.
// CHECK-LABEL: func.func @counted_to_data
// CHECK-SAME:    %[[FROM:[^:]*]]: tensor<i32>
// CHECK-SAME:    %[[N:[^:]*]]: tensor<i32>
// CHECK-DAG:     %[[LOW:.*]] = tensor.extract %[[FROM]][] : tensor<i32>
// CHECK-DAG:     %[[HIGH:.*]] = tensor.extract %[[N]][] : tensor<i32>
// CHECK:         scf.for %[[K:[^ ]*]] =
// CHECK-NOT:       tensor.extract
// CHECK:           %[[I:.*]] = arith.index_cast %[[K]] : index to i32
// CHECK:           %[[INNER:.*]] = arith.index_cast %[[I]] : i32 to index
// CHECK:           scf.for %{{.*}} = %{{.*}} to %[[INNER]] step
// CHECK:         %[[LARGEST:.*]] = arith.maxsi %[[LOW]], %[[HIGH]]
// CHECK:         %[[END:.*]] = tensor.from_elements %[[LARGEST]] : tensor<i32>
// CHECK:         return %[[END]]
func.func @counted_to_data(%from: tensor<i32>, %n: tensor<i32>, %x: tensor<4xf32>) -> (tensor<i32>, tensor<4xf32>) {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%i = %from, %c = %x) : tensor<i32>, tensor<4xf32>
  cond {
    %1 = stablehlo.compare GT, %n, %i : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %one, %i : tensor<i32>
    %2:2 = stablehlo.while(%j = %zero, %d = %c) : tensor<i32>, tensor<4xf32>
    cond {
      %3 = stablehlo.compare LT, %j, %i : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %3 : tensor<i1>
    } do {
      %3 = stablehlo.add %j, %one : tensor<i32>
      %4 = stablehlo.sine %d : tensor<4xf32>
      stablehlo.return %3, %4 : tensor<i32>, tensor<4xf32>
    }
    stablehlo.return %1, %2#1 : tensor<i32>, tensor<4xf32>
  }
  return %0#0, %0#1 : tensor<i32>, tensor<4xf32>
}

// -----

// An unsigned counter.
// CHECK-LABEL: func.func @unsigned_counter
// CHECK:         arith.index_castui
// CHECK:         scf.for
// CHECK:         arith.maxui
func.func @unsigned_counter(%n: tensor<ui32>, %x: tensor<4xf32>) -> (tensor<ui32>, tensor<4xf32>) {
  %one = stablehlo.constant dense<1> : tensor<ui32>
  %zero = stablehlo.constant dense<0> : tensor<ui32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<ui32>, tensor<4xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<ui32>, tensor<ui32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<ui32>
    %2 = stablehlo.sine %c : tensor<4xf32>
    stablehlo.return %1, %2 : tensor<ui32>, tensor<4xf32>
  }
  return %0#0, %0#1 : tensor<ui32>, tensor<4xf32>
}

// -----

// A condition on data is read back at each iteration. A number that the host can count along is one of its scalars.
// CHECK-LABEL: func.func @on_data
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32, #nimble.dims<[@x_0]>>
// CHECK-SAME:    %[[GO:[^:]*]]: tensor<f32>
// CHECK-DAG:     %[[FIRST_GO:.*]] = "nimble.tie_shape"(%[[GO]]) {nimble.apart
// CHECK-DAG:     %[[FIRST_X:.*]] = "nimble.tie_shape"(%[[X]], %{{.*}}) {nimble.apart
// CHECK:         %[[LOOP:.*]]:3 = scf.while (%[[A:.*]] = %[[FIRST_GO]], %{{.*}} = %c0{{.*}}, %[[B:.*]] = %[[FIRST_X]]) : (tensor<f32>, i32, tensor<?xf32
// CHECK:           %[[LESS:.*]] = stablehlo.compare LT, %[[A]]
// CHECK:           %[[GOES:.*]] = tensor.extract %[[LESS]][] : tensor<i1>
// CHECK:           scf.condition(%[[GOES]]) %[[A]], %{{.*}}, %[[B]]
// CHECK:         ^bb0(%{{.*}}: tensor<f32>, %[[K:.*]]: i32, %[[D:.*]]: tensor<?xf32, #nimble.dims<[@x_0]>>):
// CHECK:           %[[TIED:.*]] = "nimble.tie_shape"(%[[D]], %{{.*}})
// CHECK:           %[[NEXT:.*]] = arith.addi %[[K]]
// CHECK:           stablehlo.sine %[[TIED]]
// CHECK:           scf.yield %{{.*}}, %[[NEXT]], %{{.*}}
// CHECK:         %[[COUNT:.*]] = tensor.from_elements %[[LOOP]]#1 : tensor<i32>
// CHECK:         return %{{.*}}, %[[COUNT]]
func.func @on_data(%x: tensor<?xf32> {nimble.name = "x"}, %go: tensor<f32>) -> (tensor<?xf32>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %limit = stablehlo.constant dense<3.0> : tensor<f32>
  %0:3 = stablehlo.while(%g = %go, %k = %zero, %c = %x) : tensor<f32>, tensor<i32>, tensor<?xf32>
  cond {
    %1 = stablehlo.compare LT, %g, %limit : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.exponential %g : tensor<f32>
    %2 = stablehlo.add %k, %one : tensor<i32>
    %3 = stablehlo.sine %c : tensor<?xf32>
    stablehlo.return %1, %2, %3 : tensor<f32>, tensor<i32>, tensor<?xf32>
  }
  return %0#2, %0#1 : tensor<?xf32>, tensor<i32>
}

// -----

// A condition on integers and booleans that depend on such alone waits for nothing: what it begins with, and what it is
// compared with, is read once. So is what a loop in the body gives.
// CHECK-LABEL: func.func @on_host_scalars
// CHECK-SAME:    %[[FROM:[^:]*]]: tensor<i32>
// CHECK-SAME:    %[[N:[^:]*]]: tensor<i32>
// CHECK-DAG:     tensor.extract %[[N]][]
// CHECK-DAG:     tensor.extract %[[FROM]][]
// CHECK:         scf.while {{.*}} : (tensor<4xf32>, i32, i1) -> (tensor<4xf32>, i32, i1)
// CHECK-NOT:       tensor.extract
// CHECK:           scf.while {{.*}} : (i32) -> i32
// CHECK-NOT:       tensor.extract
// CHECK:         return
func.func @on_host_scalars(%x: tensor<4xf32>, %from: tensor<i32>, %n: tensor<i32>) -> tensor<4xf32> {
  %true = stablehlo.constant dense<true> : tensor<i1>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %0:3 = stablehlo.while(%c = %x, %k = %from, %go = %true) : tensor<4xf32>, tensor<i32>, tensor<i1>
  cond {
    stablehlo.return %go : tensor<i1>
  } do {
    %1 = stablehlo.sine %c : tensor<4xf32>
    %2 = stablehlo.while(%j = %k) : tensor<i32>
    cond {
      %5 = stablehlo.compare GT, %j, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %5 : tensor<i1>
    } do {
      %5 = stablehlo.divide %j, %two : tensor<i32>
      stablehlo.return %5 : tensor<i32>
    }
    %3 = stablehlo.add %2, %k : tensor<i32>
    %4 = stablehlo.compare LT, %3, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1, %3, %4 : tensor<4xf32>, tensor<i32>, tensor<i1>
  }
  return %0#0 : tensor<4xf32>
}

// -----

// No counter: the bound changes, the step is not 1, or the comparison is another one.
// CHECK-LABEL: func.func @not_counted
// CHECK-COUNT-3: scf.while
func.func @not_counted(%n: tensor<i32>) -> (tensor<i32>, tensor<i32>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %m = %n) : tensor<i32>, tensor<i32>
  cond {
    %1 = stablehlo.compare LT, %i, %m : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.subtract %m, %one : tensor<i32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<i32>
  }
  %3 = stablehlo.while(%i = %zero) : tensor<i32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %two : tensor<i32>
    stablehlo.return %1 : tensor<i32>
  }
  %4 = stablehlo.while(%i = %zero) : tensor<i32>
  cond {
    %1 = stablehlo.compare LE, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %1 : tensor<i32>
  }
  return %0#0, %3, %4 : tensor<i32>, tensor<i32>, tensor<i32>
}

// -----

// A condition on sizes is the host's own.
// CHECK-LABEL: func.func @if
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32, #nimble.dims<[@x_0]>>
// CHECK-NOT:     tensor.extract
// CHECK:         %[[MANY:.*]] = arith.cmpi sgt
// CHECK:         %[[RESULT:.*]] = scf.if %[[MANY]] -> (tensor<?xf32, #nimble.dims<[@x_0]>>) {
// CHECK:           %[[SINE:.*]] = stablehlo.sine %[[X]]
// CHECK:           %[[THEN:.*]] = "nimble.tie_shape"(%[[SINE]], %{{.*}}) {nimble.apart
// CHECK:           scf.yield %[[THEN]]
// CHECK:         } else {
// CHECK:           %[[ELSE:.*]] = "nimble.tie_shape"(%[[X]], %{{.*}}) {nimble.apart
// CHECK:           scf.yield %[[ELSE]]
// CHECK:         "nimble.tie_shape"(%[[RESULT]], %{{.*}})
func.func @if(%x: tensor<?xf32> {nimble.name = "x"}) -> tensor<?xf32> {
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %four = stablehlo.constant dense<4> : tensor<i32>
  %many = stablehlo.compare GT, %n, %four : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %0 = "stablehlo.if"(%many) ({
    %1 = stablehlo.sine %x : tensor<?xf32>
    stablehlo.return %1 : tensor<?xf32>
  }, {
    stablehlo.return %x : tensor<?xf32>
  }) : (tensor<i1>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// An index that names no branch takes the last one.
// CHECK-LABEL: func.func @case
// CHECK-SAME:    %[[K:[^:]*]]: tensor<i32>
// CHECK:         %[[INDEX:.*]] = tensor.extract %[[K]][]
// CHECK:         %[[FIRST:.*]] = arith.cmpi eq, %[[INDEX]], %c0
// CHECK:         scf.if %[[FIRST]]
// CHECK:           stablehlo.sine
// CHECK:         } else {
// CHECK:           %[[SECOND:.*]] = arith.cmpi eq, %[[INDEX]], %c1
// CHECK:           scf.if %[[SECOND]]
// CHECK:             stablehlo.cosine
// CHECK:           } else {
// CHECK:             stablehlo.tanh
func.func @case(%k: tensor<i32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "stablehlo.case"(%k) ({
    %1 = stablehlo.sine %x : tensor<4xf32>
    stablehlo.return %1 : tensor<4xf32>
  }, {
    %1 = stablehlo.cosine %x : tensor<4xf32>
    stablehlo.return %1 : tensor<4xf32>
  }, {
    %1 = stablehlo.tanh %x : tensor<4xf32>
    stablehlo.return %1 : tensor<4xf32>
  }) : (tensor<i32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @one_branch
// CHECK:         scf.execute_region
// CHECK:           stablehlo.sine
func.func @one_branch(%k: tensor<i32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "stablehlo.case"(%k) ({
    %1 = stablehlo.sine %x : tensor<4xf32>
    stablehlo.return %1 : tensor<4xf32>
  }) : (tensor<i32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         stablehlo.reduce(
// CHECK:         stablehlo.add
func.func @nothing_to_do(%x: tensor<4xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
