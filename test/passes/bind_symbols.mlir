// RUN: %nimble-opt %s --split-input-file --nimble-bind-symbols --verify-diagnostics | FileCheck %s

// A symbol gets its value from the first argument that has it as a size; other arguments are checked.
// CHECK-LABEL: func.func @plain
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x4xf32>
// CHECK-SAME:    %[[Y:[^:]*]]: tensor<?xf32>
func.func @plain(%x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@b, 4]}, %y: tensor<?xf32> {nimble.name = "y", nimble.dims = [@b]}) attributes {nimble.symbols = {b = {min = 0}}} {
  // CHECK-DAG: %[[SIZE:.*]] = tensor.dim {nimble.size_source} %[[X]]
  // CHECK:     %[[B:.*]] = "nimble.symbol"(%[[SIZE]]) {bounds = {min = 0 : i64}, symbol = @b}
  // CHECK:     %[[OTHER:.*]] = tensor.dim {nimble.size_source} %[[Y]]
  // CHECK:     %[[EQUAL:.*]] = arith.cmpi eq, %[[OTHER]], %[[B]]
  // CHECK:     "nimble.check"(%[[EQUAL]]) {kind = "argument_size", message = "argument 'y' axis 0 must be 'b'"}
  // CHECK-NOT: nimble.check
  return
}

// -----

// Ranges are checked before the symbol is declared.
// CHECK-LABEL: func.func @bounds
// CHECK:         "nimble.check"{{.*}} {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be at least 8"}
// CHECK:         "nimble.check"{{.*}} {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be at most 512"}
// CHECK:         %[[REST:.*]] = arith.remsi
// CHECK:         %[[WHOLE:.*]] = arith.cmpi eq, %[[REST]]
// CHECK:         "nimble.check"(%[[WHOLE]]) {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be a multiple of 8"}
// CHECK:         "nimble.symbol"{{.*}} {bounds = {likely = array<i64: 64>, max = 512 : i64, min = 8 : i64, multiple_of = 8 : i64}, symbol = @s}
func.func @bounds(%x: tensor<?xf32> {nimble.name = "x", nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 8, max = 512, multiple_of = 8, likely = array<i64: 64>}}} {
  return
}

// -----

// A linear size is solved, with a check that the division leaves no rest; the result may be negative.
// CHECK-LABEL: func.func @linear
// CHECK:         %[[SIZE:.*]] = tensor.dim
// CHECK:         %[[LESS:.*]] = arith.subi %[[SIZE]], %{{.*}}
// CHECK:         %[[S:.*]] = arith.floordivsi %[[LESS]], %{{.*}}
// CHECK:         %[[BACK:.*]] = arith.muli %[[S]], %{{.*}}
// CHECK:         %[[WHOLE:.*]] = arith.cmpi eq, %[[BACK]], %[[LESS]]
// CHECK:         "nimble.check"(%[[WHOLE]]) {kind = "argument_size", message = "argument 'x' axis 0 must be '2*s + 1' for a whole number 's'"}
// CHECK:         %[[POSITIVE:.*]] = arith.cmpi sge, %[[S]]
// CHECK:         "nimble.check"(%[[POSITIVE]]) {kind = "symbol_range", message = "argument 'x' axis 0: 's' must be at least 0"}
// CHECK:         "nimble.symbol"(%[[S]])
func.func @linear(%x: tensor<?xf32> {nimble.name = "x", nimble.dims = ["2*s + 1"]}) attributes {nimble.symbols = {s = {min = 0}}} {
  return
}

// -----

// The divisor is a symbol: it is solved first, and no division by 0 can happen.
// CHECK-LABEL: func.func @product
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?xf32>
// CHECK-SAME:    %[[Y:[^:]*]]: tensor<?xf32>
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[BS:.*]] = tensor.dim {nimble.size_source} %[[X]]
// CHECK:         %[[SAFE:.*]] = arith.maxsi %[[S]], %{{.*}}
// CHECK:         %[[B:.*]] = arith.floordivsi %[[BS]], %[[SAFE]]
// CHECK:         "nimble.check"{{.*}}message = "argument 'arg0' axis 0 must be 'b*s' for a whole number 'b'"
// CHECK:         "nimble.symbol"(%[[B]]) {{.*}}symbol = @b
func.func @product(%x: tensor<?xf32> {nimble.dims = ["b*s"]}, %y: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {b = {min = 0}, s = {min = 0}}} {
  return
}

// -----

// Dimension variables are replaced by the symbol's value, i32 or i64.
// CHECK-LABEL: func.func @dimension_variables
// CHECK-SAME:    (%{{[^:]*}}: tensor<?x?xf32> {{{[^}]*}}})
// CHECK:         %[[B:.*]] = "nimble.symbol"{{.*}}symbol = @b
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[B32:.*]] = arith.index_cast %[[B]] : index to i32
// CHECK:         %[[BT:.*]] = tensor.from_elements %[[B32]] : tensor<i32>
// CHECK:         %[[S64:.*]] = arith.index_cast %[[S]] : index to i64
// CHECK:         %[[ST:.*]] = tensor.from_elements %[[S64]] : tensor<i64>
// CHECK:         return %[[BT]], %[[ST]]
func.func @dimension_variables(%b: tensor<i32> {jax.global_constant = "b"}, %s: tensor<i64> {jax.global_constant = "s"}, %x: tensor<?x?xf32> {nimble.dims = [@b, @s]}) -> (tensor<i32>, tensor<i64>) attributes {nimble.symbols = {b = {min = 0}, s = {min = 0}}} {
  return %b, %s : tensor<i32>, tensor<i64>
}

// -----

// CHECK-LABEL: func.func @constraints
// CHECK:         %[[B:.*]] = "nimble.symbol"{{.*}}symbol = @b
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[BS:.*]] = arith.muli %[[B]], %[[S]]
// CHECK:         %[[HOLDS:.*]] = arith.cmpi sge, %{{.*}}, %[[BS]]
// CHECK:         "nimble.check"(%[[HOLDS]]) {kind = "constraint", message = "constraint 'b*s <= 4096' does not hold"}
// CHECK:         "nimble.constraint"(%[[B]], %[[S]]) {{.*}}relation = "b*s <= 4096", symbols = [@b, @s]
// CHECK:         %[[SAME:.*]] = arith.cmpi eq, %[[B]], %[[S]]
// CHECK:         "nimble.check"(%[[SAME]]) {kind = "constraint", message = "constraint 'b == s' does not hold"}
func.func @constraints(%x: tensor<?x?xf32> {nimble.dims = [@b, @s]}) attributes {nimble.symbols = {b = {min = 0}, s = {min = 0}}, nimble.constraints = ["b*s <= 4096", "b == s"]} {
  return
}

// -----

// An equality gives the value of a symbol that no size has alone.
// CHECK-LABEL: func.func @solved_by_a_constraint
// CHECK:         %[[S:.*]] = "nimble.symbol"{{.*}}symbol = @s
// CHECK:         %[[B:.*]] = "nimble.symbol"{{.*}}symbol = @b
// CHECK:         "nimble.check"{{.*}}message = "argument 'arg1' axis 0 must be 'mod(b, 4)'"
func.func @solved_by_a_constraint(%x: tensor<?xf32> {nimble.dims = [@s]}, %y: tensor<?xf32> {nimble.dims = ["mod(b, 4)"]}) attributes {nimble.symbols = {b = {min = 0}, s = {min = 0}}, nimble.constraints = ["b == s + 2"]} {
  return
}

// -----

// Without attributes each dynamic dimension is a symbol of its own; the bounds of its type are its maximum.
// CHECK-LABEL: func.func @foreign
// CHECK-SAME:    nimble.dims = [@arg0_0, 4], nimble.name = "arg0"
// CHECK-SAME:    nimble.dims = [2, @arg1_1], nimble.name = "arg1"
// CHECK-SAME:    nimble.symbols = {arg0_0 = {max = 64 : i64, min = 0 : i64}, arg1_1 = {min = 0 : i64}}
// CHECK:         "nimble.check"{{.*}}message = "argument 'arg0' axis 0: 'arg0_0' must be at most 64"
// CHECK:         "nimble.symbol"{{.*}} {bounds = {max = 64 : i64, min = 0 : i64}, symbol = @arg0_0}
// CHECK:         "nimble.symbol"{{.*}} {bounds = {min = 0 : i64}, symbol = @arg1_1}
func.func @foreign(%x: tensor<?x4xf32, #stablehlo.bounds<64, ?>>, %y: tensor<2x?xf32>) {
  return
}

// -----

// Types stay: ops that need exactly equal types would not verify with a new one.
// CHECK-LABEL: func.func @returned_argument
// CHECK:         return %{{.*}} : tensor<?xf32>{{$}}
func.func @returned_argument(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// Private functions have no symbols.
// CHECK-LABEL: func.func private @nothing_to_do
// CHECK-NOT:     nimble.symbol
func.func private @nothing_to_do(%x: tensor<?xf32>) {
  return
}

// -----

// Nothing is done twice.
// CHECK-LABEL: func.func @bound_already
// CHECK-NOT:     nimble.symbol
func.func @bound_already(%x: tensor<?xf32>) attributes {nimble.bound} {
  return
}

// -----

// expected-error @below {{symbol 'b' is not determined by any argument: it occurs only in 'b*s' (argument 'x' axis 0)}}
func.func @undetermined(%x: tensor<?xf32> {nimble.name = "x", nimble.dims = ["b*s"]}) attributes {nimble.symbols = {b = {}, s = {}}} {
  return
}

// -----

// expected-error @below {{no argument determines the dimension variable 'b'}}
func.func @undetermined_variable(%b: tensor<i32> {jax.global_constant = "b"}, %x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {b = {}, s = {}}} {
  return
}

// -----

// expected-error @below {{constraint 's >= b' is about 'b', which no argument determines}}
func.func @undetermined_constraint(%x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {b = {}, s = {}}, nimble.constraints = ["b <= s"]} {
  return
}

// -----

// expected-error @below {{the signature of '@contradiction' is malformed: constraint 's <= 4' never holds with what is known about its symbols}}
func.func @contradiction(%x: tensor<?xf32> {nimble.dims = [@s]}) attributes {nimble.symbols = {s = {min = 8}}, nimble.constraints = ["s <= 4"]} {
  return
}

// -----

// expected-error @below {{the signature of '@undeclared' is malformed: argument 'x' has symbol 's', which nimble.symbols does not declare}}
func.func @undeclared(%x: tensor<?xf32> {nimble.name = "x", nimble.dims = [@s]}) {
  return
}

// -----

// expected-error @below {{the signature of '@another_rank' is malformed: argument 'x' is tensor<?xf32>, but nimble.dims states 2 dims}}
func.func @another_rank(%x: tensor<?xf32> {nimble.name = "x", nimble.dims = [@s, 4]}) attributes {nimble.symbols = {s = {}}} {
  return
}

// -----

// Of somebody else's program an argument that reaches a shape operand is a size: its value is read, and is at least 0.
// CHECK-LABEL: func.func @size_argument
// CHECK-SAME:    %[[N:[^:]*]]: tensor<i32> {nimble.dims = [], nimble.name = "arg0", nimble.values = [@arg0]}
// CHECK-SAME:    %[[K:[^:]*]]: tensor<i32> {nimble.dims = [], nimble.name = "arg1"}
// CHECK-SAME:    nimble.symbols = {arg0 = {min = 0 : i64}}
// CHECK:         %[[READ:.*]] = tensor.extract %[[N]][] : tensor<i32>
// CHECK:         %[[SIZE:.*]] = arith.index_cast %[[READ]] : i32 to index
// CHECK:         "nimble.check"{{.*}}message = "argument 'arg0': 'arg0' must be at least 0"
// CHECK:         %[[V:.*]] = "nimble.symbol"(%[[SIZE]]) {bounds = {min = 0 : i64}, symbol = @arg0}
// CHECK:         %[[BACK:.*]] = arith.index_cast %[[V]] : index to i32
// CHECK:         %[[T:.*]] = tensor.from_elements %[[BACK]] : tensor<i32>
// CHECK:         stablehlo.add %[[T]], %[[K]]
// CHECK:         stablehlo.multiply %[[T]], %[[T]]
func.func @size_argument(%n: tensor<i32>, %k: tensor<i32>) -> (tensor<?xf32>, tensor<i32>) {
  %sum = stablehlo.add %n, %k : tensor<i32>
  %square = stablehlo.multiply %n, %n : tensor<i32>
  %shape = stablehlo.reshape %square : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_iota %shape, dim = 0 : (tensor<1xi32>) -> tensor<?xf32>
  return %0, %sum : tensor<?xf32>, tensor<i32>
}

// -----

// Each element of a shape is a symbol; amounts of padding may be negative.
// CHECK-LABEL: func.func @size_vectors
// CHECK-SAME:    nimble.values = [@arg0_0, @arg0_1]
// CHECK-SAME:    nimble.signed, nimble.values = [@arg1_0]
// CHECK:         %[[ONE:.*]] = arith.constant 1 : index
// CHECK:         tensor.extract %{{.*}}[%[[ONE]]] : tensor<2xui32>
// CHECK:         "nimble.check"{{.*}}message = "argument 'arg0' element 1: 'arg0_1' must be at least 0"
// CHECK:         "nimble.symbol"{{.*}}symbol = @arg0_1
// CHECK:         "nimble.symbol"{{.*}}bounds = {min = -2147483648 : i64}, symbol = @arg1_0
func.func @size_vectors(%shape: tensor<2xui32>, %low: tensor<1xi32>, %x: tensor<?xf32>) -> (tensor<?x?xf32>, tensor<?xf32>) {
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %v = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.dynamic_reshape %x, %shape : (tensor<?xf32>, tensor<2xui32>) -> tensor<?x?xf32>
  %1 = stablehlo.dynamic_pad %x, %v, %low, %zero, %zero : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0, %1 : tensor<?x?xf32>, tensor<?xf32>
}

// -----

// A start that is data stays so where the size of the slice does not depend on it; the length is a size.
// CHECK-LABEL: func.func @start_and_length
// CHECK-SAME:    %{{[^:]*}}: tensor<1xi32> {nimble.dims = [1], nimble.name = "arg0"}
// CHECK-SAME:    nimble.values = [@arg1_0]
func.func @start_and_length(%start: tensor<1xi32>, %length: tensor<1xi32>, %x: tensor<?xf32>) -> tensor<?xf32> {
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %end = stablehlo.add %start, %length : tensor<1xi32>
  %0 = stablehlo.real_dynamic_slice %x, %start, %end, %one : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// A size that a loop defines: its symbol is declared where the value arrives, in the condition, in the body and behind the
// loop, and JAX's variables for it are these values. It may be 0.
// CHECK-LABEL: func.func @grows
// CHECK:         "nimble.symbol"(%{{.*}}) {bounds = {min = 1 : i64}, symbol = @s}
// CHECK:         %[[LOOP:.*]]:2 = stablehlo.while(%{{.*}} = %{{.*}}, %[[C:.*]] = %{{.*}})
// CHECK:         cond {
// CHECK:           %[[D:.*]] = tensor.dim {nimble.size_of = @seen, nimble.size_source} %[[C]], %{{.*}}
// CHECK:           "nimble.symbol"(%[[D]]) {bounds = {min = 0 : i64}, nimble.defined, symbol = @seen}
// CHECK:         do {
// CHECK:           %[[D:.*]] = tensor.dim {nimble.size_of = @k, nimble.size_source} %[[C]], %{{.*}}
// CHECK:           "nimble.symbol"(%[[D]]) {bounds = {min = 0 : i64}, nimble.defined, symbol = @k}
// CHECK:         %[[D:.*]] = tensor.dim {nimble.size_of = @r, nimble.size_source} %[[LOOP]]#1, %{{.*}}
// CHECK:         %[[R:.*]] = "nimble.symbol"(%[[D]]) {bounds = {min = 0 : i64}, nimble.defined, symbol = @r}
// CHECK:         %[[I:.*]] = arith.index_cast %[[R]] : index to i32
// CHECK:         %[[T:.*]] = tensor.from_elements %[[I]] : tensor<i32>
// CHECK:         return %[[LOOP]]#1, %[[T]]
func.func @grows(%k: tensor<i32> {jax.global_constant = "k"}, %r: tensor<i32> {jax.global_constant = "r"}, %x: tensor<?x4xf32> {nimble.name = "x", nimble.dims = [@s, 4]}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}, %row: tensor<1x4xf32> {nimble.name = "row", nimble.dims = [1, 4]}) -> (tensor<?x4xf32>, tensor<i32>) attributes {nimble.symbols = {s = {min = 1}}} {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<?x4xf32>
  cond {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "seen"}} : (tensor<?x4xf32>) -> tensor<i32>
    %2 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %2 : tensor<i1>
  } do {
    %1 = stablehlo.custom_call @nimble.size(%c) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "k"}} : (tensor<?x4xf32>) -> tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %2 = stablehlo.add %i, %one : tensor<i32>
    %3 = stablehlo.concatenate %c, %row, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
    stablehlo.return %2, %3 : tensor<i32>, tensor<?x4xf32>
  }
  %1 = stablehlo.custom_call @nimble.size(%0#1) {api_version = 4 : i32, backend_config = {dimension = 0 : i64, symbol = "r"}} : (tensor<?x4xf32>) -> tensor<i32>
  return %0#1, %r : tensor<?x4xf32>, tensor<i32>
}

// -----

// A size that an integer says: its symbol is declared there, and JAX's variable for it is this value.
// CHECK-LABEL: func.func @read
// CHECK-SAME:    %[[N:[^:]*]]: tensor<i32>
// CHECK:         %[[SIZE:.*]] = "nimble.define_size"(%[[N]]) {operandSegmentSizes = array<i32: 1, 0>, what = "nm.zeros"}
// CHECK:         %[[K:.*]] = "nimble.symbol"(%[[SIZE]]) {bounds = {min = 0 : i64}, nimble.defined, symbol = @k}
// CHECK:         %[[I:.*]] = arith.index_cast %[[K]] : index to i32
// CHECK:         %[[T:.*]] = tensor.from_elements %[[I]] : tensor<i32>
// CHECK:         return %[[T]]
func.func @read(%k: tensor<i32> {jax.global_constant = "k"}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}) -> tensor<i32> attributes {nimble.symbols = {}} {
  %0 = stablehlo.custom_call @nimble.define_size(%n) {backend_config = {symbol = "k", what = "nm.zeros"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  return %k : tensor<i32>
}

// -----

// Computed again, the size is another symbol; each use means the definition before it.
// CHECK-LABEL: func.func @read_again
// CHECK:         %[[K:.*]] = "nimble.symbol"(%{{.*}}) {{.*}}symbol = @k}
// CHECK:         %[[I:.*]] = arith.index_cast %[[K]]
// CHECK:         %[[FIRST:.*]] = tensor.from_elements %[[I]]
// CHECK:         stablehlo.negate %[[FIRST]]
// CHECK:         %[[K1:.*]] = "nimble.symbol"(%{{.*}}) {{.*}}symbol = @k_1}
// CHECK:         %[[I:.*]] = arith.index_cast %[[K1]]
// CHECK:         %[[SECOND:.*]] = tensor.from_elements %[[I]]
// CHECK:         stablehlo.abs %[[SECOND]]
func.func @read_again(%k: tensor<i32> {jax.global_constant = "k"}, %n: tensor<i32> {nimble.name = "n", nimble.dims = []}) attributes {nimble.symbols = {}} {
  %0 = stablehlo.custom_call @nimble.define_size(%n) {backend_config = {symbol = "k", what = "nm.zeros"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  %1 = stablehlo.negate %k : tensor<i32>
  %2 = stablehlo.custom_call @nimble.define_size(%n) {backend_config = {symbol = "k", what = "nm.zeros"}, api_version = 4 : i32, has_side_effect = true} : (tensor<i32>) -> tensor<i32>
  %3 = stablehlo.abs %k : tensor<i32>
  return
}
