"""What the algorithms of this package are written with: rows, columns, masks and Householder reflectors of batches of
matrices `(..., m, n)` of static or symbolic sizes.

A step of a loop costs a few dispatches whatever the size of the matrix, so each step updates whole matrices under masks.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = [
    "Size",
    "abs2",
    "ascending_order",
    "cols",
    "column",
    "diagonal",
    "entry",
    "eps",
    "eye",
    "hermitian_transpose",
    "is_complex",
    "nan_unless",
    "real_dtype",
    "row",
    "rows",
    "scale_of",
    "steps",
    "take_columns",
    "transpose",
]

# An int, or a symbolic dimension of jax.export.
Size = Any


def rows(m: Size) -> jax.Array:
    """The row of each element, `(m, 1)`."""
    return lax.broadcasted_iota(jnp.int32, (m, 1), 0)


def cols(n: Size) -> jax.Array:
    """The column of each element, `(1, n)`."""
    return lax.broadcasted_iota(jnp.int32, (1, n), 1)


def eye(dtype: Any, m: Size, n: Size, batch: tuple[Size, ...] = ()) -> jax.Array:
    """Identity matrices `(*batch, m, n)`."""
    return jnp.broadcast_to((rows(m) == cols(n)).astype(dtype), (*batch, m, n))


def row(a: jax.Array, k: Any) -> jax.Array:
    """Row `k` as `(..., 1, n)`."""
    return lax.dynamic_slice_in_dim(a, k, 1, axis=a.ndim - 2)


def column(a: jax.Array, k: Any) -> jax.Array:
    """Column `k` as `(..., m, 1)`."""
    return lax.dynamic_slice_in_dim(a, k, 1, axis=a.ndim - 1)


def entry(a: jax.Array, i: Any, j: Any) -> jax.Array:
    """Element `(i, j)` as `(..., 1, 1)`."""
    return column(row(a, i), j)


def diagonal(a: jax.Array) -> jax.Array:
    """The diagonal of square matrices as `(..., 1, n)`."""
    n = a.shape[-1]
    return jnp.sum(jnp.where(rows(n) == cols(n), a, 0), axis=-2, keepdims=True)


def transpose(a: jax.Array) -> jax.Array:
    """The transposed matrices; of a vector `(..., m, 1)` a reshape."""
    return jnp.swapaxes(a, -1, -2)


def hermitian_transpose(a: jax.Array) -> jax.Array:
    """The conjugate transposed matrices."""
    return jnp.conj(transpose(a)) if is_complex(a) else transpose(a)


def is_complex(a: jax.Array) -> bool:
    """Whether the elements are complex."""
    return jnp.issubdtype(a.dtype, jnp.complexfloating)


def real_dtype(a: jax.Array) -> np.dtype:
    """The dtype of the elements' magnitudes."""
    return jnp.finfo(a.dtype).dtype


def eps(a: jax.Array) -> float:
    """The gap between 1 and the next number of the elements' precision."""
    return float(jnp.finfo(a.dtype).eps)


def abs2(a: jax.Array) -> jax.Array:
    """The squared magnitudes, real."""
    return jnp.real(a) ** 2 + jnp.imag(a) ** 2 if is_complex(a) else a * a


def scale_of(a: jax.Array) -> jax.Array:
    """The largest magnitude of each matrix, `(..., 1, 1)`, or 1 where that is 0 or not finite: divided by it, the squares
    of the elements neither overflow nor do those that matter vanish."""
    largest = jnp.max(jnp.abs(a), axis=(-2, -1), keepdims=True, initial=0)
    return jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)


def nan_unless(ok: jax.Array, a: jax.Array) -> jax.Array:
    """`a` where `ok` (which is broadcast against it), NaN elsewhere: how JAX says that LAPACK's routine failed."""
    nan = complex(np.nan, np.nan) if is_complex(a) else np.nan
    return jnp.where(ok, a, jnp.asarray(nan, a.dtype))


def steps(count: Size, body: Any, carry: Any) -> Any:
    """`lax.fori_loop` from 0, not entered at all where `count` is the constant 0: slices of one row would not trace."""
    if isinstance(count, int) and count == 0:
        return carry
    upper = np.int32(count) if isinstance(count, int) else jnp.asarray(count, jnp.int32)
    return lax.fori_loop(np.int32(0), upper, body, carry)


def ascending_order(values: jax.Array, *, descending: bool = False) -> jax.Array:
    """The stable order of `values` `(..., 1, n)`, as indices `(..., 1, n)`.

    The rank of each is counted, which is two reductions instead of a sort. NaNs count as 0: the indices are valid ones.
    """
    n = values.shape[-1]
    values = jnp.where(jnp.isnan(values), 0, -values if descending else values)
    other = transpose(values)
    before = (other < values) | ((other == values) & (rows(n) < cols(n)))
    rank = jnp.sum(before.astype(jnp.int32), axis=-2, keepdims=True)
    return transpose(jnp.sum(jnp.where(rows(n) == rank, cols(n), 0), axis=-1, keepdims=True, dtype=jnp.int32))


def take_columns(a: jax.Array, order: jax.Array) -> jax.Array:
    """Columns in the order of indices `(..., 1, n)`, each matrix of the batch in its own."""
    return jnp.take_along_axis(a, jnp.broadcast_to(order, a.shape), axis=-1, mode="clip")
