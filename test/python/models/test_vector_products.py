"""Products of dynamic matrices and vectors, which are kernels that read slices and transposes where they lie."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(0)
SIZES = [(1, 1), (1, 7), (3, 1), (2, 15), (5, 16), (1, 17), (4, 64), (2, 65), (3, 130), (7, 300)]


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def plain(x, y, q, r):
    """x [b, k], y [b, k, 5], q [k], r [k, b, 2, 40]."""
    return (
        x @ q,  # a row each
        q @ y[0],  # columns side by side
        jnp.einsum("bk,bk->b", x, x),
        jnp.einsum("bk,bkf->bf", x, y),
        jnp.einsum("bk,bkf->fb", x, y),
        jnp.einsum("kbcf,kb->cf", r, x.T),
        x[:1] @ r.reshape(r.shape[0], -1),
        jnp.dot(q, q),
    )


def attention(x, y, q, r):
    """One query over keys and values that are slices of one transposed tensor; offsets in each dimension."""
    keys, values = r.transpose(2, 0, 1, 3)
    query = r[0, :, 0]
    weights = jax.nn.softmax(jnp.einsum("bd,kbd->bk", query, keys))
    late = r[1:, :, 1, 3:20]
    return (
        jnp.einsum("bk,kbd->bd", weights, values),
        jnp.einsum("bk,kbd->bd", x[:, 1:], late),
        jnp.einsum("bd,kbd->bk", query[:, 3:20], late),
        jnp.einsum("d,kbd->kb", query[0], keys),
        jnp.einsum("qbd,kbd->qbk", query[None], values),
    )


def specs(dtype):
    b, k = nm.dims("b, k")
    shapes = ((b, k), (b, k, 5), (k,), (k, b, 2, 40))
    return tuple(nm.spec(shape, dtype) for shape in shapes)


def arguments(b, k, dtype):
    return [normal(*shape).astype(dtype) for shape in ((b, k), (b, k, 5), (k,), (k, b, 2, 40))]


@pytest.mark.parametrize("fn", [plain, attention])
def test_sizes(fn):
    module = nm.compile(fn, specs(jnp.float32))
    assert '"nimble.kernel"' in module.ir("linalg")
    for b, k in SIZES:
        args = arguments(b, k, np.float32)
        assert_agrees(module(*args), jax.jit(fn)(*args))


def test_doubles():
    with jax.enable_x64(True):
        module = nm.compile(plain, specs(jnp.float64))
        for b, k in SIZES:
            args = arguments(b, k, np.float64)
            assert_agrees(module(*args), jax.jit(plain)(*args))


def test_a_list_is_read_in_the_buffer_where_it_is_written():
    """Rows that are read behind an append: those of this iteration, in a buffer that has more room."""

    def fn(seed, steps):
        def step(carry):
            rows, last = carry
            rows = rows.append(last)
            seen = rows.stack()
            return rows, jnp.tanh(jax.nn.softmax(seen @ last) @ seen + seed)

        start = (nm.TensorList.empty(seed.shape, seed.dtype), seed)
        return nm.while_loop(lambda carry: carry[0].length < steps, step, start)

    (s,) = nm.dims("s")
    module = nm.compile(fn, (nm.spec((s,), jnp.float32), nm.spec((), jnp.int32)))
    for size, steps in ((1, 1), (3, 20), (70, 5)):
        seed = normal(size)
        with jax.disable_jit():
            expected = fn(seed, np.int32(steps))
        assert_agrees(module(seed, np.int32(steps)), expected)
