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

// CHECK-LABEL: func.func @scan
// CHECK:         "iree_linalg_ext.scan"(%{{.*}}, %{{.*}}, %{{.*}}) ({
// CHECK:         ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
// CHECK:           %[[SUM:.*]] = arith.addf %[[A]], %[[B]]
// CHECK:           "iree_linalg_ext.yield"(%[[SUM]]) : (f32) -> ()
// CHECK:         }) {dimension = 0 : i64, inclusive = true}
func.func @scan(%x: tensor<?xf32>, %out: tensor<?xf32>, %carry: tensor<f32>) -> tensor<?xf32> {
  %0:2 = "nimble.scan"(%x, %out, %carry) ({
  ^bb0(%a: f32, %b: f32):
    %1 = arith.addf %a, %b : f32
    "nimble.yield"(%1) : (f32) -> ()
  }) {dimension = 0} : (tensor<?xf32>, tensor<?xf32>, tensor<f32>) -> (tensor<?xf32>, tensor<f32>)
  return %0#0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @nothing_to_do
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32>
// CHECK-NEXT:    return %[[X]]
func.func @nothing_to_do(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
