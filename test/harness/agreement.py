"""Compares a module's results with JAX's: structure, dtypes, shapes, and values within the group's tolerance.

`COMPARISONS` has the groups whose results are right in more than one form (signs of eigenvectors, say): a function
(harness, arguments, got, expected) that returns what is wrong, or None. `SUMS` has the groups whose terms may cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comparisons
import jax
import ml_dtypes
import numpy as np
import orders
from support.tolerances import harness_tolerance

__all__ = ["COMPARISONS", "difference"]

Comparison = Callable[[Any, Any, Any, Any], str | None]

COMPARISONS: dict[str, Comparison] = {**orders.COMPARISONS, **comparisons.COMPARISONS}


# A sum in another order, or rounded at other places, is off in proportion to the magnitudes of its terms, not to its
# value (Higham, Accuracy and Stability of Numerical Algorithms, ch. 4): tolerances of these are relative to the sum of the
# magnitudes, which is what JAX gives for the magnitudes of the arguments.
SUMS = frozenset({"conv_general_dilated", "cumsum", "dot_general", "reduce", "reduce_window_add"})


def difference(case: Any, args: Any, got: Any, expected: Any) -> str | None:
    """What is wrong with `got`, None where it agrees."""
    harness = case.harness
    got_leaves, got_tree = jax.tree_util.tree_flatten(got)
    leaves, tree = jax.tree_util.tree_flatten(expected)
    if got_tree != tree:
        return f"structure {got_tree}, expected {tree}"
    pairs = [(_array(a), _array(b)) for a, b in zip(got_leaves, leaves, strict=True)]
    for index, (a, b) in enumerate(pairs):
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"result {index} is {a.dtype}{list(a.shape)}, expected {b.dtype}{list(b.shape)}"
    if harness.group_name in COMPARISONS:
        return COMPARISONS[harness.group_name](harness, args, got, expected)
    sizes = [np.abs(b) for _, b in pairs]
    if harness.group_name in SUMS and any(_is_inexact(b) for _, b in pairs):
        magnitudes = case.function(*jax.tree.map(lambda leaf: np.abs(_array(leaf)).astype(leaf.dtype), args))
        sizes = [np.abs(_array(leaf)) for leaf in jax.tree.leaves(magnitudes)]
    for index, ((a, b), size) in enumerate(zip(pairs, sizes, strict=True)):
        wrong = _wrong(a, b, harness_tolerance(harness.group_name, b.dtype), size)
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            return (
                f"result {index}: {int(wrong.sum())} of {wrong.size} elements of {b.dtype}{list(b.shape)} differ; "
                f"first at {where}: got {a[where]!r}, expected {b[where]!r}; largest error {_largest_error(a, b):.3g}"
            )
    return None


def _array(leaf: Any) -> np.ndarray:
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _is_inexact(array: np.ndarray) -> bool:
    return bool(jax.dtypes.issubdtype(array.dtype, np.inexact))


def _wrong(got: np.ndarray, expected: np.ndarray, tol: float, size: np.ndarray) -> np.ndarray:
    if expected.dtype.kind == "c":
        parts = [_wrong_reals(a, b, tol, size) for a, b in
                 ((got.real, expected.real), (got.imag, expected.imag))]  # fmt: skip
        return parts[0] | parts[1]
    if not _is_inexact(expected):
        return got != expected
    return _wrong_reals(got, expected, tol, size.astype(np.float64))


def _wrong_reals(got: np.ndarray, expected: np.ndarray, tol: float, size: np.ndarray) -> np.ndarray:
    a, b = got.astype(np.float64), expected.astype(np.float64)
    same = (np.isnan(a) & np.isnan(b)) | (a == b)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.where(np.isfinite(size), size, np.where(np.isfinite(b), np.abs(b), 0))
        near = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= tol * (1 + size))
    return ~(same | near)


def _largest_error(got: np.ndarray, expected: np.ndarray) -> float:
    kind = np.complex128 if expected.dtype.kind == "c" else np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(got.astype(kind) - expected.astype(kind))
    finite = error[np.isfinite(error)]
    return float(finite.max()) if finite.size else float("nan")


assert ml_dtypes.bfloat16  # registers bfloat16 with numpy
