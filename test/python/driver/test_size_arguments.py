"""Programs that are given sizes as values: StableHLO whose integer arguments reach shape operands."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import ShapeDtypeStruct
from support.tolerances import assert_agrees

import nimble_mlir as nm


def counts(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


SPLIT = """
func.func @main(%n: tensor<i64>, %x: tensor<?xf32>) -> (tensor<?x2xf32>, tensor<i64>) {
  %two = stablehlo.constant dense<2> : tensor<1xi64>
  %half = stablehlo.constant dense<2> : tensor<i64>
  %rows = func.call @half(%n, %half) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %rows_1 = stablehlo.reshape %rows : (tensor<i64>) -> tensor<1xi64>
  %shape = stablehlo.concatenate %rows_1, %two, dim = 0 : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %0 = stablehlo.dynamic_reshape %x, %shape : (tensor<?xf32>, tensor<2xi64>) -> tensor<?x2xf32>
  %1 = stablehlo.multiply %n, %n : tensor<i64>
  return %0, %1 : tensor<?x2xf32>, tensor<i64>
}
func.func private @half(%n: tensor<i64>, %d: tensor<i64>) -> tensor<i64> {
  %0 = stablehlo.divide %n, %d : tensor<i64>
  return %0 : tensor<i64>
}
"""


def test_a_size_given_as_a_value_is_checked_against_those_of_the_arguments():
    m = nm.compile_stablehlo(SPLIT)
    for n in (6, 2, 0, 26, 1):
        x = counts(n - n % 2)
        split, square = m(np.int64(n), x)
        np.testing.assert_array_equal(split, x.reshape(-1, 2))
        assert square == n * n
        assert m.output_shapes(np.int64(n), x) == (split.shape, ())
    with pytest.raises(nm.ShapeError, match="the numbers of elements of the operand and the result differ"):
        m(np.int64(6), counts(8))
    with pytest.raises(nm.ShapeError, match="argument 'arg0' is -2, but 'arg0' must be at least 0"):
        m(np.int64(-2), counts(8))


def test_the_value_is_needed_to_know_the_sizes_of_results():
    m = nm.compile_stablehlo(SPLIT)
    x = ShapeDtypeStruct((6,), np.float32)
    assert m.output_shapes(6, x) == ((3, 2), ())
    assert m.output_shapes(np.int64(6), x) == ((3, 2), ())
    with pytest.raises(nm.ShapeError, match="argument 'arg0' says sizes: give its value, not only its shape"):
        m.output_shapes(ShapeDtypeStruct((), np.int64), x)


def test_a_saved_module_knows_its_size_arguments(tmp_path):
    nm.compile_stablehlo(SPLIT).save(tmp_path / "split.vmfb")
    m = nm.load(tmp_path / "split.vmfb")
    assert m.output_shapes(4, counts(4)) == ((2, 2), ())
    np.testing.assert_array_equal(m(4, counts(4))[0], counts(2, 2))


WHOLE_SHAPE = """
func.func @main(%x: tensor<?x?xf32>, %shape: tensor<2xTYPE>) -> tensor<?x?xf32> {
  %0 = stablehlo.dynamic_reshape %x, %shape : (tensor<?x?xf32>, tensor<2xTYPE>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
"""


@pytest.mark.parametrize(("element", "dtype"), [("i32", np.int32), ("i64", np.int64), ("ui32", np.uint32)])
def test_a_whole_shape_is_an_argument(element, dtype):
    m = nm.compile_stablehlo(WHOLE_SHAPE.replace("TYPE", element))
    for old, new in [((2, 6), (3, 4)), ((1, 7), (7, 1)), ((0, 3), (5, 0)), ((1, 1), (1, 1))]:
        shape = np.array(new, dtype)
        np.testing.assert_array_equal(m(counts(*old), shape), counts(*new))
        assert m.output_shapes(counts(*old), shape) == new
    with pytest.raises(nm.ShapeError, match="the numbers of elements"):
        m(counts(2, 6), np.array([3, 5], dtype))
    if element == "i32":
        with pytest.raises(nm.ShapeError, match="argument 'arg1' element 1 is -3, but 'arg1_1' must be at least 0"):
            m(counts(2, 6), np.array([-4, -3], dtype)[::-1][::-1] * np.array([-1, 1], dtype))
        with pytest.raises(nm.ShapeError, match="argument 'arg1' axis 0 is 3, but it must be 2"):
            m(counts(2, 6), np.array([3, 4, 1], dtype))


PAD = """
func.func @main(%low: tensor<1xi32>, %high: tensor<1xi32>, %x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %v = stablehlo.constant dense<9.0> : tensor<f32>
  %0 = stablehlo.dynamic_pad %x, %v, %low, %high, %zero
    : (tensor<?xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_amounts_of_padding_may_be_negative():
    m = nm.compile_stablehlo(PAD)
    for n, low, high in [(5, 2, 1), (5, -2, 1), (5, 0, -3), (1, 3, 0), (7, -3, -4), (0, 1, 1)]:
        padded = np.pad(counts(n), (max(low, 0), max(high, 0)), constant_values=9)
        expected = padded[max(-low, 0) : len(padded) - max(-high, 0)]
        np.testing.assert_array_equal(m(np.array([low], np.int32), np.array([high], np.int32), counts(n)), expected)
    with pytest.raises(nm.ShapeError, match="'stablehlo.dynamic_pad' needs sizes that are not negative"):
        m(np.array([-3], np.int32), np.array([-3], np.int32), counts(5))


SLICE = """
func.func @main(%limit: tensor<i32>, %step: tensor<i32>, %x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = stablehlo.constant dense<0> : tensor<1xi32>
  %high = stablehlo.reshape %limit : (tensor<i32>) -> tensor<1xi32>
  %stride = stablehlo.reshape %step : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.real_dynamic_slice %x, %zero, %high, %stride
    : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_limit_and_stride_of_a_slice_are_sizes():
    m = nm.compile_stablehlo(SLICE)
    for n, limit, step in [(7, 7, 1), (7, 5, 2), (1, 1, 3), (13, 11, 3), (4, 0, 1)]:
        np.testing.assert_array_equal(m(limit, step, counts(n)), counts(n)[:limit:step])
    for n, limit, step in [(4, 5, 1), (4, 4, 0)]:
        with pytest.raises(nm.ShapeError, match="'stablehlo.real_dynamic_slice' needs"):
            m(limit, step, counts(n))


WINDOW = """
func.func @main(%start: tensor<i32>, %size: tensor<i32>, %x: tensor<?xf32>) -> tensor<?xf32> {
  %one = stablehlo.constant dense<1> : tensor<1xi32>
  %end = stablehlo.add %start, %size : tensor<i32>
  %low = stablehlo.reshape %start : (tensor<i32>) -> tensor<1xi32>
  %high = stablehlo.reshape %end : (tensor<i32>) -> tensor<1xi32>
  %0 = stablehlo.real_dynamic_slice %x, %low, %high, %one
    : (tensor<?xf32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
"""


def test_a_start_stays_data_where_the_size_does_not_depend_on_it():
    m = nm.compile_stablehlo(WINDOW)
    assert [argument.values for argument in m.signature.entries["main"].arguments][0] == ()
    for n, start, size in [(7, 2, 3), (7, 0, 7), (1, 0, 1), (5, 4, 1)]:
        np.testing.assert_array_equal(m(start, size, counts(n)), counts(n)[start : start + size])
        assert m.output_shapes(start, size, counts(n)) == (size,)
    with pytest.raises(nm.ShapeError, match="starts outside of its operand in dimension 0"):
        m(5, 3, counts(7))


def test_other_scalars_stay_data():
    m = nm.compile_stablehlo("""
    func.func @main(%n: tensor<i32>, %k: tensor<i32>) -> tensor<?xi32> {
      %shape = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
      %0 = stablehlo.dynamic_broadcast_in_dim %k, %shape, dims = [] : (tensor<i32>, tensor<1xi32>) -> tensor<?xi32>
      return %0 : tensor<?xi32>
    }
    """)
    for n, k in [(3, -5), (1, 2), (0, 7)]:
        np.testing.assert_array_equal(m(n, k), np.full(n, k, np.int32))


def test_a_dimension_is_made_smaller():
    m = nm.compile_stablehlo("""
    func.func @main(%n: tensor<i32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
      %0 = stablehlo.set_dimension_size %x, %n, dim = 0 : (tensor<?x4xf32>, tensor<i32>) -> tensor<?x4xf32>
      %1 = stablehlo.add %0, %0 : tensor<?x4xf32>
      return %1 : tensor<?x4xf32>
    }
    """)
    for n, rows in [(2, 3), (1, 1), (0, 5), (7, 7)]:
        np.testing.assert_array_equal(m(n, counts(rows, 4)), 2 * counts(rows, 4)[:n])
    with pytest.raises(nm.ShapeError, match="a size that is not larger than the operand's in dimension 0"):
        m(4, counts(3, 4))


def test_a_result_whose_size_has_two_names():
    """`x` has the size `n` by the sum; what is computed of `x` alone is returned under that name."""
    m = nm.compile_stablehlo("""
    func.func @main(%n: tensor<i32>, %x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
      %one = stablehlo.constant dense<1.0> : tensor<f32>
      %sizes = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
      %0 = stablehlo.dynamic_broadcast_in_dim %one, %sizes, dims = [] : (tensor<f32>, tensor<1xi32>) -> tensor<?xf32>
      %1 = stablehlo.add %x, %0 : tensor<?xf32>
      %2 = stablehlo.custom_call @nimble.chlo.erf(%x) : (tensor<?xf32>) -> tensor<?xf32>
      return %1, %2 : tensor<?xf32>, tensor<?xf32>
    }
    """)
    for size in (1, 5, 33):
        x = np.linspace(-2, 2, size, dtype=np.float32)
        assert_agrees(m(np.int32(size), x), (x + 1, np.asarray(jax.lax.erf(x))), "transcendental")
    with pytest.raises(nm.ShapeError):
        m(np.int32(4), np.zeros(5, np.float32))
