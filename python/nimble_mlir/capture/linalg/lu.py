"""LU factorization with partial pivoting, and the permutation of its row exchanges."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import core

from .matrices import cols, column, is_complex, row, rows, steps

__all__ = ["lu", "lu_pivots_to_permutation"]

_LARGEST = np.int32(np.iinfo(np.int32).max)


def lu(a: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """L and U of P A = L U in one matrix `(..., m, n)`, the pivots `(..., min(m, n))` and the permutation `(..., m)`.

    Right-looking elimination (Golub & Van Loan, Matrix Computations, 4th ed., Algorithm 3.4.1) with LAPACK's choices: the
    first largest |re| + |im| of a column is its pivot, and a pivot of 0 leaves its column as it is.
    """
    *batch, m, n = a.shape
    count = core.min_dim(m, n)
    r, c = rows(m), cols(n)

    def step(k: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        a, pivots, permutation = carry
        head, upper = column(a, k), row(a, k)
        chosen = _pivot_row(head, r, k)
        pivot_row = _row_of_each(a, chosen, r)
        pivot = column(pivot_row, k)
        a = jnp.where(r == k, pivot_row, jnp.where(r == chosen, upper, a))
        head = jnp.where(r == chosen, row(head, k), head)
        factors = jnp.where(pivot != 0, head / jnp.where(pivot != 0, pivot, 1), head)
        trailing = jnp.where(c > k, a - factors * pivot_row, jnp.where(c == k, factors, a))
        pivots = jnp.where(rows(count) == k, chosen, pivots)
        return jnp.where(r > k, trailing, a), pivots, _exchange(permutation, k, chosen)

    pivots = jnp.zeros((*batch, count, 1), jnp.int32)
    permutation = jnp.broadcast_to(r, (*batch, m, 1))
    a, pivots, permutation = steps(count, step, (a, pivots, permutation))
    return a, pivots[..., 0], permutation[..., 0]


def lu_pivots_to_permutation(pivots: jax.Array, *, permutation_size: int) -> jax.Array:
    """The permutation `(..., permutation_size)` that row exchanges `i <-> pivots[i]`, in order, make of 0, 1, 2, …"""
    *batch, count = pivots.shape
    start = jnp.broadcast_to(rows(permutation_size), (*batch, permutation_size, 1))
    pivots = pivots[..., None]
    return steps(count, lambda k, permutation: _exchange(permutation, k, row(pivots, k)), start)[..., 0]


def _pivot_row(head: jax.Array, r: jax.Array, k: jax.Array) -> jax.Array:
    """The first row from `k` on whose element of the column `head` has the largest |re| + |im|; `(..., 1, 1)`."""
    size = jnp.abs(jnp.real(head)) + jnp.abs(jnp.imag(head)) if is_complex(head) else jnp.abs(head)
    size = jnp.where(r >= k, size, -1)
    largest = jnp.max(size, axis=-2, keepdims=True)
    first = jnp.min(jnp.where(size == largest, r, _LARGEST), axis=-2, keepdims=True)
    return jnp.where(first == _LARGEST, k, first)  # a NaN is equal to nothing


def _row_of_each(a: jax.Array, index: jax.Array, r: jax.Array) -> jax.Array:
    """Row `index` `(..., 1, 1)` of each matrix of the batch."""
    return jnp.sum(jnp.where(r == index, a, 0), axis=-2, keepdims=True, dtype=a.dtype)


def _exchange(permutation: jax.Array, k: jax.Array, other: jax.Array) -> jax.Array:
    """Exchanges elements `k` and `other` (one of each batch) of `(..., m, 1)`."""
    r = rows(permutation.shape[-2])
    first, second = row(permutation, k), _row_of_each(permutation, other, r)
    return jnp.where(r == k, second, jnp.where(r == other, first, permutation))
