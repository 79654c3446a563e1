"""Loops over little work: functions of a trip count and arrays, each of which is to become one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import nimble_mlir as nm

__all__ = ["LOOPS", "arrays"]

f32, i32 = jnp.float32, jnp.int32


def arrays(rng: np.random.Generator, specs: Any) -> list[np.ndarray]:
    """Random arrays for `specs`."""
    return [_array(rng, spec) for spec in specs]


def _array(rng: np.random.Generator, spec: Any) -> np.ndarray:
    if spec.dtype == np.float32:
        return rng.normal(size=spec.shape).astype(np.float32)
    return rng.integers(0, 2 if spec.dtype == bool else 50, spec.shape).astype(spec.dtype)


# name: (function of a trip count and arrays, their specs)
LOOPS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def loop(*specs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function of a trip count and arrays of `specs`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        LOOPS[function.__name__] = (function, specs)
        return function

    return register


@loop(nm.spec((37,), f32))
def elementwise(n, x):
    return lax.fori_loop(0, n, lambda i, c: jnp.tanh(c) * 1.5 + i, x)


@loop(nm.spec((3, 17), f32), nm.spec((3, 17), f32))
def carries_change_places(n, x, y):
    return lax.fori_loop(0, n, lambda i, c: (c[1], c[0] + c[1] * 0.5), (x, y))


@loop(nm.spec((16,), f32), nm.spec((1,), f32), nm.spec((1, 4), i32), nm.spec((2, 1), f32))
def small_carries_are_copied(n, a, b, c, d):
    return lax.fori_loop(
        0, n, lambda i, x: (x[0][::-1], x[1][::-1] + x[0][:1], x[2][:, ::-1], x[3][::-1]), (a, b, c, d)
    )


@loop(nm.spec((3, 17), f32))
def carry_is_read_elsewhere(n, x):
    return lax.fori_loop(0, n, lambda i, c: jnp.roll(c, 1, axis=1) + c[::-1] * 0.5 - c.T[:3, :1], x)


@loop(nm.spec((20,), f32), nm.spec((5,), f32))
def updates_in_place(n, x, y):
    def body(i, c):
        x, y = c
        before = x[(3 * i) % 20]  # read before the update, used after it
        x = lax.dynamic_update_slice(x, y * before, (2 * i,))
        return x.at[0].add(1.0), y + x[:5] - before

    return lax.fori_loop(0, n, body, (x, y))


@loop(nm.spec((20,), f32))
def update_that_reads_what_it_updates(n, x):
    return lax.fori_loop(0, n, lambda i, c: lax.dynamic_update_slice(c, c[5:15] * 0.5, (i,)), x)


@loop(nm.spec((20,), f32))
def old_value_is_kept(n, x):
    def body(i, c):
        new = lax.dynamic_update_slice(c, c[:3] + 1, (i,))
        return new + c * 0.1

    return lax.fori_loop(0, n, body, x)


@loop(nm.spec((1, 33), f32), nm.spec((33, 48), f32), nm.spec((48, 33), f32))
def products(n, x, w, v):
    return lax.fori_loop(0, n, lambda i, x: jnp.tanh(jnp.tanh(x @ w * 0.1) @ v * 0.1), x)


@loop(nm.spec((2, 33), f32), nm.spec((48, 33), f32), nm.spec((33, 47), f32))
def products_of_transposes(n, x, w, v):
    return lax.fori_loop(0, n, lambda i, x: jnp.tanh(0.1 * jnp.tanh(0.1 * (x @ w.T))[:, :47] @ v.T), x)


@loop(nm.spec((3, 2, 9), f32), nm.spec((3, 9, 18), f32), nm.spec((3, 9, 18), f32))
def products_by_batch(n, x, w, v):
    def body(i, x):
        return jnp.tanh(0.1 * jnp.einsum("bqj,bkj->bqk", jnp.einsum("bqk,bkj->bqj", x, w), v))

    return lax.fori_loop(0, n, body, x)


@loop(nm.spec((4, 21), i32), nm.spec((21, 6), i32))
def integers(n, x, w):
    def body(i, c):
        x, total = c
        y = (x @ w) % 7
        return (x * 3 + i) // 2 - jnp.pad(y, ((0, 0), (0, 15))), total + y.sum() + x.max() - jnp.argmin(x[0])

    return lax.fori_loop(0, n, body, (x, jnp.int32(0)))


@loop(nm.spec((4, 21), f32))
def reductions(n, x):
    def body(i, x):
        y = jax.nn.softmax(x) - x.mean(axis=0) + x.max(axis=1, keepdims=True)
        return y * 0.5 + jnp.argmax(x, axis=1)[:, None] + (x > 0).any(axis=0)

    return lax.fori_loop(0, n, body, x)


@loop(nm.spec((23,), jnp.bool_), nm.spec((23,), jnp.uint8))
def booleans_and_bytes(n, p, u):
    def body(i, c):
        p, u = c
        return p ^ (jnp.arange(23) % 3 == i % 3) ^ (u > 100), jnp.where(p, u + 7, u << 1)

    return lax.fori_loop(0, n, body, (p, u))


@loop(nm.spec((7, 5), f32), nm.spec((4,), i32))
def gathers_and_scatters(n, x, ids):
    def body(i, c):
        x, ids = c
        rows = x[ids % 7]
        x = x.at[(ids * 3 + i) % 9, 1].add(rows[:, 0], mode="drop")
        return x.at[i % 7].set(rows[i % 4] * 0.5 + jnp.take(x[1], ids[:1], mode="clip")), ids[::-1] + i

    return lax.fori_loop(0, n, body, (x, ids))


@loop(nm.spec((6, 4), f32))
def rearrangements(n, x):
    def body(i, x):
        y = jnp.concatenate([x[3:], x[:3] * 2]).reshape(4, 6).T
        return y.reshape(2, 3, 4).transpose(1, 0, 2).reshape(6, 4) + jnp.arange(4.0)[None, ::-1]

    return lax.fori_loop(0, n, body, x)


@loop(nm.spec((5,), f32))
def loops_in_loops(n, x):
    def outer(i, c):
        x, total = c
        y = lax.fori_loop(i, n, lambda j, y: y * 0.9 + j, x)
        z, steps = lax.while_loop(lambda c: c[0].sum() < 50, lambda c: (c[0] * 1.5 + 1, c[1] + 1), (jnp.abs(x), 0))
        return y + 0.01 * z, total + steps

    return lax.fori_loop(0, n, outer, (x, 0))


@loop(nm.spec((5,), f32), nm.spec((3,), f32))
def branches_in_loops(n, x, y):
    def body(i, c):
        x, y = c
        x = lax.cond(x.sum() > 1, lambda x: x * 0.5, lambda x: x.at[i % 5].set(2.0), x)
        a, b = lax.switch(i % 4, [lambda: (y, 1.0), lambda: (y[::-1], x[0]), lambda: (y * 0 + i, 0.5)])
        return x + b, a * 0.9

    return lax.fori_loop(0, n, body, (x, y))


@loop(nm.spec((), f32))
def condition_on_data(n, x):
    def body(c):
        x, steps = c
        return jnp.where(x > 10, x * 0.5, x * 3 + 1), steps + 1

    return lax.while_loop(lambda c: (c[0] < 100) & (c[1] < n), body, (x, 0))


@loop(nm.spec((7,), f32))
def condition_on_vectors(n, x):
    def goes_on(c):
        y = jnp.sin(c[0])
        return (jnp.max(y * y + y) > 0.2) & (c[1] < 3 * n)

    return lax.while_loop(goes_on, lambda c: (c[0] * 0.7, c[1] + 1), (x, 0))


@loop(nm.spec((64,), f32))
def results_that_are_not_used(n, x):
    return lax.fori_loop(0, n, lambda i, c: (c[0] + 1, c[1] * 0.5), (x, x))[1]


@loop(nm.spec((64,), f32), nm.spec((64,), f32))
def same_first_values(n, x, y):
    a, b = lax.fori_loop(0, n, lambda i, c: (c[0] + y, c[1] - c[0]), (x, x))
    return a, b, x


@loop()
def first_values_are_constants(n):
    zeros = jnp.zeros((4, 5))
    return lax.fori_loop(0, n, lambda i, c: (c[0] + i, c[1] + c[0]), (zeros, zeros)), zeros
