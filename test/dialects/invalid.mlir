// RUN: %nimble-opt %s --split-input-file --verify-diagnostics

func.func @bounds_are_missing(%s: index) {
  // expected-error @below {{attribute "bounds" is expected but not provided}}
  %0 = "nimble.symbol"(%s) {symbol = @s} : (index) -> index
  return
}

// -----

func.func @unknown_bound(%s: index) {
  // expected-error @below {{'nimble.symbol' op has unknown bound 'maximum'; known are likely, max, min, multiple_of}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {maximum = 4}} : (index) -> index
  return
}

// -----

func.func @bound_is_no_integer(%s: index) {
  // expected-error @below {{'nimble.symbol' op has bound 'min' that is not an integer: "one"}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {min = "one"}} : (index) -> index
  return
}

// -----

func.func @likely_is_no_array(%s: index) {
  // expected-error @below {{'nimble.symbol' op has bound 'likely' that is not an i64 array: [1, 2]}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {likely = [1, 2]}} : (index) -> index
  return
}

// -----

func.func @bounds_contradict(%s: index) {
  // expected-error @below {{'nimble.symbol' op symbol 's': min 8 is larger than max 4}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {min = 8, max = 4}} : (index) -> index
  return
}

// -----

func.func @no_multiple_in_range(%s: index) {
  // expected-error @below {{'nimble.symbol' op symbol 's': no multiple of 8 lies between 1 and 7}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {min = 1, max = 7, multiple_of = 8}} : (index) -> index
  return
}

// -----

func.func @multiple_of_zero(%s: index) {
  // expected-error @below {{'nimble.symbol' op symbol 's': multiple_of must be at least 1, not 0}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {multiple_of = 0}} : (index) -> index
  return
}

// -----

func.func @likely_is_out_of_range(%s: index) {
  // expected-error @below {{'nimble.symbol' op symbol 's': likely value 9 must be at most 8}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {max = 8, likely = array<i64: 9>}} : (index) -> index
  return
}

// -----

func.func @symbol_is_no_identifier(%s: index) {
  // expected-error @below {{'nimble.symbol' op 'a b' is not a symbol name}}
  %0 = "nimble.symbol"(%s) {symbol = @"a b", bounds = {}} : (index) -> index
  return
}

// -----

func.func @size_is_no_index(%s: i32) {
  // expected-error @below {{expected base type 'builtin.index' but got 'builtin.integer'}}
  %0 = "nimble.symbol"(%s) {symbol = @s, bounds = {}} : (i32) -> index
  return
}

// -----

func.func @relation_names_another_symbol(%s: index) {
  // expected-error @below {{'nimble.constraint' op relation 's <= t' and symbols differ in 't'}}
  "nimble.constraint"(%s) {symbols = [@s], relation = "s <= t", operandSegmentSizes = array<i32: 1>} : (index) -> ()
  return
}

// -----

func.func @a_value_is_missing(%s: index) {
  // expected-error @below {{'nimble.constraint' op has 2 symbols but 1 values}}
  "nimble.constraint"(%s) {symbols = [@s, @t], relation = "s <= t", operandSegmentSizes = array<i32: 1>} : (index) -> ()
  return
}

// -----

func.func @relation_cannot_be_read(%s: index) {
  // expected-error @below {{'nimble.constraint' op expected a number, a symbol or '(' at position 5 of 's >= '}}
  "nimble.constraint"(%s) {symbols = [@s], relation = "s >= ", operandSegmentSizes = array<i32: 1>} : (index) -> ()
  return
}

// -----

func.func @symbol_is_no_reference(%s: index) {
  // expected-error @below {{'nimble.constraint' op has "s" among its symbols, which is not a symbol reference}}
  "nimble.constraint"(%s) {symbols = ["s"], relation = "s >= 1", operandSegmentSizes = array<i32: 1>} : (index) -> ()
  return
}

// -----

func.func @kind_is_no_identifier(%condition: i1) {
  // expected-error @below {{'nimble.check' op kind 'not a tag' is not an identifier}}
  "nimble.check"(%condition) {kind = "not a tag", message = "m"} : (i1) -> ()
  return
}

// -----

func.func @message_is_empty(%condition: i1) {
  // expected-error @below {{'nimble.check' op has an empty message}}
  "nimble.check"(%condition) {kind = "tag", message = ""} : (i1) -> ()
  return
}

// -----

func.func @cast_changes_element_type(%x: tensor<4xf32>) {
  // expected-error @below {{'nimble.cast' op changes the element type from f32 to f64}}
  %0 = "nimble.cast"(%x) : (tensor<4xf32>) -> tensor<4xf64>
  return
}

// -----

func.func @cast_changes_rank(%x: tensor<4xf32>) {
  // expected-error @below {{'nimble.cast' op changes the rank from 1 to 2}}
  %0 = "nimble.cast"(%x) : (tensor<4xf32>) -> tensor<4x1xf32>
  return
}

// -----

func.func @cast_changes_size(%x: tensor<4x?xf32, #nimble.dims<[4, @s]>>) {
  // expected-error @below {{'nimble.cast' op changes dimension 0 from 4 to 5}}
  %0 = "nimble.cast"(%x) : (tensor<4x?xf32, #nimble.dims<[4, @s]>>) -> tensor<5x?xf32, #nimble.dims<[5, @s]>>
  return
}

// -----

func.func @dims_entry_is_no_dim(%x: tensor<?xf32, #nimble.dims<[1.5]>>) {
  // expected-error @below {{'nimble.cast' op dims entry 1.500000e+00 : f64 is not a symbol, an expression text or an integer}}
  %0 = "nimble.cast"(%x) : (tensor<?xf32, #nimble.dims<[1.5]>>) -> tensor<?xf32, #nimble.dims<[@s]>>
  return
}

// -----

// expected-error @below {{expected base attribute 'builtin.array' but got 'builtin.integer'}}
func.func @dims_are_no_array(%x: tensor<?xf32, #nimble.dims<5>>) {
  return
}

// -----

func.func @reshape_lacks_a_size(%x: tensor<4xf32>) {
  // expected-error @below {{'nimble.reshape' op has 0 sizes, but its result has 1 dynamic dimensions}}
  %0 = "nimble.reshape"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> tensor<?x2xf32>
  return
}

// -----

func.func @segments_are_missing(%x: tensor<4xf32>, %n: index) {
  // expected-error @below {{'nimble.reshape' op has no operandSegmentSizes}}
  %0 = "nimble.reshape"(%x, %n) : (tensor<4xf32>, index) -> tensor<?x2xf32>
  return
}

// -----

func.func @broadcast_dimensions_of_another_rank(%x: tensor<4xf32>, %n: index) {
  // expected-error @below {{'nimble.broadcast_in_dim' op has 2 broadcast_dimensions, but its operand has rank 1}}
  %0 = "nimble.broadcast_in_dim"(%x, %n) {broadcast_dimensions = array<i64: 0, 1>, operandSegmentSizes = array<i32: 1, 1>} : (tensor<4xf32>, index) -> tensor<?x4xf32>
  return
}

// -----

func.func @broadcast_dimension_is_outside(%x: tensor<4xf32>, %n: index) {
  // expected-error @below {{'nimble.broadcast_in_dim' op broadcast_dimensions [2] are not distinct dimensions of a rank 2 result}}
  %0 = "nimble.broadcast_in_dim"(%x, %n) {broadcast_dimensions = array<i64: 2>, operandSegmentSizes = array<i32: 1, 1>} : (tensor<4xf32>, index) -> tensor<?x4xf32>
  return
}

// -----

func.func @broadcast_dimensions_are_no_array(%x: tensor<4xf32>, %n: index) {
  // expected-error @below {{'nimble.broadcast_in_dim' op has broadcast_dimensions that are no i64 array: 1 : i64}}
  %0 = "nimble.broadcast_in_dim"(%x, %n) {broadcast_dimensions = 1, operandSegmentSizes = array<i32: 1, 1>} : (tensor<4xf32>, index) -> tensor<?x4xf32>
  return
}

// -----

func.func @iota_dimension_is_outside(%n: index) {
  // expected-error @below {{'nimble.iota' op iota_dimension 1 is not a dimension of tensor<?xi32>}}
  %0 = "nimble.iota"(%n) {iota_dimension = 1, operandSegmentSizes = array<i32: 1>} : (index) -> tensor<?xi32>
  return
}

// -----

func.func @pad_lacks_interior(%x: tensor<?xf32>, %v: tensor<f32>, %n: index) {
  // expected-error @below {{'nimble.pad' op has 0 interior, but its operand has rank 1}}
  %0 = "nimble.pad"(%x, %v, %n, %n) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>} : (tensor<?xf32>, tensor<f32>, index, index) -> tensor<?xf32>
  return
}

// -----

func.func @slice_lacks_stride(%x: tensor<?xf32>, %n: index) {
  // expected-error @below {{'nimble.slice' op has 0 stride, but its operand has rank 1}}
  %0 = "nimble.slice"(%x, %n, %n) {operandSegmentSizes = array<i32: 1, 1, 1, 0>} : (tensor<?xf32>, index, index) -> tensor<?xf32>
  return
}

// -----

func.func @gather_lacks_a_slice_size(%x: tensor<?x4xf32>, %indices: tensor<?x1xi32>, %n: index) {
  // expected-error @below {{'nimble.gather' op has 1 slice_sizes, but its operand has rank 2}}
  %0 = "nimble.gather"(%x, %indices, %n) {
    dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>,
    operandSegmentSizes = array<i32: 1, 1, 1>
  } : (tensor<?x4xf32>, tensor<?x1xi32>, index) -> tensor<?x4xf32>
  return
}

// -----

func.func @gather_dimension_numbers_are_of_another_kind(%x: tensor<?xf32>, %indices: tensor<?x1xi32>, %n: index) {
  // expected-error @below {{'nimble.gather' op has dimension_numbers that are no #stablehlo.gather: 1 : i64}}
  %0 = "nimble.gather"(%x, %indices, %n) {dimension_numbers = 1, operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?xf32>, tensor<?x1xi32>, index) -> tensor<?xf32>
  return
}

// -----

func.func @constant_without_key() {
  // expected-error @below {{'nimble.constant' op has an empty key}}
  %0 = "nimble.constant"() {key = ""} : () -> tensor<4xf32>
  return
}

// -----

func.func @constant_of_dynamic_size() {
  // expected-error @below {{'nimble.constant' op has type tensor<?xf32, #nimble.dims<[@s]>>, but a constant's shape is static}}
  %0 = "nimble.constant"() {key = "constant0"} : () -> tensor<?xf32, #nimble.dims<[@s]>>
  return
}

// -----

func.func @pad_changes_rank(%x: tensor<?xf32>, %v: tensor<f32>, %n: index) {
  // expected-error @below {{'nimble.pad' op has a result of rank 2, but its operands give rank 1}}
  %0 = "nimble.pad"(%x, %v, %n, %n, %n) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, index, index, index) -> tensor<?x?xf32>
  return
}

// -----

func.func @slice_changes_rank(%x: tensor<?xf32>, %n: index) {
  // expected-error @below {{'nimble.slice' op has a result of rank 0, but its operands give rank 1}}
  %0 = "nimble.slice"(%x, %n, %n, %n) {operandSegmentSizes = array<i32: 1, 1, 1, 1>} : (tensor<?xf32>, index, index, index) -> tensor<f32>
  return
}

// -----

func.func @gather_has_another_rank(%x: tensor<?x4xf32>, %indices: tensor<?x1xi32>, %n: index) {
  // expected-error @below {{'nimble.gather' op has a result of rank 1, but its operands give rank 2}}
  %0 = "nimble.gather"(%x, %indices, %n, %n) {
    dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>,
    operandSegmentSizes = array<i32: 1, 1, 2>
  } : (tensor<?x4xf32>, tensor<?x1xi32>, index, index) -> tensor<?xf32>
  return
}

// -----

func.func @tie_shape_type(%x: tensor<?xf32>, %s: index) -> tensor<?x?xf32> {
  // expected-error @below {{'nimble.tie_shape' op has 1 sizes, but its result has 2 dynamic dimensions}}
  %0 = "nimble.tie_shape"(%x, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

func.func @tie_shape_element(%x: tensor<?xf32>, %s: index) -> tensor<?xf64> {
  // expected-error @below {{'nimble.tie_shape' op changes the type from tensor<?xf32> to tensor<?xf64>}}
  %0 = "nimble.tie_shape"(%x, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> tensor<?xf64>
  return %0 : tensor<?xf64>
}

// -----

func.func @pad_changes_rank(%x: tensor<?xf32>, %v: tensor<f32>, %n: index) {
  // expected-error @below {{'nimble.pad' op has a result of rank 2, but its operands give rank 1}}
  %0 = "nimble.pad"(%x, %v, %n, %n, %n) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<?xf32>, tensor<f32>, index, index, index) -> tensor<?x?xf32>
  return
}

// -----

func.func @slice_changes_rank(%x: tensor<?xf32>, %n: index) {
  // expected-error @below {{'nimble.slice' op has a result of rank 0, but its operands give rank 1}}
  %0 = "nimble.slice"(%x, %n, %n, %n) {operandSegmentSizes = array<i32: 1, 1, 1, 1>} : (tensor<?xf32>, index, index, index) -> tensor<f32>
  return
}

// -----

func.func @gather_has_another_rank(%x: tensor<?x4xf32>, %indices: tensor<?x1xi32>, %n: index) {
  // expected-error @below {{'nimble.gather' op has a result of rank 1, but its operands give rank 2}}
  %0 = "nimble.gather"(%x, %indices, %n, %n) {
    dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>,
    operandSegmentSizes = array<i32: 1, 1, 2>
  } : (tensor<?x4xf32>, tensor<?x1xi32>, index, index) -> tensor<?xf32>
  return
}

// -----

func.func @tie_shape_type(%x: tensor<?xf32>, %s: index) -> tensor<?x?xf32> {
  // expected-error @below {{'nimble.tie_shape' op has 1 sizes, but its result has 2 dynamic dimensions}}
  %0 = "nimble.tie_shape"(%x, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

func.func @tie_shape_element(%x: tensor<?xf32>, %s: index) -> tensor<?xf64> {
  // expected-error @below {{'nimble.tie_shape' op changes the type from tensor<?xf32> to tensor<?xf64>}}
  %0 = "nimble.tie_shape"(%x, %s) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<?xf32>, index) -> tensor<?xf64>
  return %0 : tensor<?xf64>
}

// -----

func.func @bind_lacks_a_size(%x: tensor<?x4xf32, #nimble.dims<[@n, 4]>>) {
  // expected-error @below {{'nimble.bind' op has 0 sizes, but its tensor has 1 dynamic dimensions}}
  %0 = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<?x4xf32, #nimble.dims<[@n, 4]>>) -> !nimble.binding
  return
}

// -----

func.func @kernel_lacks_a_result(%x: tensor<4xf32>, %n: index) {
  %0 = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
  // expected-error @below {{'nimble.kernel' op has 0 results, but 1 outputs}}
  "nimble.kernel"(%0, %n) ({
  ^bb0(%w: index, %a: tensor<4xf32>):
    "nimble.kernel_yield"(%0) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 0>} : (!nimble.binding, index) -> ()
  return
}

// -----

func.func @kernel_lacks_an_argument(%x: tensor<4xf32>, %n: index) {
  %0 = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
  // expected-error @below {{'nimble.kernel' op has a body that is not one block of 2 arguments: an index, inputs and outputs}}
  %1 = "nimble.kernel"(%0, %n) ({
  ^bb0(%w: index):
    "nimble.kernel_yield"(%0) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  return
}

// -----

func.func @kernel_has_an_argument_of_another_type(%x: tensor<4xf32>, %n: index) {
  %0 = "nimble.bind"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<4xf32>) -> !nimble.binding
  // expected-error @below {{'nimble.kernel' op has a body that takes tensor<5xf32> for a tensor of type tensor<4xf32>}}
  %1 = "nimble.kernel"(%0, %n) ({
  ^bb0(%w: index, %a: tensor<5xf32>):
    "nimble.kernel_yield"(%0) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  return
}

// -----

func.func @kernel_of_a_passed_binding(%b: !nimble.binding, %n: index) {
  // expected-error @below {{'nimble.kernel' op has an operand that is not the result of 'nimble.bind'}}
  %1 = "nimble.kernel"(%b, %n) ({
  ^bb0(%w: index, %a: tensor<5xf32>):
    "nimble.kernel_yield"(%b) {operandSegmentSizes = array<i32: 1>} : (!nimble.binding) -> ()
  }) {operandSegmentSizes = array<i32: 0, 1, 1>, resultSegmentSizes = array<i32: 1>} : (!nimble.binding, index) -> !nimble.binding
  return
}

// -----

func.func @windows_without_initial_value(%x: tensor<?xf32>, %w: tensor<1xi32>, %p: tensor<1x2xi32>) {
  // expected-error @below {{'nimble.dynamic_reduce_window' op has 1 inputs, 0 initial values and 1 results}}
  %0 = "nimble.dynamic_reduce_window"(%x, %w, %w, %w, %w, %p) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %a : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 0, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return
}

// -----

func.func @strides_of_another_rank(%x: tensor<?xf32>, %i: tensor<f32>, %w: tensor<1xi32>, %s: tensor<2xi32>, %p: tensor<1x2xi32>) {
  // expected-error @below {{'nimble.dynamic_reduce_window' op has strides of type tensor<2xi32>, but its inputs have rank 1}}
  %0 = "nimble.dynamic_reduce_window"(%x, %i, %w, %s, %w, %w, %p) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %a : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>} : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<2xi32>, tensor<1xi32>, tensor<1xi32>, tensor<1x2xi32>) -> tensor<?xf32>
  return
}

// -----

func.func @window_of_another_rank(%x: tensor<?xf32>, %i: tensor<f32>, %w: tensor<?x2xi8>, %n: index) {
  // expected-error @below {{'nimble.reduce_window' op has a window of type tensor<?x2xi8>, but its inputs have rank 1}}
  %0 = "nimble.reduce_window"(%x, %i, %w, %n, %n) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %a : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>, resultSegmentSizes = array<i32: 1>, window_strides = array<i64: 2>, base_dilations = array<i64: 1>, window_dilations = array<i64: 1>} : (tensor<?xf32>, tensor<f32>, tensor<?x2xi8>, index, index) -> tensor<?xf32>
  return
}

// -----

func.func @window_lacks_padding(%x: tensor<?xf32>, %i: tensor<f32>, %w: tensor<?xi8>, %n: index) {
  // expected-error @below {{'nimble.reduce_window' op has 0 high, but its inputs have rank 1}}
  %0 = "nimble.reduce_window"(%x, %i, %w, %n) ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %a : tensor<f32>
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>, resultSegmentSizes = array<i32: 1>, window_strides = array<i64: 2>, base_dilations = array<i64: 1>, window_dilations = array<i64: 1>} : (tensor<?xf32>, tensor<f32>, tensor<?xi8>, index) -> tensor<?xf32>
  return
}

// -----

func.func @scan_of_another_type(%x: tensor<4xf32>, %c: tensor<f32>) {
  // expected-error @below {{'nimble.scan' op has results of other types than its output and carry}}
  %0:2 = "nimble.scan"(%x, %x, %c) ({
  ^bb0(%a: f32, %b: f32):
    "nimble.yield"(%a) : (f32) -> ()
  }) {dimension = 0} : (tensor<4xf32>, tensor<4xf32>, tensor<f32>) -> (tensor<3xf32>, tensor<f32>)
  return
}

// -----

func.func @scan_along_no_dimension(%x: tensor<4xf32>, %c: tensor<f32>) {
  // expected-error @below {{'nimble.scan' op dimension 1 is not a dimension of tensor<4xf32>}}
  %0:2 = "nimble.scan"(%x, %x, %c) ({
  ^bb0(%a: f32, %b: f32):
    "nimble.yield"(%a) : (f32) -> ()
  }) {dimension = 1} : (tensor<4xf32>, tensor<4xf32>, tensor<f32>) -> (tensor<4xf32>, tensor<f32>)
  return
}

// -----

func.func @scan_with_a_carry_of_its_rank(%x: tensor<4xf32>) {
  // expected-error @below {{'nimble.scan' op has a carry of type tensor<4xf32> for an input of type tensor<4xf32>}}
  %0:2 = "nimble.scan"(%x, %x, %x) ({
  ^bb0(%a: f32, %b: f32):
    "nimble.yield"(%a) : (f32) -> ()
  }) {dimension = 0} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @export_lacks_a_size(%x: tensor<?x4xf32>) {
  // expected-error @below {{'nimble.export' op has 0 sizes, but its tensor has 1 dynamic dimensions}}
  %0 = "nimble.export"(%x) {operandSegmentSizes = array<i32: 1, 0>} : (tensor<?x4xf32>) -> !nimble.buffer_view
  return
}

// -----

func.func @import_has_a_size_too_many(%v: !nimble.buffer_view, %n: index) {
  // expected-error @below {{'nimble.import' op has 1 sizes, but its tensor has 0 dynamic dimensions}}
  %0 = "nimble.import"(%v, %n) {operandSegmentSizes = array<i32: 1, 1>} : (!nimble.buffer_view, index) -> tensor<4xf32>
  return
}

// -----

func.func @size_of_no_dimension(%v: !nimble.buffer_view) {
  // expected-error @below {{'nimble.view_size' op has the dimension -1}}
  %0 = "nimble.view_size"(%v) {dimension = -1 : i64} : (!nimble.buffer_view) -> index
  return
}

// -----

func.func @size_of_a_vector(%v: tensor<2xi32>) {
  // expected-error @below {{'nimble.define_size' op reads a size from tensor<2xi32>, which is no integer}}
  %0 = "nimble.define_size"(%v) {operandSegmentSizes = array<i32: 1, 0>, what = "nm.zeros"} : (tensor<2xi32>) -> index
  return
}

// -----

func.func @size_with_two_bounds(%v: tensor<i32>, %b: index) {
  // expected-error @below {{'nimble.define_size' op has 2 bounds}}
  %0 = "nimble.define_size"(%v, %b, %b) {operandSegmentSizes = array<i32: 1, 2>, what = "nm.zeros"} : (tensor<i32>, index, index) -> index
  return
}

// -----

func.func @size_of_nothing(%v: tensor<i32>) {
  // expected-error @below {{'nimble.define_size' op does not say what defines the size}}
  %0 = "nimble.define_size"(%v) {operandSegmentSizes = array<i32: 1, 0>, what = ""} : (tensor<i32>) -> index
  return
}

// -----

func.func @flags_that_are_bits(%f: tensor<4xi1>) {
  // expected-error @below {{'nimble.count' op has flags of type tensor<4xi1>, but they are a vector of i8}}
  %0 = "nimble.count"(%f) : (tensor<4xi1>) -> tensor<65xi32>
  return
}

// -----

func.func @too_few_offsets(%f: tensor<4xi8>) {
  // expected-error @below {{'nimble.count' op has offsets of type tensor<4xi32>, but they are tensor<65xi32>}}
  %0 = "nimble.count"(%f) : (tensor<4xi8>) -> tensor<4xi32>
  return
}

// -----

func.func @positions_that_are_no_integers(%f: tensor<4xi8>, %o: tensor<65xi32>, %n: index) {
  // expected-error @below {{'nimble.nonzero' op has a result of type tensor<?xf32>, but positions are a vector of i32}}
  %0 = "nimble.nonzero"(%f, %o, %n) : (tensor<4xi8>, tensor<65xi32>, index) -> tensor<?xf32>
  return
}

// -----

func.func @padded_to_no_size(%f: tensor<4xi8>) {
  // expected-error @below {{'nimble.nonzero_padded' op has positions of type tensor<?xi32>, but they are a vector of i32 of a fixed size}}
  %0:2 = "nimble.nonzero_padded"(%f) : (tensor<4xi8>) -> (tensor<?xi32>, tensor<i32>)
  return
}

// -----

func.func @padded_with_many_counts(%f: tensor<4xi8>) {
  // expected-error @below {{'nimble.nonzero_padded' op has a count of type tensor<1xi32>, which is no i32}}
  %0:2 = "nimble.nonzero_padded"(%f) : (tensor<4xi8>) -> (tensor<9xi32>, tensor<1xi32>)
  return
}

// -----

func.func @compress_along_no_dimension(%x: tensor<4xf32>, %f: tensor<4xi8>, %o: tensor<65xi32>, %n: index) {
  // expected-error @below {{'nimble.compress' op dimension 1 is not a dimension of tensor<4xf32>}}
  %0 = "nimble.compress"(%x, %f, %o, %n) {dimension = 1 : i64} : (tensor<4xf32>, tensor<4xi8>, tensor<65xi32>, index) -> tensor<?xf32>
  return
}

// -----

func.func @compress_to_another_type(%x: tensor<4xf32>, %f: tensor<4xi8>, %o: tensor<65xi32>, %n: index) {
  // expected-error @below {{'nimble.compress' op selects tensor<?xi32> from tensor<4xf32>}}
  %0 = "nimble.compress"(%x, %f, %o, %n) {dimension = 0 : i64} : (tensor<4xf32>, tensor<4xi8>, tensor<65xi32>, index) -> tensor<?xi32>
  return
}

// -----

func.func @counters_of_another_type(%counters: tensor<2xi64>) -> i64 {
  // expected-error @below {{'nimble.take_chunk' op has counters of type tensor<2xi64>, but they are tensor<32xi64>}}
  %0 = "nimble.take_chunk"(%counters) : (tensor<2xi64>) -> i64
  return %0 : i64
}
