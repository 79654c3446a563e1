// RUN: %nimble-opt %s | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --emit-bytecode | %nimble-opt | FileCheck %s
// RUN: %nimble-opt %s --mlir-print-op-generic | %nimble-opt | FileCheck %s

// CHECK-LABEL: func.func @symbol
// CHECK-SAME:    %[[SIZE:.*]]: index
func.func @symbol(%size: index) -> (index, index) {
  // CHECK: "nimble.symbol"(%[[SIZE]]) {bounds = {likely = array<i64: 8, 64>, max = 512 : i64, min = 1 : i64, multiple_of = 8 : i64}, symbol = @s} : (index) -> index
  %s = "nimble.symbol"(%size) {symbol = @s, bounds = {min = 1, max = 512, multiple_of = 8, likely = array<i64: 8, 64>}} : (index) -> index
  // CHECK: "nimble.symbol"(%[[SIZE]]) {bounds = {}, symbol = @t} : (index) -> index
  %t = "nimble.symbol"(%size) {symbol = @t, bounds = {}} : (index) -> index
  return %s, %t : index, index
}

// CHECK-LABEL: func.func @constraint
// CHECK-SAME:    %[[B:.*]]: index, %[[S:.*]]: index
func.func @constraint(%b: index, %s: index) {
  // CHECK: "nimble.constraint"(%[[B]], %[[S]]) {operandSegmentSizes = array<i32: 2>, relation = "b*s <= 4096", symbols = [@b, @s]} : (index, index) -> ()
  "nimble.constraint"(%b, %s) {symbols = [@b, @s], relation = "b*s <= 4096", operandSegmentSizes = array<i32: 2>} : (index, index) -> ()
  return
}

// CHECK-LABEL: func.func @check
// CHECK-SAME:    %[[CONDITION:.*]]: i1
func.func @check(%condition: i1) {
  // CHECK: "nimble.check"(%[[CONDITION]]) {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be at least 1"} : (i1) -> ()
  "nimble.check"(%condition) {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be at least 1"} : (i1) -> ()
  return
}

// CHECK-LABEL: func.func @cast
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32, #nimble.dims<[@s, 4]>>
func.func @cast(%x: tensor<?x4xf32, #nimble.dims<[@s, 4]>>) -> tensor<?x?xf32, #nimble.dims<["2*t + 1", @u]>> {
  // CHECK: "nimble.cast"(%[[X]]) : (tensor<?x4xf32, #nimble.dims<[@s, 4]>>) -> tensor<?x?xf32, #nimble.dims<["2*t + 1", @u]>>
  %0 = "nimble.cast"(%x) : (tensor<?x4xf32, #nimble.dims<[@s, 4]>>) -> tensor<?x?xf32, #nimble.dims<["2*t + 1", @u]>>
  return %0 : tensor<?x?xf32, #nimble.dims<["2*t + 1", @u]>>
}
