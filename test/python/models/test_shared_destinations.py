"""Several updates of one array that depends on nothing: each has its own result (passes/own_buffers.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm

put = lax.dynamic_update_slice


def _updates(y: jax.Array, x: jax.Array, i: jax.Array) -> dict[str, jax.Array]:
    zeros, counted, square = jnp.zeros(y.shape), jnp.arange(8.0), jnp.full((8, 8), 3.0)
    return {
        "zeros": put(zeros, x, (i,)),
        "zeros again": put(zeros, 2 * x, (i,)),
        "counted": put(counted, x[:1], (i,)),
        "counted again": put(counted, y[:1], (i + 1,)),
        "square": put(square, jnp.ones((2, 2)) * x[0], (i, i)),
        "square again": put(square, jnp.ones((2, 2)), (i, 0)),
        "square itself": square,
        "in a loop": lax.fori_loop(0, 3, lambda step, sums: sums + put(zeros, x * step, (i,)), zeros),
        "in a branch": lax.cond(i > 0, lambda: put(zeros, x, (0,)), lambda: put(zeros, -x, (i,))),
    }


@pytest.mark.parametrize(("n", "k", "i"), [(5, 2, 1), (1, 1, 0), (64, 17, 9), (33, 33, 2), (7, 3, -1)])
def test_each_update_has_its_own_result(module: nm.Module, n: int, k: int, i: int) -> None:
    rng = np.random.default_rng(n)
    args = rng.standard_normal(n, np.float32), rng.standard_normal(k, np.float32), np.int32(i)
    assert_agrees(module(*args), jax.jit(_updates)(*args), "elementwise")


@pytest.fixture(scope="module")
def module() -> nm.Module:
    n, k = nm.dims("n, k", constraints=["k <= n"])
    return nm.compile(_updates, (nm.spec((n,), jnp.float32), nm.spec((k,), jnp.float32), nm.spec((), jnp.int32)))
