"""Lists that grow within branches and inner loops: compiled once, and compared with NumPy or their eager semantics."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.eager import assert_as_eager
from support.sampling import sampled
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(0)
f32, i32 = jnp.float32, jnp.int32


def rows(count: int) -> np.ndarray:
    return RNG.normal(size=(count, 4)).astype(np.float32)


def specs():
    (s,) = nm.dims("s")
    return (nm.spec((s, 4), f32), nm.spec((), i32))


CALLS = [(rows(size), np.int32(trips)) for size, trips in ((1, 0), (1, 1), (2, 7), (5, 6), (1, 18), (200, 3))]


def programmed(x, codes):
    """What each iteration does is data: a program of codes."""

    def inner(count, items):
        return nm.fori_loop(0, count, lambda j, items: items.append(items[-1] * 0.5 + j), items)

    def step(items, code):
        operation, count = code
        return nm.switch(
            operation,
            [
                lambda items: items,
                lambda items: items.append(x[0] * count),
                lambda items: items.extend(x),
                lambda items: inner(count, items),
                lambda items: nm.cond(count > 1, lambda i: i.append(i[0]), lambda i: i, inner(count % 2, items)),
                lambda items: items.append(items.stack().sum(0)).append(items[-1]),
            ],
            items,
        ), items.length

    items, lengths = nm.scan(step, nm.TensorList(x), (codes[:, 0], codes[:, 1]))
    return items, lengths, items[-1], items.stack().sum(0)


def interpreted(x, codes):
    """The same in NumPy."""
    items, lengths = list(x), []

    def inner(count):
        for j in range(count):
            items.append(items[-1] * np.float32(0.5) + np.float32(j))

    for operation, count in codes:
        lengths.append(len(items))
        if operation == 1:
            items.append(x[0] * np.float32(count))
        elif operation == 2:
            items.extend(x)
        elif operation == 3:
            inner(count)
        elif operation == 4:
            inner(count % 2)
            if count > 1:
                items.append(items[0])
        elif operation == 5:
            last = items[-1]
            items += [np.sum(items, 0, dtype=np.float32), last]
    return np.stack(items), np.array(lengths, np.int32)


@pytest.fixture(scope="module")
def program():
    s, n = nm.dims("s, n")
    return nm.compile(programmed, (nm.spec((s, 4), f32), nm.spec((n, 2), i32)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=25))
def test_random_nests(program, size, codes):
    x = RNG.integers(-3, 4, (size, 4)).astype(np.float32)
    # A sum may grow as fast as 2^i: one is enough.
    sums = [position for position, (operation, _) in enumerate(codes) if operation == 5]
    codes = np.array([code for i, code in enumerate(codes) if i not in sums[1:]], np.int32)
    items, lengths, last, total = program(x, codes)
    expected, counts = interpreted(x, codes)
    assert np.array_equal(lengths, counts)
    assert_agrees(items.stack(), expected, "reduction")
    assert_agrees(last, expected[-1], "reduction")
    assert_agrees(total, expected.sum(0), "reduction")


def branches(x, n):
    """Appends here or there; both alike, whose size is then the same behind each; snapshots of a list that goes on."""

    def body(i, carry):
        a, b, alike, _ = carry
        a, b = nm.cond(
            i % 2 == 0, lambda a, b: (a.append(x[0] * i), b), lambda a, b: (a, b.append(a[-1]).append(x[-1])), a, b
        )
        longer = nm.cond(i % 3 == 0, lambda c: c.append(x[0] + i), lambda c: c.append(c[0] - i), alike)
        return a, b, longer, alike

    start = (nm.TensorList(x), nm.TensorList.empty((4,), f32), nm.TensorList(x), nm.TensorList(x))
    return nm.fori_loop(0, n, body, start)


def read_around(x, n):
    """What a branch appends to is read before it, in it and behind it, as it was and as it is."""

    def body(carry):
        items, total, i = carry
        before = items.stack()

        def longer(items):
            return items.append(before.mean(0) + i)

        after = nm.cond(total.sum() < 3, longer, lambda items: items, items)
        total = total + before.max(0) * 0.1 + after[-1] * 0.1 - before[0] * 0.1
        return after.append(total), total, i + 1

    return nm.while_loop(lambda carry: carry[2] < n, body, (nm.TensorList(x), x[0], 0))


def several_axes(x, n):
    """Columns are appended in a branch, and rows in a loop of a branch."""

    def body(i, carry):
        columns, items = carry
        columns = nm.cond(i % 2 == 1, lambda c: jnp.concatenate([c, c[:, :1] + i], axis=1), lambda c: c, columns)
        items = nm.cond(
            i % 2 == 0, lambda t: nm.fori_loop(0, i, lambda j, t: t.append(t[-1] + j), t), lambda t: t, items
        )
        return columns, items

    return nm.fori_loop(0, n, body, (x, nm.TensorList(x)))


def kept_types(x, n):
    flags, halves = nm.TensorList.empty((), jnp.bool_), nm.TensorList.empty((4,), jnp.bfloat16, bound=1000)
    whole = nm.TensorList.empty((2,), jnp.int8, capacity=3)

    def body(i, carry):
        flags, halves, whole = carry
        return nm.cond(
            i % 2 == 0,
            lambda f, h, w: (f.append(i % 4 == 0), h.append(x[0]), w),
            lambda f, h, w: (f, h.extend(x), w.append(jnp.full((2,), i))),
            flags,
            halves,
            whole,
        )

    flags, halves, whole = nm.fori_loop(0, n, body, (flags, halves, whole))
    return flags, halves.stack().astype(f32), whole, flags.stack().sum()


def updated_afterwards(x, n):
    """A list that is handed on without a copy is updated; what it was stays as it was."""
    items = nm.fori_loop(0, n, lambda i, items: items.append(items[0] + i), nm.TensorList(x))
    changed = jnp.asarray(items.stack()).at[0].set(7.0)
    more = nm.fori_loop(0, n, lambda i, items: items.append(items[0] - i), items)
    return items, changed, more, jnp.asarray(items.stack()).at[-1].add(1.0), items[0]


@pytest.mark.parametrize("fn", sampled([branches, read_around, several_axes, kept_types, updated_afterwards], 2))
def test_as_eager(fn):
    assert_as_eager(fn, specs(), CALLS)


@pytest.mark.parametrize("name", ["bound", "capacity"])
def test_limits_are_numbers_of_rows(name):
    for value in (-1, 2.5):
        with pytest.raises(nm.CaptureError, match=f"TensorList: {name} must be a number of rows, got {value}"):
            nm.TensorList.empty((), f32, **{name: value})
