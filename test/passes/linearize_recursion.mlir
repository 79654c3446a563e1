// RUN: %nimble-opt %s --split-input-file --nimble-linearize-recursion --verify-diagnostics | FileCheck %s

// Two calls on one part are one; a result that is handed on as a tuple is taken apart.
!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
// CHECK-LABEL: func.func @twice
// CHECK:         {constructor = "Zero"}
// CHECK:         ^bb0(%{{.*}}: tensor<i32>, %[[OF:.*]]: !nimble.adt<@Nat>, %[[X:.*]]: tensor<?x2xf32>,
// CHECK:           %[[H:.*]] = stablehlo.tuple %[[X]]
// CHECK-NEXT:      %[[CALL:.*]] = "nimble.recur"(%[[OF]], %[[H]])
// CHECK-NEXT:      %[[E:.*]] = stablehlo.get_tuple_element %[[CALL]][0]
// CHECK-NOT:       nimble.recur
// CHECK:           stablehlo.add %[[E]], %[[E]]
// CHECK:           %[[Y:.*]] = stablehlo.tuple %[[E]]
// CHECK:           "nimble.yield"(%[[Y]])
func.func @twice(%n: tensor<i32> {jax.global_constant = "_n0"}, %roots: tensor<?xi32>, %blocks: tensor<?x2x3xi32>, %groups: tensor<?x?x2x3xi32>, %ofs: tensor<?xi32>, %xs: tensor<?x2xf32>, %zeros: tensor<?xi32>, %first: tensor<2xf32>) -> tensor<?x2xf32> {
  %arrays = stablehlo.tuple %roots, %blocks, %groups, %ofs, %xs, %zeros : !arrays
  %t = "nimble.tree"(%arrays) : (!arrays) -> !nat
  %args = stablehlo.tuple %first : !row
  %no = stablehlo.constant dense<0.0> : tensor<2xf32>
  %empty = stablehlo.tuple %no : !row
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n0: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n1: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %h = stablehlo.tuple %x : !rows
      %c = "nimble.recur"(%of, %h) : (!nat, !rows) -> !rows
      %g = stablehlo.tuple %x : !rows
      %d = "nimble.recur"(%of, %g) : (!nat, !rows) -> !rows
      %u = stablehlo.get_tuple_element %c[0] : (!rows) -> tensor<?x2xf32>
      %v = stablehlo.get_tuple_element %d[0] : (!rows) -> tensor<?x2xf32>
      %s = stablehlo.add %u, %v : tensor<?x2xf32>
      "nimble.yield"(%d) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  %0 = stablehlo.get_tuple_element %r[0] : (!rows) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @others(%n: tensor<i32> {jax.global_constant = "_n0"}, %roots: tensor<?xi32>, %blocks: tensor<?x2x3xi32>, %groups: tensor<?x?x2x3xi32>, %ofs: tensor<?xi32>, %xs: tensor<?x2xf32>, %zeros: tensor<?xi32>, %first: tensor<2xf32>) -> tensor<?x2xf32> {
  %arrays = stablehlo.tuple %roots, %blocks, %groups, %ofs, %xs, %zeros : !arrays
  %t = "nimble.tree"(%arrays) : (!arrays) -> !nat
  %args = stablehlo.tuple %first : !row
  %no = stablehlo.constant dense<0.0> : tensor<2xf32>
  %empty = stablehlo.tuple %no : !row
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n0: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n1: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %h = stablehlo.tuple %x : !rows
      %c = "nimble.recur"(%of, %h) : (!nat, !rows) -> !rows
      %g = stablehlo.tuple %a : !rows
      // expected-error @below {{the function is called twice on one part with other arguments; return both results from one call}}
      %d = "nimble.recur"(%of, %g) : (!nat, !rows) -> !rows
      "nimble.yield"(%d) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  %0 = stablehlo.get_tuple_element %r[0] : (!rows) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
