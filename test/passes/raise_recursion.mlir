// RUN: %nimble-opt %s --split-input-file --nimble-raise-recursion --verify-diagnostics | FileCheck %s

// What an arm uses from outside (sizes, weights) it uses from there; its number of rows, fields and arguments are its own.
// CHECK:         "nimble.datatype"() {constructors = [{fields = [], name = "Zero"}, {fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}], name = "Succ"}], sym_name = "Nat"}
// CHECK-LABEL: func.func @f
// CHECK-SAME:    %{{[^:]*}}: tensor<i32>, %[[K:[^:]*]]: tensor<i32>, %[[W:[^:]*]]: tensor<2xf32>, %[[ROOTS:[^:]*]]: tensor<?xi32>
// CHECK-SAME:    %[[A:[^:]*]]: tensor<1xf32>, %[[EMPTY:[^:]*]]: tensor<2xf32>) -> tensor<?x2xf32>
// CHECK:         %[[ARRAYS:.*]] = stablehlo.tuple %[[ROOTS]]
// CHECK:         %[[TREE:.*]] = "nimble.tree"(%[[ARRAYS]]) : ({{.*}}) -> !nimble.adt<@Nat>
// CHECK:         %[[ARGS:.*]] = stablehlo.tuple %[[A]]
// CHECK:         %[[ZEROS:.*]] = stablehlo.tuple %[[EMPTY]]
// CHECK:         %[[R:.*]] = "nimble.recursive"(%[[TREE]], %[[ARGS]], %[[ZEROS]]) ({
// CHECK:           ^bb0(%[[N:.*]]: tensor<i32>, %{{.*}}: tensor<?x1xf32>):
// CHECK:             %[[N1:.*]] = stablehlo.reshape %[[N]]
// CHECK:             %[[SHAPE:.*]] = stablehlo.concatenate %[[N1]]
// CHECK:             %[[ROWS:.*]] = stablehlo.dynamic_broadcast_in_dim %[[W]], %[[SHAPE]]
// CHECK:             %[[GIVEN:.*]] = stablehlo.tuple %[[ROWS]]
// CHECK:             "nimble.yield"(%[[GIVEN]])
// CHECK:           {constructor = "Zero"}
// CHECK:           ^bb0(%{{.*}}: tensor<i32>, %[[OF:.*]]: !nimble.adt<@Nat>, %[[X:.*]]: tensor<?x2xf32>, %[[B:.*]]: tensor<?x1xf32>):
// CHECK:             %[[HANDED:.*]] = stablehlo.tuple %[[B]]
// CHECK:             %[[CALL:.*]] = "nimble.recur"(%[[OF]], %[[HANDED]])
// CHECK:             %[[MADE:.*]] = stablehlo.get_tuple_element %[[CALL]][0]
// CHECK:             stablehlo.add %[[MADE]], %[[X]]
// CHECK:           {constructor = "Succ"}
// CHECK:         {function = "total", rows = "_n0"}
// CHECK:         %[[E:.*]] = stablehlo.get_tuple_element %[[R]][0]
// CHECK:         return %[[E]]
func.func @f(%n: tensor<i32>, %k: tensor<i32>, %w: tensor<2xf32>, %roots: tensor<?xi32>, %blocks: tensor<?x2x3xi32>, %groups: tensor<?x?x2x3xi32>, %of: tensor<?xi32>, %x: tensor<?x2xf32>, %zeros: tensor<?xi32>, %a: tensor<1xf32>, %empty: tensor<2xf32>) -> tensor<?x2xf32> {
  %0 = stablehlo.custom_call @nimble.recursion(%n, %k, %w, %roots, %blocks, %groups, %of, %x, %zeros, %a, %empty) {api_version = 4 : i32, backend_config = {arguments = 1 : i64, arrays = 6 : i64, constructors = [{fields = [], name = "Zero", parts = []}, {fields = ["of", "x"], name = "Succ", parts = ["of"]}], datatype = "Nat", function = "total", rows = "_n0", rows_at = 0 : i64, shared = [1, 0], sizes = 2 : i64}, called_computations = [@f.Zero, @f.Succ]} : (tensor<i32>, tensor<i32>, tensor<2xf32>, tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>, tensor<1xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
func.func private @f.Zero(%n: tensor<i32>, %k: tensor<i32>, %w: tensor<2xf32>, %a: tensor<?x1xf32>) -> tensor<?x2xf32> {
  %two = stablehlo.constant dense<2> : tensor<1xi32>
  %0 = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %1 = stablehlo.concatenate %0, %two, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %2 = stablehlo.dynamic_broadcast_in_dim %w, %1, dims = [1] : (tensor<2xf32>, tensor<2xi32>) -> tensor<?x2xf32>
  return %2 : tensor<?x2xf32>
}
func.func private @f.Succ(%n: tensor<i32>, %k: tensor<i32>, %of: tensor<?xi32>, %x: tensor<?x2xf32>, %a: tensor<?x1xf32>) -> tensor<?x2xf32> {
  %0 = stablehlo.custom_call @nimble.recur(%of, %a) {api_version = 4 : i32} : (tensor<?xi32>, tensor<?x1xf32>) -> tensor<?x2xf32>
  %1 = stablehlo.add %0, %x : tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
}

// -----

// Two recursions over values of one type, and one over values of another that has the same name.
// CHECK-DAG: "nimble.datatype"() {constructors = [{fields = [{name = "x", type = tensor<2xf32>}], name = "One"}], sym_name = "T"}
// CHECK-DAG: "nimble.datatype"() {constructors = [{fields = [{name = "x", type = tensor<3xf32>}], name = "One"}], sym_name = "T_1"}
// CHECK-NOT:   nimble.datatype
// CHECK-LABEL: func.func @types
// CHECK:         "nimble.recursive"({{.*}}) ({
// CHECK:         (!nimble.adt<@T>, tuple<>, tuple<tensor<2xf32>>) -> tuple<tensor<?x2xf32>>
// CHECK:         (!nimble.adt<@T>, tuple<>, tuple<tensor<2xf32>>) -> tuple<tensor<?x2xf32>>
// CHECK:         (!nimble.adt<@T_1>, tuple<>, tuple<tensor<3xf32>>) -> tuple<tensor<?x3xf32>>
func.func @types(%n: tensor<i32>, %roots: tensor<?xi32>, %blocks: tensor<?x1x3xi32>, %groups: tensor<?x?x1x3xi32>, %x: tensor<?x2xf32>, %y: tensor<?x3xf32>, %two: tensor<2xf32>, %three: tensor<3xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x3xf32>) {
  %0 = stablehlo.custom_call @nimble.recursion(%n, %roots, %blocks, %groups, %x, %two) {api_version = 4 : i32, backend_config = {arguments = 0 : i64, arrays = 4 : i64, constructors = [{fields = ["x"], name = "One", parts = []}], datatype = "T", function = "f", rows = "_n0", rows_at = 0 : i64, shared = [0], sizes = 1 : i64}, called_computations = [@same]} : (tensor<i32>, tensor<?xi32>, tensor<?x1x3xi32>, tensor<?x?x1x3xi32>, tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %1 = stablehlo.custom_call @nimble.recursion(%n, %roots, %blocks, %groups, %x, %two) {api_version = 4 : i32, backend_config = {arguments = 0 : i64, arrays = 4 : i64, constructors = [{fields = ["x"], name = "One", parts = []}], datatype = "T", function = "g", rows = "_n0", rows_at = 0 : i64, shared = [0], sizes = 1 : i64}, called_computations = [@same]} : (tensor<i32>, tensor<?xi32>, tensor<?x1x3xi32>, tensor<?x?x1x3xi32>, tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %2 = stablehlo.custom_call @nimble.recursion(%n, %roots, %blocks, %groups, %y, %three) {api_version = 4 : i32, backend_config = {arguments = 0 : i64, arrays = 4 : i64, constructors = [{fields = ["x"], name = "One", parts = []}], datatype = "T", function = "h", rows = "_n0", rows_at = 0 : i64, shared = [0], sizes = 1 : i64}, called_computations = [@wide]} : (tensor<i32>, tensor<?xi32>, tensor<?x1x3xi32>, tensor<?x?x1x3xi32>, tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  return %0, %1, %2 : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x3xf32>
}
func.func private @same(%n: tensor<i32>, %x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  return %x : tensor<?x2xf32>
}
func.func private @wide(%n: tensor<i32>, %x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  return %x : tensor<?x3xf32>
}

// -----

func.func @missing(%n: tensor<i32>, %roots: tensor<?xi32>, %blocks: tensor<?x1x3xi32>, %groups: tensor<?x?x1x3xi32>, %x: tensor<?x2xf32>, %two: tensor<2xf32>) -> tensor<?x2xf32> {
  // expected-error @below {{function 'elsewhere' of constructor 'One' has no body in this module}}
  %0 = stablehlo.custom_call @nimble.recursion(%n, %roots, %blocks, %groups, %x, %two) {api_version = 4 : i32, backend_config = {arguments = 0 : i64, arrays = 4 : i64, constructors = [{fields = ["x"], name = "One", parts = []}], datatype = "T", function = "f", rows = "_n0", rows_at = 0 : i64, shared = [0], sizes = 1 : i64}, called_computations = [@elsewhere]} : (tensor<i32>, tensor<?xi32>, tensor<?x1x3xi32>, tensor<?x?x1x3xi32>, tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

// Nothing to do.
// CHECK-LABEL: func.func @none
// CHECK-NEXT:    stablehlo.custom_call @elsewhere
func.func @none(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.custom_call @elsewhere(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
