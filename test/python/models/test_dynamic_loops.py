"""`nm.while_loop`, `nm.fori_loop`, `nm.scan` and `nm.TensorList` with carries that change their size, compiled once and
compared with their eager semantics at many sizes and trip counts."""

from __future__ import annotations

import resource
import runpy
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.eager import assert_as_eager
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(0)
f32, i32 = jnp.float32, jnp.int32


def rows(count: int, width: int = 4) -> np.ndarray:
    return RNG.normal(size=(count, width)).astype(np.float32)


def specs(*more):
    (s,) = nm.dims("s")
    return (nm.spec((s, 4), f32), nm.spec((), i32), *more)


CALLS = [(rows(size), np.int32(trips)) for size, trips in ((1, 0), (1, 11), (5, 6), (200, 0), (200, 3))]
FEW = [(rows(size), np.int32(trips)) for size in (1, 3) for trips in (0, 1, 5)]


def append(x, n):
    """Later ops use the size: a reduction, a contraction, a broadcast to it."""

    def body(i, c):
        return jnp.concatenate([c, c.sum(0)[None] * 0.1 + i])

    c = nm.fori_loop(0, n, body, x)
    return c, c.sum(), jnp.tanh(c) @ c.T, c + jnp.arange(c.shape[0], dtype=f32)[:, None]


def prepend(x, n):
    """Three carries that begin as one value and change differently: none is copied over another."""

    def body(i, c):
        a, b, d = c
        return jnp.concatenate([a[:1] + i, a]), jnp.concatenate([b[:1] * 0.5, b, b[:1]]), d[::-1] + 1

    return nm.fori_loop(0, n, body, (x, x, x)), nm.fori_loop(0, n, body, (x * 2, x * 2, x * 2))


def swap(x, n):
    return nm.fori_loop(0, n, lambda i, c: (c[1], jnp.concatenate([c[0], c[0][:1] + i])), (x, x))


def shared(x, n):
    """One value is two carries; and a carry keeps the rows of another from before they were appended to."""

    def body(i, c):
        a, b, _ = c
        longer = jnp.concatenate([a, b[:1] + i])
        return longer, longer, a

    return nm.fori_loop(0, n, body, (x, x, x))


def read_before_and_after(x, n):
    def body(i, c):
        a, h = c
        b = jnp.concatenate([a, h[None]])
        return b, jnp.tanh(a.sum(0) * 0.1 - b.max(0) + a[-1])

    return nm.fori_loop(0, n, body, (x, x[0]))


def other_axis(x, n):
    return nm.fori_loop(0, n, lambda i, c: jnp.concatenate([c, c[:, :1] + i, c[:, -1:]], axis=1), x)


def shrink(x, n):
    """Down to no row at all."""
    r = nm.while_loop(lambda c: (jnp.asarray(c.shape[0]) > n) & (c.sum() < 1e6), lambda c: c[1:] + 1, x)
    return r, r.sum(0), jnp.tanh(r) @ r.T, jnp.concatenate([r, r]), jnp.sort(r, 0), r.max(0, initial=-3.0)


def lists(x, n):
    def body(c):
        items, zeros, i = c
        items = items.append(items[-1] * 0.9 + 1).append(items[0])
        return items, zeros.append(x[0] * i), i + 1

    items, made, i = nm.while_loop(
        lambda c: (c[0][-1].sum() < 30.0) & (c[2] < n), body, (nm.TensorList(x), nm.TensorList.empty((4,), f32), 0)
    )
    return items, made, items.length, items[0], items[-2], items.stack() * 2, i


def appended_in_a_branch(x, n):
    return nm.fori_loop(
        0,
        n,
        lambda i, items: nm.cond(i % 3 == 0, lambda items: items.append(items[0] * i), lambda items: items, items),
        nm.TensorList(x),
    )


def nested(x, n):
    def body(i, items):
        items = nm.fori_loop(0, i, lambda j, items: items.append(items[-1] * 0.5 + j), items)
        kept = nm.cond(i % 2 == 0, lambda: items.stack()[:1], lambda: items.stack())
        return nm.TensorList(jnp.concatenate([kept, x]))

    return nm.fori_loop(0, n, body, nm.TensorList(x))


def one_after_another(x, n):
    first = nm.fori_loop(0, n, lambda i, items: items.append(items[0] + i), nm.TensorList(x))
    return first, nm.fori_loop(0, n, lambda i, items: items.append(items[0] - i), first), x * 1


def narrow_types(x, n):
    i8, flag = nm.TensorList.empty((), jnp.int8), nm.TensorList.empty((), jnp.bool_)
    pair = nm.fori_loop(0, n, lambda i, c: (c[0].append(i), c[1].append(i % 2 == 0)), (i8, flag))
    half = nm.TensorList.empty((4,), jnp.bfloat16)
    return pair, nm.fori_loop(0, n, lambda i, items: items.append(x[0]), half).stack().astype(f32)


def scans(x, n):
    w = jnp.linspace(-1, 1, 16, dtype=f32).reshape(4, 4)

    def step(c, row):
        items, h = c
        h = jnp.tanh(h @ w + row)
        return (items.append(h), h), {"sum": h.sum()}

    return (
        nm.scan(step, (nm.TensorList.empty((4,), f32), x[0]), x),
        nm.scan(step, (nm.TensorList(x), x[0]), x, reverse=True),
        nm.scan(lambda c, _: (jnp.concatenate([c, c[:1]]), None), x, None, length=3),
        nm.scan(lambda c, row: (c + row.sum(), c), f32(0), x),
    )


def fixed_sizes(x, n):
    """What keeps its sizes is JAX's own loop."""
    return (
        nm.while_loop(lambda c: c[1] < n, lambda c: (c[0] * 0.9, c[1] + 1), (x, 0)),
        nm.fori_loop(0, n, lambda i, c: c + i, x),
        jax.vmap(lambda r: nm.fori_loop(0, 3, lambda i, c: c * 2, r))(x),
    )


@pytest.mark.parametrize(
    "fn",
    [append, prepend, swap, shared, read_before_and_after, other_axis, shrink, lists, appended_in_a_branch,
     one_after_another, narrow_types, fixed_sizes],
)  # fmt: skip
def test_loop(fn):
    assert_as_eager(fn, specs(), CALLS)


def test_scans():
    assert_as_eager(scans, specs(), [(rows(size), np.int32(0)) for size in (1, 2, 9)])


def test_nested_loops():
    assert_as_eager(nested, specs(), FEW)


def test_a_jitted_function_called_twice_has_two_sizes():
    @jax.jit
    def grown(x, n):
        return nm.fori_loop(0, n, lambda i, c: jnp.concatenate([c, c[:1] * 2]), x)

    def twice(x, n, m):
        a, b = grown(x, n), grown(x, m)
        return a, b, jnp.concatenate([a, b]), a.sum(0) + b.sum(0), jnp.zeros(a.shape), jnp.zeros(b.shape)

    calls = [(rows(2), np.int32(n), np.int32(m)) for n in (0, 3) for m in (0, 1, 4)]
    assert_as_eager(twice, specs(nm.spec((), i32)), calls)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 30), st.integers(0, 40), st.integers(0, 5))
def test_random_sizes_and_trip_counts(mixed, size, trips, often):
    x = rows(size)
    got = mixed(x, np.int32(trips), np.int32(often))
    expected = list(x)
    for i in range(trips):
        expected = expected[1:] if often and i % often == 0 and len(expected) > 1 else [*expected, expected[-1] * 0.5]
    assert_agrees(got, np.stack(expected), "exact")


@pytest.fixture(scope="module")
def mixed():
    """Appends a row or drops one."""

    def fn(x, n, often):
        def body(i, c):
            drops = (often > 0) & (i % jnp.maximum(often, 1) == 0) & (jnp.asarray(c.shape[0]) > 1)
            return nm.cond(drops, lambda c: c[1:], lambda c: jnp.concatenate([c, c[-1:] * 0.5]), c)

        return nm.fori_loop(0, n, body, x)

    return nm.compile(fn, specs(nm.spec((), i32)))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory in use from Linux")
def test_memory_stays_flat_over_ten_thousand_iterations():
    def fn(n):
        made = nm.TensorList.empty((1024,), f32)
        made = nm.fori_loop(0, n, lambda i, items: items.append(jnp.full((1024,), i, f32)), made)
        return made[-1], made.stack()[:, 0]

    module = nm.compile(fn, (nm.spec((), i32),))
    module(np.int32(100))
    before, peak, done = _memory(), [0], threading.Event()

    def watch():
        while not done.wait(0.001):
            peak[0] = max(peak[0], _memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    last, column = module(np.int32(10_000))
    done.set()
    watcher.join()
    assert np.array_equal(column, np.arange(10_000, dtype=np.float32))
    assert np.array_equal(last, np.full(1024, 9_999, np.float32))
    assert peak[0] - before <= 2 * 10_000 * 1024 * 4


def _memory() -> int:
    """Bytes of memory that the process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_sizes_of_results_are_known_when_it_runs():
    module = nm.compile(append, specs())
    assert str(module.signature.entries["append"].results[0].dims[0]).startswith("_n")
    assert module.output_shapes(rows(2), np.int32(3))[0] == (nm.SizeRange(0, None), 4)


def test_a_size_that_is_zero_where_a_row_is_needed():
    def fn(x, n):
        left = nm.while_loop(lambda c: jnp.asarray(c.shape[0]) > n, lambda c: c[1:], x)
        return left[0], left[1:]

    module = nm.compile(fn, specs())
    assert np.array_equal(module(np.ones((3, 4), np.float32), np.int32(1))[0], np.ones(4))
    with pytest.raises(nm.ShapeError, match="needs an operand that is at least as large as the slice"):
        module(np.ones((3, 4), np.float32), np.int32(0))
    assert module(np.ones((3, 4), np.float32), np.int32(2))[1].shape == (1, 4)


def test_decoding_with_a_growing_cache():
    """The example, small: tokens as with a cache of fixed size, stop token and all."""
    example = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "decode.py"))
    config = example["Config"](layers=2, width=32, heads=4, vocabulary=50, positions=64)
    params = example["init"](config)
    (n,) = nm.dims("n", constraints=["n <= 32"])
    module = nm.compile(
        lambda prompt, limit: example["decode"](config, params, prompt, limit), (nm.spec((n,), i32), nm.spec((), i32))
    )
    prefill, step = (example[name](config, params) for name in ("static_prefill", "static_step"))
    stopped = 0
    for size, limit in ((1, 1), (7, 2), (32, 30), *((size, 30) for size in range(2, 20, 3))):
        prompt = np.random.default_rng(size).integers(1, 50, size).astype(np.int32)
        tokens, count = module(prompt, np.int32(limit))
        expected = example["decode_static"](config, prefill, step, prompt, limit)
        assert int(count) == len(expected) <= limit
        assert np.array_equal(tokens, expected)
        stopped += len(tokens) < limit
    assert stopped, "no sequence ended with the stop token"


def test_max_trips():
    def fn(x, limit):
        return nm.while_loop(lambda c: c.sum() < limit, lambda c: jnp.concatenate([c, c[:1]]), x, max_trips=10)

    (s,) = nm.dims("s")
    x = np.ones((1, 4), np.float32)
    module = assert_as_eager(fn, (nm.spec((s, 4), f32), nm.spec((), f32)), [(x, np.float32(v)) for v in (0, 9, 44)])
    for run in (module, fn):
        with pytest.raises(nm.ShapeError, match=r"nm.while_loop of .*:\d+ has not ended after 10 iterations"):
            run(x, np.float32(45))
    assert module(x, np.float32(8)).shape == (2, 4)  # it can be called again


def _read_list(x, row, index, n):
    """All that can be asked of a list, whose rows have a symbolic size."""
    items = nm.fori_loop(0, n, lambda i, items: items.append(row * f32(i)), nm.TensorList(x, capacity=3)).extend(x)
    lengths = items.length, items.append(row).length, nm.TensorList(x).length
    return items.stack(), items[index], items[-1], lengths, items.append(row)[items.length]


def test_reading_a_list():
    s, w = nm.dims("s, w")
    specs = (nm.spec((s, w), f32), nm.spec((w,), f32), nm.spec((), i32), nm.spec((), i32))
    calls = [
        (rows(size, width), rows(width, 1)[:, 0], np.int32(index), np.int32(n))
        for size, width, n in ((1, 1, 0), (1, 4, 1), (3, 2, 5), (6, 3, 2))
        for index in (0, -1, size, -size, 99, -99)
    ]
    assert_as_eager(_read_list, specs, calls)


def _of_a_list(x, row, index):
    items = nm.TensorList(x, bound=9).append(row).extend(x * 2.0)
    return (items.stack() ** 2).sum() * items[index] + items.length


def _gradients(x, row, index):
    return jax.grad(lambda *args: _of_a_list(*args).sum(), (0, 1))(x, row, index)


def _tangents(x, row, index):
    return jax.jvp(lambda *args: _of_a_list(*args, index), (x, row), (x * 3, row - 1))


@pytest.mark.parametrize("fn", [_of_a_list, _gradients, _tangents])
@pytest.mark.parametrize("axes", [None, (0, None, None), (None, 0, None), (1, 0, None), (0, 1, 0), (None, None, 0)])
def test_list_under_transformations(fn, axes):
    """A list whose number of rows stays is differentiated and batched as an array is."""
    args = [rows(3), rows(1)[0], np.int32(2)]
    if axes is not None:
        args = [
            arg if axis is None else np.stack([arg, arg * 2, arg - arg], min(axis, arg.ndim))
            for arg, axis in zip(args, axes, strict=True)
        ]
        fn = jax.vmap(fn, axes)
    module = nm.compile(fn, tuple(nm.spec(arg.shape, arg.dtype) for arg in args))
    for got, wanted in zip(jax.tree.leaves(module(*args)), jax.tree.leaves(fn(*args)), strict=True):
        assert_agrees(got, np.asarray(wanted), "reduction")


def test_bound_of_a_list():
    def fn(n):
        return nm.fori_loop(0, n, lambda i, items: items.append(f32(i)), nm.TensorList.empty((), f32, bound=5)).stack()

    module = assert_as_eager(fn, (nm.spec((), i32),), [(np.int32(n),) for n in (0, 1, 5)])
    for run in (module, fn):
        with pytest.raises(nm.ShapeError, match=r"TensorList of float32\[\] has more than its bound of 5 rows"):
            run(np.int32(6))
