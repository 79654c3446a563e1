"""The examples of a batch as rows: the first axis of an array.

In: arrays [n, …] of any dtype, random keys included, and positions int32 [k] of rows. Out: rows taken, written, made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..data_sizes.selections import selected

__all__ = ["blank", "choose", "positions_of", "put", "spread", "take"]


def positions_of(mask: Any) -> Any:
    """The positions int32 [k] at which a mask [n] holds; k is a size that the call defines."""
    return selected(mask, "nm.batch").astype(jnp.int32)


def take(values: Sequence[Any], positions: Any) -> list[Any]:
    """The rows at `positions` of each of the arrays."""
    return [value.at[positions].get(mode="promise_in_bounds", unique_indices=True) for value in values]


def put(buffers: Sequence[Any], positions: Any, values: Sequence[Any]) -> list[Any]:
    """The arrays with the rows of `values` at `positions`, which differ from each other."""
    return [
        buffer.at[positions].set(value, mode="promise_in_bounds", unique_indices=True)
        for buffer, value in zip(buffers, values, strict=True)
    ]


def choose(mask: Any, values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Of each pair of arrays [n, …] the rows of the first where `mask` [n] holds, else of the second."""
    return [
        jnp.where(mask.reshape(mask.shape + (1,) * (value.ndim - 1)), value, other)
        for value, other in zip(values, others, strict=True)
    ]


def spread(value: Any, size: Any) -> Any:
    """An array [size, …] whose rows are all `value`."""
    return jnp.broadcast_to(value, (size, *value.shape))


def blank(aval: Any, size: Any) -> Any:
    """An array [size, …] for rows of the shape and dtype of `aval`, to be written."""
    if not jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return jnp.zeros((size, *aval.shape), aval.dtype)
    kinds: list[str] = []

    def look(key: Any) -> Any:
        kinds.append(str(jax.random.key_impl(key)))
        return jax.random.key_data(key)

    data = jax.eval_shape(look, jax.ShapeDtypeStruct(aval.shape, aval.dtype))
    return jax.random.wrap_key_data(jnp.zeros((size, *data.shape), data.dtype), impl=kinds[0])
