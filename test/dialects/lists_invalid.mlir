// RUN: %nimble-opt %s --split-input-file --verify-diagnostics

func.func @rows_are_no_tensors(%x: tensor<3xf32>) {
  // expected-error @below {{'nimble.list_from' op has a list of f32, but its rows are tensors}}
  %0 = "nimble.list_from"(%x) : (tensor<3xf32>) -> !nimble.list<f32, {}>
  return
}

// -----

func.func @unknown_limit(%x: tensor<3xf32>) {
  // expected-error @below {{'nimble.list_from' op has a list with the limit 'most'; known are bound, capacity}}
  %0 = "nimble.list_from"(%x) : (tensor<3xf32>) -> !nimble.list<tensor<f32>, {most = 4}>
  return
}

// -----

func.func @limit_is_no_number(%x: tensor<3xf32>) {
  // expected-error @below {{'nimble.list_from' op has a list whose bound is "four", but it is a number of rows}}
  %0 = "nimble.list_from"(%x) : (tensor<3xf32>) -> !nimble.list<tensor<f32>, {bound = "four"}>
  return
}

// -----

func.func @limit_is_negative(%x: tensor<3xf32>) {
  // expected-error @below {{'nimble.list_from' op has a list whose capacity is -1 : i64, but it is a number of rows}}
  %0 = "nimble.list_from"(%x) : (tensor<3xf32>) -> !nimble.list<tensor<f32>, {capacity = -1}>
  return
}

// -----

func.func @a_scalar_has_no_rows(%x: tensor<f32>) {
  // expected-error @below {{'nimble.list_from' op has rows of type tensor<f32> for a list of tensor<f32>}}
  %0 = "nimble.list_from"(%x) : (tensor<f32>) -> !nimble.list<tensor<f32>, {}>
  return
}

// -----

func.func @other_rows_are_stacked(%x: tensor<3x4xf32>) {
  %0 = "nimble.list_from"(%x) : (tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  // expected-error @below {{'nimble.list_stack' op has rows of type tensor<3x5xf32> for a list of tensor<4xf32>}}
  %1 = "nimble.list_stack"(%0) : (!nimble.list<tensor<4xf32>, {}>) -> tensor<3x5xf32>
  return
}

// -----

func.func @another_element_type(%x: tensor<3x4xf32>, %r: tensor<4xf16>) {
  %0 = "nimble.list_from"(%x) : (tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  // expected-error @below {{'nimble.list_append' op has a row of type tensor<4xf16> in a list of tensor<4xf32>}}
  %1 = "nimble.list_append"(%0, %r) {what = "a list"} : (!nimble.list<tensor<4xf32>, {}>, tensor<4xf16>) -> !nimble.list<tensor<4xf32>, {}>
  return
}

// -----

func.func @limits_change(%x: tensor<3x4xf32>) {
  %0 = "nimble.list_from"(%x) : (tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  // expected-error @below {{'nimble.list_extend' op makes a !nimble.list<tensor<4xf32>, {bound = 4 : i64}> of a !nimble.list<tensor<4xf32>, {}>}}
  %1 = "nimble.list_extend"(%0, %x) {what = "a list"} : (!nimble.list<tensor<4xf32>, {}>, tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 4 : i64}>
  return
}

// -----

func.func @index_is_a_vector(%x: tensor<3x4xf32>, %i: tensor<1xi32>) {
  %0 = "nimble.list_from"(%x) : (tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  // expected-error @below {{'nimble.list_get' op has an index of type tensor<1xi32>, which is no i32}}
  %1 = "nimble.list_get"(%0, %i) : (!nimble.list<tensor<4xf32>, {}>, tensor<1xi32>) -> tensor<4xf32>
  return
}

// -----

func.func @length_is_wide(%x: tensor<3x4xf32>) {
  %0 = "nimble.list_from"(%x) : (tensor<3x4xf32>) -> !nimble.list<tensor<4xf32>, {}>
  // expected-error @below {{'nimble.list_length' op has a length of type tensor<i64>, which is no i32}}
  %1 = "nimble.list_length"(%0) : (!nimble.list<tensor<4xf32>, {}>) -> tensor<i64>
  return
}

// -----

// expected-error @below {{expected base attribute 'builtin.type' but got 'builtin.integer'}}
func.func private @no_type(!nimble.list<4 : i64, {}>)
