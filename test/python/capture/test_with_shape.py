"""`nm.with_shape`: joins sizes that JAX takes to be different; what is stated is checked."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nimble_mlir as nm

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def joined():
    n, m = nm.dims("n, m")

    def fn(x, y):
        return x + nm.with_shape(y, x.shape), jax.grad(lambda v: (nm.with_shape(v, x.shape) * x).sum())(y)

    return nm.compile(fn, (nm.spec((n,), jnp.float32), nm.spec((m,), jnp.float32)))


@pytest.mark.parametrize("size", [1, 2, 9])
def test_sizes_that_are_stated_equal(joined, size):
    x, y = RNG.normal(size=(2, size)).astype(np.float32)
    total, gradient = joined(x, y)
    assert np.array_equal(total, x + y)
    assert np.array_equal(gradient, x)


def test_sizes_that_differ(joined):
    with pytest.raises(
        nm.ShapeError, match=r"dimension 0 of the value and of the stated shape differ: 'm' and 'n'.*n = 3, m = 4"
    ):
        joined(np.ones(3, np.float32), np.ones(4, np.float32))


def test_batched():
    b, n, m = nm.dims("b, n, m")
    fn = jax.vmap(lambda x, y: x * nm.with_shape(y, x.shape))
    compiled = nm.compile(fn, (nm.spec((b, n), jnp.float32), nm.spec((b, m), jnp.float32)))
    x = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    assert np.array_equal(compiled(x[0], x[1]), x[0] * x[1])


def test_eager():
    x = jnp.ones((2, 3))
    assert nm.with_shape(x, (2, 3)) is x
    with pytest.raises(nm.ShapeError, match="axis 1 of the value is 3, but 4 is stated"):
        nm.with_shape(x, (2, 4))
    with pytest.raises(nm.ShapeError, match="the value has rank 2, but 1 sizes are stated"):
        nm.with_shape(x, (6,))
