"""Results whose size depends on data, each through one compiled module, against NumPy: no element, one, all of them, odd
sizes, sizes that are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(0)
f32, i32 = jnp.float32, jnp.int32
S, N = nm.dims("s, n")
VECTOR, ROWS, INTEGERS = nm.spec((S,), f32), nm.spec((S, 4), f32), nm.spec((S,), i32)
NUMBER, MASK = nm.spec((), i32), nm.spec((S,), jnp.bool_)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def check(
    fn: Callable[..., Any], reference: Callable[..., Any], specs: Sequence[Any], calls: Iterable[Sequence[Any]]
) -> nm.Module:
    """`fn` compiled and run eagerly, against `reference` in NumPy, at each of `calls`; returns the module."""
    module = nm.compile(fn, tuple(specs))
    for args in calls:
        expected = [np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(reference(*args))]
        for got in (module(*args), fn(*args)):
            leaves = [np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(got)]
            assert [leaf.shape for leaf in leaves] == [leaf.shape for leaf in expected]
            for leaf, want in zip(leaves, expected, strict=True):
                assert_agrees(leaf, want.astype(leaf.dtype), "contraction")
    return module


def refused(module: nm.Module, fn: Callable[..., Any], args: Sequence[Any], message: str, good: Sequence[Any]) -> None:
    """A ShapeError, compiled and eagerly, after which the module works."""
    for call in (module, fn):
        with pytest.raises(nm.ShapeError, match=message):
            call(*args)
    module(*good)


def masks(size: int) -> list[np.ndarray]:
    single = np.zeros(size, bool)
    single[RNG.integers(size)] = True
    return [np.zeros(size, bool), np.ones(size, bool), single, RNG.random(size) < 0.5]


SIZES = (1, 2, 3, 63, 64, 65, 1000, 20_011)


@pytest.fixture(scope="module")
def selections() -> nm.Module:
    def fn(m, x, X):
        return nm.nonzero(m), nm.compress(m, x), nm.compress(m, X, 0), nm.compress(m, X.T, -1), nm.compress(m, m)

    return nm.compile(fn, (MASK, VECTOR, ROWS))


@pytest.mark.parametrize("size", SIZES)
def test_selections(selections, size):
    x, X = floats(size), floats(size, 4)
    for m in masks(size):
        got = selections(m, x, X)
        expected = [(np.nonzero(m)[0].astype(np.int32),), x[m], X[m], X.T[:, m], m[m]]
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_selections_by_any_mask(selections, flags):
    m = np.array(flags)
    x, X = floats(len(m)), floats(len(m), 4)
    (positions,), y, Y, _, _ = selections(m, x, X)
    np.testing.assert_array_equal(positions, np.nonzero(m)[0])
    np.testing.assert_array_equal(y, x[m])
    np.testing.assert_array_equal(Y, X[m])


def test_selections_of_several_dimensions():
    def fn(x):
        return nm.nonzero(x > 0), nm.compress(x > 0, x), nm.nonzero(x[:, :, None] * jnp.ones(3) > 0.5)

    def reference(x):
        return np.nonzero(x > 0), x[x > 0], np.nonzero(x[:, :, None] * np.ones(3) > 0.5)

    calls = [(floats(*shape) + shift,) for shape in ((1, 1), (3, 5), (40, 7)) for shift in (-9, 0, 9)]
    check(fn, reference, (nm.spec((S, N), f32),), calls)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint32, np.float16, np.complex64])
def test_compress_of_other_dtypes(dtype):
    values = (RNG.normal(size=(50, 3)) * 3).astype(dtype)
    calls = [(m, values) for m in masks(50)]
    module = nm.compile(lambda m, x: (nm.compress(m, x, 0), nm.compress(m, x[:, 0])), (MASK, nm.spec((S, 3), dtype)))
    for m, x in calls:
        got = module(m, x)
        assert got[0].dtype == dtype
        np.testing.assert_array_equal(got[0], x[m])
        np.testing.assert_array_equal(got[1], x[m, 0])


def test_compress_in_the_middle_of_many_dimensions():
    x = floats(3, 40, 2, 5)
    module = nm.compile(lambda m, x: nm.compress(m, x, 1), (MASK, nm.spec((3, S, 2, 5), f32)))
    for m in masks(40):
        np.testing.assert_array_equal(module(m, x), x[:, m])


def test_arange():
    def fn(n):
        return nm.arange(n), nm.arange(2, n, 3), nm.arange(n, -5, -2), nm.arange(n, dtype=f32) * 0.5

    def reference(n):
        return np.arange(n), np.arange(2, n, 3), np.arange(n, -5, -2), np.arange(n) * 0.5

    check(fn, reference, (NUMBER,), [(np.int32(n),) for n in (-3, 0, 1, 2, 5, 100)])


def test_arange_whose_step_is_zero():
    def fn(n):
        return nm.arange(0, 10, n)

    module = check(fn, lambda n: np.arange(0, 10, n), (NUMBER,), [(np.int32(n),) for n in (1, 3, -1)])
    refused(module, fn, (np.int32(0),), "nm.arange: the step is 0", (np.int32(2),))


def test_zeros_and_full():
    def fn(n):
        return nm.zeros(n), nm.zeros((n, 3), i32), nm.full((2, n, n), 1.5)

    def reference(n):
        return np.zeros(n), np.zeros((n, 3)), np.full((2, n, n), 1.5)

    module = check(fn, reference, (NUMBER,), [(np.int32(n),) for n in (0, 1, 2, 33)])
    refused(module, fn, (np.int32(-1),), "nm.zeros: a size is negative", (np.int32(1),))


def test_reshape():
    def fn(x, n):
        return nm.reshape(x, (n, -1)), nm.reshape(x, (-1, 2, n)).sum(0)

    def reference(x, n):
        return x.reshape(n, -1), x.reshape(-1, 2, n).sum(0)

    x = floats(3, 4)
    module = check(fn, reference, (ROWS, NUMBER), [(x, np.int32(n)) for n in (1, 2, 3, 6)])
    refused(module, fn, (x, np.int32(5)), "numbers of elements|as many elements", (x, np.int32(1)))
    refused(module, fn, (x, np.int32(0)), "numbers of elements|as many elements", (x, np.int32(1)))


def test_slice():
    def fn(x, start, stop):
        return nm.slice(x, start, stop), nm.slice(x[:, None] * x, start, stop, axis=1)

    def reference(x, start, stop):
        return x[start:stop], (x[:, None] * x)[:, start:stop]

    bounds = [(0, 0), (0, 6), (2, 4), (-3, 6), (-100, 100), (5, 2), (1, -1), (6, 6), (9, 12)]
    check(fn, reference, (VECTOR, NUMBER, NUMBER), [(floats(6), np.int32(a), np.int32(b)) for a, b in bounds])


def test_repeat():
    def fn(x, counts):
        return nm.repeat(x, counts), nm.repeat(x[None], counts, axis=1), nm.repeat(x, counts[0])

    def reference(x, counts):
        return np.repeat(x, counts), np.repeat(x[None], counts, axis=1), np.repeat(x, counts[0])

    counts = ([0], [1], [3], [0, 0, 2], [2, 0, 0], [1, 5, 0, 2], list(range(70)))
    calls = [(floats(len(c)), np.array(c, np.int32)) for c in counts]
    module = check(fn, reference, (VECTOR, INTEGERS), calls)
    refused(module, fn, (floats(2), np.array([1, -1], np.int32)), "nm.repeat: a count is negative", calls[0])


def test_top_k():
    def fn(x, X, k):
        return nm.top_k(x, k), nm.top_k(X.T, k)

    def reference(x, X, k):
        order, orders = np.argsort(-x), np.argsort(-X.T, axis=1)
        return (x[order[:k]], order[:k]), (np.take_along_axis(X.T, orders, 1)[:, :k], orders[:, :k])

    calls = [(floats(9), floats(9, 4), np.int32(k)) for k in (0, 1, 3, 9)]
    module = check(fn, reference, (VECTOR, ROWS, NUMBER), calls)
    refused(module, fn, (*calls[0][:2], np.int32(10)), "nm.top_k: the size (10 )?is above its bound of (9|s)", calls[0])
    refused(module, fn, (*calls[0][:2], np.int32(-1)), "nm.top_k: a size is negative", calls[0])


def test_split_and_concatenate():
    def fn(x, a, b):
        rest = x.shape[0] - a - b
        return nm.split(x, [a, b, rest]), nm.split(x, jnp.stack([a, b + rest])), nm.concatenate([x, x * 2], [a, b])

    def reference(x, a, b):
        return np.split(x, [a, a + b]), np.split(x, [a]), np.concatenate([x[:a], x[:b] * 2])

    calls = [(floats(6), np.int32(a), np.int32(b)) for a, b in ((0, 0), (0, 6), (2, 4), (6, 0), (1, 1))]
    module = check(fn, reference, (VECTOR, NUMBER, NUMBER), calls)
    refused(module, fn, (floats(6), np.int32(4), np.int32(4)), "nm.split: a size is negative", calls[0])


def test_lengths_that_do_not_sum_up():
    def fn(x, a):
        return nm.split(x, [a, a])

    module = nm.compile(fn, (VECTOR, NUMBER))
    message = "nm.split: the lengths do not sum up to the size of axis 0"
    refused(module, fn, (floats(6), np.int32(2)), message, (floats(6), np.int32(3)))
    longer = nm.compile(lambda x, a: nm.concatenate([x], [a]), (VECTOR, NUMBER))
    with pytest.raises(nm.ShapeError, match="nm.concatenate: the size is above its bound of s"):
        longer(floats(6), np.int32(7))


def test_unique():
    def fn(x):
        everything = nm.unique(x, return_index=True, return_inverse=True, return_counts=True)
        return nm.unique(x), nm.unique(x, return_inverse=True), everything, nm.unique(x, return_counts=True)

    def reference(x):
        everything = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
        values, _, inverse, counts = everything
        return values, (values, inverse), everything, (values, counts)

    calls = [(RNG.integers(-3, 4, size=size).astype(np.int32),) for size in (1, 2, 3, 10, 500)]
    check(fn, reference, (INTEGERS,), [*calls, (np.zeros(5, np.int32),), (np.arange(100, dtype=np.int32)[::-1],)])


def test_unique_of_floats_takes_nans_for_one_value():
    x = np.array([[1, np.nan], [1, np.nan], [-0.0, 0.0], [np.inf, 3]], np.float32)
    module = nm.compile(lambda x: nm.unique(x, return_counts=True), (nm.spec((S, 2), f32),))
    for got, expected in zip(module(x), np.unique(x, return_counts=True), strict=True):
        np.testing.assert_array_equal(got, expected)


def boxes(count: int) -> tuple[np.ndarray, np.ndarray]:
    centres, halves = RNG.random((count, 2)) * 4, RNG.random((count, 2)) * 2
    return np.concatenate([centres - halves, centres + halves], 1).astype(np.float32), floats(count)


def suppressed(corners, scores, most, least=-np.inf, limit=None):
    """Greedy non-maximum suppression, box by box."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        overlaps = []
        for other in kept:
            low = np.maximum(corners[index, :2], corners[other, :2])
            high = np.minimum(corners[index, 2:], corners[other, 2:])
            shared = np.prod(np.maximum(high - low, 0))
            areas = [np.prod(corners[i, 2:] - corners[i, :2]) for i in (index, other)]
            overlaps.append(shared / (sum(areas) - shared))
        if scores[index] >= least and all(overlap <= most for overlap in overlaps):
            kept.append(int(index))
    return np.array(kept[:limit], np.int32)


def test_non_max_suppression():
    def fn(corners, scores):
        some = nm.non_max_suppression(corners, scores, 0.3, 0.1, max_boxes=5)
        return nm.non_max_suppression(corners, scores), some

    def reference(corners, scores):
        return suppressed(corners, scores, 0.5), suppressed(corners, scores, 0.3, 0.1, 5)

    check(fn, reference, (ROWS, VECTOR), [boxes(count) for count in (1, 2, 10, 80)])


def test_bounds():
    def fn(x):
        mask = x > 0
        rows = nm.compress(mask, x[:, None] * x, 0, bound=3)
        return nm.nonzero(mask, bound=3), nm.compress(mask, x, bound=3), rows, nm.unique(x, bound=5)

    def reference(x):
        return np.nonzero(x > 0), x[x > 0], (x[:, None] * x)[x > 0], np.unique(x)

    calls = [(np.array(v, np.float32),) for v in ([0], [1], [1, 1, 0, 2], [-1, -1, 1], [0] * 50)]
    module = check(fn, reference, (VECTOR,), calls)
    many, different = np.ones(4, np.float32), np.arange(7, dtype=np.float32) - 6
    refused(module, fn, (many,), "nm.(nonzero|compress): the size (4 )?is above its bound of 3", calls[0])
    refused(module, fn, (different,), "nm.unique: the size (7 )?is above its bound of 5", calls[0])
    assert "nimble.nonzero_padded" in module.ir("shapes")


def test_a_bound_of_zero():
    module = nm.compile(lambda x: nm.nonzero(x > 0, bound=0)[0], (VECTOR,))
    assert module(np.zeros(5, np.float32)).shape == (0,)
    with pytest.raises(nm.ShapeError, match="nm.nonzero: the size is above its bound of 0"):
        module(np.ones(5, np.float32))


def chain(x):
    """nonzero → gather → unique → matmul → softmax, all over sizes that are defined on the way."""
    (kept,) = nm.nonzero(x > 0)
    values, counts = nm.unique(jnp.round(x[kept] * 4) / 4, return_counts=True)
    scores = values[:, None] * counts.astype(f32)
    return values, jax.nn.softmax(scores @ scores.T / (1 + counts.sum()), axis=-1)


def chain_in_numpy(x):
    values, counts = np.unique(np.round(x[x > 0] * 4) / 4, return_counts=True)
    scores = (values[:, None] * counts).astype(np.float64)
    logits = scores @ scores.T / (1 + counts.sum())
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return values, powers / powers.sum(axis=-1, keepdims=True)


def test_chain():
    module = nm.compile(chain, (VECTOR,))
    for x in (-np.ones(4, np.float32), np.array([1, -1], np.float32), floats(100), floats(3000)):
        assert_agrees(module(x), tuple(map(np.float32, chain_in_numpy(x))), "contraction")


STEPS: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "positive": (lambda y: nm.compress(y > 0, y), lambda y: y[y > 0]),
    "below": (lambda y: nm.compress(y < 0.7, y), lambda y: y[y < 0.7]),
    "unique": (nm.unique, np.unique),
    "twice": (lambda y: nm.repeat(y, (y > 0).astype(int) + 1), lambda y: np.repeat(y, (y > 0) + 1)),
    "front": (lambda y: nm.slice(y, 0, jnp.asarray(y.shape[0]) // 2 + 1), lambda y: y[: len(y) // 2 + 1]),
    "shift": (lambda y: jnp.tanh(y) - 0.1, lambda y: np.tanh(y) - np.float32(0.1)),
    "sort": (jnp.sort, np.sort),
    "more": (lambda y: jnp.concatenate([y, y[::-1] * 0.5]), lambda y: np.concatenate([y, y[::-1] * np.float32(0.5)])),
    "sums": (lambda y: jnp.cumsum(y) * 0.3, lambda y: np.cumsum(y) * np.float32(0.3)),
    "outer": (lambda y: (y[:, None] * y).sum(1), lambda y: (y[:, None] * y).sum(1)),
}


@pytest.mark.exhaustive
@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=5), st.integers(0, 10_000))
def test_random_programs(names, seed):
    rng = np.random.default_rng(seed)

    def fn(x):
        for name in names:
            x = STEPS[name][0](x)
        return x, x.sum()

    module = nm.compile(fn, (VECTOR,))
    for size in (1, 2, 7, 300):
        x = rng.normal(size=size).astype(np.float32)
        y = x
        for name in names:
            y = STEPS[name][1](y)
        got = module(x)
        if got[0].shape != y.shape:  # a comparison within a rounding of its limit
            assert abs(got[0].size - y.size) <= 2, names
            continue
        assert_agrees(got[0], y.astype(got[0].dtype), "model")
