// RUN: %nimble-opt %s --split-input-file --nimble-hold-narrow-elements --verify-diagnostics | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// A sum wraps around: its high bits are cleared. Operands are read by their low bits.
// CHECK-LABEL: func.func @add
// CHECK-SAME:    %[[X:.*]]: tensor<?xi8>, %[[E:.*]]: tensor<?xi8>) -> tensor<?xi8>
// CHECK:         linalg.generic {{.*}} ins(%[[X]] : tensor<?xi8>) outs(%[[E]] : tensor<?xi8>)
// CHECK:         ^bb0(%[[A:.*]]: i8, %{{.*}}: i8):
// CHECK-NEXT:      %[[SUM:.*]] = arith.addi %[[A]], %[[A]] : i8
// CHECK-NEXT:      %[[MASK:.*]] = arith.constant 15 : i8
// CHECK-NEXT:      %[[LOW:.*]] = arith.andi %[[SUM]], %[[MASK]] : i8
// CHECK-NEXT:      linalg.yield %[[LOW]] : i8
func.func @add(%x: tensor<?xi4>, %e: tensor<?xi4>) -> tensor<?xi4> {
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<?xi4>) outs(%e : tensor<?xi4>) {
  ^bb0(%a: i4, %out: i4):
    %sum = arith.addi %a, %a : i4
    linalg.yield %sum : i4
  } -> tensor<?xi4>
  return %0 : tensor<?xi4>
}

// -----

// What reads a sign extends by it first; the others extend by zeros.
// CHECK-LABEL: func.func @signs
// CHECK-SAME:    %[[X:.*]]: i8, %[[Y:.*]]: i8)
// CHECK:         %[[TWO:.*]] = arith.constant 6 : i8
// CHECK:         %[[UP:.*]] = arith.shli %[[X]], %[[TWO]] : i8
// CHECK:         %[[SIGNED:.*]] = arith.shrsi %[[UP]], %[[TWO]] : i8
// CHECK:         arith.divsi %[[SIGNED]], %{{.*}} : i8
// CHECK:         %[[ZEROS:.*]] = arith.andi %[[X]], %{{.*}} : i8
// CHECK:         arith.cmpi ult, %[[ZEROS]], %{{.*}} : i8
// CHECK:         arith.extsi %{{.*}} : i8 to i32
// CHECK:         %[[COUNT:.*]] = math.ctlz %{{.*}} : i8
// CHECK:         %[[MORE:.*]] = arith.constant 6 : i8
// CHECK:         arith.subi %[[COUNT]], %[[MORE]] : i8
func.func @signs(%x: i2, %y: i2) -> (i2, i1, i32, i2) {
  %0 = arith.divsi %x, %y : i2
  %1 = arith.cmpi ult, %x, %y : i2
  %2 = arith.extsi %x : i2 to i32
  %3 = math.ctlz %x : i2
  return %0, %1, %2, %3 : i2, i1, i32, i2
}

// -----

// Constants become their bits, weights are bytes, loops carry bytes.
// CHECK-LABEL: func.func @constants
// CHECK:         arith.constant dense<[1, 15, 7]> : tensor<3xi8>
// CHECK:         arith.constant dense<56> : tensor<2xi8>
// CHECK:         arith.constant dense<[127, -128]> : tensor<2xi8>
// CHECK:         "nimble.constant"() {key = "w"} : () -> tensor<8xi8>
// CHECK:         scf.for {{.*}} -> (tensor<8xi8>)
func.func @constants(%n: index) -> tensor<8xi4> {
  %0 = arith.constant dense<[1, -1, 7]> : tensor<3xi4>
  %1 = arith.constant dense<1.0> : tensor<2xf8E4M3FN>
  %2 = arith.constant dense<[0x7F, -0.0]> : tensor<2xf8E4M3FN>
  %3 = "nimble.constant"() {key = "w"} : () -> tensor<8xi4>
  %4 = scf.for %i = %n to %n step %n iter_args(%carry = %3) -> tensor<8xi4> {
    scf.yield %carry : tensor<8xi4>
  }
  return %4 : tensor<8xi4>
}

// -----

// An op on floats is computed in f32; its bits are taken apart and put together by integers.
// CHECK-LABEL: func.func @float
// CHECK-SAME:    %[[X:.*]]: i8) -> i8
// CHECK:         %[[CODE:.*]] = arith.extui %[[X]] : i8 to i32
// CHECK:         %[[A:.*]] = math.copysign
// CHECK:         %[[SUM:.*]] = arith.addf %[[A]], %{{.*}} : f32
// CHECK:         arith.bitcast %[[SUM]] : f32 to i32
// CHECK:         arith.trunci %{{.*}} : i32 to i8
// CHECK-NOT:     f8
func.func @float(%x: f8E3M4) -> f8E3M4 {
  %0 = arith.addf %x, %x : f8E3M4
  return %0 : f8E3M4
}

// -----

// An f64 is rounded at once, not by way of f32; bits stay as they are.
// CHECK-LABEL: func.func @conversions
// CHECK:         arith.bitcast %{{.*}} : f64 to i64
// CHECK:         arith.trunci %{{.*}} : i64 to i8
// CHECK:         arith.bitcast %{{.*}} : i8 to i8
func.func @conversions(%x: f64, %y: f4E2M1FN) -> (f8E8M0FNU, i4) {
  %0 = arith.truncf %x : f64 to f8E8M0FNU
  %1 = arith.bitcast %y : f4E2M1FN to i4
  return %0, %1 : f8E8M0FNU, i4
}

// -----

// Wide types are as they are.
// CHECK-LABEL: func.func @wide
// CHECK-NEXT:    %[[SUM:.*]] = arith.addi %{{.*}}, %{{.*}} : i8
// CHECK-NEXT:    return %[[SUM]] : i8
func.func @wide(%x: i8) -> i8 {
  %0 = arith.addi %x, %x : i8
  return %0 : i8
}

// -----

func.func @carry(%x: i4) -> i1 {
  // expected-error@+1 {{'arith.addui_extended' on i4: nothing computes with such elements}}
  %sum, %carry = arith.addui_extended %x, %x : i4, i1
  return %carry : i1
}
