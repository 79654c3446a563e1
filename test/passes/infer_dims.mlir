// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --nimble-infer-dims --verify-diagnostics | FileCheck %s

// The shape functions themselves are tested in shape_functions/.

// Arguments, results and the function's type get dims; dims go from op to op.
// CHECK-LABEL: func.func @through
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
// CHECK-SAME:    -> tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
// CHECK:         %[[SINE:.*]] = stablehlo.sine %[[X]] : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
// CHECK:         %[[SUM:.*]] = stablehlo.add %[[SINE]], %[[X]] : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
// CHECK:         return %[[SUM]] : tensor<?x4xf32, #nimble.dims<[@x_0, 4]>>
func.func @through(%x: tensor<?x4xf32> {nimble.name = "x"}) -> tensor<?x4xf32> {
  %0 = stablehlo.sine %x : tensor<?x4xf32>
  %1 = stablehlo.add %0, %x : tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// A falsely dynamic dimension becomes static, also that of an argument.
// CHECK-LABEL: func.func @falsely_dynamic
// CHECK-SAME:    %{{.*}}: tensor<4xf32>
// CHECK-SAME:    -> tensor<4xf32>
// CHECK:         stablehlo.sine %{{.*}} : tensor<4xf32>
func.func @falsely_dynamic(%x: tensor<?xf32> {nimble.dims = [4]}) -> tensor<?xf32> {
  %0 = stablehlo.sine %x : tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: func.func @returned_argument
// CHECK-SAME:    -> tensor<?xf32, #nimble.dims<[@x_0]>>
func.func @returned_argument(%x: tensor<?xf32> {nimble.name = "x"}) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// The bounds of a type are known from the symbol, and go.
// CHECK-LABEL: func.func @bounds_go
// CHECK-NOT:     stablehlo.bounds
// CHECK:         return %{{.*}} : tensor<?xf32, #nimble.dims<[@x_0]>>
func.func @bounds_go(%x: tensor<?xf32, #stablehlo.bounds<64>> {nimble.name = "x"}) -> tensor<?xf32, #stablehlo.bounds<64>> {
  %0 = stablehlo.sine %x : tensor<?xf32, #stablehlo.bounds<64>>
  return %0 : tensor<?xf32, #stablehlo.bounds<64>>
}

// -----

// A check stands behind the symbols; what it guarantees holds from there on, also in dims.
// CHECK-LABEL: func.func @guaranteed_once
// CHECK:         "nimble.check"{{.*}}message = "'stablehlo.add' needs equal sizes, but dimension 0 of operands 0 and 1 differ: 'x_0' and 'y_0'"
// CHECK:         "nimble.constraint"{{.*}}relation = "x_0 == y_0"
// CHECK-NOT:     nimble.check
// CHECK:         stablehlo.concatenate {{.*}} -> tensor<?xf32, #nimble.dims<["2*x_0"]>>
func.func @guaranteed_once(%x: tensor<?xf32> {nimble.name = "x"}, %y: tensor<?xf32> {nimble.name = "y"}) {
  %0 = stablehlo.add %x, %y : tensor<?xf32>
  %1 = stablehlo.multiply %y, %x : tensor<?xf32>
  %2 = stablehlo.concatenate %x, %y, dim = 0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

// A type that says more than the operands: a check, too.
// CHECK-LABEL: func.func @stated_by_the_result
// CHECK:         "nimble.check"{{.*}}message = "'stablehlo.add' needs equal sizes, but dimension 0 of the result by its operands and by its type differ: 'x_0' and '4'"
// CHECK:         stablehlo.add {{.*}} -> tensor<4xf32>
func.func @stated_by_the_result(%x: tensor<?xf32> {nimble.name = "x"}) -> tensor<4xf32> {
  %0 = stablehlo.add %x, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @stated_wrongly(%x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 5}}} {
  // expected-error @below {{'stablehlo.add' needs equal sizes, but dimension 0 of the result by its operands and by its type are 's' and '4'}}
  %0 = stablehlo.add %x, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<4xf32>
  return
}

// -----

// CHECK-LABEL: func.func @nothing_to_do
// CHECK-SAME:    (%[[X:.*]]: tensor<4xf32>
// CHECK-NEXT:    %[[SINE:.*]] = stablehlo.sine %[[X]] : tensor<4xf32>
// CHECK-NEXT:    return %[[SINE]]
func.func @nothing_to_do(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @unknown_op(%n: index) {
  // expected-error @below {{'tensor.empty' with dynamic sizes is not supported}}
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

func.func @unknown_custom_call(%x: tensor<?xf32>) {
  // expected-error @below {{custom call 'somewhere_else' with dynamic sizes is not supported}}
  %0 = stablehlo.custom_call @somewhere_else(%x) : (tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

// Undecided as it stands, but no values are left when it holds.
func.func @contradiction(%x: tensor<?xf32> {nimble.dims = ["s + 2*u + 1"]}, %y: tensor<?x?xf32> {nimble.dims = [@s, @u]}, %z: tensor<4xf32>) attributes {nimble.symbols = {s = {min = 1, max = 2}, u = {min = 0, max = 2, multiple_of = 2}}} {
  // expected-error @below {{'stablehlo.add' needs equal sizes, but dimension 0 of operands 0 and 1 differ: 's + 2*u + 1' and '4': the constraints leave no value for symbol 's'}}
  %0 = stablehlo.add %x, %z : (tensor<?xf32>, tensor<4xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @bounded_result(%x: tensor<1xf32>) {
  // expected-error @below {{result 0 of 'stablehlo.broadcast_in_dim' has unknown dims}}
  %0 = stablehlo.broadcast_in_dim %x, dims = [0] : (tensor<1xf32>) -> tensor<?xf32, #stablehlo.bounds<8>>
  return
}
