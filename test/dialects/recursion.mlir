// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>

// CHECK: "nimble.datatype"() {constructors = [{fields = [], name = "Zero"}, {fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}], name = "Succ"}], sym_name = "Nat"} : () -> ()
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()

// CHECK-LABEL: func.func @total
// CHECK-SAME:    %[[ARRAYS:[^:]*]]: tuple<{{[^)]*}}>, %[[ARGS:[^:]*]]: tuple<tensor<2xf32>>, %[[EMPTY:[^:]*]]: tuple<tensor<2xf32>>
func.func @total(%arrays: !arrays, %args: !row, %empty: !row) -> !rows {
  // CHECK: %[[TREE:.*]] = "nimble.tree"(%[[ARRAYS]]) : (tuple<{{.*}}>) -> !nimble.adt<@Nat>
  %t = "nimble.tree"(%arrays) : (!arrays) -> !nat
  // CHECK: %[[R:.*]] = "nimble.recursive"(%[[TREE]], %[[ARGS]], %[[EMPTY]]) ({
  %r = "nimble.recursive"(%t, %args, %empty) ({
    // CHECK-NEXT: "nimble.match"() ({
    // CHECK-NEXT: ^bb0(%{{.*}}: tensor<i32>, %[[A:.*]]: tensor<?x2xf32>):
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      // CHECK-NEXT: %[[G:.*]] = stablehlo.tuple %[[A]]
      // CHECK-NEXT: "nimble.yield"(%[[G]]) : (tuple<tensor<?x2xf32>>) -> ()
      // CHECK-NEXT: }) {constructor = "Zero"} : () -> ()
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // CHECK: ^bb0(%{{.*}}: tensor<i32>, %[[OF:.*]]: !nimble.adt<@Nat>, %[[X:.*]]: tensor<?x2xf32>, %{{.*}}: tensor<?x2xf32>):
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      // CHECK: %[[H:.*]] = stablehlo.tuple %[[X]]
      // CHECK: %[[C:.*]] = "nimble.recur"(%[[OF]], %[[H]]) : (!nimble.adt<@Nat>, tuple<tensor<?x2xf32>>) -> tuple<tensor<?x2xf32>>
      // CHECK: "nimble.yield"(%[[C]])
      // CHECK-NEXT: }) {constructor = "Succ"} : () -> ()
      %h = stablehlo.tuple %x : !rows
      %c = "nimble.recur"(%of, %h) : (!nat, !rows) -> !rows
      "nimble.yield"(%c) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
    // CHECK: {function = "total", rows = "_n0"} : (!nimble.adt<@Nat>, tuple<tensor<2xf32>>, tuple<tensor<2xf32>>) -> tuple<tensor<?x2xf32>>
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return %r : !rows
}
