"""`nm.batch`: one compiled module for batches of any size, against a Python loop over the examples in plain JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

f32, i32 = jnp.float32, jnp.int32
RNG = np.random.default_rng(0)
SIZES = (1, 2, 3, 7, 33)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def one_by_one(fn: Callable[..., Any], args: Sequence[Any], axes: Sequence[Any]) -> Any:
    """What plain JAX gives for each example, stacked; the loop is written here, apart from that of nm.batch."""
    size = next(np.shape(arg)[axis] for arg, axis in zip(args, axes, strict=True) if axis is not None)
    jitted = jax.jit(fn)
    made = []
    for index in range(size):
        example = [
            arg if axis is None else jnp.take(jnp.asarray(arg), index, axis=axis)
            for arg, axis in zip(args, axes, strict=True)
        ]
        made.append(jitted(*example))
    return jax.tree.map(lambda *rows: jnp.stack(rows), *made)


def assert_as_one_by_one(
    fn: Callable[..., Any], specs: Sequence[Any], calls: Sequence[Sequence[Any]], axes: Sequence[Any] | None = None
) -> nm.Module:
    """Compiles the batch once and compares it at each of `calls`."""
    axes = [0] * len(specs) if axes is None else axes
    module = nm.compile(nm.batch(fn, in_axes=tuple(axes)), tuple(specs))
    for args in calls:
        assert_agrees(module(*args), one_by_one(fn, args, axes))
    return module


def trips(size: int, most: int = 12) -> np.ndarray:
    return RNG.integers(0, most, size).astype(np.int32)


def iterated(x, n):
    """A counter, which all examples share; a carry that changes, one that never does, and one that nobody uses."""

    def step(carry):
        i, v, scale, _ = carry
        return i + 1, jnp.tanh(v @ jnp.full((4, 4), 0.3)) * scale + x, scale, v.sum()

    i, v, scale, _ = lax.while_loop(lambda carry: carry[0] < n, step, (0, x, 1.5, f32(0)))
    return {"trips": i, "value": v, "scale": scale}


@pytest.fixture(scope="module")
def iterated_module() -> nm.Module:
    (b,) = nm.dims("b")
    return nm.compile(nm.batch(iterated), (nm.spec((b, 4), f32), nm.spec((b,), i32)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-1, 14), min_size=1, max_size=40), st.integers(0, 2**31))
def test_random_trip_counts(iterated_module, counts, seed):
    x = np.random.default_rng(seed).normal(size=(len(counts), 4)).astype(np.float32)
    args = (x, np.array(counts, np.int32))
    assert_agrees(iterated_module(*args), one_by_one(iterated, args, (0, 0)))


@pytest.mark.parametrize("counts", [[0], [0, 0, 0], [5] * 9, [40] + [0] * 20, list(range(20)), [3]])
def test_trip_counts(iterated_module, counts):
    """Loops that nobody enters, that all leave at once, that all but one leave at once, that all leave apart."""
    args = (normal(len(counts), 4), np.array(counts, np.int32))
    assert_agrees(iterated_module(*args), one_by_one(iterated, args, (0, 0)))


def test_branches():
    weights = normal(4, 4)

    def fn(x, p, k):
        deep = lax.cond(p, lambda x: jnp.linalg.norm(x @ weights) * x, lambda x: jnp.cumsum(x), x)
        flat = lax.cond(p, lambda x: x * 2, lambda x: -x, x)  # elementwise: chosen from
        named = lax.switch(
            k,
            [
                lambda x: {"s": x.sum(), "n": jnp.int32(0), "c": x[:2] + 1j},
                lambda x: {"s": x.max(), "n": jnp.argmax(x).astype(i32), "c": jnp.sort(x)[:2] * 1j},
                lambda x: {"s": x[0], "n": jnp.int32(7), "c": x[:2] + 0j},
            ],
            x,
        )
        return deep, flat, named

    (b,) = nm.dims("b")
    calls = [(normal(n, 4), RNG.random(n) > 0.5, RNG.integers(-2, 5, n).astype(np.int32)) for n in SIZES]
    calls += [(normal(5, 4), np.full(5, p), np.full(5, k, np.int32)) for p in (False, True) for k in (0, 1, 2)]
    assert_as_one_by_one(fn, (nm.spec((b, 4), f32), nm.spec((b,), bool), nm.spec((b,), i32)), calls)


def test_branches_that_all_examples_take():
    """The index is the same for all: what it chooses is batched, and may be a loop that examples leave apart."""

    def fn(x, n, k):
        return lax.switch(
            k,
            [
                lambda: (lax.while_loop(lambda c: c[1] < n, lambda c: (jnp.cumsum(c[0]), c[1] + 1), (x, 0))[0], 0),
                lambda: (jnp.sort(x), 1),
                lambda: (jnp.ones(4, f32), n),
            ],
        )

    (b,) = nm.dims("b")
    calls = [(normal(n, 4), trips(n, 4), np.int32(k)) for n in (1, 5, 8) for k in (0, 1, 2)]
    specs = (nm.spec((b, 4), f32), nm.spec((b,), i32), nm.spec((), i32))
    assert_as_one_by_one(fn, specs, calls, (0, 0, None))


def nest(x, n, rows):
    """A branch in a loop in a branch in a loop in a scan, over sizes that are symbols."""

    def outer(v, row):
        def step(carry):
            i, v = carry
            v = lax.while_loop(lambda v: jnp.abs(v).max() > jnp.abs(row).max() + 0.1, lambda v: v * 0.5, v)
            v = lax.cond(v.sum() > 0, lambda v: jnp.cumsum(v), lambda v: inner(v), v)
            return i + 1, v

        def inner(v):
            return lax.cond(
                v[0] < 0,
                lambda v: lax.fori_loop(0, n, lambda i, v: jnp.sort(v) + i, v),
                lambda v: jnp.cumsum(v[::-1]),
                v,
            )

        _, v = lax.while_loop(lambda carry: carry[0] < n, step, (0, v))
        return v + x, (v.sum(), row.sum())

    return lax.scan(outer, x, rows)


def test_nests():
    b, s, t = nm.dims("b, s, t")
    calls = [
        (normal(n, s), trips(n, 4), normal(t, n, 3))
        for n, s, t in [(1, 1, 1), (1, 6, 2), (2, 3, 4), (9, 5, 3), (20, 17, 2)]
    ]
    specs = (nm.spec((b, s), f32), nm.spec((b,), i32), nm.spec((t, b, 3), f32))
    assert_as_one_by_one(nest, specs, calls, (0, 0, 1))


@pytest.mark.parametrize("size", [1, pytest.param(6, marks=pytest.mark.exhaustive)])
def test_static_sizes(size):
    specs = (nm.spec((size, 5), f32), nm.spec((size,), i32), nm.spec((size, 2, 3), f32))
    assert_as_one_by_one(nest, specs, [(normal(size, 5), trips(size, 4), normal(size, 2, 3)) for _ in range(4)])


def test_calls():
    """Loops within jit, remat and functions with derivatives of their own, and the gradient of such a function."""

    @jax.custom_jvp
    def root(x):
        return lax.while_loop(lambda g: jnp.abs(g * g - x) > 1e-4 * x, lambda g: (g + x / g) / 2, x + 1.0)

    @root.defjvp
    def root_jvp(primals, tangents):
        made = root(*primals)
        return made, tangents[0] / (2 * made)

    @jax.custom_vjp
    def halved(x):
        return lax.while_loop(lambda v: jnp.linalg.norm(v) > 1, lambda v: v * 0.5, x)

    halved.defvjp(lambda x: (halved(x), x), lambda x, g: (g * x,))

    @jax.custom_jvp
    def smooth(x):  # without a loop: batched whole
        return jnp.tanh(x)

    smooth.defjvp(lambda x, t: (smooth(*x), t[0]))

    def fn(x):
        y = jax.jit(lambda x: lax.cond(x[0] > 0, lambda x: jnp.sort(x), lambda x: x, x))(x)
        z = jax.checkpoint(lambda x: halved(x) + smooth(x))(x)
        slope = jax.grad(lambda x: halved(x).sum() + root(jnp.sum(x * x)))(x)
        return y, z, slope, jax.jvp(root, (jnp.abs(x[0]) + 1,), (f32(1),))

    (b,) = nm.dims("b")
    assert_as_one_by_one(fn, (nm.spec((b, 4), f32),), [(normal(n, 4) * 4,) for n in SIZES])


def test_random_keys_and_dtypes():
    """Keys, booleans, small integers and complex numbers as carries and as results of branches."""

    def fn(key, n):
        def step(carry):
            key, count, z, flag, small = carry
            key, drawn = jax.random.split(key)
            u = jax.random.uniform(drawn, (3,))
            return key, count + u.sum(), z * (u[:2] + 1j), ~flag, small + jnp.int8(50)

        start = (key, f32(0), jnp.ones(2, jnp.complex64), False, jnp.int8(0))
        key, count, z, flag, small = lax.while_loop(lambda carry: carry[1] < n, step, start)
        other = lax.cond(flag, lambda key: jax.random.split(key)[0], lambda key: jax.random.fold_in(key, 7), key)
        return jax.random.key_data(other), count, z, flag, small, jax.random.normal(other)

    (b,) = nm.dims("b")
    keys = [jax.random.split(jax.random.key(n), n) for n in SIZES]
    calls = [(key, RNG.uniform(0, 9, len(key)).astype(np.float32)) for key in keys]
    assert_as_one_by_one(fn, (nm.spec((b,), jax.random.key(0).dtype), nm.spec((b,), f32)), calls)


def test_pytrees_and_axes():
    """Prefixes of in_axes, axes from the end, keyword arguments, and a function whose examples do not part."""

    def fn(state, w, /, *, n):
        looped = lax.while_loop(lambda c: c[1] < n["n"], lambda c: (c[0] @ w, c[1] + 1), (state["x"], 0))
        return looped[0], state["y"][0] * 2, w

    (b,) = nm.dims("b")
    specs = ({"x": nm.spec((4, b), f32), "y": (nm.spec((4, b), i32),)}, nm.spec((4, 4), f32))
    batched = nm.batch(fn, in_axes=(-1, None))
    module = nm.compile(batched, specs, example_kwargs={"n": {"n": nm.spec((b,), i32)}})
    plain = nm.compile(nm.batch(lambda s, w: (s["x"] @ w, s["y"][0]), in_axes=({"x": 1, "y": (1,)}, None)), specs)
    for size in (1, 3, 8):
        state = {"x": normal(4, size), "y": (trips(4 * size).reshape(4, size),)}
        w, n = normal(4, 4) / 2, trips(size, 5)
        rows = [
            jax.jit(fn)({"x": state["x"][:, i], "y": (state["y"][0][:, i],)}, w, n={"n": n[i]}) for i in range(size)
        ]
        expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
        assert_agrees(module(state, w, n={"n": n}), expected)
        assert_agrees(batched(state, w, n={"n": n}), expected)
        assert_agrees(jax.jit(batched)(state, w, n={"n": n}), expected)
        assert_agrees(plain(state, w), (state["x"].T @ w, state["y"][0].T))


@pytest.mark.exhaustive
def test_batches_whose_size_data_defines():
    """Also of no example: the parts of an empty batch demand nothing of sizes."""

    def fn(x, p):
        chosen = nm.compress(p, x, axis=0)

        def each(v):
            n = jnp.abs(v[0] * 3).astype(i32)
            v = lax.while_loop(lambda c: c[1] < n, lambda c: (jnp.cumsum(c[0][::-1]), c[1] + 1), (v, 0))[0]
            return lax.cond(v[1] > 0, lambda v: v[jnp.argmax(v)], lambda v: jnp.sort(v)[0], v)

        made = nm.batch(each)(chosen)
        return made, made.sum()

    (b,) = nm.dims("b")
    module = nm.compile(fn, (nm.spec((b, 4), f32), nm.spec((b,), bool)))
    for size in SIZES:
        for mask in (np.ones(size, bool), RNG.random(size) > 0.5, np.zeros(size, bool)):
            x = normal(size, 4)
            if mask.any():
                assert_agrees(module(x, mask), fn(jnp.asarray(x), mask))
            else:
                made, total = module(x, mask)
                assert made.shape == (0,)
                assert total == 0


def test_sizes_that_are_equal_only_as_the_module_runs():
    b, c = nm.dims("b, c")
    module = nm.compile(nm.batch(iterated), (nm.spec((b, 4), f32), nm.spec((c,), i32)))
    args = (normal(3, 4), trips(3))
    assert_agrees(module(*args), one_by_one(iterated, args, (0, 0)))
    with pytest.raises(nm.ShapeError):
        module(normal(3, 4), trips(2))


def test_examples_do_only_their_own_work():
    """An example in a loop that it is done with, or in a branch that it does not take, would never come to an end."""

    def fn(n, p, x):
        def step(carry):
            i, v = carry
            v = lax.while_loop(lambda v: ~(v > i), lambda v: v + 1, v - jnp.where(i >= n, jnp.nan, 0.5))
            return i + 1, v

        v = lax.while_loop(lambda carry: carry[0] < n, step, (f32(0), f32(0)))[1]
        return v, lax.cond(p, lambda x: lax.while_loop(lambda x: x > 0, lambda x: x - 1, x), lambda x: x, x)

    (b,) = nm.dims("b")
    counts = np.array([0, 3, 1, 7, 7, 2], np.float32)
    p = np.array([1, 0, 0, 1, 1, 0], bool)
    calls = [(counts, p, np.where(p, counts, np.inf).astype(np.float32)), (counts[:1], ~p[:1], counts[:1] + np.inf)]
    assert_as_one_by_one(fn, (nm.spec((b,), f32), nm.spec((b,), bool), nm.spec((b,), f32)), calls)


def test_loops_over_elements():
    """Loops that go on until half of the examples are done: with a counter that all share, and one that nobody reads."""

    def collatz(n):
        def step(carry):
            n, high, steps, _ = carry
            n = lax.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n)
            return n, jnp.maximum(n, high), steps + 1, (steps * 2, n)

        return lax.while_loop(lambda carry: carry[0] > 1, step, (n, n, 0, (0, n)))[:3]

    def newton(x, key):
        def step(carry):
            guess, i, flag, key = carry
            return (guess + x / guess) / 2, i + jnp.int8(1), ~flag, key

        guess, i, flag, key = lax.while_loop(
            lambda carry: jnp.abs(carry[0] ** 2 - x) > 1e-3 * x, step, (x + 1, jnp.int8(0), False, key)
        )
        return guess, i, flag, jax.random.key_data(key)

    (b,) = nm.dims("b")
    calls = [(RNG.integers(-3, 300, size).astype(np.int32),) for size in (*SIZES, 200)]
    assert_as_one_by_one(collatz, (nm.spec((b,), i32),), calls)
    calls = [(np.exp(normal(size) * 4), jax.random.split(jax.random.key(size), size)) for size in SIZES]
    assert_as_one_by_one(newton, (nm.spec((b,), f32), nm.spec((b,), jax.random.key(0).dtype)), calls)


@pytest.mark.exhaustive
def test_branches_in_branches_and_in_maps():
    def fn(x, k):
        def leaf(factor):
            return lambda x: jnp.sort(x) * factor

        def each(t):
            return lax.cond(t > 0, lambda t: jnp.sum(jnp.sort(jnp.stack([t, -2 * t]))), lambda t: t, t)

        def deep(x):
            return lax.switch(k // 3, [leaf(2), leaf(3), lambda x: lax.map(each, x)], x)

        return lax.switch(k % 3, [leaf(1), deep, leaf(4)], x)

    (b,) = nm.dims("b")
    calls = [(normal(size, 5), RNG.integers(0, 9, size).astype(np.int32)) for size in SIZES]
    assert_as_one_by_one(fn, (nm.spec((b, 5), f32), nm.spec((b,), i32)), calls)
