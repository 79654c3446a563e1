// RUN: %nimble-opt %s --split-input-file --nimble-emit-iree | FileCheck %s

// CHECK-LABEL: func.func @symbols
// CHECK-SAME:    %[[SIZE:.*]]: index
// CHECK:         %[[S:.*]] = "util.assume.int"(%[[SIZE]]) {assumptions = {{\[\[}}#util.int.assumption<umin = 1, umax = 512, udiv = 8>]]}
// CHECK:         %[[T:.*]] = "util.assume.int"(%[[SIZE]]) {assumptions = {{\[\[}}#util.int.assumption<umin = 0, umax = 9223372036854775807>]]}
// CHECK-NOT:     nimble.constraint
// CHECK:         return %[[S]], %[[T]]
func.func @symbols(%size: index) -> (index, index) {
  %s = "nimble.symbol"(%size) {symbol = @s, bounds = {min = 1, max = 512, multiple_of = 8}} : (index) -> index
  %t = "nimble.symbol"(%size) {symbol = @t, bounds = {min = 0}} : (index) -> index
  "nimble.constraint"(%s, %t) {symbols = [@s, @t], relation = "s <= t", operandSegmentSizes = array<i32: 2>} : (index, index) -> ()
  return %s, %t : index, index
}

// -----

// The kind of a check is in its message: the runtime finds it there.
// CHECK-LABEL: func.func @check
// CHECK-SAME:    %[[CONDITION:.*]]: i1
// CHECK:         cf.assert %[[CONDITION]], "[nimble.check symbol_range] argument 'x' axis 0: 's' must be at least 1"
func.func @check(%condition: i1) {
  "nimble.check"(%condition) {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be at least 1"} : (i1) -> ()
  return
}

// -----

// Uses of an argument see its dims; the ops that read its sizes see the argument itself. Nimble's attributes go.
// CHECK-LABEL: func.func @tie
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<?x4xf32>, %[[Y:[^:]*]]: tensor<?xf32>) -> (tensor<?x4xf32>, tensor<?xf32>) {
// CHECK:         %[[SIZE:.*]] = tensor.dim %[[X]]
// CHECK:         %[[B:.*]] = "util.assume.int"(%[[SIZE]])
// CHECK:         %[[MORE:.*]] = arith.addi
// CHECK-DAG:     %[[TIED_X:.*]] = "flow.tensor.tie_shape"(%[[X]], %[[B]]) : (tensor<?x4xf32>, index) -> tensor<?x4xf32>
// CHECK-DAG:     %[[TIED_Y:.*]] = "flow.tensor.tie_shape"(%[[Y]], %[[MORE]])
// CHECK:         return %[[TIED_X]], %[[TIED_Y]]
func.func @tie(%x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@b, 4]}, %y: tensor<?xf32> {nimble.name = "y", nimble.dims = ["b + 1"]}) -> (tensor<?x4xf32>, tensor<?xf32>) attributes {nimble.bound, nimble.symbols = {b = {}}} {
  %c0 = arith.constant 0 : index
  %size = tensor.dim {nimble.size_source} %x, %c0 : tensor<?x4xf32>
  %b = "nimble.symbol"(%size) {symbol = @b, bounds = {}} : (index) -> index
  return %x, %y : tensor<?x4xf32>, tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @nothing_to_do
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT:    return %[[X]]
func.func @nothing_to_do(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// Ops inside of control flow are emitted like those outside. What is carried is kept apart.
// CHECK-LABEL: func.func @in_loop
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>
// CHECK-SAME:    %[[OK:[^:]*]]: i1
// CHECK-SAME:    %[[S:[^:]*]]: index
// CHECK:         scf.for
// CHECK-SAME:      iter_args(%[[C:.*]] = %[[X]])
// CHECK:           cf.assert %[[OK]], "[nimble.check constraint] no"
// CHECK:           %[[TIED:.*]] = "flow.tensor.tie_shape"(%[[C]], %[[S]]) : (tensor<?xf32>, index) -> tensor<?xf32>
// CHECK:           %[[BARRIER:.*]] = "util.optimization_barrier"(%[[TIED]]) : (tensor<?xf32>) -> tensor<?xf32>
// CHECK:           %[[APART:.*]] = "flow.tensor.tie_shape"(%[[BARRIER]], %[[S]])
// CHECK:           scf.yield %[[APART]]
func.func @in_loop(%x: tensor<?xf32>, %ok: i1, %s: index) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %s step %c1 iter_args(%c = %x) -> (tensor<?xf32>) {
    "nimble.check"(%ok) {kind = "constraint", message = "no"} : (i1) -> ()
    %1 = "nimble.tie_shape"(%c, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> tensor<?xf32>
    %2 = "nimble.tie_shape"(%1, %s) {nimble.apart, operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> tensor<?xf32>
    scf.yield %2 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @static_apart
// CHECK-SAME:    %[[X:[^:]*]]: tensor<4xf32>
// CHECK:         %[[APART:.*]] = "util.optimization_barrier"(%[[X]]) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK-NOT:     tie_shape
// CHECK:         return %[[APART]]
func.func @static_apart(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "nimble.tie_shape"(%x) {nimble.apart, operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// A loop on a condition becomes blocks.
// CHECK-LABEL: func.func @while
// CHECK-SAME:    %[[X:[^:]*]]: tensor<4xf32>
// CHECK:         cf.br ^[[BEFORE:.*]](%[[X]] : tensor<4xf32>)
// CHECK:       ^[[BEFORE]](%{{.*}}: tensor<4xf32>):
// CHECK:         cf.cond_br
// CHECK-NOT:     scf.
func.func @while(%x: tensor<4xf32>, %go: i1) -> tensor<4xf32> {
  %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    scf.condition(%go) %a : tensor<4xf32>
  } do {
  ^bb0(%b: tensor<4xf32>):
    scf.yield %b : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

// Of first values of one type, and of what is yielded twice, the second is copied.
// CHECK-LABEL: func.func @copies
// CHECK-SAME:    %[[X:[^:]*]]: tensor<4xf32>, %[[Y:[^:]*]]: tensor<4xf32>
// CHECK:         %[[FIRST:.*]] = "util.optimization_barrier"(%[[X]])
// CHECK:         %[[TIED:.*]] = "util.optimization_barrier"(%[[Y]])
// CHECK:         %[[TRUE:.*]] = "util.optimization_barrier"(%{{.*}}) : (i1) -> i1
// CHECK:         %[[COPY:.*]] = linalg.generic {{.*}} ins(%[[TIED]] : tensor<4xf32>)
// CHECK:           arith.select %[[TRUE]]
// CHECK:         %[[APART:.*]] = "util.optimization_barrier"(%[[COPY]])
// CHECK:         scf.for {{.*}} iter_args(%{{.*}} = %[[FIRST]], %{{.*}} = %[[APART]])
func.func @copies(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %first = "nimble.tie_shape"(%x) {nimble.apart, operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> tensor<4xf32>
  %tied = "nimble.tie_shape"(%y) {nimble.apart, operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> tensor<4xf32>
  %0:2 = scf.for %i = %c0 to %c1 step %c1 iter_args(%a = %first, %b = %tied) -> (tensor<4xf32>, tensor<4xf32>) {
    scf.yield %b, %a : tensor<4xf32>, tensor<4xf32>
  }
  return %0#0 : tensor<4xf32>
}
