"""QR factorization by Householder reflections, in LAPACK's form: R above reflectors below the diagonal, and their taus."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import core

from .matrices import (
    Size,
    abs2,
    cols,
    column,
    eye,
    hermitian_transpose,
    is_complex,
    row,
    rows,
    scale_of,
    steps,
)

__all__ = ["geqp3", "geqrf", "householder_product", "ormqr", "qr", "reflector"]


def reflector(x: jax.Array, k: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The reflection H = I - tau v vᴴ for which Hᴴ x is beta in row `k` and 0 below, for vectors `x` `(..., m, 1)`.

    Returns v (1 in row k, 0 above), tau and beta `(..., 1, 1)`; the signs are those of LAPACK's larfg. Where nothing is
    to do, tau is 0. Scaled, so that squares neither overflow nor vanish.
    """
    r = rows(x.shape[-2])
    alpha = row(x, k)
    below = jnp.where(r > k, x, 0)
    scale = scale_of(jnp.where(r >= k, x, 0))
    rest2 = jnp.sum(abs2(below / scale), axis=-2, keepdims=True)
    length = scale * jnp.sqrt(abs2(alpha / scale) + rest2)
    beta = jnp.where(jnp.real(alpha) >= 0, -length, length)
    nothing = rest2 == 0
    if is_complex(x):
        nothing = nothing & (jnp.imag(alpha) == 0)
    tau = (beta - alpha) / jnp.where(nothing, 1, beta)
    v = jnp.where(r == k, 1, below / jnp.where(nothing, 1, alpha - beta))
    return v, jnp.where(nothing, 0, tau).astype(x.dtype), jnp.where(nothing, alpha, beta).astype(x.dtype)


def reflect(a: jax.Array, v: jax.Array, tau: jax.Array) -> jax.Array:
    """(I - tau v vᴴ) A."""
    return a - (tau * v) * jnp.sum(jnp.conj(v) * a, axis=-2, keepdims=True)


def geqrf(a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """R and the reflectors' vectors in one matrix `(..., m, n)`, and the taus `(..., min(m, n))`
    (Golub & Van Loan, Matrix Computations, 4th ed., Algorithm 5.2.1)."""
    *batch, m, n = a.shape
    count = core.min_dim(m, n)

    def step(k: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        a, taus = carry
        a, tau = _eliminate(a, k)
        return a, jnp.where(rows(count) == k, tau, taus)

    a, taus = steps(count, step, (a, jnp.zeros((*batch, count, 1), a.dtype)))
    return a, taus[..., 0]


def _eliminate(a: jax.Array, k: Any) -> tuple[jax.Array, jax.Array]:
    """Step `k`: column k becomes beta and the reflector's vector, the columns behind it are reflected."""
    r, c = rows(a.shape[-2]), cols(a.shape[-1])
    head = column(a, k)
    v, tau, beta = reflector(head, k)
    stored = jnp.where(r > k, v, jnp.where(r == k, beta, head))
    return jnp.where(c > k, reflect(a, v, jnp.conj(tau)), jnp.where(c == k, stored, a)), tau


def geqp3(a: jax.Array, jpvt: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`geqrf` with column pivoting: before each step the column of the largest remaining norm is brought to the front
    (Golub & Van Loan, Algorithm 5.4.1). `jpvt` must be zeros; the result holds columns counted from 1, as LAPACK's."""
    *batch, m, n = a.shape
    count = core.min_dim(m, n)
    c = cols(n)
    largest = jnp.iinfo(jnp.int32).max

    def step(k: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        a, taus, order = carry
        norms = jnp.sum(jnp.where(rows(m) >= k, abs2(a / scale), 0), axis=-2, keepdims=True)
        norms = jnp.where(c >= k, norms, -1)
        best = jnp.max(norms, axis=-1, keepdims=True)
        chosen = jnp.min(jnp.where(norms == best, c, largest), axis=-1, keepdims=True)
        chosen = jnp.where(chosen == largest, k, chosen)
        a, order = (_exchange_columns(x, k, chosen) for x in (a, order))
        a, tau = _eliminate(a, k)
        return a, jnp.where(rows(count) == k, tau, taus), order

    scale = scale_of(a)
    start = jnp.broadcast_to(c + 1, (*batch, 1, n)).astype(jpvt.dtype)
    a, taus, order = steps(count, step, (a, jnp.zeros((*batch, count, 1), a.dtype), start))
    return a, order[..., 0, :], taus[..., 0]


def _exchange_columns(a: jax.Array, k: Any, other: jax.Array) -> jax.Array:
    c = cols(a.shape[-1])
    first = column(a, k)
    second = jnp.sum(jnp.where(c == other, a, 0), axis=-1, keepdims=True, dtype=a.dtype)
    return jnp.where(c == k, second, jnp.where(c == other, first, a))


def _vector(a: jax.Array, k: Any) -> jax.Array:
    """The vector of reflector `k` as `geqrf` stores it."""
    r = rows(a.shape[-2])
    return jnp.where(r > k, column(a, k), (r == k).astype(a.dtype))


def orthogonal(a: jax.Array, taus: jax.Array, columns: Size) -> jax.Array:
    """The first `columns` columns of Q = H₀ H₁ … `(..., m, columns)`, accumulated from the last reflector to the first
    (Golub & Van Loan, §5.1.6)."""
    *batch, m, _ = a.shape
    count = taus.shape[-1]
    taus = taus[..., None]

    def step(i: jax.Array, q: jax.Array) -> jax.Array:
        k = jnp.asarray(count, jnp.int32) - 1 - i
        return reflect(q, _vector(a, k), row(taus, k))

    return steps(count, step, eye(a.dtype, m, columns, tuple(batch)))


def householder_product(a: jax.Array, taus: jax.Array) -> jax.Array:
    """Q of the reflectors in `a` `(..., m, n)`, m >= n: LAPACK's orgqr and ungqr."""
    return orthogonal(a, taus, a.shape[-1])


def ormqr(a: jax.Array, taus: jax.Array, c: jax.Array, *, left: bool, transpose: bool) -> jax.Array:
    """Q C, Qᴴ C, C Q or C Qᴴ without Q itself; `transpose` conjugates too."""
    if not left:
        # C Q = (Qᴴ Cᴴ)ᴴ
        return hermitian_transpose(ormqr(a, taus, hermitian_transpose(c), left=True, transpose=not transpose))
    count = taus.shape[-1]
    taus = taus[..., None]

    def step(i: jax.Array, c: jax.Array) -> jax.Array:
        k = i if transpose else jnp.asarray(count, jnp.int32) - 1 - i
        tau = row(taus, k)
        return reflect(c, _vector(a, k), jnp.conj(tau) if transpose else tau)

    return steps(count, step, c)


def qr(a: jax.Array, *, pivoting: bool, full_matrices: bool, use_magma: bool | None = None) -> tuple[jax.Array, ...]:
    """Q and R (and the permutation of the columns, counted from 0) of A = Q R; `use_magma` is for GPUs."""
    *batch, m, n = a.shape
    k = m if full_matrices else core.min_dim(m, n)
    order: tuple[jax.Array, ...] = ()
    if pivoting:
        a, jpvt, taus = geqp3(a, jnp.zeros((*batch, n), jnp.int32))
        empty = (isinstance(m, int) and m == 0) or (isinstance(n, int) and n == 0)
        order = (jnp.zeros_like(jpvt) if empty else jpvt - 1,)  # as JAX's own rule for a matrix without elements
    else:
        a, taus = geqrf(a)
    return orthogonal(a, taus, k), jnp.where(rows(k) <= cols(n), a[..., :k, :], 0), *order
