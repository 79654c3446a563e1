// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @chunks
// CHECK-SAME:    %[[C:[^:]*]]: tensor<32xi64>, %[[N:[^:]*]]: i64
func.func @chunks(%counters: tensor<32xi64>, %count: i64) -> i64 {
  // CHECK: %[[T:.*]] = "nimble.take_chunk"(%[[C]]) : (tensor<32xi64>) -> i64
  // CHECK: "nimble.await_chunks"(%[[C]], %[[N]]) : (tensor<32xi64>, i64) -> ()
  // CHECK: "nimble.chunk_done"(%[[C]]) : (tensor<32xi64>) -> ()
  %0 = "nimble.take_chunk"(%counters) : (tensor<32xi64>) -> i64
  "nimble.await_chunks"(%counters, %count) : (tensor<32xi64>, i64) -> ()
  "nimble.chunk_done"(%counters) : (tensor<32xi64>) -> ()
  return %0 : i64
}
