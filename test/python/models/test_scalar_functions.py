"""Scalar functions over random bit patterns and corner cases, against XLA: every magnitude, zeros, infinities and NaN.

Numbers below the smallest normal one are zeros to both, in all float types but those of which each fits into a wider one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from support.reference import bitwise_jit
from support.sampling import sampled
from support.tolerances import tolerance

import nimble_mlir as nm

UNARY: dict[str, Callable[[Any], Any]] = {
    name: getattr(lax, name)
    for name in """
    exp log log1p expm1 sqrt rsqrt cbrt tanh sinh cosh asinh acosh atanh asin acos atan erf erfc erf_inv lgamma digamma
    logistic sign floor ceil neg abs is_finite square
    """.split()
}
UNARY |= {
    "round_away": lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    "round_even": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(lax, name) for name in "pow atan2 rem nextafter add sub mul div max min lt le eq ne".split()
}
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
TARGETS = (*INTEGERS, "bool", "float16", "bfloat16", "float32", "float64", "int4", "uint2", "float8_e5m2")

# Near a root of these the error is that of the terms, which are about 1.
ABSOLUTE = ("lgamma", "digamma", "erf_inv")


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def _numbers(dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    bits = np.dtype(f"u{dtype.itemsize}")
    parts = [rng.integers(0, 1 << 8 * dtype.itemsize, 6000, np.uint64).astype(bits).view(dtype) for _ in range(2)]
    moderate = rng.normal(size=(2, 3000)) * 10.0 ** rng.integers(-8, 5, (2, 3000))
    corners = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, 2.5, -2.5, 127.5, 255.5, 256, 2.0**31, 2.0**63]
    corners = [*corners, 2.0**64, -(2.0**31), -(2.0**63), 3e9]
    pairs = np.array([(a, b) for a in corners for b in corners]).T
    x, y = (np.concatenate([part, *[more.astype(dtype) for more in rest]])
            for part, *rest in zip(parts, moderate, pairs, strict=True))  # fmt: skip
    normal = [
        ~((np.abs(v.astype(float)) < float(ml_dtypes.finfo(dtype).tiny)) & (v.astype(float) != 0)) for v in (x, y)
    ]
    return x[normal[0] & normal[1]], y[normal[0] & normal[1]]


def _assert_close(name: str, got: np.ndarray, expected: np.ndarray, inputs: tuple[np.ndarray, ...]) -> None:
    a, b = got.astype(np.float64), expected.astype(np.float64)
    assert got.dtype == expected.dtype, name
    tiny = float(ml_dtypes.finfo(got.dtype).tiny)
    relative, _ = tolerance(got.dtype, "transcendental")
    with np.errstate(invalid="ignore"):
        bound = np.maximum(relative * np.abs(b), 2 * tiny)  # where one side flushes a result to zero
        if name in ABSOLUTE:
            bound = np.maximum(bound, relative)
        close = np.abs(a - b) <= bound
    same = (a == b) & ((a != 0) | (np.signbit(a) == np.signbit(b)))
    close = np.where(np.isfinite(a) & np.isfinite(b) & ((a != 0) | (b != 0)), close, same) | (np.isnan(a) & np.isnan(b))
    wrong = np.flatnonzero(~close)
    shown = [(*[value[i] for value in inputs], got[i], expected[i]) for i in wrong[:4]]
    assert not wrong.size, f"{name}: {wrong.size} differ: {shown}"


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("name", sampled(["float32", "float64", "bfloat16", "float16"], 2))
def test_functions_of_random_bits(name: str) -> None:
    dtype = _dtype(name)
    x, y = _numbers(dtype)

    def function(x: Any, y: Any) -> Any:
        values = {name: op(x) for name, op in UNARY.items()} | {name: op(x, y) for name, op in BINARY.items()}
        return values, {target: lax.convert_element_type(x, _dtype(target)) for target in TARGETS}

    (s,) = nm.dims("s")
    with jax.enable_x64(True):
        module = nm.compile(function, (nm.spec((s,), dtype), nm.spec((s,), dtype)))
        got, converted = module(x, y)
        expected, conversions = bitwise_jit(function)(x, y)
    for op, value in got.items():
        like = np.asarray(expected[op])
        if like.dtype == np.bool_:
            assert (value == like).all(), op
        else:
            _assert_close(op, value, like, (x, y) if op in BINARY else (x,))
    for target, value in converted.items():
        like = np.asarray(conversions[target])
        with np.errstate(invalid="ignore"):
            same = (value == like) | ((value != value) & (like != like))
        assert same.all(), (target, x[~same][:4], value[~same][:4], like[~same][:4])


@pytest.mark.parametrize("name", sampled(INTEGERS, 3))
def test_corners_of_integers(name: str) -> None:
    """Divisions by zero and of the smallest number by -1, shifts by the width and more, conversions that do not fit."""
    limits = np.iinfo(name)
    few = [0, 1, 2, 3, 7, 9, limits.bits - 1, limits.bits, limits.bits + 1, 100, limits.max // 2]
    few += [limits.min, limits.max, limits.max - 1, limits.min + 1, *([-1, -2, -7] if limits.min else [])]
    x, y = (part.ravel() for part in np.meshgrid(*[np.array(sorted(set(few)), name)] * 2))

    def function(x: Any, y: Any) -> Any:
        two = (lax.div, lax.rem, lax.shift_left, lax.shift_right_arithmetic, lax.shift_right_logical, lax.mul, lax.max,
               jnp.floor_divide, jnp.mod, lax.lt)  # fmt: skip
        one = (
            lax.population_count,
            lax.clz,
            lax.neg,
            jnp.abs,
            lax.sign,
            lax.bitwise_not,
            lambda x: lax.integer_pow(x, 5),
        )
        return [
            [op(x, y) for op in two],
            [op(x) for op in one],
            [lax.convert_element_type(x, _dtype(target)) for target in TARGETS],
        ]

    (s,) = nm.dims("s")
    with jax.enable_x64(True):
        module = nm.compile(function, (nm.spec((s,), x.dtype), nm.spec((s,), x.dtype)))
        got, expected = module(x, y), jax.tree.map(np.asarray, bitwise_jit(function)(x, y))
    for (path, value), like in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        assert value.dtype == like.dtype
        assert (value == like).all(), (path, x[value != like][:4], y[value != like][:4], value[value != like][:4])


def test_subnormal_numbers_are_zeros_as_in_xla() -> None:
    (s,) = nm.dims("s")

    def function(x: Any, y: Any, h: Any) -> Any:
        return x + x, x * 1.5, lax.convert_element_type(x, jnp.float64), x == 0, y * 0.5, h + h, jnp.sqrt(x)

    with jax.enable_x64(True):
        module = nm.compile(function, tuple(nm.spec((s,), dtype) for dtype in (np.float32, np.float64, np.float16)))
        for size in (3, 4099):
            x, y, h = np.full(size, 1e-40, np.float32), np.full(size, 3e-308), np.full(size, 6e-8, np.float16)
            got, expected = module(x, y, h), bitwise_jit(function)(x, y, h)
            for value, like in zip(got, expected, strict=True):
                assert value.tobytes() == np.asarray(like).tobytes()
            assert got[0][0] == 0
            assert got[5][0] == np.float16(1.2e-7)  # half floats are computed in f32, where these are normal


@pytest.fixture(scope="module")
def nibbles() -> Any:
    """A polynomial of int4, and a chain of roundings of an 8-bit float."""
    (s,) = nm.dims("s")

    def function(x: Any, y: Any, u: Any, v: Any) -> Any:
        return x * y + y * 3 - x * x, jnp.cumsum(x * y), u * v + u, x < y

    small, narrow = nm.spec((s,), jnp.int4), nm.spec((s,), jnp.float8_e4m3b11fnuz)
    return nm.compile(function, (small, small, narrow, narrow))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(values=st.lists(st.tuples(*[st.integers(0, 255)] * 4), min_size=1, max_size=70))
def test_chains_wrap_around_and_round_after_each_op(nibbles: Any, values: list[tuple[int, int, int, int]]) -> None:
    x, y, u, v = np.array(values, np.uint8).T.copy()
    a, b = (part.view(ml_dtypes.int4) for part in (x, y))
    c, d = (part.view(ml_dtypes.float8_e4m3b11fnuz) for part in (u, v))
    got = nibbles(a, b, c, d)
    wide, other = a.astype(np.int32), b.astype(np.int32)
    np.testing.assert_array_equal(got[0], (wide * other + other * 3 - wide * wide).astype(ml_dtypes.int4))
    np.testing.assert_array_equal(got[1], np.cumsum(wide * other).astype(ml_dtypes.int4))
    np.testing.assert_array_equal(got[3], wide < other)
    product = (c.astype(np.float32) * d.astype(np.float32)).astype(c.dtype)
    expected = (product.astype(np.float32) + c.astype(np.float32)).astype(c.dtype)
    np.testing.assert_array_equal(got[2].astype(np.float32), expected.astype(np.float32))
