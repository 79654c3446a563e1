"""`nm.unique`, `nm.top_k` and `nm.non_max_suppression`: selections from what is sorted."""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import ShapeError

from ..symbols import is_symbolic
from ..tracing import current
from .define import define_size
from .selections import compress, select, selected
from .slices import sliced

__all__ = ["non_max_suppression", "top_k", "unique"]


def unique(
    x: Any,
    *,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    bound: int | None = None,
) -> Any:
    """The values of `x`, each once and sorted, as `jnp.unique`: NaNs are one value.

    With `return_index`, `return_inverse`, `return_counts` a tuple: also where each is first, which of them each element is
    (in the shape of `x`), and how often each occurs. More than `bound=` are a ShapeError.
    """
    x = jnp.asarray(x)
    if current() is None:
        found = jnp.unique(x, return_index, return_inverse, return_counts)
        values = found[0] if isinstance(found, tuple) else found
        define_size(values.shape[0], "nm.unique", bound)
        return found
    dtype = jax.dtypes.canonicalize_dtype(int)
    flat = x.reshape(prod(x.shape))
    size = flat.shape[0]
    positions = lax.iota(jnp.int32, size)
    if return_index or return_inverse:
        ordered, order = lax.sort((flat, positions), num_keys=1)
    else:
        ordered, order = jnp.sort(flat), positions
    first = (positions == 0) | _differs(ordered, _shifted(ordered))
    starts: Any = None
    if return_index or return_counts:
        starts = selected(first, "nm.unique", bound).astype(jnp.int32)
        values = jnp.take(ordered, starts, mode="clip")
    else:
        values = select(ordered, first, 0, "nm.unique", bound)
    results = [values]
    if return_index:
        results.append(jnp.take(order, starts, mode="clip").astype(dtype))
    if return_inverse:
        numbers = jnp.cumsum(first, dtype=jnp.int32) - 1
        inverse = jnp.zeros((size,), jnp.int32).at[order].set(numbers, unique_indices=True)
        results.append(inverse.reshape(x.shape).astype(dtype))
    if return_counts:
        # What begins after each: the next one, or the end.
        ends = lax.pad(starts, jnp.asarray(size, jnp.int32), [(-1, 1, 0)])
        results.append((ends - starts).astype(dtype))
    return tuple(results) if len(results) > 1 else results[0]


def _shifted(x: Any) -> Any:
    """Each element's predecessor; nothing is said of the first one's."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(1, -1, 0)])


def _differs(x: Any, y: Any) -> Any:
    differ = x != y
    if jnp.issubdtype(x.dtype, jnp.inexact):  # NaNs are one value, as in jnp.unique
        differ &= ~(jnp.isnan(x) & jnp.isnan(y))
    return differ


def top_k(x: Any, k: Any) -> tuple[Any, Any]:
    """The `k` largest elements along the last axis, in descending order, and their int32 indices; of equal ones the first
    comes first. Raises ShapeError for a `k` that is negative or above the size of the axis."""
    x = jnp.asarray(x)
    if x.ndim == 0:
        raise ShapeError("nm.top_k needs an array of at least one dimension, got a scalar")
    length = x.shape[-1]
    size = define_size(k, "nm.top_k", length)
    if size.witness is None and not is_symbolic(size.dim):
        values, indices = lax.top_k(x, size.dim)
        return values, indices
    values, indices = lax.top_k(x, length)
    return sliced(values, 0, size, x.ndim - 1), sliced(indices, 0, size, x.ndim - 1)


def non_max_suppression(
    boxes: Any,
    scores: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = None,
    *,
    max_boxes: int | None = None,
    bound: int | None = None,
) -> Any:
    """The int32 indices of the boxes that are kept, by descending score: each that overlaps no box kept before it.

    `boxes` [n, 4] are corners (x1, y1, x2, y2), `scores` [n]. Two overlap where the area of their intersection over that of
    their union is above `iou_threshold`. Boxes with a score below `score_threshold` are left out, and after `max_boxes` no
    more are kept. More than `bound=` are a ShapeError. Takes n steps over all boxes.
    """
    boxes, scores = jnp.asarray(boxes), jnp.asarray(scores)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.ndim != 1:
        raise ShapeError(
            f"nm.non_max_suppression needs boxes of shape [n, 4] and n scores, got {boxes.shape} and {scores.shape}"
        )
    length = scores.shape[0]
    positions = lax.iota(jnp.int32, length)
    ordered, order = lax.top_k(scores, length)
    corners = jnp.take(boxes, order, axis=0, mode="clip")
    keep = jnp.ones((length,), bool) if score_threshold is None else ordered >= score_threshold

    def step(index: Any, kept: Any) -> Any:
        box = lax.dynamic_index_in_dim(corners, index, keepdims=False)
        alive = lax.dynamic_index_in_dim(kept, index, keepdims=False)
        overlaps = (_overlap(box, corners) > iou_threshold) & (positions > index)
        return kept & ~(overlaps & alive)

    keep = lax.fori_loop(0, length, step, keep)
    if max_boxes is not None:
        keep &= jnp.cumsum(keep, dtype=jnp.int32) <= max_boxes
    return compress(keep, order, 0, bound=bound)


def _overlap(box: Any, boxes: Any) -> Any:
    """Intersection over union of one box (x1, y1, x2, y2) with each of several; 0 where both are empty."""
    low, high = jnp.maximum(box[:2], boxes[:, :2]), jnp.minimum(box[2:], boxes[:, 2:])
    shared = jnp.prod(jnp.maximum(high - low, 0), axis=1)
    areas = jnp.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = jnp.prod(box[2:] - box[:2]) + areas - shared
    return jnp.where(union > 0, shared / jnp.where(union > 0, union, 1), 0)
