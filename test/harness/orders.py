"""Comparisons of orders that are not unique: equal elements of an unstable sort, positions of equal largest elements.

Each takes (harness, arguments, got, expected) and returns what is wrong with `got`, or None. XLA's unstable sort leaves
equal keys as its `std::sort` has them, which no specification states; what is stated is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

__all__ = ["COMPARISONS"]


def _sort(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    """Keys stand where JAX's stand; of an unstable sort the rows of keys and other operands are the same set."""
    ours, theirs = ([np.asarray(leaf) for leaf in jax.tree.leaves(result)] for result in (got, expected))
    params = harness.params
    batched = ours[0].ndim - len(params["shape"])
    axis = params["dimension"] % len(params["shape"]) + batched
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        exact = params["is_stable"] or index < params["num_keys"]
        if exact and not _same(a, b):
            return f"result {index} differs"
    if params["is_stable"]:
        return None
    orders = [np.lexsort([_sortable(x) for x in reversed(arrays)], axis=axis) for arrays in (ours, theirs)]
    for index, pair in enumerate(zip(ours, theirs, strict=True)):
        a, b = (np.take_along_axis(x, order, axis) for x, order in zip(pair, orders, strict=True))
        if not _same(a, b):
            return f"result {index} has other elements beside the same keys"
    return None


def _approx_top_k(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    """The values are JAX's, and each position holds its value, once."""
    values, positions = (np.asarray(leaf) for leaf in got)
    if not _same(values, np.asarray(expected[0])):
        return "the values differ"
    if not _same(np.take_along_axis(np.asarray(args[0]), positions.astype(np.int64), axis=-1), values):
        return "a position does not hold its value"
    ordered = np.sort(positions, axis=-1)
    return "a position occurs twice" if (ordered[..., 1:] == ordered[..., :-1]).any() else None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes() or bool(np.all((a == b) | ((a != a) & (b != b))))


def _sortable(x: np.ndarray) -> np.ndarray:
    """What numpy can order: bfloat16 and the like widened."""
    return x.astype(np.float32) if x.dtype.kind == "V" else x


COMPARISONS: dict[str, Callable[[Any, Any, Any, Any], str | None]] = {"approx_top_k": _approx_top_k, "sort": _sort}
