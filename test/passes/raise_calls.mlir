// RUN: %nimble-opt %s --split-input-file --nimble-raise-calls --verify-diagnostics | FileCheck %s

// What appends to what another call has made has its list.
// CHECK-LABEL: func.func @lists
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>, %[[ROW:[^:]*]]: tensor<4xf32>
// CHECK:         %[[FROM:.*]] = "nimble.list_from"(%[[X]]) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64}>
// CHECK:         %[[ONE:.*]] = "nimble.list_append"(%[[FROM]], %[[ROW]]) {what = "a list"}
// CHECK:         %[[TWO:.*]] = "nimble.list_extend"(%[[ONE]], %[[X]]) {what = "a list"}
// CHECK:         %[[ALL:.*]] = "nimble.list_stack"(%[[TWO]]) : ({{.*}}) -> tensor<?x4xf32>
// CHECK:         return %[[ALL]]
func.func @lists(%x: tensor<?x4xf32>, %row: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = stablehlo.custom_call @nimble.list_append(%x, %row) {api_version = 4 : i32, backend_config = {bound = 9 : i64, what = "a list"}} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %1 = stablehlo.custom_call @nimble.list_extend(%0, %x) {api_version = 4 : i32, backend_config = {bound = 9 : i64, what = "a list"}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// A list with other limits is another list.
// CHECK-LABEL: func.func @other_limits
// CHECK:         %[[ROWS:.*]] = "nimble.list_stack"
// CHECK:         %[[LIST:.*]] = "nimble.list_from"(%[[ROWS]]) : (tensor<?xf32>) -> !nimble.list<tensor<f32>, {capacity = 8 : i64}>
// CHECK:         "nimble.list_reserve"(%[[LIST]])
func.func @other_limits(%x: tensor<?xf32>, %row: tensor<f32>) -> tensor<?xf32> {
  %0 = stablehlo.custom_call @nimble.list_append(%x, %row) {api_version = 4 : i32, backend_config = {what = "a list"}} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %1 = stablehlo.custom_call @nimble.list_reserve(%0) {api_version = 4 : i32, backend_config = {capacity = 8 : i64}} : (tensor<?xf32>) -> tensor<?xf32>
  return %1 : tensor<?xf32>
}

// -----

// In private functions, too; a call that says no limits.
// CHECK-LABEL: func.func private @reading
// CHECK:         %[[LIST:.*]] = "nimble.list_from"(%{{.*}}) : (tensor<?x?xf32>) -> !nimble.list<tensor<?xf32>, {}>
// CHECK:         "nimble.list_get"(%[[LIST]], %{{.*}}) : ({{.*}}, tensor<i32>) -> tensor<?xf32>
// CHECK:         "nimble.list_length"(%{{.*}}) : ({{.*}}) -> tensor<i32>
func.func private @reading(%x: tensor<?x?xf32>, %i: tensor<i32>) -> (tensor<?xf32>, tensor<i32>) {
  %0 = stablehlo.custom_call @nimble.list_get(%x, %i) {api_version = 4 : i32, backend_config = {}} : (tensor<?x?xf32>, tensor<i32>) -> tensor<?xf32>
  %1 = stablehlo.custom_call @nimble.list_length(%x) : (tensor<?x?xf32>) -> tensor<i32>
  return %0, %1 : tensor<?xf32>, tensor<i32>
}

// -----

// Recursion: operands and results go by tuples.
// CHECK-LABEL: func.func @begin
// CHECK-SAME:    %[[W:[^:]*]]: tensor<?xf32>, %[[N:[^:]*]]: tensor<i32>
// CHECK:         %[[ARGS:.*]] = stablehlo.tuple %[[W]], %[[N]] : tuple<tensor<?xf32>, tensor<i32>>
// CHECK:         %[[R:.*]] = "nimble.start_recursion"(%[[ARGS]]) {callee = @f, invariants = 1 : i64, max_depth = 9 : i64, tables = [1], what = "f"}
// CHECK-SAME:      -> tuple<tensor<i32>, tensor<?x3xi32>, tensor<i32>>
// CHECK:         %[[FIRST:.*]] = stablehlo.get_tuple_element %[[R]][0]
// CHECK:         %[[LAST:.*]] = stablehlo.get_tuple_element %[[R]][2]
// CHECK:         return %[[FIRST]], %[[LAST]]
// CHECK-LABEL: func.func private @f
// CHECK:         %[[ARG:.*]] = stablehlo.tuple %{{.*}} : tuple<tensor<i32>>
// CHECK:         "nimble.recursive_call"(%[[ARG]]) {callee = @f} : (tuple<tensor<i32>>) -> tuple<tensor<i32>>
// CHECK:         "nimble.make_node"(%{{.*}}) {constructor = 1 : i64, heap = 0 : i64} : (tuple<tensor<i32>, tensor<i32>>) -> tensor<i32>
func.func @begin(%w: tensor<?xf32>, %n: tensor<i32>) -> (tensor<i32>, tensor<i32>) {
  %0:3 = stablehlo.custom_call @nimble.start_recursion(%w, %n) {api_version = 4 : i32, backend_config = {invariants = 1 : i64, max_depth = 9 : i64, tables = [1], what = "f"}, called_computations = [@f]} : (tensor<?xf32>, tensor<i32>) -> (tensor<i32>, tensor<?x3xi32>, tensor<i32>)
  return %0#0, %0#2 : tensor<i32>, tensor<i32>
}
func.func private @f(%w: tensor<?xf32>, %n: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.custom_call @nimble.recursive_call(%n) {api_version = 4 : i32, backend_config = {}, called_computations = [@f]} : (tensor<i32>) -> tensor<i32>
  %1 = stablehlo.custom_call @nimble.make_node(%0, %n) {api_version = 4 : i32, backend_config = {constructor = 1 : i64, heap = 0 : i64}} : (tensor<i32>, tensor<i32>) -> tensor<i32>
  return %1 : tensor<i32>
}

// -----

// Other calls stay.
// CHECK-LABEL: func.func @others
// CHECK:         stablehlo.custom_call @nimble.count
func.func @others(%x: tensor<?xi8>) -> tensor<65xi32> {
  %0 = stablehlo.custom_call @nimble.count(%x) {api_version = 4 : i32, backend_config = {}} : (tensor<?xi8>) -> tensor<65xi32>
  return %0 : tensor<65xi32>
}

// -----

func.func @nobody_knows_what(%x: tensor<?xf32>, %row: tensor<f32>) -> tensor<?xf32> {
  // expected-error @below {{custom call 'nimble.list_append' has no attribute 'what'}}
  %0 = stablehlo.custom_call @nimble.list_append(%x, %row) {api_version = 4 : i32, backend_config = {}} : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @nobody_knows_whom(%n: tensor<i32>) -> tensor<i32> {
  // expected-error @below {{custom call 'nimble.recursive_call' calls 0 functions, but it needs one}}
  %0 = stablehlo.custom_call @nimble.recursive_call(%n) {api_version = 4 : i32, backend_config = {}} : (tensor<i32>) -> tensor<i32>
  return %0 : tensor<i32>
}
