"""`nm.cond` and `nm.switch` with results that differ in size, `nm.map` and `nm.associative_scan` over symbolic lengths."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.eager import assert_as_eager
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(0)
f32, i32 = jnp.float32, jnp.int32


def rows(count: int) -> np.ndarray:
    return RNG.normal(size=(count, 4)).astype(np.float32)


def test_branches():
    def fn(x, p, i):
        a = nm.cond(p, lambda x: x[:1], lambda x: jnp.concatenate([x, x]), x)
        b = nm.switch(
            i,
            [
                lambda x: (x, x.T, f32(1)),
                lambda x: (x[:1], x[:1].T, f32(2)),
                lambda x: (jnp.zeros((3, 4), f32), jnp.ones((4, 3), f32), x.sum()),
            ],
            x,
        )
        # Both results of the switch have one size, which JAX sees.
        return a, a.sum(), b, b[0] + b[1].T, nm.cond(p, lambda: x, lambda: x * 2), nm.cond(p, lambda: b[0], lambda: a)

    (s,) = nm.dims("s")
    calls = [(rows(k), np.bool_(p), np.int32(i)) for k in (1, 3, 7, 300) for p in (0, 1) for i in (-1, 0, 1, 2, 5)]
    assert_as_eager(fn, (nm.spec((s, 4), f32), nm.spec((), jnp.bool_), nm.spec((), i32)), calls)


def test_branches_that_do_the_same_to_different_tensors():
    """What stood before them, or the same computation of it; results that change places in a loop."""

    def fn(x, y, p, i):
        u, w = nm.compress(x > 0, x), nm.compress(y > 0, y)
        taken = nm.cond(p, lambda: w, lambda: x)
        return (
            taken,
            taken * 2,
            nm.cond(p, lambda: (w, u), lambda: (u, w)),
            nm.cond(p, lambda: w * 2, lambda: u * 2),
            nm.cond(p, lambda: nm.cond(i > 1, lambda: u, lambda: w), lambda: nm.cond(i > 2, lambda: w, lambda: y)),
            nm.switch(i, [lambda: w, lambda: u, lambda: x, lambda: jnp.flip(w), lambda: jnp.flip(u)]),
        )

    (n,) = nm.dims("n")
    specs = (nm.spec((n,), f32), nm.spec((n,), f32), nm.spec((), jnp.bool_), nm.spec((), i32))
    calls = [
        (rows(k)[:, 0], rows(k)[:, 0], np.bool_(p), np.int32(i)) for k in (1, 2, 9) for p in (0, 1) for i in range(5)
    ]
    assert_as_eager(fn, specs, calls)

    def swapped(x, y, p):
        first = nm.compress(x > 0, x), nm.compress(y > 0, y)
        return nm.fori_loop(0, 3, lambda i, c: nm.cond((i % 2 == 0) ^ p, lambda: c[::-1], lambda: c), first)

    assert_as_eager(swapped, specs[:3], [call[:3] for call in calls[::5]])


def test_branches_of_selections_from_arguments_of_fixed_sizes():
    def fn(x, y, p):
        u, w = nm.compress(x > 0, x), nm.compress(y > 0, y)
        return nm.cond(p, lambda: w, lambda: u), nm.cond(u.sum() > w.sum(), lambda: u * 2, lambda: w * 2)

    specs = (nm.spec((9,), f32), nm.spec((9,), f32), nm.spec((), jnp.bool_))
    assert_as_eager(fn, specs, [(rows(9)[:, 0], rows(9)[:, 0], np.bool_(k % 2)) for k in range(8)])


def test_branches_of_different_numbers():
    def fn(x, p, i):
        return (
            nm.cond(p, lambda: jnp.zeros((2, 3)), lambda: jnp.ones((1, 3))),
            nm.switch(i, [lambda: x[:1], lambda: jnp.concatenate([x, x])[:2] * 3, lambda: x]),
            nm.switch(
                i, [lambda: (x.T[:, :1], x[:1]), lambda: (x[:, :3], x[:1]), lambda: (x[:, :2], jnp.zeros((5, 4)))]
            ),
        )

    (s,) = nm.dims("s")
    calls = [(rows(k), np.bool_(p), np.int32(i)) for k in (1, 3, 7) for p in (0, 1) for i in (-1, 1, 2, 3)]
    assert_as_eager(fn, (nm.spec((s, 4), f32), nm.spec((), jnp.bool_), nm.spec((), i32)), calls)


def test_map_and_associative_scan():
    def fn(x, w):
        return (
            nm.associative_scan(jnp.add, x),
            nm.associative_scan(jnp.maximum, x, reverse=True),
            nm.associative_scan(lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), (jnp.tanh(x), x)),
            nm.associative_scan(lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), (jnp.tanh(x), x), reverse=True),
            nm.associative_scan(jnp.add, x.T, axis=1),
            nm.associative_scan(jnp.add, w),
            nm.map(lambda r: jnp.tanh(r @ w), x, batch_size=4),
            nm.map(lambda r: {"a": r.sum(), "b": r * 2}, x, batch_size=7),
            nm.map(lambda r: r.max(), x),
            nm.map(lambda r: r.max(), w, batch_size=3),
        )

    (s,) = nm.dims("s")
    calls = [(rows(k), rows(4)) for k in (1, 2, 3, 5, 31)]
    assert_as_eager(fn, (nm.spec((s, 4), f32), nm.spec((4, 4), f32)), calls)


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    """Against NumPy, which has NaN as the largest number, too: ties, NaN, infinities, all sides of an end."""
    n, m = nm.dims("n, m")
    dtypes = [f32, jnp.float16, i32, jnp.uint8]

    def fn(a, v, order):
        own = [jnp.sort(a.astype(dtype)) for dtype in dtypes]
        return (
            [nm.searchsorted(x, v.astype(x.dtype), side) for x in own],
            nm.searchsorted(a, v.T, side, sorter=order),
            nm.searchsorted(jnp.sort(a), v[0, 0], side),
        )

    module = nm.compile(fn, (nm.spec((n,), f32), nm.spec((m, 2), f32), nm.spec((n,), i32)))
    draw = np.random.default_rng(0)
    for size in (1, 2, 3, 7, 8, 9, 100):
        for count in (1, 5):
            a, v = draw.integers(0, 9, size).astype(np.float32), draw.integers(0, 10, (count, 2)).astype(np.float32)
            order = np.argsort(a, kind="stable").astype(np.int32)
            each, ordered, scalar = module(a, v, order)
            for got, dtype in zip(each, dtypes, strict=True):
                assert_agrees(
                    got, np.searchsorted(np.sort(a.astype(dtype)), v.astype(dtype), side).astype(np.int32), "exact"
                )
            assert_agrees(ordered, np.searchsorted(a, v.T, side, order).astype(np.int32), "exact")
            assert_agrees(scalar, np.searchsorted(np.sort(a), v[0, 0], side).astype(np.int32), "exact")
    a = np.array([-np.inf, -1, 0, 0, np.inf, np.nan, np.nan], np.float32)
    v = np.array([[np.nan, np.inf], [-np.inf, 0], [-0.0, 5]], np.float32)
    ordered = module(a, v, np.arange(7, dtype=np.int32))[1]
    assert_agrees(ordered, np.searchsorted(a, v.T, side).astype(np.int32), "exact")


def test_searchsorted_among_what_a_selection_leaves():
    """Perhaps nothing."""

    def fn(x, limit, v):
        left = nm.compress(x > limit, x)
        return nm.searchsorted(left, v)

    (n,) = nm.dims("n")
    module = nm.compile(fn, (nm.spec((n,), f32), nm.spec((), f32), nm.spec((3,), f32)))
    x, v = np.arange(9, dtype=np.float32), np.array([-1, 4, 99], np.float32)
    for limit in (-1, 0, 3, 7, 8, 20):
        expected = np.searchsorted(x[x > limit], v).astype(np.int32)
        assert_agrees(module(x, np.float32(limit), v), expected, "exact")


def test_over_a_length_that_a_loop_defines():
    def fn(x, n):
        left = nm.while_loop(lambda c: jnp.asarray(c.shape[0]) > n, lambda c: c[1:], x)
        return nm.associative_scan(jnp.add, left), nm.map(lambda r: r * 2, left, batch_size=3)

    (s,) = nm.dims("s")
    module = nm.compile(fn, (nm.spec((s, 4), f32), nm.spec((), i32)))
    for size, n in ((1, 0), (4, 0), (4, 1), (9, 8), (9, 7)):
        x = rows(size)
        left = x[size - min(n, size) :]
        summed, mapped = module(x, np.int32(n))
        assert_agrees(summed, np.cumsum(left, 0), "reduction")
        assert_agrees(mapped, left * 2, "exact")


def test_eager():
    x = jnp.arange(6.0).reshape(3, 2)
    assert nm.cond(jnp.bool_(True), lambda x: x[:1], lambda x: x, x).shape == (1, 2)
    assert nm.switch(9, [lambda: 1, lambda: 2]) == 2
    assert jnp.array_equal(nm.map(lambda r: r * 2, x, batch_size=2), x * 2)
    assert jnp.array_equal(nm.associative_scan(jnp.add, x), jnp.cumsum(x, 0))
    assert jnp.array_equal(nm.searchsorted(x[:, 0], x, "right"), jnp.searchsorted(x[:, 0], x, side="right"))
    items = nm.TensorList(x)
    assert (len(items), items.shape, items.dtype, [r.shape for r in items]) == (3, (3, 2), x.dtype, [(2,)] * 3)
    assert repr(items.append(x[0])) == "TensorList(float32[2], length=4)"
    assert jax.tree.structure(items) == jax.tree.structure(nm.TensorList.empty((7,), f32))
