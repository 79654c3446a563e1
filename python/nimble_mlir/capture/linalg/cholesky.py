"""Cholesky factorization, and its rank-one update."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .matrices import cols, column, diagonal, hermitian_transpose, nan_unless, row, rows, steps, transpose

__all__ = ["cholesky", "cholesky_update"]


def cholesky(a: jax.Array) -> jax.Array:
    """The lower factor L of A = L Lᴴ from the lower triangle of `a` `(..., n, n)`; zeros above the diagonal.

    Right-looking, a column a step (Golub & Van Loan, Matrix Computations, 4th ed., Algorithm 4.2.2). A matrix with a
    pivot that is not positive gives NaN in every element, as JAX does.
    """
    n = a.shape[-1]
    r, c = rows(n), cols(n)

    def step(k: jax.Array, a: jax.Array) -> jax.Array:
        head = column(a, k)
        pivot = jnp.real(row(head, k))
        root = jnp.sqrt(jnp.where(pivot > 0, pivot, jnp.nan)).astype(a.dtype)
        below = jnp.where(r > k, head / root, 0)
        trailing = a - below * hermitian_transpose(below)
        return jnp.where(c < k, a, jnp.where(c > k, trailing, jnp.where(r == k, root, below)))

    factor = steps(n, step, a)
    # A NaN pivot makes all later ones NaN.
    failed = jnp.any(jnp.isnan(jnp.real(diagonal(factor))), axis=-1, keepdims=True)
    return nan_unless(~failed, jnp.where(r >= c, factor, 0))


def cholesky_update(r: jax.Array, w: jax.Array) -> jax.Array:
    """The upper factor of RᵀR + w wᵀ for `r` `(n, n)` and `w` `(n,)`: a Givens rotation a row
    (Golub & Van Loan, §6.5.4)."""
    n = r.shape[-1]

    def step(k: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        r, w = carry
        head = row(r, k)
        x, y = column(head, k), column(w, k)
        scale = jnp.maximum(jnp.abs(x), jnp.abs(y))
        scale = jnp.where(scale > 0, scale, 1)
        length = jnp.sqrt((x / scale) ** 2 + (y / scale) ** 2)
        safe = jnp.where(y == 0, 1, length)
        cosine = jnp.where(y == 0, 1, x / scale / safe)
        sine = jnp.where(y == 0, 0, y / scale / safe)
        return jnp.where(rows(n) == k, cosine * head + sine * w, r), cosine * w - sine * head

    return steps(n, step, (r, transpose(w[..., None])))[0]
