"""`nm.Ragged` and `nm.ragged_attention`, compiled once and run eagerly, against NumPy row by row."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(2)
N, R, M = nm.dims("n, r, m")
SPEC = nm.Ragged.spec((N, 4), jnp.float32, R)
LENGTHS = [[1], [3, 0, 2], [0, 5, 1, 7], [2, 2], [4, 0], [0, 1, 0], [40, 3, 0, 17]]


EAGER = ([1], [3, 0, 2], [2, 1])


def ragged(lengths: list[int]) -> nm.Ragged:
    values = RNG.normal(size=(sum(lengths), 4)).astype(np.float32)
    return nm.Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def rows_of(x: nm.Ragged) -> list[np.ndarray]:
    splits = np.asarray(x.row_splits)
    return [np.asarray(x.values)[start:end] for start, end in pairwise(splits)]


def as_rows(result: Any) -> Any:
    """Ragged results as lists of their rows."""
    return jax.tree_util.tree_map(
        lambda leaf: rows_of(leaf) if isinstance(leaf, nm.Ragged) else leaf,
        result,
        is_leaf=lambda leaf: isinstance(leaf, nm.Ragged),
    )


def check(module: Any, fn: Callable[..., Any], reference: Callable[..., Any], *args: Any) -> None:
    """The module at any lengths; `fn` run eagerly at those of `EAGER`, since JAX compiles each of its ops for each size."""
    rows = [rows_of(arg) if isinstance(arg, nm.Ragged) else arg for arg in args]
    expected = jax.tree_util.tree_leaves(reference(*rows))
    eagerly = all(arg.lengths.tolist() in EAGER for arg in args if isinstance(arg, nm.Ragged))
    for call in (module, fn) if eagerly else (module,):
        got = jax.tree_util.tree_leaves(as_rows(call(*args)))
        assert [np.shape(leaf) for leaf in got] == [np.shape(leaf) for leaf in expected]
        for leaf, want in zip(got, expected, strict=True):
            assert_agrees(leaf, np.asarray(want).astype(np.asarray(leaf).dtype), "model")


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=0, initial=-np.inf, keepdims=True))
    return powers / powers.sum(axis=0, keepdims=True)


def reductions(x):
    return x.sum(), x.max(), x.lengths, x.row_ids, x.softmax(), x.map_values(jnp.tanh), x.mean()


def reductions_of_rows(rows):
    with np.errstate(all="ignore"):
        means = np.stack([row.sum(0) / np.float32(len(row)) for row in rows])
    return (
        np.stack([row.sum(0) for row in rows]),
        np.stack([row.max(0, initial=-np.inf) for row in rows]),
        np.array([len(row) for row in rows]),
        np.repeat(np.arange(len(rows)), [len(row) for row in rows]),
        [softmax(row) for row in rows],
        [np.tanh(row) for row in rows],
        means,
    )


@pytest.fixture(scope="module")
def reducing() -> nm.Module:
    return nm.compile(reductions, (SPEC,))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_reductions(reducing, lengths):
    check(reducing, reductions, reductions_of_rows, ragged(lengths))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=12).filter(any)
)  # as in JAX, a size of an argument is at least 1
def test_reductions_of_any_rows(lengths):
    module = _reducing()
    check(module, module, reductions_of_rows, ragged(lengths))


def _reducing(cache: list[nm.Module] = []) -> nm.Module:  # noqa: B006 - one module for all examples
    if not cache:
        cache.append(nm.compile(reductions, (SPEC,)))
    return cache[0]


def test_row_splits_that_are_wrong(reducing):
    values = np.zeros((3, 4), np.float32)
    for splits in ([0, 2, 1, 3], [0, 2], [1, 3], [0, 4]):
        wrong = nm.Ragged(values, np.array(splits, np.int32))
        for call in (reducing, reductions):
            with pytest.raises(nm.ShapeError, match="row_splits do not begin with 0, ascend, and end with"):
                call(wrong)
        check(reducing, reductions, reductions_of_rows, ragged([2, 1]))


def test_matmul():
    def fn(x, shared, each):
        return x @ shared, x.matmul(each)

    specs = (SPEC, nm.spec((4, 3), jnp.float32), nm.spec((R, 4, 3), jnp.float32))
    module = nm.compile(fn, specs)
    for lengths in LENGTHS:
        shared, each = RNG.normal(size=(4, 3)), RNG.normal(size=(len(lengths), 4, 3))
        args = (ragged(lengths), shared.astype(np.float32), each.astype(np.float32))
        check(module, fn, lambda rows, w, ws: ([row @ w for row in rows], [r @ m for r, m in zip(rows, ws)]), *args)  # noqa: B905


def test_rows_and_their_order():
    def fn(x, order):
        return x[order], x[0], x[-1], x.append(x[0]), x.extend(x[order])

    def reference(rows, order):
        chosen = [rows[i] for i in order]
        return chosen, rows[0], rows[-1], [*rows, rows[0]], [*rows, *chosen]

    module = nm.compile(fn, (SPEC, nm.spec((M,), jnp.int32)))
    for lengths in LENGTHS:
        for count in (1, 5):
            order = RNG.integers(-len(lengths), len(lengths), size=count).astype(np.int32)
            check(module, fn, reference, ragged(lengths), order)
    for call in (module, fn):
        with pytest.raises(nm.ShapeError, match="there is no row of this index"):
            call(ragged([1, 2]), np.array([2], np.int32))


def test_padding():
    def fn(x):
        padded, mask = x.to_padded()
        return padded, mask, x.to_padded(-1.0, size=8), nm.Ragged.from_padded(padded, mask.sum(1))

    def reference(rows):
        def to(size, fill):
            padded = np.full((len(rows), size, 4), fill, np.float32)
            for row, into in zip(rows, padded, strict=True):
                into[: len(row)] = row
            return padded, np.arange(size) < np.array([len(row) for row in rows])[:, None]

        return *to(max(map(len, rows)), 0), to(8, -1), rows

    module = nm.compile(fn, (SPEC,))
    for lengths in LENGTHS[:-1]:
        check(module, fn, reference, ragged(lengths))
    for call in (module, fn):
        with pytest.raises(nm.ShapeError, match="to_padded: a row is longer than 8"):
            call(ragged([9]))


def test_map():
    def fn(x):
        kept = x.map(lambda row: nm.compress(row[:, 0] > 0, row, 0))
        return x.map(lambda row: row[::-1] * 2), kept, x.reduce(lambda row: row.T @ row)

    def reference(rows):
        kept = [row[row[:, 0] > 0] for row in rows]
        return [row[::-1] * 2 for row in rows], kept, np.stack([row.T @ row for row in rows])

    module = nm.compile(fn, (SPEC,))
    for lengths in LENGTHS:
        check(module, fn, reference, ragged(lengths))


def test_made_of_rows_and_of_lengths():
    def fn(x, a):
        rest = jnp.asarray(x.shape[0]) - a
        return nm.Ragged.from_rows([x[:1], x[1:], x]), nm.Ragged.from_lengths(x, jnp.stack([a, jnp.int32(0), rest]))

    module = nm.compile(fn, (nm.spec((N, 4), jnp.float32), nm.spec((), jnp.int32)))
    for size, a in ((1, 0), (1, 1), (9, 4)):
        x = RNG.normal(size=(size, 4)).astype(np.float32)
        check(module, fn, lambda x, a: ([x[:1], x[1:], x], [x[:a], x[:0], x[a:]]), x, np.int32(a))
    for call in (module, fn):
        with pytest.raises(nm.ShapeError, match="nm.Ragged: a length is negative"):
            call(np.zeros((3, 4), np.float32), np.int32(4))


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    def fn(x):
        q = x.map_values(lambda v: v.reshape(v.shape[0], 2, 2))
        return nm.ragged_attention(q, q.map_values(lambda v: v * 2), q.map_values(lambda v: v + 1), causal=causal)

    def reference(rows):
        results = []
        for row in rows:
            q = row.reshape(-1, 2, 2)
            scores = np.einsum("mhd,nhd->hmn", q, 2 * q) / np.sqrt(2)
            if causal:
                scores = np.where(np.tri(len(row), dtype=bool), scores, -np.inf)
            results.append(np.einsum("hmn,nhe->mhe", softmax(scores.T).T, q + 1))
        return results

    module = nm.compile(fn, (SPEC,))
    for lengths in [*LENGTHS, [64, 1, 128]]:
        check(module, fn, reference, ragged(lengths))


def test_a_pytree_with_a_text():
    x = ragged([2, 1])
    assert repr(x) == "Ragged(float32[2, ?, 4])"
    assert len(x) == 2
    assert [row.shape for row in x.rows()] == [(2, 4), (1, 4)]
    assert jax.tree_util.tree_structure(x).num_leaves == 2
