"""argmax and argmin as kernels of vectors, one module for all dtypes and axes: ties, NaNs, infinities, any length of row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import nimble_mlir as nm

DTYPES = [jnp.float32, jnp.float16, jnp.bfloat16, jnp.int32, jnp.int8, jnp.uint8, jnp.uint32]
# Around the 16 lanes of a vector and the 64 of a step; the second size is reduced, between an outer and an inner one.
SIZES = [(1, 1, 1), (2, 15, 16), (1, 16, 17), (3, 17, 5), (2, 63, 33), (1, 64, 1), (2, 65, 15), (1, 203, 48), (5, 1, 7)]


def _positions(*arrays: jax.Array) -> list[jax.Array]:
    """Along the last, the middle and the first dimension, and of the flat array."""
    return [f(x, axis) for x in arrays for f in (jnp.argmax, jnp.argmin) for axis in (2, 1, 0, None)]


def _expected(*arrays: np.ndarray) -> list[np.ndarray]:
    """The same by NumPy: the first of equal elements, and the first NaN before all others. Narrow floats in 32 bits."""
    wide = [x.astype(np.float32) if x.dtype.itemsize == 2 else x for x in arrays]
    return [f(x, axis) for x in wide for f in (np.argmax, np.argmin) for axis in (2, 1, 0, None)]


def _from(x: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    """Values beside positions, from a start that may win over all elements or equal one of them."""

    def body(a: tuple[jax.Array, ...], b: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        ahead = (a[0] > b[0]) | (a[0] != a[0])
        return jnp.where(ahead, a[0], b[0]), jnp.where(ahead | ((a[0] == b[0]) & (a[1] < b[1])), a[1], b[1])

    starts = [(1.0, 3), (-np.inf, 0), (-np.inf, 40)]
    at = [lax.broadcasted_iota(jnp.int32, x.shape, axis) for axis in (0, 1, 2)]
    return [
        lax.reduce((x, at[axis]), (np.float32(value), np.int32(position)), body, (axis,))
        for value, position in starts
        for axis in (1, 2)
    ]


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: jnp.dtype) -> np.ndarray:
    """Few different values, so that most are there several times; floats with rows of infinities and with NaNs."""
    array = rng.integers(0, 5, shape).astype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        return np.where(rng.random(shape) < 0.1, np.asarray(jnp.iinfo(dtype).min, dtype), array)
    array[rng.random(shape) < 0.02] = np.nan
    array[rng.random(shape[:2]) < 0.3] = -np.inf
    array[..., rng.random(shape[2]) < 0.2] = np.inf
    return array


@pytest.fixture(scope="module")
def module() -> nm.Module:
    shape = nm.dims("a, b, c")
    specs = tuple(nm.spec(shape, dtype) for dtype in DTYPES)
    return nm.compile({"positions": (_positions, specs), "start": (_from, specs[:1])})


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_positions_of_each_dtype(module: nm.Module, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(shape))
    arrays = [_values(rng, shape, dtype) for dtype in DTYPES]
    for got, expected in zip(module.entry("positions")(*arrays), _expected(*arrays), strict=True):
        assert got.dtype == np.int32
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shape", SIZES[:6], ids=str)
def test_start_takes_part(module: nm.Module, shape: tuple[int, ...]) -> None:
    x = _values(np.random.default_rng(sum(shape)), shape, np.dtype(np.float32))
    for got, expected in zip(module.entry("start")(x), _from(x), strict=True):
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])


@pytest.mark.parametrize("shape", [(2, 7, 8), (1, 65, 9)], ids=str)
def test_positions_of_64_bits(wide: nm.Module, shape: tuple[int, ...]) -> None:
    with jax.enable_x64(True):
        arrays = [_values(np.random.default_rng(3), shape, dtype) for dtype in (jnp.float64, jnp.int64, jnp.uint64)]
        for got, expected in zip(wide(*arrays), _expected(*arrays), strict=True):
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, expected)


@pytest.fixture(scope="module")
def wide() -> nm.Module:
    with jax.enable_x64(True):
        shape = nm.dims("a, b, c")
        return nm.compile(_positions, tuple(nm.spec(shape, t) for t in (jnp.float64, jnp.int64, jnp.uint64)))


def test_reduction_is_a_kernel_of_vectors(module: nm.Module) -> None:
    assert "vector.reduction" in module.ir("linalg")
