"""Tridiagonal systems, and reduction of Hermitian matrices to tridiagonal form."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .matrices import cols, column, diagonal, hermitian_transpose, is_complex, nan_unless, row, rows, steps, transpose
from .qr import reflector

__all__ = ["tridiagonal", "tridiagonal_solve"]


def tridiagonal_solve(dl: jax.Array, d: jax.Array, du: jax.Array, b: jax.Array) -> jax.Array:
    """X of A X = B `(..., m, k)` for tridiagonal A with diagonals `(..., m)`; `dl[0]` and `du[m - 1]` are not used.

    Elimination with exchanges of neighbouring rows, as LAPACK's gtsv does it; a pivot of 0 gives NaN everywhere.
    """
    m = d.shape[-1]
    if isinstance(m, int) and m == 0:
        return b
    r = rows(m)
    dl, d, du = (x[..., None] for x in (dl, d, du))
    # Row i of U has elements in columns i, i + 1 and i + 2.
    start = (d, jnp.where(r < m - 1, du, 0), jnp.zeros_like(du), b)

    def eliminate(i: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        d, du, du2, b = carry
        low = row(dl, i + 1)
        top, over, right = row(d, i), row(du, i), row(b, i)
        next_d, next_du, next_b = row(d, i + 1), row(du, i + 1), row(b, i + 1)
        stay = _size(top) >= _size(low)
        pivot = jnp.where(stay, top, low)
        factor = jnp.where(stay, low, top) / pivot
        d_row, du_row = pivot, jnp.where(stay, over, next_d)
        du2_row = jnp.where(stay, 0, next_du)
        b_row = jnp.where(stay, right, next_b)
        d_next = jnp.where(stay, next_d, over) - factor * du_row
        du_next = jnp.where(stay, next_du, -factor * next_du)
        b_next = jnp.where(stay, next_b, right) - factor * b_row
        pairs = ((d, d_row, d_next), (du, du_row, du_next), (du2, du2_row, jnp.zeros_like(du2_row)), (b, b_row, b_next))
        return tuple(jnp.where(r == i, here, jnp.where(r == i + 1, after, x)) for x, here, after in pairs)

    d, du, du2, b = steps(m - 1, eliminate, start)

    def substitute(j: jax.Array, b: jax.Array) -> jax.Array:
        i = jnp.asarray(m, jnp.int32) - 1 - j
        first, second = row(b, jnp.minimum(i + 1, m - 1)), row(b, jnp.minimum(i + 2, m - 1))
        known = jnp.where(i + 1 < m, row(du, i) * first, 0) + jnp.where(i + 2 < m, row(du2, i) * second, 0)
        return jnp.where(r == i, (row(b, i) - known) / row(d, i), b)

    solvable = jnp.all((d != 0) & ~jnp.isnan(d), axis=-2, keepdims=True)
    return nan_unless(solvable, steps(m, substitute, b))


def _size(x: jax.Array) -> jax.Array:
    return jnp.abs(jnp.real(x)) + jnp.abs(jnp.imag(x)) if is_complex(x) else jnp.abs(x)


def tridiagonal(a: jax.Array, *, lower: bool) -> tuple[jax.Array, ...]:
    """Tridiagonal T = Qᴴ A Q for Hermitian `a` `(..., n, n)`: T and the reflectors in one matrix, T's diagonal and
    off-diagonal, and the taus, in the form of LAPACK's sytrd and hetrd.

    Householder's method (Golub & Van Loan, Matrix Computations, 4th ed., Algorithm 8.3.1).
    """
    n = a.shape[-1]
    if not lower:
        # Reversing rows and columns turns the upper triangle into the lower one, from the last column to the first.
        flipped, d, e, taus = tridiagonal(a[..., ::-1, ::-1], lower=True)
        return jnp.where(rows(n) <= cols(n), flipped[..., ::-1, ::-1], a), d[..., ::-1], e[..., ::-1], taus[..., ::-1]
    r, c = rows(n), cols(n)
    full = jnp.where(r >= c, a, hermitian_transpose(a))
    if is_complex(a):
        full = jnp.where(r == c, jnp.real(full).astype(a.dtype), full)

    def step(k: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        full, stored, taus = carry
        head = column(full, k)
        v, tau, beta = reflector(head, k + 1)
        stored = jnp.where((c == k) & (r > k), jnp.where(r > k + 1, v, beta), stored)
        taus = jnp.where(r == k, tau, taus)
        # Hᴴ A H with H = I - tau v vᴴ.
        full = full - jnp.conj(tau) * v * jnp.sum(jnp.conj(v) * full, axis=-2, keepdims=True)
        full = full - tau * jnp.sum(full * transpose(v), axis=-1, keepdims=True) * hermitian_transpose(v)
        return full, stored, taus

    zeros = jnp.zeros((*a.shape[:-1], 1), a.dtype)
    full, stored, taus = steps(n - 1, step, (full, a, zeros))
    d = jnp.real(diagonal(full))
    stored = jnp.where(r == c, d.astype(a.dtype), stored)
    e = jnp.real(jnp.sum(jnp.where(r == c + 1, stored, 0), axis=-2))
    return stored, d[..., 0, :], e[..., : n - 1], taus[..., : n - 1, 0]
