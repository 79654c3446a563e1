// RUN: %nimble-opt %s --split-input-file --nimble-batch-recursion --verify-diagnostics | FileCheck %s

// Arguments go down the levels, results up: level by level, or group by group if that is one dispatch.
!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
// CHECK-NOT:     nimble.datatype
// CHECK-LABEL: func.func @levels
// CHECK-SAME:    (%[[ROOTS:[^:]*]]: tensor<?xi32>, %[[BLOCKS:[^:]*]]: tensor<?x2x3xi32>, %[[GROUPS:[^:]*]]: tensor<?x?x2x3xi32>, %[[OF:[^:]*]]: tensor<?xi32>, %[[X:[^:]*]]: tensor<?x2xf32>, %[[ZERO:[^:]*]]: tensor<?xi32>, %[[FIRST:[^:]*]]: tensor<2xf32>)
// CHECK:         %[[EMPTY:.*]] = stablehlo.constant dense<0.000000e+00> : tensor<2xf32>
// CHECK:         %[[LEVELS:.*]] = stablehlo.get_dimension_size %[[BLOCKS]], dim = 0
// CHECK:         %[[ZEROS:.*]] = stablehlo.get_dimension_size %[[ZERO]], dim = 0
// CHECK:         %[[SUCCS:.*]] = stablehlo.get_dimension_size %[[OF]], dim = 0
// CHECK:         %[[SIZE:.*]] = stablehlo.add %[[ZEROS]], %[[SUCCS]]
// CHECK:         %[[RESULTS:.*]] = stablehlo.dynamic_broadcast_in_dim %[[EMPTY]], %{{.*}}, dims = [1]
// CHECK:         %[[ARGS:.*]] = stablehlo.dynamic_broadcast_in_dim %[[FIRST]], %{{.*}}, dims = [1]
// CHECK:         %[[WHICH:.*]] = stablehlo.custom_call @nimble.one_dispatch()
// CHECK:         %[[INDEX:.*]] = stablehlo.convert %[[WHICH]]
// CHECK:         %[[DOWN:.*]] = "stablehlo.case"(%[[INDEX]]) ({
// CHECK:           %[[BELOW:.*]] = stablehlo.subtract %[[LEVELS]], %{{.*}}
// CHECK:           stablehlo.while(%[[I:.*]] = %{{.*}}, %[[A:.*]] = %[[ARGS]])
// CHECK:           do {
// CHECK:             %[[COUNT:.*]] = stablehlo.reshape
// CHECK:             %[[N:.*]] = stablehlo.custom_call @nimble.define_size(%{{.*}}) {{.*}}symbol = "_n0", what = "the level of Nat.Succ"
// CHECK:             %[[PARTS:.*]] = stablehlo.real_dynamic_slice %[[OF]]
// CHECK:             %[[XS:.*]] = stablehlo.real_dynamic_slice %[[X]]
// CHECK:             %[[OWN:.*]] = stablehlo.real_dynamic_slice %[[A]]
// CHECK:             %[[HANDED:.*]] = stablehlo.multiply %[[XS]], %[[OWN]]
// CHECK-NOT:         stablehlo.add %{{.*}} : tensor<?x2xf32>
// CHECK:             "stablehlo.scatter"(%[[A]], %{{.*}}, %[[HANDED]])
// CHECK:         }, {
// CHECK:           %[[GROUPCOUNT:.*]] = stablehlo.get_dimension_size %[[GROUPS]], dim = 0
// CHECK:           stablehlo.while
// CHECK:             stablehlo.dynamic_slice %[[GROUPS]]
// CHECK:             "stablehlo.case"
// CHECK:               stablehlo.multiply %{{.*}}, %{{.*}} : tensor<?x2xf32>
// CHECK:         %[[AGAIN:.*]] = stablehlo.custom_call @nimble.one_dispatch()
// CHECK:         %[[UP:.*]] = "stablehlo.case"(%{{.*}}) ({
// CHECK:           %[[OFLEAVES:.*]] = stablehlo.real_dynamic_slice %[[DOWN]]
// CHECK:           %[[LEAVES:.*]] = stablehlo.dynamic_update_slice %[[RESULTS]], %[[OFLEAVES]]
// CHECK:           stablehlo.while(%{{.*}} = %{{.*}}, %[[R:.*]] = %[[LEAVES]])
// CHECK:           do {
// CHECK:             %[[GIVEN:.*]] = "stablehlo.gather"(%[[R]], %{{.*}})
// CHECK:             %[[SUM:.*]] = stablehlo.add %[[GIVEN]], %{{.*}} : tensor<?x2xf32>
// CHECK:             stablehlo.dynamic_update_slice %[[R]], %[[SUM]]
// CHECK:         }, {
// CHECK:           stablehlo.while
// CHECK:         "stablehlo.gather"(%[[UP]], %{{.*}})
func.func @levels(%n: tensor<i32> {jax.global_constant = "_n0"}, %roots: tensor<?xi32>, %blocks: tensor<?x2x3xi32>, %groups: tensor<?x?x2x3xi32>, %ofs: tensor<?xi32>, %xs: tensor<?x2xf32>, %zeros: tensor<?xi32>, %first: tensor<2xf32>) -> tensor<?x2xf32> {
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
      %y = stablehlo.multiply %x, %a : tensor<?x2xf32>
      %h = stablehlo.tuple %y : !rows
      %c = "nimble.recur"(%of, %h) : (!nat, !rows) -> !rows
      %u = stablehlo.get_tuple_element %c[0] : (!rows) -> tensor<?x2xf32>
      %s = stablehlo.add %u, %x : tensor<?x2xf32>
      %g = stablehlo.tuple %s : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  %0 = stablehlo.get_tuple_element %r[0] : (!rows) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

// An inner recursion is lowered first, and copied with the arm that it is in.
!one = !nimble.adt<@One>
!of_one = tuple<tensor<?xi32>, tensor<?x1x3xi32>, tensor<?x?x1x3xi32>, tensor<?xf32>>
!row = tuple<tensor<f32>>
!rows = tuple<tensor<?xf32>>
"nimble.datatype"() {sym_name = "One", constructors = [{name = "One", fields = [{name = "x", type = tensor<f32>}]}]} : () -> ()
// CHECK-LABEL: func.func @nested
// CHECK-NOT:     nimble.recursive
// CHECK:         stablehlo.sine
// CHECK:         stablehlo.cosine
// CHECK:         return
func.func @nested(%roots: tensor<?xi32>, %blocks: tensor<?x1x3xi32>, %groups: tensor<?x?x1x3xi32>, %xs: tensor<?xf32>, %no: tensor<f32>) -> !rows {
  %arrays = stablehlo.tuple %roots, %blocks, %groups, %xs : !of_one
  %t = "nimble.tree"(%arrays) : (!of_one) -> !one
  %args = stablehlo.tuple : tuple<>
  %empty = stablehlo.tuple %no : !row
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %x: tensor<?xf32>):
      %q = "nimble.recursive"(%t, %args, %empty) ({
        "nimble.match"() ({
        ^bb0(%m: tensor<i32>, %y: tensor<?xf32>):
          %s = stablehlo.sine %y : tensor<?xf32>
          %h = stablehlo.tuple %s : !rows
          "nimble.yield"(%h) : (!rows) -> ()
        }) {constructor = "One"} : () -> ()
      }) {function = "inner", rows = "_n1"} : (!one, tuple<>, !row) -> !rows
      %e = stablehlo.get_tuple_element %q[0] : (!rows) -> tensor<?xf32>
      %c = stablehlo.cosine %e : tensor<?xf32>
      %g = stablehlo.tuple %c : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "One"} : () -> ()
  }) {function = "outer", rows = "_n0"} : (!one, tuple<>, !row) -> !rows
  return %r : !rows
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @argument(%n: tensor<i32> {jax.global_constant = "_n0"}, %t: !nat, %first: tensor<2xf32>) -> tensor<?x2xf32> {
  %args = stablehlo.tuple %first : !row
  %no = stablehlo.constant dense<0.0> : tensor<2xf32>
  %empty = stablehlo.tuple %no : !row
  // expected-error @below {{the recursion is over a value that is not made by 'nimble.tree' in this function}}
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n0: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n1: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %y = stablehlo.multiply %x, %a : tensor<?x2xf32>
      %h = stablehlo.tuple %y : !rows
      %c = "nimble.recur"(%of, %h) : (!nat, !rows) -> !rows
      %u = stablehlo.get_tuple_element %c[0] : (!rows) -> tensor<?x2xf32>
      %s = stablehlo.add %u, %x : tensor<?x2xf32>
      %g = stablehlo.tuple %s : !rows
      "nimble.yield"(%g) : (!rows) -> ()
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
func.func @tuples(%n: tensor<i32> {jax.global_constant = "_n0"}, %roots: tensor<?xi32>, %blocks: tensor<?x2x3xi32>, %groups: tensor<?x?x2x3xi32>, %ofs: tensor<?xi32>, %xs: tensor<?x2xf32>, %zeros: tensor<?xi32>, %first: tensor<2xf32>) -> tensor<?x2xf32> {
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
      // expected-error @below {{the call on part 'of' is not in the form that nimble-linearize-recursion gives it}}
      %c = "nimble.recur"(%of, %h) : (!nat, !rows) -> !rows
      "nimble.yield"(%c) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  %0 = stablehlo.get_tuple_element %r[0] : (!rows) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

!pair = !nimble.adt<@Pair>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>>
!row = tuple<tensor<f32>>
!rows = tuple<tensor<?xf32>>
"nimble.datatype"() {sym_name = "Pair", constructors = [{name = "Nil", fields = []}, {name = "Cons", fields = [{name = "left"}, {name = "right"}]}]} : () -> ()
func.func @depends(%arrays: !arrays, %first: !row, %empty: !row) -> !rows {
  %t = "nimble.tree"(%arrays) : (!arrays) -> !pair
  %r = "nimble.recursive"(%t, %first, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Nil"} : () -> ()
    // expected-error @below {{the call on part 'right' depends on what another call gives}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %left: !pair, %right: !pair, %a: tensor<?xf32>):
      %h = stablehlo.tuple %a : !rows
      %c = "nimble.recur"(%left, %h) : (!pair, !rows) -> !rows
      %u = stablehlo.get_tuple_element %c[0] : (!rows) -> tensor<?xf32>
      %i = stablehlo.tuple %u : !rows
      %d = "nimble.recur"(%right, %i) : (!pair, !rows) -> !rows
      %v = stablehlo.get_tuple_element %d[0] : (!rows) -> tensor<?xf32>
      %g = stablehlo.tuple %v : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Cons"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!pair, !row, !row) -> !rows
  return %r : !rows
}

// -----

!pair = !nimble.adt<@Pair>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>>
!row = tuple<tensor<f32>>
!rows = tuple<tensor<?xf32>>
"nimble.datatype"() {sym_name = "Pair", constructors = [{name = "Nil", fields = []}, {name = "Cons", fields = [{name = "left"}, {name = "right"}]}]} : () -> ()
func.func @not_linear(%arrays: !arrays, %first: !row, %empty: !row, %rows: !rows) -> !rows {
  %t = "nimble.tree"(%arrays) : (!arrays) -> !pair
  %r = "nimble.recursive"(%t, %first, %empty) ({
    // expected-error @below {{a tuple in an arm is not in the form that nimble-linearize-recursion gives it}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?xf32>):
      "nimble.yield"(%rows) : (!rows) -> ()
    }) {constructor = "Nil"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %left: !pair, %right: !pair, %a: tensor<?xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Cons"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!pair, !row, !row) -> !rows
  return %r : !rows
}
