// RUN: %nimble-opt %s --split-input-file --allow-unregistered-dialect --nimble-emit-iree | FileCheck %s

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

// -----

// Ops inside of control flow are emitted like those outside, and the control flow is branches. What is carried is kept apart.
// CHECK-LABEL: func.func @in_loop
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>
// CHECK-SAME:    %[[OK:[^:]*]]: i1
// CHECK-SAME:    %[[S:[^:]*]]: index
// CHECK:         cf.br ^[[HEAD:.*]](%{{.*}}, %[[X]] : index, tensor<?xf32>)
// CHECK:         ^[[HEAD]](%{{.*}}: index, %[[C:.*]]: tensor<?xf32>):
// CHECK:           cf.cond_br
// CHECK:           cf.assert %[[OK]], "[nimble.check constraint] no"
// CHECK:           %[[TIED:.*]] = "flow.tensor.tie_shape"(%[[C]], %[[S]]) : (tensor<?xf32>, index) -> tensor<?xf32>
// CHECK:           %[[AGAIN:.*]] = "flow.tensor.tie_shape"(%[[TIED]], %[[S]])
// CHECK:           %[[BARRIER:.*]] = "util.optimization_barrier"(%[[AGAIN]]) : (tensor<?xf32>) -> tensor<?xf32>
// CHECK:           %[[APART:.*]] = "flow.tensor.tie_shape"(%[[BARRIER]], %[[S]])
// CHECK:           cf.br ^[[HEAD]](%{{.*}}, %[[APART]] : index, tensor<?xf32>)
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

// Control flow in the body of another op stays: it is not the host's.
// CHECK-LABEL: func.func @in_body
// CHECK:         cf.cond_br
// CHECK:         "test.kernel"
// CHECK:           scf.for
// CHECK:         cf.br
func.func @in_body(%n: index, %x: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> f32 {
    %1 = "test.kernel"(%a) ({
    ^bb0(%b: f32):
      %zero = arith.constant 0 : index
      %one = arith.constant 1 : index
      %2 = scf.for %j = %zero to %one step %one iter_args(%c = %b) -> f32 {
        %3 = arith.addf %c, %c : f32
        scf.yield %3 : f32
      }
      "test.yield"(%2) : (f32) -> ()
    }) : (f32) -> f32
    scf.yield %1 : f32
  }
  return %0 : f32
}

// -----

// A kernel is one dispatch. What it updates is tied to its result; a tensor without contents is none of its operands.
// Constants are cloned into it, other scalars are operands.
// CHECK-LABEL: func.func @kernel
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>, %[[Y:[^:]*]]: tensor<?xf32>, %[[N:[^:]*]]: index, %[[F:[^:]*]]: f32
// CHECK:         %[[R:.*]]:2 = "flow.dispatch.workgroups"(%[[N]], %[[X]], %[[Y]], %[[F]], %[[N]], %[[N]], %[[N]], %[[N]], %[[N]], %[[N]], %[[N]])
// CHECK:         ^bb0(%[[A:.*]]: !iree_tensor_ext.dispatch.tensor<readonly:tensor<?xf32>>, %[[B:.*]]: !iree_tensor_ext.dispatch.tensor<readwrite:tensor<?xf32>>, %[[S:.*]]: f32, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index, %[[C:.*]]: !iree_tensor_ext.dispatch.tensor<writeonly:tensor<?xf32>>):
// CHECK:           %[[ONE:.*]] = arith.constant 1 : index
// CHECK:           %[[W:.*]] = "flow.dispatch.workgroup.id"() {dimension = 0 : index}
// CHECK:           %[[IN:.*]] = "iree_tensor_ext.dispatch.tensor.load"(%[[A]]
// CHECK:           %[[OUT:.*]] = "iree_tensor_ext.dispatch.tensor.load"(%[[B]]
// CHECK:           tensor.empty
// CHECK:           %[[AT:.*]] = arith.addi %[[W]], %[[ONE]]
// CHECK:           tensor.extract %[[IN]][%[[AT]]]
// CHECK:           %[[NEW:.*]] = tensor.insert %[[S]] into %[[OUT]][%[[W]]]
// CHECK:           "iree_tensor_ext.dispatch.tensor.store"(%[[NEW]], %[[B]]
// CHECK:           "iree_tensor_ext.dispatch.tensor.store"(%{{.*}}, %[[C]]
// CHECK:           "flow.return"() : () -> ()
// CHECK:           "flow.return"(%{{.*}}, %{{.*}}, %{{.*}}) : (index, index, index) -> ()
// CHECK:         tied_operands = [1 : index, -1 : index]
// An unused result is kept: IREE would have nowhere to put it.
// CHECK:         "util.optimization_barrier"(%[[R]]#1)
// CHECK-NOT:     nimble.
// CHECK:         return %[[R]]#0
func.func @kernel(%x: tensor<?xf32>, %y: tensor<?xf32>, %n: index, %f: f32) -> tensor<?xf32> {
  %c1 = arith.constant 1 : index
  %e = tensor.empty(%n) : tensor<?xf32>
  %0 = "nimble.bind"(%x, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
  %1 = "nimble.bind"(%y, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
  %2 = "nimble.bind"(%e, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
  %3:2 = "nimble.kernel"(%0, %1, %2, %n) ({
  ^bb0(%w: index, %a: tensor<?xf32>, %b: tensor<?xf32>, %c: tensor<?xf32>):
    %at = arith.addi %w, %c1 : index
    %old = tensor.extract %a[%at] : tensor<?xf32>
    %new = tensor.insert %f into %b[%w] : tensor<?xf32>
    %other = tensor.insert %old into %c[%w] : tensor<?xf32>
    %4 = "nimble.bind"(%new, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
    %5 = "nimble.bind"(%other, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
    "nimble.kernel_yield"(%4, %5) {operandSegmentSizes = array<i32: 2>} : (!nimble.binding, !nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 1, 2, 1>, resultSegmentSizes = array<i32: 2>} : (!nimble.binding, !nimble.binding, !nimble.binding, index) -> (!nimble.binding, !nimble.binding)
  %6 = "nimble.unbind"(%3#0) : (!nimble.binding) -> tensor<?xf32>
  return %6 : tensor<?xf32>
}

// -----

// A kernel that only reads a boolean argument sees its bytes; what is computed, or updated, are bytes of its own.
// CHECK-LABEL: func.func @booleans
// CHECK-SAME:    (%[[M:[^:]*]]: tensor<?xi1>, %[[N:[^:]*]]: index,
// CHECK:         %[[BYTES:.*]] = "flow.tensor.bitcast"(%[[M]], %[[N]], %[[N]]) {operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xi1>, index, index) -> tensor<?xi8>
// CHECK-NOT:     flow.tensor.bitcast
// CHECK:         %[[COMPUTED:.*]] = linalg.generic
// CHECK:         "flow.dispatch.workgroups"(%[[BYTES]], %[[COMPUTED]],
#id = affine_map<(d0) -> (d0)>
func.func @booleans(%m: tensor<?xi1>, %n: index, %p: tensor<?xi1>) -> tensor<?xi8> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %true = arith.constant true
  %e = tensor.empty(%n) : tensor<?xi8>
  %f = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%m : tensor<?xi1>) outs(%e : tensor<?xi8>) {
  ^bb0(%x: i1, %o: i8):
    %y = arith.extui %x : i1 to i8
    linalg.yield %y : i8
  } -> tensor<?xi8>
  %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%m : tensor<?xi1>) outs(%e : tensor<?xi8>) {
  ^bb0(%x: i1, %o: i8):
    %z = arith.xori %x, %true : i1
    %y = arith.extui %z : i1 to i8
    linalg.yield %y : i8
  } -> tensor<?xi8>
  %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%p : tensor<?xi1>) outs(%e : tensor<?xi8>) {
  ^bb0(%x: i1, %o: i8):
    %y = arith.extui %x : i1 to i8
    linalg.yield %y : i8
  } -> tensor<?xi8>
  %0 = "nimble.bind"(%f, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xi8>, index) -> !nimble.binding
  %1 = "nimble.bind"(%g, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xi8>, index) -> !nimble.binding
  %2 = "nimble.bind"(%h, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xi8>, index) -> !nimble.binding
  %3 = "nimble.kernel"(%0, %1, %2, %c1) ({
  ^bb0(%w: index, %a: tensor<?xi8>, %b: tensor<?xi8>, %c: tensor<?xi8>):
    %i = tensor.extract %a[%c0] : tensor<?xi8>
    %j = tensor.extract %b[%c0] : tensor<?xi8>
    %k = arith.addi %i, %j : i8
    %4 = tensor.insert %k into %c[%c0] : tensor<?xi8>
    %5 = "nimble.bind"(%4, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xi8>, index) -> !nimble.binding
    "nimble.kernel_yield"(%5) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 2, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, !nimble.binding, !nimble.binding, index) -> !nimble.binding
  %6 = "nimble.unbind"(%3) : (!nimble.binding) -> tensor<?xi8>
  return %6 : tensor<?xi8>
}

// -----

// What two kernels update is copied for each, so that IREE cannot take the copies for one.
// CHECK-LABEL: func.func @shared
// CHECK-SAME:    %[[X:[^:]*]]: tensor<4xf32>
// CHECK:         %[[P:.*]] = "util.optimization_barrier"(%{{.*}}) : (i1) -> i1
// CHECK:         %[[A:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<4xf32>)
// CHECK:           arith.select %[[P]], %{{.*}}, %{{.*}} : f32
// CHECK:         "flow.dispatch.workgroups"(%[[A]])
// CHECK:         %[[Q:.*]] = "util.optimization_barrier"(%{{.*}}) : (i1) -> i1
// CHECK:         %[[B:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<4xf32>)
// CHECK:           arith.select %[[Q]], %{{.*}}, %{{.*}} : f32
// CHECK:         "flow.dispatch.workgroups"(%[[B]])
func.func @shared(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %0 = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
  %1 = "nimble.kernel"(%0, %c1) ({
  ^bb0(%w: index, %a: tensor<4xf32>):
    %new = tensor.insert %one into %a[%w] : tensor<4xf32>
    %2 = "nimble.bind"(%new) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%2) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  %3 = "nimble.kernel"(%0, %c1) ({
  ^bb0(%w: index, %a: tensor<4xf32>):
    %new = tensor.insert %one into %a[%c1] : tensor<4xf32>
    %4 = "nimble.bind"(%new) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%4) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  %5 = "nimble.unbind"(%1) : (!nimble.binding) -> tensor<4xf32>
  %6 = "nimble.unbind"(%3) : (!nimble.binding) -> tensor<4xf32>
  return %5, %6 : tensor<4xf32>, tensor<4xf32>
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
// CHECK:         cf.br ^{{.*}}(%{{.*}}, %[[FIRST]], %[[APART]] : index, tensor<4xf32>, tensor<4xf32>)
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

// -----

// A product by batch of dynamic depth must not be packed: the product that may says so, and the check that hints stand; not
// one of complex numbers.
// CHECK-LABEL: func.func @products
// CHECK:         cf.assert %{{.*}}, "[nimble.check size] s"
// CHECK-SAME:      {iree.opt.data_tiling}
// CHECK:         linalg.matmul {iree.opt.data_tiling}
// CHECK:         linalg.batch_matmul ins
// CHECK-NOT:     data_tiling
// CHECK:         return
func.func @products(%x: tensor<?x?xf32>, %w: tensor<?x8xf32>, %z: tensor<4x4xcomplex<f32>>, %a: tensor<2x3x?xf32>, %b: tensor<2x?x4xf32>, %o: tensor<?x8xf32>,
                    %p: tensor<2x3x4xf32>, %ok: i1) -> (tensor<?x8xf32>, tensor<2x3x4xf32>, tensor<4x4xcomplex<f32>>) {
  "nimble.check"(%ok) {kind = "size", message = "s"} : (i1) -> ()
  %0 = linalg.matmul ins(%x, %w : tensor<?x?xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = linalg.batch_matmul ins(%a, %b : tensor<2x3x?xf32>, tensor<2x?x4xf32>) outs(%p : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %2 = linalg.matmul ins(%z, %z : tensor<4x4xcomplex<f32>>, tensor<4x4xcomplex<f32>>) outs(%z : tensor<4x4xcomplex<f32>>) -> tensor<4x4xcomplex<f32>>
  return %0, %1, %2 : tensor<?x8xf32>, tensor<2x3x4xf32>, tensor<4x4xcomplex<f32>>
}

// -----

// Nor may one whose result an elementwise op reads beside stored booleans; booleans that are computed in place do not matter.
// CHECK-LABEL: func.func @mask
// CHECK-NOT:     linalg.matmul {
// CHECK:         linalg.matmul ins(%{{.*}}, %[[W:.*]] : tensor<?x?xf32>
// CHECK:         linalg.matmul {iree.opt.data_tiling} ins(%{{.*}}, %[[W]] : tensor<?x?xf32>
// CHECK:         return
func.func @mask(%x: tensor<?x?xf32>, %w: tensor<?x8xf32>, %o: tensor<?x8xf32>, %mask: tensor<?xi1>, %b: tensor<?x8xi1>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %0 = linalg.matmul ins(%x, %w : tensor<?x?xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%mask : tensor<?xi1>) outs(%b : tensor<?x8xi1>) {
  ^bb0(%m: i1, %out: i1):
    linalg.yield %m : i1
  } -> tensor<?x8xi1>
  %2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%0, %1 : tensor<?x8xf32>, tensor<?x8xi1>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%v: f32, %m: i1, %out: f32):
    %3 = arith.select %m, %v, %zero : f32
    linalg.yield %3 : f32
  } -> tensor<?x8xf32>
  %4 = linalg.matmul ins(%x, %w : tensor<?x?xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
  %5 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%o : tensor<?x8xf32>) outs(%b : tensor<?x8xi1>) {
  ^bb0(%v: f32, %out: i1):
    %3 = arith.cmpf ogt, %v, %zero : f32
    linalg.yield %3 : i1
  } -> tensor<?x8xi1>
  %6 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%4, %5 : tensor<?x8xf32>, tensor<?x8xi1>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%v: f32, %m: i1, %out: f32):
    %3 = arith.select %m, %v, %zero : f32
    linalg.yield %3 : f32
  } -> tensor<?x8xf32>
  return %2, %6 : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Without one, IREE chooses.
// CHECK-LABEL: func.func @iree_chooses
// CHECK-NOT:     data_tiling
// CHECK:         return
func.func @iree_chooses(%x: tensor<?x?xf32>, %w: tensor<?x8xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = linalg.matmul ins(%x, %w : tensor<?x?xf32>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

// Buffer views are those of IREE's hal dialect.
// CHECK-LABEL: func.func @views
// CHECK:         %[[V:.*]] = "hal.tensor.export"(%{{.*}}, %{{.*}}) {source_encoding = tensor<?x4xf32>} : (tensor<?x4xf32>, index) -> !hal.buffer_view
// CHECK:         %[[N:.*]] = "hal.buffer_view.dim"(%[[V]]) {index = 0 : index} : (!hal.buffer_view) -> index
// CHECK:         "hal.tensor.import"(%[[V]], %[[N]]) {consume, operandSegmentSizes = array<i32: 1, 1, 0, 0>, target_encoding = tensor<?x4xf32>} : (!hal.buffer_view, index) -> tensor<?x4xf32>
func.func @views(%x: tensor<?x4xf32> {nimble.dims = [@s, 4], nimble.name = "x"}) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %d = tensor.dim {nimble.size_source} %x, %c0 : tensor<?x4xf32>
  %s = "nimble.symbol"(%d) {symbol = @s, bounds = {min = 1}} : (index) -> index
  %v = "nimble.export"(%x, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?x4xf32>, index) -> !nimble.buffer_view
  %n = "nimble.view_size"(%v) {dimension = 0 : i64} : (!nimble.buffer_view) -> index
  %y = "nimble.import"(%v, %n) {nimble.consume, operandSegmentSizes = array<i32: 1, 1>} : (!nimble.buffer_view, index) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// IREE cannot pack parameters of complex numbers of 128 bits: they are pairs.
// CHECK: "util.global"() {initial_value = #flow.parameter.named<"nimble"::"weights"> : tensor<3x2xf64>
// CHECK-LABEL: func.func @complex_weights
func.func @complex_weights() -> tensor<3xcomplex<f64>> {
  // CHECK: %[[PAIRS:.*]] = "util.global.load"() {{.*}} -> tensor<3x2xf64>
  // CHECK: "flow.tensor.bitcast"(%[[PAIRS]]) {{.*}} : (tensor<3x2xf64>) -> tensor<3xcomplex<f64>>
  %0 = "nimble.constant"() {key = "weights"} : () -> tensor<3xcomplex<f64>>
  return %0 : tensor<3xcomplex<f64>>
}

// -----

// Nor has it a splat of so many bits: what it would make of a constant of one element.
// CHECK-LABEL: func.func @complex_constants
func.func @complex_constants() -> (tensor<1xcomplex<f64>>, tensor<2xcomplex<f64>>) {
  // CHECK: %[[PAIR:.*]] = arith.constant dense<[1.5{{0*}}e+00, 0x7FF0000000000000]> : tensor<2xf64>
  // CHECK: "flow.tensor.bitcast"(%[[PAIR]]) {{.*}} : (tensor<2xf64>) -> tensor<1xcomplex<f64>>
  %0 = arith.constant dense<(1.5, 0x7FF0000000000000)> : tensor<1xcomplex<f64>>
  // CHECK: arith.constant dense<(1.5{{0*}}e+00,2.0{{0*}}e+00)> : tensor<2xcomplex<f64>>
  %1 = arith.constant dense<(1.5, 2.0)> : tensor<2xcomplex<f64>>
  return %0, %1 : tensor<1xcomplex<f64>>, tensor<2xcomplex<f64>>
}

// -----

// IREE would update one buffer for both: each slice is inserted into a copy that is a computation of its own.
// CHECK-LABEL: func.func @shared_fill
func.func @shared_fill(%x: tensor<2xf32>, %y: tensor<2xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<8xf32>) -> tensor<8xf32>
  // CHECK: %[[FIRST:.*]] = linalg.generic {{.*}} ins(%[[FILL:[0-9]+]] : tensor<8xf32>)
  // CHECK: tensor.insert_slice %{{.*}} into %[[FIRST]]
  %0 = tensor.insert_slice %x into %fill[1] [2] [1] : tensor<2xf32> into tensor<8xf32>
  // CHECK: %[[SECOND:.*]] = linalg.generic {{.*}} ins(%[[FILL]] : tensor<8xf32>)
  // CHECK: tensor.insert_slice %{{.*}} into %[[SECOND]]
  %1 = tensor.insert_slice %y into %fill[1] [2] [1] : tensor<2xf32> into tensor<8xf32>
  return %0, %1 : tensor<8xf32>, tensor<8xf32>
}

// -----

// What begins two concatenations of one type is copied for the second, which IREE would write to the buffer of the first;
// another type is another buffer.
// CHECK-LABEL: func.func @concatenations
// CHECK-SAME:    (%[[X:[^:]*]]: tensor<2xf32>, %[[A:[^:]*]]: tensor<3xf32>, %[[B:[^:]*]]: tensor<3xf32>
// CHECK:         tensor.concat dim(0) %[[X]], %[[A]]
// CHECK:         %[[COPY:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<2xf32>)
// CHECK:         tensor.concat dim(0) %[[COPY]], %[[B]]
// CHECK:         tensor.concat dim(0) %[[X]], %[[A]], %[[B]]
func.func @concatenations(%x: tensor<2xf32>, %a: tensor<3xf32>, %b: tensor<3xf32>) -> (tensor<5xf32>, tensor<5xf32>, tensor<8xf32>) {
  %0 = tensor.concat dim(0) %x, %a : (tensor<2xf32>, tensor<3xf32>) -> tensor<5xf32>
  %1 = tensor.concat dim(0) %x, %b : (tensor<2xf32>, tensor<3xf32>) -> tensor<5xf32>
  %2 = tensor.concat dim(0) %x, %a, %b : (tensor<2xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<8xf32>
  return %0, %1, %2 : tensor<5xf32>, tensor<5xf32>, tensor<8xf32>
}

// -----

// IREE finds that these fills are as large as each other, and would update one buffer for both. One of another size is known
// not to be equal.
// CHECK-LABEL: func.func @equal_fills
func.func @equal_fills(%x: tensor<1x?xf32>, %y: tensor<1x?xf32>, %z: tensor<1xf32>, %a: index, %b: index)
    -> (tensor<?x?xf32>, tensor<?x?xf32>, tensor<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty(%a, %b) : tensor<?x?xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x?xf32>) -> tensor<?x?xf32>
  %transposed = tensor.empty(%b, %a) : tensor<?x?xf32>
  %other = linalg.fill ins(%zero : f32) outs(%transposed : tensor<?x?xf32>) -> tensor<?x?xf32>
  %eight = tensor.empty() : tensor<8xf32>
  // CHECK: %[[EIGHT:.*]] = linalg.fill {{.*}} -> tensor<8xf32>
  %third = linalg.fill ins(%zero : f32) outs(%eight : tensor<8xf32>) -> tensor<8xf32>
  // CHECK: %[[FIRST:.*]] = linalg.generic
  // CHECK: tensor.insert_slice %{{.*}} into %[[FIRST]]
  %0 = tensor.insert_slice %x into %fill[0, 0] [1, %b] [1, 1] : tensor<1x?xf32> into tensor<?x?xf32>
  // CHECK: %[[SECOND:.*]] = linalg.generic
  // CHECK: tensor.insert_slice %{{.*}} into %[[SECOND]]
  %1 = tensor.insert_slice %y into %other[0, 0] [1, %a] [1, 1] : tensor<1x?xf32> into tensor<?x?xf32>
  // CHECK: tensor.insert_slice %{{.*}} into %[[EIGHT]]
  %2 = tensor.insert_slice %z into %third[0] [1] [1] : tensor<1xf32> into tensor<8xf32>
  return %0, %1, %2 : tensor<?x?xf32>, tensor<?x?xf32>, tensor<8xf32>
}

// -----

// IREE would copy what is inserted into, since it is read later, behind the insertion.
// CHECK-LABEL: func.func @read_later
func.func @read_later(%x: tensor<1xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  // CHECK: %[[SQUARE:.*]] = linalg.mul
  %empty = tensor.empty() : tensor<8xf32>
  %square = linalg.mul ins(%y, %y : tensor<8xf32>, tensor<8xf32>) outs(%empty : tensor<8xf32>) -> tensor<8xf32>
  // CHECK: %[[OWN:.*]] = linalg.generic {{.*}} ins(%[[SQUARE]] : tensor<8xf32>)
  // CHECK: %[[FIRST:.*]] = tensor.insert_slice %{{.*}} into %[[OWN]]
  %0 = tensor.insert_slice %x into %square[0] [1] [1] : tensor<1xf32> into tensor<8xf32>
  // CHECK: tensor.insert_slice %{{.*}} into %[[FIRST]]
  %1 = tensor.insert_slice %x into %0[3] [1] [1] : tensor<1xf32> into tensor<8xf32>
  return %1, %square : tensor<8xf32>, tensor<8xf32>
}

// -----

// IREE would compute the fill before the loop, and all iterations would insert into it.
// CHECK-LABEL: func.func @fill_in_a_loop
func.func @fill_in_a_loop(%x: tensor<1xf32>, %first: tensor<8xf32>, %n: index) -> tensor<8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%carry = %first) -> (tensor<8xf32>) {
    %empty = tensor.empty() : tensor<8xf32>
    %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<8xf32>) -> tensor<8xf32>
    // CHECK: util.optimization_barrier
    // CHECK: %[[OWN:.*]] = linalg.generic
    // CHECK: tensor.insert_slice %{{.*}} into %[[OWN]]
    %next = tensor.insert_slice %x into %fill[%i] [1] [1] : tensor<1xf32> into tensor<8xf32>
    scf.yield %next : tensor<8xf32>
  }
  return %0 : tensor<8xf32>
}

// -----

// IREE would take branches that do the same for one, and its VM must not be handed numbers of 32 and 64 bits at once.
// CHECK-LABEL: func.func @branches(
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>, %[[Y:[^:]*]]: tensor<?xf32>, %[[N:[^:]*]]: i32,
func.func @branches(%x: tensor<?xf32>, %y: tensor<?xf32>, %n: i32, %p: i1, %a: f32) -> (tensor<?xf32>, i32, f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: %[[S:.*]] = tensor.dim %[[X]]
  %s = tensor.dim %x, %c0 : tensor<?xf32>
  // CHECK:   %[[NOT3:.*]] = arith.cmpi ne, %[[S]], %c3
  // CHECK:   %[[NOT5:.*]] = arith.cmpi ne, %[[S]], %c5
  // CHECK:   %[[HOLDS:.*]] = arith.ori %[[NOT3]], %[[NOT5]]
  // CHECK:   cf.assert %[[HOLDS]], "the end of branch 0"
  // CHECK:   cf.br ^[[JOIN:.*]](%[[X]] : tensor<?xf32>)
  // CHECK:   cf.br ^[[JOIN]](%[[Y]] : tensor<?xf32>)
  %0 = scf.if %p -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    scf.yield %y : tensor<?xf32>
  }
  // CHECK:   %[[WIDE:.*]] = arith.extui %[[N]] : i32 to i64
  // CHECK:   %[[BITS:.*]] = arith.bitcast %{{.*}} : f32 to i32
  // CHECK:   %[[WIDE_BITS:.*]] = arith.extui %[[BITS]] : i32 to i64
  // CHECK:   cf.br ^[[HEADER:.*]](%{{.*}}, %[[WIDE]], %[[WIDE_BITS]] : index, i64, i64)
  // CHECK: ^[[HEADER]](%{{.*}}: index, %[[K:.*]]: i64, %[[B:.*]]: i64):
  // CHECK:   arith.trunci %[[B]] : i64 to i32
  // CHECK:   arith.trunci %[[K]] : i64 to i32
  %1:2 = scf.for %i = %c0 to %s step %c1 iter_args(%k = %n, %b = %a) -> (i32, f32) {
    %3 = arith.addi %k, %n : i32
    %4 = arith.addf %b, %b : f32
    scf.yield %3, %4 : i32, f32
  }
  return %0, %1#0, %1#1 : tensor<?xf32>, i32, f32
}

// -----

// A kernel that its workgroups share is an executable of its own, over its bindings: tensors are buffers, updates stores, counters
// are updated atomically, and to wait is to look at one again and again. There are no more workgroups than threads. Sizes cross as two words of 32 bits; results that are no
// operands (%s) are bound behind those that are.
// CHECK:         "hal.executable.source"() ({
// CHECK:           "hal.executable.export"() ({
// CHECK:           ^bb0(%[[DEVICE:[^:]*]]: !hal.device):
// CHECK:             %[[THREADS:.*]]:2 = "hal.device.query"(%[[DEVICE]]) {category = "hal.dispatch", default_value = 1 : i64, key = "concurrency"}
// CHECK:             %[[MOST:.*]] = arith.constant 4 : index
// CHECK:             %[[GROUPS:.*]] = arith.minui %{{.*}}, %[[MOST]]
// CHECK:             "hal.return"(%[[GROUPS]], %{{.*}}, %{{.*}})
// CHECK:           layout = #hal.pipeline.layout<constants = 2, bindings = [#hal.pipeline.binding<storage_buffer>, #hal.pipeline.binding<storage_buffer>, #hal.pipeline.binding<storage_buffer>]>
// CHECK:           func.func @kernel_0()
// CHECK:             %[[LOW:.*]] = "hal.interface.constant.load"() {{.*}}ordinal = 0 : index
// CHECK:             %[[HIGH:.*]] = "hal.interface.constant.load"() {{.*}}ordinal = 1 : index
// CHECK:             %[[SIZE:.*]] = arith.index_cast %{{.*}} : i64 to index
// CHECK:             %[[Y:.*]] = "hal.interface.binding.subspan"(%{{.*}}, %[[SIZE]]) {{.*}}binding = 0 : index{{.*}} -> memref<?xf32>
// CHECK:             %[[S:.*]] = "hal.interface.binding.subspan"{{.*}}binding = 2 : index{{.*}} -> memref<16xf32>
// CHECK:             %[[C:.*]] = "hal.interface.binding.subspan"{{.*}}binding = 1 : index{{.*}} -> memref<32xi64>
// CHECK:             %[[TAKEN:.*]] = memref.atomic_rmw addi %{{.*}}, %[[C]][%{{.*}}]
// CHECK:             scf.while : () -> () {
// CHECK:               %[[DONE:.*]] = memref.atomic_rmw addi %{{.*}}, %[[C]][%{{.*}}]
// CHECK:               %[[LESS:.*]] = arith.cmpi slt, %[[DONE]], %[[TAKEN]]
// CHECK:               scf.condition(%[[LESS]])
// CHECK:             scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK:               %[[READ:.*]] = vector.load %[[Y]][%[[I]]] : memref<?xf32>, vector<16xf32>
// CHECK:               vector.store %[[READ]], %[[S]]
// CHECK:               %[[ELEMENT:.*]] = memref.load %[[S]]
// CHECK:               memref.store %[[ELEMENT]], %[[Y]][%[[I]]]
// CHECK:             memref.atomic_rmw addi
// CHECK:             return
// CHECK-LABEL: func.func @shared
// CHECK:         %[[WORDS:.*]] = arith.trunci
// CHECK:         "flow.dispatch"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {entry_points = [@kernel_0::@kernel_0], operandSegmentSizes = array<i32: 0, 4, 1, 1>, tied_operands = [2 : index, -1 : index, 3 : index]}
func.func @shared(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  %none = arith.constant 0 : i64
  %scratch = tensor.empty() : tensor<16xf32>
  %empty = tensor.empty() : tensor<32xi64>
  %counters = linalg.fill ins(%none : i64) outs(%empty : tensor<32xi64>) -> tensor<32xi64>
  %a = "nimble.bind"(%x, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
  %b = "nimble.bind"(%scratch) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<16xf32>) -> !nimble.binding
  %d = "nimble.bind"(%counters) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<32xi64>) -> !nimble.binding
  %k:3 = "nimble.kernel"(%a, %b, %d, %c4) ({
  ^bb0(%w: index, %y: tensor<?xf32>, %s: tensor<16xf32>, %c: tensor<32xi64>):
    %t = "nimble.take_chunk"(%c) : (tensor<32xi64>) -> i64
    "nimble.await_chunks"(%c, %t) : (tensor<32xi64>, i64) -> ()
    %r:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%p = %y, %q = %s) -> (tensor<?xf32>, tensor<16xf32>) {
      %1 = vector.transfer_read %p[%i], %zero {in_bounds = [true]} : tensor<?xf32>, vector<16xf32>
      %2 = vector.transfer_write %1, %q[%c0] {in_bounds = [true]} : vector<16xf32>, tensor<16xf32>
      %3 = tensor.extract %2[%c1] : tensor<16xf32>
      %4 = tensor.insert %3 into %p[%i] : tensor<?xf32>
      scf.yield %4, %2 : tensor<?xf32>, tensor<16xf32>
    }
    "nimble.chunk_done"(%c) : (tensor<32xi64>) -> ()
    %e = "nimble.bind"(%r#0, %n) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> !nimble.binding
    %f = "nimble.bind"(%r#1) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<16xf32>) -> !nimble.binding
    %g = "nimble.bind"(%c) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<32xi64>) -> !nimble.binding
    "nimble.kernel_yield"(%e, %f, %g) {operandSegmentSizes = array<i32: 3>} : (!nimble.binding, !nimble.binding, !nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 3, 1>, resultSegmentSizes = array<i32: 3>} : (!nimble.binding, !nimble.binding, !nimble.binding, index) -> (!nimble.binding, !nimble.binding, !nimble.binding)
  %z = "nimble.unbind"(%k#0) : (!nimble.binding) -> tensor<?xf32>
  return %z : tensor<?xf32>
}
