"""`nm.ragged_attention`: attention over a batch of rows of different lengths, row by row, without padding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from nimble_mlir.errors import ShapeError

from ..loops import fori_loop
from ..with_shape import with_shape
from .ragged import Ragged

__all__ = ["ragged_attention"]


def ragged_attention(q: Ragged, k: Ragged, v: Ragged, *, causal: bool = False, scale: float | None = None) -> Ragged:
    """softmax(q kᵀ scale) v of each row by itself, over `nm.Ragged` batches of rows [length, heads, size]: no padding, and
    as much work as each row needs.

    Rows of k and v have the same lengths; those of q may have others. `scale` is 1/sqrt(size) by default; with `causal`, an
    element attends to those that stand no later in its row. Returns a Ragged with the rows of q. Raises ShapeError for
    shapes that do not fit. It cannot be differentiated.
    """
    shapes = [ragged.values.shape[1:] for ragged in (q, k, v)]
    if any(len(shape) != 2 for shape in shapes) or shapes[0] != shapes[1] or shapes[1][0] != shapes[2][0]:
        raise ShapeError(
            f"nm.ragged_attention needs rows of shape [length, heads, size], with the same heads and sizes of q and k, got "
            f"{', '.join(f'{name} [?, {shape}]' for name, shape in zip('qkv', shapes, strict=True))}"
        )
    if q.num_rows != k.num_rows or k.num_rows != v.num_rows:
        raise ShapeError(
            f"nm.ragged_attention needs as many rows of q, k and v, got {q.num_rows}, {k.num_rows}, {v.num_rows}"
        )
    q, k, v = q.checked(), k.checked(), v.checked()
    factor = shapes[0][1] ** -0.5 if scale is None else scale

    def step(index: Any, made: Any) -> Any:
        queries, keys, values = q[index], k[index], v[index]
        values = with_shape(values, (keys.shape[0], *values.shape[1:]))
        return jnp.concatenate([made, _row(queries, keys, values, factor, causal)])

    heads, width = shapes[2]
    made = fori_loop(0, jnp.asarray(q.num_rows, jnp.int32), step, jnp.zeros((0, heads, width), v.dtype))
    return q.with_values(made)


def _row(q: Any, k: Any, v: Any, scale: float, causal: bool) -> Any:
    """Attention of one row: q [m, heads, d], k [n, heads, d], v [n, heads, e] to [m, heads, e]."""
    scores = jnp.einsum("mhd,nhd->hmn", q, k) * scale
    if causal:
        later = jnp.arange(k.shape[0]) > jnp.arange(q.shape[0])[:, None]
        scores = jnp.where(later, -jnp.inf, scores)
    return jnp.einsum("hmn,nhe->mhe", jax.nn.softmax(scores, axis=-1), v)
