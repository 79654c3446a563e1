// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @lists
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>, %[[ROW:[^:]*]]: tensor<4xf32>, %[[MORE:[^:]*]]: tensor<3x4xf32>, %[[I:[^:]*]]: tensor<i32>
func.func @lists(%x: tensor<?x4xf32>, %row: tensor<4xf32>, %more: tensor<3x4xf32>, %i: tensor<i32>) {
  // CHECK: %[[FROM:.*]] = "nimble.list_from"(%[[X]]) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>
  %0 = "nimble.list_from"(%x) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>
  // CHECK: %[[ROOM:.*]] = "nimble.list_reserve"(%[[FROM]])
  %1 = "nimble.list_reserve"(%0) : (!nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>
  // CHECK: %[[ONE:.*]] = "nimble.list_append"(%[[ROOM]], %[[ROW]]) {what = "a list"}
  %2 = "nimble.list_append"(%1, %row) {what = "a list"} : (!nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>, tensor<4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>
  // CHECK: %[[LIST:.*]] = "nimble.list_extend"(%[[ONE]], %[[MORE]]) {what = "a list"}
  %3 = "nimble.list_extend"(%2, %more) {what = "a list"} : (!nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>, tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>
  // CHECK: "nimble.list_get"(%[[LIST]], %[[I]]) : ({{.*}}, tensor<i32>) -> tensor<4xf32>
  %4 = "nimble.list_get"(%3, %i) : (!nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>, tensor<i32>) -> tensor<4xf32>
  // CHECK: "nimble.list_length"(%[[LIST]]) : ({{.*}}) -> tensor<i32>
  %5 = "nimble.list_length"(%3) : (!nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>) -> tensor<i32>
  // CHECK: "nimble.list_stack"(%[[LIST]]) : ({{.*}}) -> tensor<?x4xf32>
  %6 = "nimble.list_stack"(%3) : (!nimble.list<tensor<4xf32>, {bound = 9 : i64, capacity = 8 : i64}>) -> tensor<?x4xf32>
  return
}

// Rows may have dynamic sizes, and a list no limits.
// CHECK-LABEL: func.func @dynamic_rows
// CHECK:         "nimble.list_from"({{.*}}) : (tensor<5x?xi8>) -> !nimble.list<tensor<?xi8>, {}>
func.func @dynamic_rows(%x: tensor<5x?xi8>) {
  %0 = "nimble.list_from"(%x) : (tensor<5x?xi8>) -> !nimble.list<tensor<?xi8>, {}>
  return
}
