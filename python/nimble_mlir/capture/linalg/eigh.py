"""Eigenvalues and eigenvectors of symmetric and Hermitian matrices by two-sided Jacobi rotations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .matrices import (
    abs2,
    ascending_order,
    cols,
    diagonal,
    eps,
    eye,
    hermitian_transpose,
    is_complex,
    nan_unless,
    rows,
    scale_of,
    take_columns,
    transpose,
)
from .rotations import partners, rotate_columns, rotation, same_on_both, steps_of_sweep, taken

__all__ = ["eigh"]

# Sweeps converge quadratically: a matrix of size 1000 takes about ten.
_MAX_SWEEPS = 30


def eigh(
    a: jax.Array, *, lower: bool, sort_eigenvalues: bool, subset_by_index: Any = None, algorithm: Any = None
) -> tuple[jax.Array, jax.Array]:
    """Eigenvectors `(..., n, n)` and ascending eigenvalues `(..., n)` from one triangle of `a` `(..., n, n)`.

    Parallel two-sided Jacobi (Golub & Van Loan, Matrix Computations, 4th ed., §8.5.6), until what is left beside the
    diagonal is below rounding. NaN for a matrix with an element that is not finite. Always sorted, as on JAX's CPU.
    """
    n = a.shape[-1]
    if isinstance(n, int) and n == 0:
        return a, jnp.zeros(a.shape[:-1], jnp.finfo(a.dtype).dtype)
    r, c = rows(n), cols(n)
    full = jnp.where((r >= c) if lower else (r <= c), a, hermitian_transpose(a))
    if is_complex(a):
        full = jnp.where(r == c, jnp.real(full).astype(a.dtype), full)
    scale = scale_of(full)
    start = full / scale.astype(a.dtype)
    total = jnp.sum(abs2(start), axis=(-2, -1), keepdims=True)
    bound = total * (eps(a) / 4) ** 2

    def beside(a: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(r == c, 0, abs2(a)), axis=(-2, -1), keepdims=True)

    def going_on(carry: tuple[jax.Array, ...]) -> jax.Array:
        _, _, left, sweep = carry
        return jnp.any(left > bound) & (sweep < _MAX_SWEEPS)

    def sweep(carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        a, v, _, count = carry
        a, v = lax.fori_loop(jnp.int32(0), steps_of_sweep(n), _step, (a, v))
        return a, v, beside(a), count + 1

    vectors = eye(a.dtype, n, n, tuple(a.shape[:-2]))
    a, vectors, left, _ = lax.while_loop(going_on, sweep, (start, vectors, beside(start), jnp.int32(0)))
    values = jnp.real(diagonal(a)) * scale
    order = ascending_order(values)
    ok = left <= bound
    return nan_unless(ok, take_columns(vectors, order)), nan_unless(ok, take_columns(values, order))[..., 0, :]


def _step(t: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Rotates all pairs of step `t`: A becomes Jᴴ A J, and V becomes V J."""
    a, v = carry
    n = a.shape[-1]
    r, c = rows(n), cols(n)
    partner = partners(n, t)
    pair = (r == partner) & (r != c)  # the column of (i, partner of i) is i
    own = jnp.real(diagonal(a))
    # Row i of column p(i): the element (p, i), whose conjugate is (i, p).
    off = jnp.sum(jnp.where(pair, a, 0), axis=-2, keepdims=True, dtype=a.dtype)
    off = same_on_both(jnp.conj(off) if is_complex(a) else off, partner)
    turn = rotation(own, off, partner, jnp.ones(own.shape, bool))
    a = rotate_columns(a, turn, partner)
    sine = jnp.conj(turn.sine) if is_complex(a) else turn.sine
    a = a * transpose(turn.cosine) + taken(a, partner, -2) * transpose(sine)
    # What the rotation makes in exact arithmetic, so that rounding does not stay beside the diagonal.
    values = (own - turn.tangent * jnp.abs(off)).astype(a.dtype)
    a = jnp.where(r == c, values, jnp.where(pair, 0, a))
    return a, rotate_columns(v, turn, partner)
