"""Singular value decomposition by one-sided Jacobi rotations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import core, lax

from .matrices import (
    abs2,
    ascending_order,
    cols,
    diagonal,
    eps,
    eye,
    hermitian_transpose,
    nan_unless,
    real_dtype,
    scale_of,
    take_columns,
)
from .qr import geqrf, orthogonal
from .rotations import partners, rotate_columns, rotation, same_on_both, steps_of_sweep, taken

__all__ = ["svd"]

_MAX_SWEEPS = 40


def svd(
    a: jax.Array, *, full_matrices: bool, compute_uv: bool, subset_by_index: Any = None, algorithm: Any = None
) -> tuple[jax.Array, ...]:
    """Descending singular values `(..., k)`, k = min(m, n), and with `compute_uv` U and Vᴴ of A = U S Vᴴ `(..., m, n)`.

    One-sided Jacobi (Hestenes; Golub & Van Loan, Matrix Computations, 4th ed., §8.6.3): rotations make the columns of
    A V = U S orthogonal. Their QR factorization is then diagonal up to rounding, and its Q holds U, completed to an
    orthonormal basis where singular values are 0 or `full_matrices` asks for more. NaN for a matrix that is not finite.
    """
    m, n = a.shape[-2:]
    if isinstance(m, int) and isinstance(n, int) and m < n:
        s, *uv = svd(hermitian_transpose(a), full_matrices=full_matrices, compute_uv=compute_uv)
        return (s, *(hermitian_transpose(x) for x in reversed(uv)))
    k = core.min_dim(m, n)
    ok = jnp.isfinite(jnp.sum(jnp.abs(a), axis=(-2, -1), keepdims=True))
    if isinstance(n, int) and n == 0:
        g, v = a, eye(a.dtype, n, n, tuple(a.shape[:-2])) if compute_uv else None
        scale = jnp.ones_like(ok, real_dtype(a))
    else:
        scale = scale_of(a)
        g, v = _orthogonal_columns(a / scale.astype(a.dtype), compute_uv)
    norms = jnp.sqrt(jnp.sum(abs2(g), axis=-2, keepdims=True))
    order = ascending_order(norms, descending=True)
    s = nan_unless(ok, take_columns(norms, order) * scale)[..., 0, :k]
    if v is None:
        return (s,)
    factor, taus = geqrf(take_columns(g, order))
    u = orthogonal(factor, taus, m if full_matrices else k)
    u = u * _signs(diagonal(factor[..., :k, :k]), u.shape[-1])
    v = take_columns(v, order)
    vh = hermitian_transpose(v if full_matrices else v[..., :k])
    return s, nan_unless(ok, u), nan_unless(ok, vh)


def _signs(beta: jax.Array, count: Any) -> jax.Array:
    """The phase of each diagonal element of R `(..., 1, k)`, 1 for 0 and for the columns beyond it; `(..., 1, count)`."""
    size = jnp.abs(beta)
    phase = jnp.where(size > 0, beta / jnp.where(size > 0, size, 1).astype(beta.dtype), 1)
    more = count - beta.shape[-1]
    if isinstance(more, int) and more == 0:
        return phase
    ones = jnp.ones((*beta.shape[:-1], more), beta.dtype)
    return jnp.concatenate([phase, ones], axis=-1)


def _orthogonal_columns(a: jax.Array, compute_v: bool) -> tuple[jax.Array, jax.Array | None]:
    """A V with orthogonal columns, and V; sweeps go on until one has rotated nothing."""
    m, n = a.shape[-2:]
    # The rounding error of an inner product of m terms, relative to the norms.
    bound = 4 * eps(a) * jnp.sqrt(jnp.asarray(m, real_dtype(a)))

    def step(t: jax.Array, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        *matrices, rotated = carry
        g = matrices[0]
        partner = partners(n, t)
        own = jnp.sum(abs2(g), axis=-2, keepdims=True)
        off = jnp.sum(jnp.conj(g) * taken(g, partner, -1), axis=-2, keepdims=True)
        off = same_on_both(off, partner)
        other = taken(own, partner, -1)
        # Columns below the rounding of the largest one are 0: they never become orthogonal where n > m.
        largest = jnp.max(own, axis=-1, keepdims=True)
        present = jnp.minimum(own, other) > (eps(a) ** 2) * largest
        active = (jnp.abs(off) > bound * jnp.sqrt(own) * jnp.sqrt(other)) & present & (partner != cols(n))
        turn = rotation(own, off, partner, active)
        return (*(rotate_columns(x, turn, partner) for x in matrices), rotated | jnp.any(active))

    def going_on(carry: tuple[Any, ...]) -> jax.Array:
        return carry[-2] & (carry[-1] < _MAX_SWEEPS)

    def sweep(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        *matrices, _, count = carry
        return *lax.fori_loop(jnp.int32(0), steps_of_sweep(n), step, (*matrices, jnp.bool_(False))), count + 1

    matrices = (a, eye(a.dtype, n, n, tuple(a.shape[:-2]))) if compute_v else (a,)
    g, *rest, _, _ = lax.while_loop(going_on, sweep, (*matrices, jnp.bool_(True), jnp.int32(0)))
    return g, rest[0] if rest else None
