"""What is said of loops and branches that cannot be captured, or do what they must not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import nimble_mlir as nm

f32, i32 = jnp.float32, jnp.int32
S = nm.dims("s")[0]
X = nm.spec((S, 4), f32)


def grown(x):
    return nm.fori_loop(0, 3, lambda i, c: jnp.concatenate([c, c[:1]]), x)


def changed(body):
    return lambda x: nm.while_loop(lambda c: c.sum() < 3, body, x)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (
            changed(lambda c: c[None]),
            r"nm.while_loop of .*test_dynamic_loops.py:\d+: carry 0 changes from float32\[s, 4\] to float32\[1, s, 4\]; "
            "its sizes may change, its rank and dtype may not",
        ),
        (changed(lambda c: c.astype(i32)), r"carry 0 changes from float32\[s, 4\] to int32\[s, 4\]"),
        (changed(lambda c: (c, c)), r"the body returns the structure .*, but the carry is"),
        (
            lambda x: nm.while_loop(lambda c: c[:, 0] > 0, lambda c: jnp.concatenate([c, c]), x),
            r"the condition must be a boolean scalar, not bool\[_n\d+\]",
        ),
        (
            lambda x: nm.scan(lambda c, _: (jnp.concatenate([c, c[:1]]), c), x, None, length=3),
            "a result of the scan body has a size that differs per step.*use nm.Ragged or nm.TensorList",
        ),
        (
            lambda x: lax.scan(lambda c, n: (c, grown(c)), x, jnp.arange(3)),
            "a result of the scan body has a size that differs per step; use nm.Ragged or nm.TensorList",
        ),
        (lambda x: nm.scan(lambda c, _: (c, None), x), "scan needs xs or a length"),
        (lambda x: nm.scan(lambda c, r: (c, None), x, (x, x.T)), "scan got xs of length 4, but s is expected"),
        (lambda x: nm.fori_loop(0, x.sum(), lambda i, c: c, x), "fori_loop needs bounds that are integers"),
        (lambda x: jax.vmap(grown)(x[None]), "a loop whose carry changes its size cannot be batched by vmap"),
        (lambda x: jax.grad(lambda v: grown(v).sum())(x), "a loop whose carry changes its size cannot be differentiated"),
        (
            lambda x: jax.grad(lambda v: nm.cond(x.sum() > 0, lambda: v, lambda: v[:1]).sum())(x),
            "branches whose results differ in size cannot be differentiated; give the results one size",
        ),
        (
            lambda x: jax.vmap(lambda v: nm.cond(v.sum() > 0, lambda: v, lambda: v[:1]))(x),
            "branches whose results differ in size cannot be batched by vmap",
        ),
        (
            lambda x: nm.cond(x.sum() > 0, lambda: x, lambda: x[0]),
            r"result 0 of the branches is .*; its sizes may differ, its rank and dtype may not",
        ),
        (lambda x: nm.cond(x.sum() > 0, lambda: x, lambda: (x, x)), "the branches return the structures"),
        (lambda x: nm.cond(x > 0, lambda: x, lambda: x[:1]), r"nm.cond needs a boolean scalar, got bool\[s, 4\]"),
        (lambda x: nm.switch(x.sum(), [lambda: x]), r"nm.switch needs an index that is an integer, got float32\[\]"),
        (lambda x: nm.switch(0, []), "nm.switch needs at least one branch"),
        (lambda x: nm.map(lambda r: r, x, batch_size=0), "nm.map needs a batch_size of at least 1, got 0"),
        (lambda x: nm.map(lambda r: r, ()), "nm.map needs at least one array"),
        (lambda x: nm.associative_scan(jnp.add, (x, x.T)), "nm.associative_scan needs arrays of one length, got s and 4"),
        (lambda x: nm.searchsorted(x[0], x, "middle"), "nm.searchsorted needs the side 'left' or 'right', got 'middle'"),
        (lambda x: nm.searchsorted(x, x), "nm.searchsorted needs a vector of real .*, got float32 of rank 2"),
        (lambda x: jnp.searchsorted(x[:, 0], x), r"jnp.searchsorted \(also in .*: use nm.searchsorted"),
        (lambda x: jnp.interp(x, x[:, 0], x[:, 1]), r"test_dynamic_loops.py:\d+: JAX cannot trace .*use nm.searchsorted"),
        (lambda x: jnp.convolve(x[:, 0], x[0]), "jnp.convolve and jnp.correlate take no symbolic size"),
        (lambda x: [x[i] for i in range(x.shape[0])], r"A symbolic size is no Python number: len\(x\)"),
        (lambda x: lax.associative_scan(jnp.add, x), "Use nm.associative_scan, which takes symbolic sizes"),
        (
            lambda x: lax.scan(lambda c, y: (c + y.sum(), c), 0.0, x[1:])[1],
            r"lax.scan needs a length that is at least 1: state it, as in nm.dims\('t', constraints=\['t >= 2'\]\)",
        ),
        (lambda x: lax.map(jnp.sin, x, batch_size=4), r"lax.map with batch_size and lax.scan with unroll.* use nm.map"),
        (changed(lambda c: c[1:] if c.shape[0] > 5 else c), r"compares values: jnp.asarray\(x.shape\[0\]\) > 1"),
    ],
)  # fmt: skip
def test_refused(fn, message):
    with pytest.raises(nm.CaptureError, match=f"(?s){message}"):
        nm.compile(fn, (X,))


def test_eager_refusals():
    x = jnp.ones((2, 3))
    with pytest.raises(nm.ShapeError, match="a result of the scan body has a size that differs per step"):
        nm.scan(lambda c, _: (jnp.concatenate([c, c]), c), x, None, length=2)
    with pytest.raises(nm.ShapeError, match=r"TensorList has rows of shape \(3,\), got \(2,\)"):
        nm.TensorList(x).append(jnp.ones(2))


def test_eager_scan_of_nothing():
    carry, rows = nm.scan(lambda c, x: (c + x, c), jnp.float32(1), jnp.zeros((0,)))
    assert (float(carry), rows.shape) == (1.0, (0,))


def test_one_function_captured_twice():
    """JAX keeps what it has traced: symbols of one capture are none of another."""

    @jax.jit
    def inner(x):
        return grown(x)

    for _ in range(2):
        module = nm.compile(lambda x: (inner(x), grown(x)), (X,))
        a, b = module(np.ones((2, 4), np.float32))
        assert a.shape == b.shape == (5, 4)
    assert nm.fori_loop(0, 3, lambda i, c: jnp.concatenate([c, c[:1]]), jnp.ones((2, 4))).shape == (5, 4)
