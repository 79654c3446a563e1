"""`nm.map` and `nm.associative_scan`: what JAX's own cannot do over a symbolic length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import CaptureError

from .symbols import is_symbolic

__all__ = ["associative_scan", "map_"]


def map_(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """See `nimble_mlir.map`."""
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
    """See `nimble_mlir.associative_scan`."""
    length = _length("associative_scan", elems, axis)
    if not is_symbolic(length):
        return lax.associative_scan(fn, elems, reverse, axis)
    count = jnp.asarray(length, jnp.int32)
    positions = jnp.arange(length, dtype=jnp.int32)

    def step(carry: Any) -> Any:
        """Hillis and Steele, "Data parallel algorithms" (1986): each element takes in the one `distance` before it."""
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


def _length(name: str, tree: Any, axis: int) -> Any:
    sizes = [leaf.shape[axis] for leaf in jax.tree_util.tree_leaves(tree)]
    if not sizes:
        raise CaptureError(f"nm.{name} needs at least one array")
    for size in sizes:
        if size != sizes[0]:
            raise CaptureError(f"nm.{name} needs arrays of one length, got {sizes[0]} and {size}")
    return sizes[0]
