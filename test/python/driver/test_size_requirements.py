"""What ops demand of sizes that are known at run time only: programs given as StableHLO, whose `?` may be 0."""

from __future__ import annotations

import numpy as np
import pytest

import nimble_mlir as nm


def counts(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32)


TAIL = """
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %limit = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.real_dynamic_slice %x, %one, %limit, %one
    : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_a_slice_outside_of_its_operand_is_a_shape_error():
    m = nm.compile_stablehlo(TAIL)
    text = "bounds of dimension 0 can lie outside: 'arg0_0' must be at least '1'"
    for n in (4, 1, 0, 2):
        if n == 0:
            with pytest.raises(nm.ShapeError, match=text):
                m(counts(n))
        else:
            np.testing.assert_array_equal(m(counts(n)), counts(n)[1:])


BOUNDED = """
func.func @main(%x: tensor<?xf32>, %start: tensor<i32>) -> tensor<?xf32> {
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %end = stablehlo.add %start, %two : tensor<i32>
  %low = stablehlo.reshape %start : (tensor<i32>) -> tensor<1xi32>
  %high = stablehlo.reshape %end : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.real_dynamic_slice %x, %low, %high, %one
    : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_a_slice_whose_start_is_data_is_checked_where_it_is_read():
    m = nm.compile_stablehlo(BOUNDED)
    for start in (0, 3, 4, -1, 2, 2**31 - 2):
        if 0 <= start <= 3:
            np.testing.assert_array_equal(m(counts(5), np.int32(start)), counts(5)[start : start + 2])
        else:
            with pytest.raises(nm.ShapeError, match="starts outside of its operand in dimension 0"):
                m(counts(5), np.int32(start))
    with pytest.raises(nm.ShapeError, match="'arg0_0' must be at least '2'"):
        m(counts(1), np.int32(0))


IOTA = """
func.func @main(%x: tensor<?xf32>) -> tensor<?xi32> {
  %four = stablehlo.constant dense<4> : tensor<i32>
  %n = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %less = stablehlo.subtract %n, %four : tensor<i32>
  %shape = stablehlo.reshape %less : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_iota %shape, dim = 0 : (tensor<1xi32>) -> tensor<?xi32>
  return %0 : tensor<?xi32>
}
"""


def test_a_negative_size_is_a_shape_error():
    m = nm.compile_stablehlo(IOTA)
    for n in (3, 4, 0, 9):
        if n < 4:
            with pytest.raises(
                nm.ShapeError, match="not negative, but dimension 0 of the result can be: 'arg0_0' must be"
            ):
                m(counts(n))
        else:
            np.testing.assert_array_equal(m(counts(n)), np.arange(n - 4))


TAKE = """
func.func @main(%x: tensor<?xf32>, %i: tensor<?x1xi32>) -> tensor<?xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0],
    start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1>}>
    : (tensor<?xf32>, tensor<?x1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_a_gather_from_nothing_is_a_shape_error():
    m = nm.compile_stablehlo(TAKE)
    indices = np.array([[7], [-1], [1]], np.int32)
    np.testing.assert_array_equal(m(counts(3), indices), [2, 0, 1])
    with pytest.raises(
        nm.ShapeError,
        match=r"at least as large as the slice in dimension 0: 'arg0_0' must be at least 'min\(arg1_0, 1\)'",
    ):
        m(counts(0), indices)
    assert m(counts(3), indices[:0]).shape == (0,)


BROADCAST = """
func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %n = stablehlo.get_dimension_size %y, dim = 0 : (tensor<?xf32>) -> tensor<i32>
  %shape = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<?xf32>, tensor<1xi32>) -> tensor<?xf32>
  %1 = stablehlo.add %0, %y : tensor<?xf32>
  return %1 : tensor<?xf32>
}
"""


def test_a_broadcast_that_is_undecided_takes_both_and_refuses_the_rest():
    m = nm.compile_stablehlo(BROADCAST)
    for a, b in [(3, 3), (1, 3), (1, 0), (0, 0), (1, 1)]:
        np.testing.assert_array_equal(m(counts(a) + 1, counts(b)), counts(a) + 1 + counts(b))
    for a, b in [(2, 3), (0, 3), (3, 1), (2, 0)]:
        with pytest.raises(nm.ShapeError, match="a size that is 1 or the result's, but dimension 0 of the operand"):
            m(counts(a), counts(b))


CROP = """
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %v = stablehlo.constant dense<5.0> : tensor<f32>
  %0 = stablehlo.pad %x, %v, low = [-1], high = [-2], interior = [1] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_a_pad_that_crops_more_than_there_is_is_a_shape_error():
    m = nm.compile_stablehlo(CROP)
    for n in (0, 1, 2, 5):
        if n < 2:
            with pytest.raises(nm.ShapeError, match="'stablehlo.pad' needs sizes that are not negative"):
                m(counts(n))
        else:
            spread = np.full(2 * n - 1, 5, np.float32)
            spread[::2] = counts(n)
            np.testing.assert_array_equal(m(counts(n)), spread[1:-2])


GROW = """
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %v = stablehlo.constant dense<5.0> : tensor<f32>
  %0 = stablehlo.pad %x, %v, low = [1], high = [2], interior = [1] : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_padding_nothing_gives_padding():
    m = nm.compile_stablehlo(GROW)
    np.testing.assert_array_equal(m(counts(0)), [5, 5, 5])
    np.testing.assert_array_equal(m(counts(2)), [5, 0, 5, 1, 5, 5])


UPDATE = """
func.func @main(%x: tensor<?xf32>, %u: tensor<?xf32>, %i: tensor<i32>) -> tensor<?xf32> {
  %0 = stablehlo.dynamic_update_slice %x, %u, %i : (tensor<?xf32>, tensor<?xf32>, tensor<i32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_an_update_that_does_not_fit_is_a_shape_error():
    m = nm.compile_stablehlo(UPDATE)
    np.testing.assert_array_equal(m(counts(3), -counts(2), np.int32(9)), [0, 0, -1])
    with pytest.raises(
        nm.ShapeError, match="as large as the update in dimension 0: 'arg0_0' must be at least 'arg1_0'"
    ):
        m(counts(2), counts(3), np.int32(0))


def test_what_can_never_hold_is_a_compile_error():
    impossible = """
    func.func @main(%x: tensor<3xf32>, %y: tensor<?xf32, #stablehlo.bounds<2>>) -> tensor<?xf32> {
      %n = stablehlo.get_dimension_size %y, dim = 0 : (tensor<?xf32, #stablehlo.bounds<2>>) -> tensor<i32>
      %shape = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
      %0 = stablehlo.dynamic_broadcast_in_dim %x, %shape, dims = [0] : (tensor<3xf32>, tensor<1xi32>) -> tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    """
    with pytest.raises(nm.CompileError, match="dimension 0 of the operand and 0 of the result are '3' and 'arg1_0'"):
        nm.compile_stablehlo(impossible)
