// RUN: %nimble-opt %s --split-input-file --nimble-verify-level=level=nimble --verify-diagnostics | FileCheck %s

// What holds at level nimble; the IR stays as it is.
// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         %[[S:.*]] = "nimble.symbol"
// CHECK:         stablehlo.add
// CHECK:         "nimble.constraint"(%[[S]])
func.func @nothing_to_do(%x: tensor<?x4xf32, #nimble.dims<[@s, 4]>>, %y: tensor<4xf32>) -> tensor<?x4xf32, #nimble.dims<[@s, 4]>> {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x4xf32, #nimble.dims<[@s, 4]>>
  %s = "nimble.symbol"(%d) {symbol = @s, bounds = {}} : (index) -> index
  %0 = stablehlo.add %x, %x : tensor<?x4xf32, #nimble.dims<[@s, 4]>>
  "nimble.constraint"(%s) {symbols = [@s], relation = "s >= 2", operandSegmentSizes = array<i32: 1>} : (index) -> ()
  return %0 : tensor<?x4xf32, #nimble.dims<[@s, 4]>>
}
// A private function without a body is none that could be inlined.
func.func private @declared(tensor<?xf32>)

// -----

// Dims that a constraint says to be equal.
// CHECK-LABEL: func.func @constrained
func.func @constrained(%x: tensor<?xf32, #nimble.dims<[@s]>>, %y: tensor<?xf32, #nimble.dims<[@t]>>, %n: index) {
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  %t = "nimble.symbol"(%n) {symbol = @t, bounds = {}} : (index) -> index
  "nimble.constraint"(%s, %t) {symbols = [@s, @t], relation = "s == t", operandSegmentSizes = array<i32: 2>} : (index, index) -> ()
  %0 = stablehlo.add %x, %y : (tensor<?xf32, #nimble.dims<[@s]>>, tensor<?xf32, #nimble.dims<[@t]>>) -> tensor<?xf32, #nimble.dims<[@s]>>
  return
}

// -----

// A symbol of a region, whose value is an argument of its block.
// CHECK-LABEL: func.func @symbol_of_a_region
func.func @symbol_of_a_region(%x: tensor<4xf32>, %n: index) {
  scf.for %k = %n to %n step %n {
    %s = "nimble.symbol"(%k) {symbol = @k, bounds = {}} : (index) -> index
    %0 = "nimble.iota"(%s) {iota_dimension = 0 : i64, operandSegmentSizes = array<i32: 1>} : (index) -> tensor<?xi32, #nimble.dims<[@k]>>
    scf.for %i = %n to %n step %n {
      %1 = stablehlo.add %0, %0 : tensor<?xi32, #nimble.dims<[@k]>>
    }
  }
  return
}

// -----

// expected-error @below {{level 'nimble': there are no dimension-variable arguments, but argument 0 is one}}
func.func @dimension_variable(%s: tensor<i32> {jax.global_constant = "s"}) {
  return
}

// -----

// expected-error @below {{level 'nimble': private functions are inlined, but 'callee' is private and has a body}}
func.func private @callee() {
  return
}

// -----

// expected-error @below {{level 'nimble': every dynamic tensor has #nimble.dims and no static one has, but block argument 0 of 'func.func' is tensor<?xf32>}}
func.func @argument_without_dims(%x: tensor<?xf32>) {
  return
}

// -----

func.func @result_without_dims(%n: index) {
  // expected-error @below {{every dynamic tensor has #nimble.dims and no static one has, but result 0 of 'tensor.empty' is tensor<?xf32>}}
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

// expected-error @below {{every dynamic tensor has #nimble.dims and no static one has, but declared result 0 of 'func.func' is tensor<?xf32>}}
func.func private @declaration_has_none() -> tensor<?xf32>

// -----

// expected-error @below {{every dynamic tensor has #nimble.dims and no static one has, but block argument 0 of 'func.func' is tensor<4xf32, #nimble.dims<[4]>>}}
func.func @static_with_dims(%x: tensor<4xf32, #nimble.dims<[4]>>) {
  return
}

// -----

// expected-error @below {{but block argument 0 of 'func.func' is tensor<?x4xf32, #nimble.dims<[@s]>>, which states 1 dims at rank 2}}
func.func @dims_of_another_rank(%x: tensor<?x4xf32, #nimble.dims<[@s]>>) {
  return
}

// -----

// expected-error @below {{but block argument 0 of 'func.func' is tensor<?x4xf32, #nimble.dims<[@s, @t]>>, whose dimension 1 is 't' in the dims}}
func.func @symbol_where_static(%x: tensor<?x4xf32, #nimble.dims<[@s, @t]>>) {
  return
}

// -----

// expected-error @below {{but block argument 0 of 'func.func' is tensor<?xf32, #nimble.dims<[4]>>, whose dimension 0 is '4' in the dims}}
func.func @integer_where_dynamic(%x: tensor<?xf32, #nimble.dims<[4]>>) {
  return
}

// -----

// expected-error @below {{but block argument 0 of 'func.func' is tensor<?xf32, #nimble.dims<["s +"]>>: expected a number, a symbol or '(' at position 3 of 's +'}}
func.func @no_expression(%x: tensor<?xf32, #nimble.dims<["s +"]>>) {
  return
}

// -----

// expected-error @below {{level 'nimble': each symbol in a type has its value from a nimble.symbol that dominates it, but 'func.func' has '@s' in tensor<?xf32, #nimble.dims<[@s]>> and no nimble.symbol declares it}}
func.func @undeclared(%x: tensor<?xf32, #nimble.dims<[@s]>>) {
  return
}

// -----

func.func @declared_later(%n: index) {
  // expected-error @below {{'nimble.iota' has '@s' in tensor<?xi32, #nimble.dims<[@s]>> and its nimble.symbol comes later}}
  %0 = "nimble.iota"(%n) {iota_dimension = 0 : i64, operandSegmentSizes = array<i32: 1>} : (index) -> tensor<?xi32, #nimble.dims<[@s]>>
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  return
}

// -----

func.func @leaves_its_region(%n: index, %x: tensor<1xi32>) {
  // expected-error @below {{'stablehlo.while' has '@k' in tensor<?xi32, #nimble.dims<[@k]>> and the region that declares it has ended}}
  %0 = "stablehlo.while"(%x) ({
  ^bb0(%a: tensor<1xi32>):
    %true = stablehlo.constant dense<true> : tensor<i1>
    stablehlo.return %true : tensor<i1>
  }, {
  ^bb0(%a: tensor<1xi32>):
    %k = "nimble.symbol"(%n) {symbol = @k, bounds = {}} : (index) -> index
    stablehlo.return %a : tensor<1xi32>
  }) : (tensor<1xi32>) -> tensor<?xi32, #nimble.dims<[@k]>>
  return
}

// -----

func.func @declared_twice(%n: index) {
  %0 = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  // expected-error @below {{level 'nimble': a symbol is declared once, but '@s' is declared again}}
  %1 = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  return
}

// -----

func.func @constraint_of_another_value(%n: index) {
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  // expected-error @below {{level 'nimble': constraints are about the values of symbols, but '@s' has another value}}
  "nimble.constraint"(%n) {symbols = [@s], relation = "s >= 2", operandSegmentSizes = array<i32: 1>} : (index) -> ()
  return
}

// -----

func.func @unequal_dims(%x: tensor<?xf32, #nimble.dims<[@s]>>, %y: tensor<?xf32, #nimble.dims<[@t]>>, %n: index) {
  %s = "nimble.symbol"(%n) {symbol = @s, bounds = {}} : (index) -> index
  %t = "nimble.symbol"(%n) {symbol = @t, bounds = {}} : (index) -> index
  // expected-error @below {{level 'nimble': the dims of elementwise ops are proved or constrained to be equal, but dimension 0 of 'stablehlo.add' is 's' in the result and 't' in operand 1}}
  %0 = stablehlo.add %x, %y : (tensor<?xf32, #nimble.dims<[@s]>>, tensor<?xf32, #nimble.dims<[@t]>>) -> tensor<?xf32, #nimble.dims<[@s]>>
  return
}
