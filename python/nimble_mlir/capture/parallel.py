"""`nm.map`, `nm.associative_scan` and `nm.searchsorted`: what JAX's own cannot do over a symbolic length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import CaptureError

from .symbols import is_symbolic

__all__ = ["associative_scan", "map_", "searchsorted"]


def map_(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """As `lax.map`: `f` of each row of the arrays `xs` [n, …], stacked; `batch_size` rows at once, by `jax.vmap`.

    Other than of `lax.map` with `batch_size`, n may be symbolic. Raises CaptureError for arrays of several lengths, and for
    a `batch_size` below 1."""
    length = _length("map", xs, 0)
    if batch_size is None or not is_symbolic(length):
        return lax.map(f, xs, batch_size=batch_size)
    if batch_size < 1:
        raise CaptureError(f"nm.map needs a batch_size of at least 1, got {batch_size}")

    # The last block is filled up with a row of zeros, whose results are cut off below.
    longer = jax.tree_util.tree_map(lambda x: jnp.concatenate([x, jnp.zeros((1, *x.shape[1:]), x.dtype)]), xs)

    def block(start: Any) -> Any:
        rows = jnp.minimum(start * batch_size + jnp.arange(batch_size), length)
        return jax.vmap(f)(jax.tree_util.tree_map(lambda x: x[rows], longer))

    blocks = (length + (batch_size - 1)) // batch_size
    made = lax.map(block, jnp.arange(blocks))
    return jax.tree_util.tree_map(lambda y: y.reshape(blocks * batch_size, *y.shape[2:])[:length], made)


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """As `lax.associative_scan`: all prefixes of `elems` along `axis` combined by the associative `fn`.

    Other than there, the length n may be symbolic: about log2(n) steps over all elements (Hillis and Steele, "Data parallel
    algorithms", 1986). Raises CaptureError for arrays of several lengths."""
    length = _length("associative_scan", elems, axis)
    if not is_symbolic(length):
        return lax.associative_scan(fn, elems, reverse, axis)
    count = jnp.asarray(length, jnp.int32)
    positions = jnp.arange(length, dtype=jnp.int32)

    def step(carry: Any) -> Any:
        """Each element takes in the one `distance` before it."""
        distance, values = carry
        others = positions + distance if reverse else positions - distance
        inside = (others >= 0) & (others < count)
        start = distance if reverse else count - distance

        def rolled(x: Any) -> Any:
            return lax.dynamic_slice_in_dim(jnp.concatenate([x, x], axis), start, length, axis)

        joined = fn(jax.tree_util.tree_map(rolled, values), values)

        def choose(new: Any, old: Any) -> Any:
            shape = [1] * old.ndim
            shape[axis] = length
            return jnp.where(inside.reshape(shape), new, old)

        return distance * 2, jax.tree_util.tree_map(choose, joined, values)

    return lax.while_loop(lambda carry: carry[0] < count, step, (jnp.int32(1), elems))[1]


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """As `jnp.searchsorted`: where each element of `v` would have to be inserted into the sorted vector `a`.

    Other than there, the length n of `a` may be symbolic: about log2(n) steps over all elements of `v`. NaN is larger than
    all numbers.

    Args:
      a: [n], ascending, or in the order `sorter`.
      v: of any shape.
      side: "left" for the first index that keeps the order, "right" for the last.
      sorter: integers [n], as `jnp.argsort(a)` gives them.

    Returns:
      int32 of the shape of `v`, from 0 to n.

    Raises:
      CaptureError: `side` is another, `a` is no vector, or either is complex.
    """
    dtype = jnp.result_type(a, v)
    a, v = jnp.asarray(a, dtype), jnp.asarray(v, dtype)
    if side not in ("left", "right"):
        raise CaptureError(f"nm.searchsorted needs the side 'left' or 'right', got {side!r}")
    if a.ndim != 1 or jnp.issubdtype(dtype, jnp.complexfloating):
        raise CaptureError(f"nm.searchsorted needs a vector of real numbers to search in, got {dtype} of rank {a.ndim}")
    if sorter is not None:
        a = a[sorter]

    def before(x: Any, y: Any) -> Any:
        return (x < y) | (jnp.isnan(y) & ~jnp.isnan(x))

    def halve(carry: Any) -> Any:
        """The answer is at most `count` behind `first`: Knuth, The Art of Computer Programming 3, 6.2.1, algorithm U."""
        count, first = carry
        half = (count + 1) // 2
        middle = a[first + half - 1]
        behind = before(middle, v) if side == "left" else ~before(v, middle)
        return count - half, jnp.where(behind, first + half, first)

    start = (jnp.asarray(a.shape[0], jnp.int32), jnp.zeros(v.shape, jnp.int32))
    return lax.while_loop(lambda carry: carry[0] > 0, halve, start)[1]


def _length(name: str, tree: Any, axis: int) -> Any:
    sizes = [leaf.shape[axis] for leaf in jax.tree_util.tree_leaves(tree)]
    if not sizes:
        raise CaptureError(f"nm.{name} needs at least one array")
    for size in sizes:
        if size != sizes[0]:
            raise CaptureError(f"nm.{name} needs arrays of one length, got {sizes[0]} and {size}")
    return sizes[0]
