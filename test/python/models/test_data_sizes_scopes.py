"""Each call that defines a size defines its own: under jit, checkpoint, custom_jvp, cond, scan, vmap and grad."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.capture.defined_symbols import defined_symbols
from nimble_mlir.capture.tracing import Tracing, capturing

RNG = np.random.default_rng(1)
(S,) = nm.dims("s")
VECTOR = nm.spec((S,), jnp.float32)


def positive(x):
    return nm.compress(x > 0, x)


jitted = jax.jit(positive)
checkpointed = jax.checkpoint(positive)


@jax.custom_jvp
def ruled(x):
    return nm.compress(x > 0, x)


@ruled.defjvp
def ruled_jvp(primals, tangents):
    mask = primals[0] > 0
    return nm.compress(mask, primals[0]), nm.compress(mask, tangents[0])


def twice(function):
    def fn(x):
        a, b = function(x), function(-x)
        return a, b, a.sum(), jnp.concatenate([a, b, function(x * 2)])

    return fn


def twice_in_numpy(x):
    a, b = x[x > 0], -x[x < 0]
    return a, b, a.sum(), np.concatenate([a, b, 2 * a])


def scanned(x):
    def step(c, t):
        y = nm.compress(x > t, x)
        return c + y.sum(), jnp.asarray(y.shape[0])

    return lax.scan(step, 0.0, jnp.array([-1.0, 0.0, 0.5]))


def scanned_in_numpy(x):
    parts = [x[x > t] for t in (-1.0, 0.0, 0.5)]
    return sum(part.sum() for part in parts), np.array([len(part) for part in parts])


def branched(x):
    both = nm.cond(x[0] > 0, jitted, lambda x: nm.compress(x < 0, x), x)
    same = nm.cond(x[0] > 0, jitted, jitted, x)
    kept = lax.cond(x[0] > 0, lambda x: positive(x).sum(), lambda x: positive(-x).sum() * 2, x)
    return both, same, kept


def branched_in_numpy(x):
    chosen = x[x > 0] if x[0] > 0 else x[x < 0]
    return chosen, x[x > 0], x[x > 0].sum() if x[0] > 0 else -2 * x[x < 0].sum()


def mapped(x):
    return jax.vmap(lambda factor: nm.compress(x > 0, x * factor))(jnp.arange(3.0))


def gradients(x):
    def loss(x):
        inside = jax.checkpoint(lambda x: jnp.sin(positive(x)))(x)
        return (positive(x) ** 3).sum() + inside.sum() + nm.slice(x, 0, 2).sum() + nm.repeat(x, (x > 0) + 1).sum()

    value, gradient = jax.value_and_grad(loss)(x)
    return value, gradient, jax.jvp(positive, (x,), (x * 2,))[1], jax.grad(lambda x: ruled(x).sum())(x)


def gradients_in_numpy(x):
    y, on = x[x > 0], x > 0
    front = np.arange(len(x)) < 2
    value = (y**3).sum() + np.sin(y).sum() + x[:2].sum() + x.sum() + y.sum()
    gradient = np.where(on, 3 * x**2 + np.cos(x), 0) + front + 1 + on
    return value, gradient, 2 * y, on.astype(np.float32)


def in_loops(x):
    filtered = nm.while_loop(lambda c: jnp.asarray(c.shape[0]) > 3, lambda c: nm.compress(c > c.mean(), c), x)
    grown = nm.fori_loop(0, 3, lambda i, c: jnp.concatenate([c, nm.compress(x > i * 0.5, x)]), x)
    return filtered, grown


def in_loops_in_numpy(x):
    filtered = x
    while len(filtered) > 3:
        filtered = filtered[filtered > filtered.mean()]
    return filtered, np.concatenate([x, *(x[x > i * 0.5] for i in range(3))])


@pytest.mark.parametrize(
    ("fn", "reference"),
    [
        (twice(jitted), twice_in_numpy),
        (twice(checkpointed), twice_in_numpy),
        (twice(ruled), twice_in_numpy),
        (scanned, scanned_in_numpy),
        (branched, branched_in_numpy),
        (mapped, lambda x: np.arange(3, dtype=np.float32)[:, None] * x[x > 0]),
        (gradients, gradients_in_numpy),
        (in_loops, in_loops_in_numpy),
    ],
    ids=["jit", "checkpoint", "custom_jvp", "scan", "cond", "vmap", "grad", "loops"],
)
def test_scopes(fn, reference):
    module = nm.compile(fn, (VECTOR,))
    for size in (1, 2, 7, 500):
        for sign in (1, -1, 0):
            x = RNG.normal(size=size).astype(np.float32)
            x = x if sign == 0 else sign * np.abs(x)
            expected = jax.tree_util.tree_leaves(reference(x))
            for got, want in zip(jax.tree_util.tree_leaves(module(x)), expected, strict=True):
                assert np.shape(got) == np.shape(want)
                assert_agrees(got, np.asarray(want).astype(np.asarray(got).dtype), "model")


def test_no_call_is_found_in_a_cache():
    # JAX's caches compare keys that agree in seven bits of their hash, and take an object to be equal to itself.
    calls = 150
    with capturing(Tracing(None, frozenset(), anew=True)):
        traced = jax.jit(lambda x: sum(jitted(x).sum() for _ in range(calls))).trace(
            jax.ShapeDtypeStruct((5,), "float32")
        )
    assert len(set(defined_symbols(traced.jaxpr))) == calls
