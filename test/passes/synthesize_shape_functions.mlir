// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --nimble-synthesize-shape-functions | FileCheck %s

// One argument a size of the arguments, in order, static ones included; one result a size of the results.
// CHECK-LABEL: func.func @f
// CHECK-LABEL: func.func @f$shape
// CHECK-SAME:    (%[[X0:.*]]: i64, %[[X1:.*]]: i64, %[[Y0:.*]]: i64) -> (i64, i64, i64)
// CHECK-SAME:    attributes {nimble.shape_of = @f}
// CHECK-DAG:     %[[SIZE:.*]] = arith.index_cast %[[X0]] : i64 to index
// CHECK:         %[[S:.*]] = "nimble.symbol"(%[[SIZE]]) {{.*}}symbol = @x_0
// CHECK:         "nimble.check"{{.*}}message = "argument 'x' axis 1 must be '4'"
// CHECK:         %[[TWICE:.*]] = arith.muli %[[S]], %{{.*}}
// CHECK:         %[[RESULT:.*]] = arith.index_cast %[[TWICE]] : index to i64
// CHECK:         return %[[RESULT]], %{{.*}}, %{{.*}}
func.func @f(%x: tensor<?x4xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) -> (tensor<?x4xf32>, tensor<?xf32>) {
  %0 = stablehlo.concatenate %x, %x, dim = 0 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0, %y : tensor<?x4xf32>, tensor<?xf32>
}

// -----

// The checks of the arguments are in the shape function, too.
// CHECK-LABEL: func.func @checked$shape
// CHECK:         "nimble.check"{{.*}}message = "argument 'x' axis 0: 's' must be at most 8"
func.func @checked(%x: tensor<?xf32> {nimble.name = "x", nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 0, max = 8}}} {
  return
}

// -----

// CHECK-LABEL: func.func private @nothing_to_do
// CHECK-NOT:     func.func
func.func private @nothing_to_do(%x: tensor<?xf32>) {
  return
}
