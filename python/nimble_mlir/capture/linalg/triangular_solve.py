"""Solution of triangular systems by substitution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .matrices import column, row, rows, steps, transpose

__all__ = ["triangular_solve"]


def triangular_solve(
    a: jax.Array,
    b: jax.Array,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool,
    unit_diagonal: bool,
) -> jax.Array:
    """X of op(A) X = B (`left_side`) or X op(A) = B, from one triangle of `a` `(..., n, n)`; `b` is `(..., n, k)` or
    `(..., k, n)`.

    Column-oriented substitution (Golub & Van Loan, Matrix Computations, 4th ed., Algorithms 3.1.3 and 3.1.4): every case
    is turned into op(A) = A on the left, forward for lower and backward for upper triangles. Floats of 16 bits are solved
    in float32 and rounded once.
    """
    dtype = b.dtype
    if jnp.finfo(dtype).bits == 16:
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    if conjugate_a:
        a = jnp.conj(a)
    if transpose_a == left_side:
        a = transpose(a)
        lower = not lower
    x = _substitute(a, b if left_side else transpose(b), lower=lower, unit_diagonal=unit_diagonal)
    return (x if left_side else transpose(x)).astype(dtype)


def _substitute(a: jax.Array, b: jax.Array, *, lower: bool, unit_diagonal: bool) -> jax.Array:
    n = a.shape[-1]
    r = rows(n)

    def step(i: jax.Array, b: jax.Array) -> jax.Array:
        k = i if lower else jnp.asarray(n, jnp.int32) - 1 - i
        factors = column(a, k)
        solved = row(b, k) if unit_diagonal else row(b, k) / row(factors, k)
        left = r > k if lower else r < k
        return jnp.where(left, b - factors * solved, jnp.where(r == k, solved, b))

    return steps(n, step, b)
