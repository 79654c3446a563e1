// RUN: %nimble-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{'nimble.datatype' op has no constructors}}
"nimble.datatype"() {sym_name = "T", constructors = []} : () -> ()

// -----

// expected-error @below {{'nimble.datatype' op has two constructors with the name 'A'}}
"nimble.datatype"() {sym_name = "T", constructors = [{name = "A", fields = []}, {name = "A", fields = []}]} : () -> ()

// -----

// expected-error @below {{'nimble.datatype' op has two fields of 'A' with the name 'x'}}
"nimble.datatype"() {sym_name = "T", constructors = [{name = "A", fields = [{name = "x", type = tensor<f32>}, {name = "x", type = tensor<f32>}]}]} : () -> ()

// -----

// expected-error @below {{'nimble.datatype' op has parts in every constructor, so there is no finite value}}
"nimble.datatype"() {sym_name = "T", constructors = [{name = "A", fields = [{name = "x"}]}]} : () -> ()

// -----

// expected-error @below {{'nimble.datatype' op has a constructor without a proper 'name': {fields = []}}}
"nimble.datatype"() {sym_name = "T", constructors = [{fields = []}]} : () -> ()

// -----

// expected-error @below {{'nimble.datatype' op has the field 'x' of type tensor<?xf32>, which is no tensor of fixed sizes}}
"nimble.datatype"() {sym_name = "T", constructors = [{name = "A", fields = [{name = "x", type = tensor<?xf32>}]}]} : () -> ()

// -----

!nat = !nimble.adt<@Nat>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @undeclared(%arrays: tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) {
  // expected-error @below {{'nimble.tree' op is about !nimble.adt<@Other>, which the module does not declare}}
  %t = "nimble.tree"(%arrays) : (tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) -> !nimble.adt<@Other>
  return
}

// -----

!nat = !nimble.adt<@Nat>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @too_few(%arrays: tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>>) {
  // expected-error @below {{'nimble.tree' op has 5 arrays, but values of !nimble.adt<@Nat> cross as 6}}
  %t = "nimble.tree"(%arrays) : (tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>>) -> !nimble.adt<@Nat>
  return
}

// -----

!nat = !nimble.adt<@Nat>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @no_tensor(%arrays: tuple<index, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) {
  // expected-error @below {{'nimble.tree' op has index in a tuple, which holds ranked tensors}}
  %t = "nimble.tree"(%arrays) : (tuple<index, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) -> !nimble.adt<@Nat>
  return
}

// -----

!nat = !nimble.adt<@Nat>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @roots(%arrays: tuple<tensor<?xf32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) {
  // expected-error @below {{'nimble.tree' op has 'roots' of type tensor<?xf32>, but it has i32 elements and rank 1}}
  %t = "nimble.tree"(%arrays) : (tuple<tensor<?xf32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) -> !nimble.adt<@Nat>
  return
}

// -----

!nat = !nimble.adt<@Nat>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @field(%arrays: tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x3xf32>, tensor<?xi32>>) {
  // expected-error @below {{'nimble.tree' op has 'Succ.x' of type tensor<?x3xf32>, but it has rows of type tensor<2xf32>}}
  %t = "nimble.tree"(%arrays) : (tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x3xf32>, tensor<?xi32>>) -> !nimble.adt<@Nat>
  return
}

// -----

!nat = !nimble.adt<@Nat>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @table(%arrays: tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x3x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) {
  // expected-error @below {{'nimble.tree' op has 'groups' of type tensor<?x?x3x3xi32>, which does not end in the sizes [2, 3]}}
  %t = "nimble.tree"(%arrays) : (tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x3x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>) -> !nimble.adt<@Nat>
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @body_with_argument(%t: !nat, %args: !row, %empty: !row) {
  // expected-error @below {{'nimble.recursive' op has a body that is not one block without arguments}}
  %r = "nimble.recursive"(%t, %args, %empty) ({
  ^bb0(%z: index):
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @strange_op(%t: !nat, %args: !row, %empty: !row) {
  // expected-error @below {{'nimble.recursive' op has 'arith.constant' in its body, which holds one 'nimble.match' for each constructor}}
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
    %c = arith.constant 1 : index
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @an_arm_is_missing(%t: !nat, %args: !row, %empty: !row) {
  // expected-error @below {{'nimble.recursive' op matches Zero, but the constructors are Zero, Succ}}
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @an_arm_says_nothing(%t: !nat, %args: !row, %empty: !row) {
  // expected-error @below {{'nimble.recursive' op matches nothing, but the constructors are Zero, Succ}}
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @results(%t: !nat, %args: !row, %empty: !row) {
  // expected-error @below {{'nimble.recursive' op has results of types (tensor<?x3xf32>), which are no rows of types (tensor<2xf32>)}}
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> tuple<tensor<?x3xf32>>
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @too_few_arguments(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op has a body that is not one block of 4 arguments: the number of nodes, the fields of 'Succ' and the arguments of the function}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %b: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @number(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op takes the number of nodes as tensor<f32>, which is no integer}}
    "nimble.match"() ({
    ^bb0(%n: tensor<f32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @part(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op takes the part 'of' as tensor<?xi32>, but it is of type !nimble.adt<@Nat>}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: tensor<?xi32>, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @field_of_arm(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op takes the field 'x' as tensor<?xf32>, but its rows are of type tensor<2xf32>}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @arguments(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op has arguments of types (tensor<?x2xi32>), which are no rows of types (tensor<2xf32>)}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xi32>):
      %g = stablehlo.tuple %x : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @no_yield(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op has a body that does not end in 'nimble.yield'}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @no_tuple(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    // expected-error @below {{'nimble.match' op gives tensor<?x2xf32>, but results are a tuple}}
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%a) : (tensor<?x2xf32>) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @not_a_part(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      // expected-error @below {{'nimble.recur' op calls the function on what is no part of the node}}
      %c = "nimble.recur"(%t, %g) : (!nat, !rows) -> !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @wrong_call(%t: !nat, %args: !row, %empty: !row) {
  %r = "nimble.recursive"(%t, %args, %empty) ({
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Zero"} : () -> ()
    "nimble.match"() ({
    ^bb0(%n: tensor<i32>, %of: !nat, %x: tensor<?x2xf32>, %a: tensor<?x2xf32>):
      %g = stablehlo.tuple %a : !rows
      %h = stablehlo.tuple %a, %a : tuple<tensor<?x2xf32>, tensor<?x2xf32>>
      // expected-error @below {{'nimble.recur' op has arguments of types (tensor<?x2xf32>, tensor<?x2xf32>), which are no rows of types (tensor<2xf32>)}}
      %c = "nimble.recur"(%of, %h) : (!nat, tuple<tensor<?x2xf32>, tensor<?x2xf32>>) -> !rows
      "nimble.yield"(%g) : (!rows) -> ()
    }) {constructor = "Succ"} : () -> ()
  }) {function = "total", rows = "_n0"} : (!nat, !row, !row) -> !rows
  return
}

// -----

"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @match_outside() {
  // expected-error @below {{'nimble.match' op is not in the body of a 'nimble.recursive'}}
  "nimble.match"() ({}) {constructor = "Zero"} : () -> ()
  return
}

// -----

!nat = !nimble.adt<@Nat>
!arrays = tuple<tensor<?xi32>, tensor<?x2x3xi32>, tensor<?x?x2x3xi32>, tensor<?xi32>, tensor<?x2xf32>, tensor<?xi32>>
!row = tuple<tensor<2xf32>>
!rows = tuple<tensor<?x2xf32>>
"nimble.datatype"() {sym_name = "Nat", constructors = [{name = "Zero", fields = []}, {name = "Succ", fields = [{name = "of"}, {name = "x", type = tensor<2xf32>}]}]} : () -> ()
func.func @recur_outside(%t: !nat, %a: !rows) {
  // expected-error @below {{'nimble.recur' op is not in the body of a 'nimble.match'}}
  %r = "nimble.recur"(%t, %a) : (!nat, !rows) -> !rows
  return
}
