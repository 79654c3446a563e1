"""Loops of the host that update a carry in part: in its own buffer, whatever else reads or holds it (nimble-carry-in-place).

A product in the body keeps the loops out of kernels. Each loop against JAX, several sizes through one module."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm


def _row(x: Any, i: Any) -> Any:
    return lax.dynamic_index_in_dim(x, i, keepdims=False)


def _put(x: Any, row: Any, i: Any) -> Any:
    return lax.dynamic_update_index_in_dim(x, row, i, 0)


def stacked(xs, w):
    """Rows of a scan, forward and backward, and a scan in a scan."""

    def step(c, x):
        c = jnp.tanh(x + c @ w)
        return c, (c, c.sum())

    def outer(c, x):
        c, rows = lax.scan(step, c, xs * x.mean())
        return c, rows[0]

    first = jnp.zeros_like(xs[0])
    return lax.scan(step, first, xs), lax.scan(step, first, xs, reverse=True), lax.scan(outer, first, xs)


def read_before_and_after(xs, w):
    def body(i, c):
        before = _row(c, i) @ w
        c = _put(c, before, i)
        after = _row(c, (i * 2) % xs.shape[0]) @ w
        return _put(c, after * 0.5, (i + 1) % xs.shape[0])

    return lax.fori_loop(0, xs.shape[0], body, xs)


def held_elsewhere(xs, w):
    """The updated tensor, the one before, and a row of it are carried, too; the first value is an argument, and returned."""

    def body(i, carry):
        now, _, row = carry
        new = _put(now, row @ w + 1, i)
        return new, now, _row(new, (i + 1) % xs.shape[0])

    return lax.fori_loop(0, xs.shape[0], body, (xs, xs, xs[0])), xs


def swapped(xs, w):
    def body(i, carry):
        a, b = carry
        return _put(b, _row(a, i) @ w, i), _put(a, _row(b, i) - 1, i)

    return lax.fori_loop(0, xs.shape[0], body, (xs, xs * 2))


def twice_the_same(xs, w):
    def body(i, carry):
        a, b = carry
        a = _put(a, _row(b, i) @ w, i)
        return a, a

    return lax.fori_loop(0, xs.shape[0], body, (xs, xs))


def nested_updates(xs, w):
    """An inner loop updates what the outer one carries, between updates and reads of its own."""

    def inner(j, c):
        return _put(c, jnp.tanh(_row(c, j) @ w), j)

    def outer(i, c):
        c = lax.fori_loop(0, xs.shape[0], inner, c)
        total = c.sum(axis=0)
        c = _put(c, total @ w, i)
        c = lax.fori_loop(0, i, inner, c)
        return c

    def only_inner(i, c):
        return lax.fori_loop(0, xs.shape[0], inner, c)

    return lax.fori_loop(0, 3, outer, xs), lax.fori_loop(0, 2, only_inner, xs)


def until(xs, w):
    """The condition reads the carry."""

    def goes_on(carry):
        c, i = carry
        return (c.max() < 50) & (i < 6)

    def body(carry):
        c, i = carry
        return _put(c, _row(c, 0) @ w + 10, i % xs.shape[0]), i + 1

    return lax.while_loop(goes_on, body, (xs, 0))


def scattered(xs, w):
    def body(i, c):
        at = jnp.stack([i, (i + 2) % xs.shape[0], i])
        return c.at[at].add((c[at] @ w) * 0.1)

    return lax.fori_loop(0, xs.shape[0], body, xs)


def branched(xs, w):
    def body(i, c):
        c = _put(c, _row(c, i) @ w, i)
        return lax.cond(c.sum() > 0, lambda c: _put(c, _row(c, 0) * 0.5, i), lambda c: c, c)

    return lax.fori_loop(0, xs.shape[0], body, xs)


LOOPS = [
    stacked,
    read_before_and_after,
    held_elsewhere,
    swapped,
    twice_the_same,
    nested_updates,
    until,
    scattered,
    branched,
]
WIDTH = 130  # a product of 130 x 130 is too much for a kernel of many iterations


@pytest.fixture(scope="module")
def module() -> nm.Module:
    s, b = nm.dims("s, b")
    args = nm.spec((s, b, WIDTH), jnp.float32), nm.spec((WIDTH, WIDTH), jnp.float32)
    return nm.compile({fn.__name__: (fn, args) for fn in LOOPS})


def test_loops_carry_views(module: nm.Module) -> None:
    """Otherwise the other tests would show nothing."""
    text = module.ir("linalg")
    for fn in (stacked, read_before_and_after, nested_updates, until, scattered):
        body = text.split(f"@{fn.__name__}(")[1].split("func.func")[0]
        assert "nimble.own" in body, fn.__name__


@pytest.mark.parametrize("fn", LOOPS, ids=lambda fn: fn.__name__)
@given(s=st.integers(1, 7), b=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_agrees_with_jax(module: nm.Module, fn: Any, s: int, b: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs = rng.normal(size=(s, b, WIDTH)).astype(np.float32)
    w = (rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32)
    kept = xs.copy()
    got = getattr(module, fn.__name__)(xs, w)
    np.testing.assert_array_equal(xs, kept)  # the caller's array is nobody's buffer
    for one, other in zip(jax.tree_util.tree_leaves(got), jax.tree_util.tree_leaves(jax.jit(fn)(xs, w)), strict=True):
        assert_agrees(one, np.asarray(other), "model")
