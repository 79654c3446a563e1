"""What is said of sizes that cannot be captured, or that are wrong before anything runs; what is known of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import nimble_mlir as nm
from nimble_mlir.capture import capture

f32, i32 = jnp.float32, jnp.int32
S = nm.dims("s")[0]
X, N = nm.spec((S,), f32), nm.spec((), i32)


def positive(x):
    return nm.compress(x > 0, x)


jitted = jax.jit(positive)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (
            lambda x, n: lax.scan(lambda c, t: (c, nm.compress(x > t, x)), 0.0, jnp.arange(3.0)),
            "a result of the scan body has a size that differs per step; use nm.Ragged or nm.TensorList",
        ),
        (
            lambda x, n: lax.scan(lambda c, t: (positive(c), 0), x, jnp.arange(3.0)),
            "A result of the scan body has a size that differs per step; use nm.Ragged or nm.TensorList. "
            "A carry whose size changes needs nm.scan, nm.while_loop or nm.fori_loop",
        ),
        (lambda x, n: lax.map(lambda t: nm.arange(n + t), jnp.arange(3)), "use nm.Ragged or nm.TensorList"),
        (
            lambda x, n: lax.cond(n > 0, jitted, jitted, x),
            "Results whose size differs by branch need nm.cond or nm.switch",
        ),
        (lambda x, n: jax.vmap(positive)(x[None]), "nm.nonzero or nm.compress with another mask for each element"),
        (lambda x, n: jax.vmap(lambda y: nm.compress(x > y[0], y))(x[None]), "use nm.Ragged or nm.map"),
        (lambda x, n: jax.vmap(nm.arange)(n[None]), "nm.arange defines a size of its own for each element of a batch"),
        (lambda x, n: jax.vmap(lambda y, a: nm.slice(y, a, a + 2))(x[None], n[None]), "of a batch"),
        (lambda x, n: nm.zeros(x.sum()), "nm.zeros needs a size that is an integer, got float32"),
        (lambda x, n: nm.zeros(x.astype(int)), "needs a size that is an integer|'_DimExpr'"),
        (lambda x, n: nm.arange(x[0]), "nm.arange with traced bounds needs integers, got float32"),
        (lambda x, n: nm.slice(x, 0.5, n), "nm.slice needs bounds that are integers"),
        (lambda x, n: nm.repeat(x, x), "nm.repeat needs counts that are integers"),
        (lambda x, n: nm.split(x, x.astype(int)), "nm.split needs lengths whose number is known"),
        (
            lambda x, n: jax.grad(lambda x: nm.Ragged.from_rows([x]).map(jnp.tanh).values.sum())(x),
            "a loop whose carry changes its size cannot be differentiated",
        ),
    ],
)
def test_what_cannot_be_captured(fn, message):
    with pytest.raises(nm.CaptureError, match=message):
        capture({"fn": (fn, (X, N), {})})


def test_traced_sizes_need_a_compile():
    with pytest.raises(nm.CaptureError, match=r"nm.zeros with a size that is traced needs nm.compile"):
        jax.jit(nm.zeros)(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nm.nonzero(jnp.float32(1)), "nm.nonzero needs an array of at least one dimension, got a scalar"),
        (lambda: nm.compress(jnp.ones((2, 2), bool), jnp.ones((2, 2)), 0), "along an axis needs a mask of rank 1"),
        (
            lambda: nm.compress(jnp.ones((2, 2), bool), jnp.ones(4)),
            "nm.compress needs a mask of rank 1 or 1, got rank 2",
        ),
        (
            lambda: nm.compress(jnp.ones(2, bool), jnp.ones(2), 1),
            "nm.compress: axis 1 is no axis of an array of rank 1",
        ),
        (lambda: nm.compress(jnp.ones(3, bool), jnp.ones(2)), "with_shape: axis 0 of the value is 3, but 2 is stated"),
        (lambda: nm.slice(jnp.ones(2), 0, 1, axis=-2), "nm.slice: axis -2 is no axis of an array of rank 1"),
        (lambda: nm.concatenate([jnp.ones(2)], [1, 2]), "nm.concatenate needs a length for each array, got 2 for 1"),
        (lambda: nm.concatenate([jnp.ones(2)], [3]), "nm.concatenate: the size 3 is above its bound of 2"),
        (lambda: nm.reshape(jnp.ones(2), (-1, -1)), "nm.reshape can find one size only, but 2 are -1"),
        (lambda: nm.arange(9, bound=8), "nm.arange: the size 9 is above its bound of 8"),
        (lambda: nm.arange(9, 0, 0), "nm.arange: the step is 0"),
        (lambda: nm.split(jnp.ones(3), [1, 1]), "nm.split: the lengths do not sum up to the size of axis 0"),
        (lambda: nm.top_k(jnp.float32(1), 1), "nm.top_k needs an array of at least one dimension, got a scalar"),
        (lambda: nm.non_max_suppression(jnp.ones((2, 3)), jnp.ones(2)), r"needs boxes of shape \[n, 4\] and n scores"),
        (lambda: nm.Ragged(jnp.float32(1), [0, 1]), "nm.Ragged needs values of at least one dimension"),
        (lambda: nm.Ragged.from_rows([]), "from_rows needs at least one row"),
        (lambda: nm.Ragged.from_padded(jnp.ones((1, 2)), [3]), "a length is negative, or above the size of the rows"),
        (lambda: nm.Ragged(jnp.ones(2), [0, 2]).with_values(3), "with_values needs values of at least one dimension"),
        (lambda: nm.Ragged(jnp.ones((2, 2)), [0, 2]).matmul(jnp.ones(2)), "needs a matrix, or one for each row"),
        (lambda: nm.ragged_attention(*[nm.Ragged(jnp.ones(2), [0, 2])] * 3), "needs rows of shape"),
        (lambda: nm.ragged_attention(ROW, ROW, ROW.append(ROW[0])), "needs as many rows of q, k and v, got 1, 1, 2"),
    ],
)
def test_what_is_wrong_at_once(call, message):
    with pytest.raises(nm.ShapeError, match=message):
        call()


ROW = nm.Ragged(np.ones((2, 1, 1), np.float32), [0, 2])


def test_a_known_size_stays_what_it_is():
    program = capture({"fn": (lambda x: (nm.arange(x.shape[0]), nm.zeros((2, x.shape[0])), nm.repeat(x, 2)), (X,), {})})
    assert [str(result.dims) for result in program.entries["fn"].results][0].count("_n") == 0


def test_one_mask_gives_one_size():
    def fn(x):
        mask = x > 0
        (i,) = nm.nonzero(mask)
        return nm.compress(mask, x) + i + nm.compress(mask, x[:, None] * x, 1)[0]

    (result,) = capture({"fn": (fn, (X,), {})}).entries["fn"].results
    assert str(result.dims[0]).startswith("_n")


def test_size_ranges():
    size = nm.SizeRange(1, 3)
    assert repr(size) == "SizeRange(1..3)"
    assert repr(nm.SizeRange(2)) == "SizeRange(2..)"
    assert [n in size for n in (0, 1, 3, 4)] == [False, True, True, False]
    assert 10**9 in nm.SizeRange(2)
    assert size == nm.SizeRange(1, 3)
    with pytest.raises(nm.ShapeError, match=r"a size of 1..3 depends on the values of the arguments: run the module"):
        int(size)
    with pytest.raises(nm.ShapeError, match=r"depends on the values"):
        np.zeros((size, 2))
