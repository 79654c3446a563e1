// RUN: %nimble-opt %s --split-input-file --nimble-share-kernels | FileCheck %s
// RUN: %nimble-opt %s --split-input-file --nimble-share-kernels --nimble-share-kernels | FileCheck %s
// RUN: %nimble-opt %s --split-input-file --nimble-share-kernels=target=vulkan | FileCheck %s --check-prefix=VULKAN

// A loop whose iterations go over 65,536 elements, from the last to the first, and then copy what they made: two phases. A
// workgroup takes the number of a chunk, waits until the phases before are done, does it, and takes another. The number goes
// through the loop, and so does that of the phase's first chunk.
// CHECK-LABEL: func.func @steps
// CHECK:         %[[ZEROS:.*]] = linalg.fill
// CHECK:         %[[COUNTERS:.*]] = "nimble.bind"(%[[ZEROS]]) {{.*}} : (tensor<32xi64>)
// CHECK:         %[[GROUPS:.*]] = arith.constant 8 : index
// CHECK:         "nimble.kernel"({{.*}}, %[[COUNTERS]], %[[GROUPS]]) ({
// CHECK:         ^bb0({{.*}}, %[[C:[^:]*]]: tensor<32xi64>):
// CHECK:           %[[FIRST:.*]] = "nimble.take_chunk"(%[[C]])
// CHECK:           scf.for {{.*}} iter_args({{.*}}, %[[TAKEN:[^ ]*]] = %[[FIRST]], %[[START:[^ ]*]] = %{{[^ ]*}}) -> ({{.*}}, i64, i64) {
// CHECK:             %[[END:.*]] = arith.addi %[[START]], %{{.*}} : i64
// CHECK:             %[[OWN:.*]] = arith.cmpi slt, %[[TAKEN]], %[[END]]
// CHECK:             scf.if %[[OWN]] {
// CHECK:               "nimble.await_chunks"(%[[C]], %[[START]])
// CHECK:             scf.while (%[[N:.*]] = %[[TAKEN]],
// CHECK:               %[[MORE:.*]] = arith.cmpi slt, %[[N]], %[[END]]
// CHECK:               scf.condition(%[[MORE]])
// CHECK:             ^bb0(%[[NUMBER:[^:]*]]: i64,
// CHECK:               %[[CHUNK:.*]] = arith.subi %[[NUMBER]], %[[START]]
// CHECK:               %[[OFFSET:.*]] = arith.muli %{{.*}}, %{{.*}} : index
// CHECK:               %[[LOW:.*]] = arith.addi %{{.*}}, %[[OFFSET]]
// CHECK:               %[[HIGH:.*]] = arith.minui
// CHECK:               scf.for {{.*}} = %[[LOW]] to %[[HIGH]] step
// CHECK:                 math.exp
// CHECK:               "nimble.chunk_done"(%[[C]])
// CHECK:               %[[NEXT:.*]] = "nimble.take_chunk"(%[[C]])
// CHECK:               scf.yield %[[NEXT]],
// CHECK:             "nimble.await_chunks"(%[[C]], %[[END]])
// CHECK:             scf.while
// CHECK-NOT:         scf.while
// CHECK:           "nimble.kernel_yield"
// VULKAN-LABEL: func.func @steps
// VULKAN-NOT:     nimble.take_chunk
func.func @steps(%x: tensor<65536xf32>, %n: index) -> tensor<65536xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 65536 : index
  %last = arith.constant 65535 : index
  %scratch = tensor.empty() : tensor<65536xf32>
  %a = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %b = "nimble.bind"(%scratch) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %k:2 = "nimble.kernel"(%a, %b, %c1) ({
  ^bb0(%w: index, %y: tensor<65536xf32>, %s: tensor<65536xf32>):
    %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%c = %y, %d = %s) -> (tensor<65536xf32>, tensor<65536xf32>) {
      %1 = scf.for %j = %c0 to %size step %c1 iter_args(%o = %d) -> (tensor<65536xf32>) {
        %back = arith.subi %last, %j : index
        %3 = tensor.extract %c[%back] : tensor<65536xf32>
        %4 = math.exp %3 : f32
        %5 = tensor.insert %4 into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      %2 = scf.for %j = %c0 to %size step %c1 iter_args(%o = %c) -> (tensor<65536xf32>) {
        %3 = tensor.extract %1[%j] : tensor<65536xf32>
        %5 = tensor.insert %3 into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      scf.yield %2, %1 : tensor<65536xf32>, tensor<65536xf32>
    }
    %e = "nimble.bind"(%r#0) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    %f = "nimble.bind"(%r#1) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%e, %f) {operandSegmentSizes = array<i32: 2>} : (!nimble.binding, !nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 2, 1>, resultSegmentSizes = array<i32: 2>} : (!nimble.binding, !nimble.binding, index) -> (!nimble.binding, !nimble.binding)
  %z = "nimble.unbind"(%k#0) : (!nimble.binding) -> tensor<65536xf32>
  return %z : tensor<65536xf32>
}

// -----

// The second loop reads what other chunks of the first make, so it is a phase of its own, behind a wait. An element that is read
// and stored between the loops is a phase of one chunk.
// CHECK-LABEL: func.func @neighbours
// CHECK-COUNT-3:   "nimble.await_chunks"
// CHECK-NOT:       "nimble.await_chunks"
// CHECK:           "nimble.kernel_yield"
func.func @neighbours(%x: tensor<65536xf32>, %n: index) -> tensor<65536xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 65536 : index
  %last = arith.constant 65535 : index
  %scratch = tensor.empty() : tensor<65536xf32>
  %a = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %b = "nimble.bind"(%scratch) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %k:2 = "nimble.kernel"(%a, %b, %c1) ({
  ^bb0(%w: index, %y: tensor<65536xf32>, %s: tensor<65536xf32>):
    %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%c = %y, %d = %s) -> (tensor<65536xf32>, tensor<65536xf32>) {
      %1 = scf.for %j = %c0 to %size step %c1 iter_args(%o = %d) -> (tensor<65536xf32>) {
        %3 = tensor.extract %c[%j] : tensor<65536xf32>
        %4 = math.exp %3 : f32
        %5 = tensor.insert %4 into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      %6 = tensor.extract %1[%c1] : tensor<65536xf32>
      %7 = arith.negf %6 : f32
      %8 = tensor.insert %7 into %1[%c0] : tensor<65536xf32>
      %2 = scf.for %j = %c0 to %size step %c1 iter_args(%o = %c) -> (tensor<65536xf32>) {
        %back = arith.subi %last, %j : index
        %3 = tensor.extract %8[%back] : tensor<65536xf32>
        %5 = tensor.insert %3 into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      scf.yield %2, %8 : tensor<65536xf32>, tensor<65536xf32>
    }
    %e = "nimble.bind"(%r#0) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    %f = "nimble.bind"(%r#1) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%e, %f) {operandSegmentSizes = array<i32: 2>} : (!nimble.binding, !nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 2, 1>, resultSegmentSizes = array<i32: 2>} : (!nimble.binding, !nimble.binding, index) -> (!nimble.binding, !nimble.binding)
  %z = "nimble.unbind"(%k#0) : (!nimble.binding) -> tensor<65536xf32>
  return %z : tensor<65536xf32>
}

// -----

// No element needs another one, in any iteration: the whole loop is one phase, and nobody waits in it. A chunk goes through all
// iterations for its part of the elements.
// CHECK-LABEL: func.func @columns
// CHECK:         scf.while
// CHECK:           %[[LOW:.*]] = arith.addi
// CHECK:           %[[HIGH:.*]] = arith.minui
// CHECK:           scf.for %{{.*}} = %{{.*}} to %arg1 step
// CHECK:             scf.for %{{.*}} = %[[LOW]] to %[[HIGH]] step
// CHECK:           "nimble.chunk_done"
// CHECK-NOT:     scf.while
func.func @columns(%x: tensor<65536xf32>, %n: index) -> tensor<65536xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 65536 : index
  %a = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %k = "nimble.kernel"(%a, %c1) ({
  ^bb0(%w: index, %y: tensor<65536xf32>):
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%c = %y) -> (tensor<65536xf32>) {
      %2 = scf.for %j = %c0 to %size step %c1 iter_args(%o = %c) -> (tensor<65536xf32>) {
        %3 = tensor.extract %o[%j] : tensor<65536xf32>
        %4 = math.exp %3 : f32
        %5 = tensor.insert %4 into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      scf.yield %2 : tensor<65536xf32>
    }
    %e = "nimble.bind"(%r) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%e) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  %z = "nimble.unbind"(%k) : (!nimble.binding) -> tensor<65536xf32>
  return %z : tensor<65536xf32>
}

// -----

// A sum over the elements is needed by the next loop: each workgroup would have to read what others overwrite.
// CHECK-LABEL: func.func @depends_on_a_sum
// CHECK-NOT:     nimble.take_chunk
func.func @depends_on_a_sum(%x: tensor<65536xf32>, %n: index) -> tensor<65536xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %size = arith.constant 65536 : index
  %a = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %k = "nimble.kernel"(%a, %c1) ({
  ^bb0(%w: index, %y: tensor<65536xf32>):
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%c = %y) -> (tensor<65536xf32>) {
      %sum = scf.for %j = %c0 to %size step %c1 iter_args(%o = %zero) -> (f32) {
        %3 = tensor.extract %c[%j] : tensor<65536xf32>
        %4 = arith.addf %3, %o : f32
        scf.yield %4 : f32
      }
      %2 = scf.for %j = %c0 to %size step %c1 iter_args(%o = %c) -> (tensor<65536xf32>) {
        %5 = tensor.insert %sum into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      scf.yield %2 : tensor<65536xf32>
    }
    %e = "nimble.bind"(%r) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%e) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  %z = "nimble.unbind"(%k) : (!nimble.binding) -> tensor<65536xf32>
  return %z : tensor<65536xf32>
}

// -----

// An iteration overwrites what the next one reads.
// CHECK-LABEL: func.func @shift
// CHECK-NOT:     nimble.take_chunk
func.func @shift(%x: tensor<65536xf32>, %n: index) -> tensor<65536xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %last = arith.constant 65535 : index
  %a = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
  %k = "nimble.kernel"(%a, %c1) ({
  ^bb0(%w: index, %y: tensor<65536xf32>):
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%c = %y) -> (tensor<65536xf32>) {
      %2 = scf.for %j = %c0 to %last step %c1 iter_args(%o = %c) -> (tensor<65536xf32>) {
        %next = arith.addi %j, %c1 : index
        %3 = tensor.extract %o[%next] : tensor<65536xf32>
        %4 = math.exp %3 : f32
        %5 = tensor.insert %4 into %o[%j] : tensor<65536xf32>
        scf.yield %5 : tensor<65536xf32>
      }
      scf.yield %2 : tensor<65536xf32>
    }
    %e = "nimble.bind"(%r) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<65536xf32>) -> !nimble.binding
    "nimble.kernel_yield"(%e) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  %z = "nimble.unbind"(%k) : (!nimble.binding) -> tensor<65536xf32>
  return %z : tensor<65536xf32>
}
