"""Jacobi rotations of disjoint pairs of rows and columns, all pairs of a step at once.

A sweep is a round-robin tournament: with M = n (n odd) or n - 1 (n even), step t pairs i and j where i + j = t mod M; the
one left over is paired with the last (n even) or rests (n odd). So no element is ever moved: partners are arithmetic
(Brent & Luk, "The solution of singular-value and symmetric eigenvalue problems on multiprocessor arrays", 1985).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .matrices import Size, is_complex

__all__ = ["Rotation", "partners", "rotate_columns", "rotation", "same_on_both", "steps_of_sweep", "taken"]


def steps_of_sweep(n: Size) -> jax.Array:
    """How many steps pair each with each: M."""
    size = jnp.asarray(n, jnp.int32)
    return size - 1 + lax.rem(size, jnp.int32(2))


def partners(n: Size, t: Any) -> jax.Array:
    """The partner of each of n in step `t`, `(n,)`; one's own number for the one that rests."""
    size, period = jnp.asarray(n, jnp.int32), steps_of_sweep(n)
    odd = lax.rem(size, jnp.int32(2))
    i = lax.iota(jnp.int32, n)
    other = lax.rem(t - i + period, period)
    # The last of an even number plays the one that would play itself: 2 i = t mod M, which is t/2 or (t + M)/2. All is
    # arithmetic on integers, because a condition on sizes would be a scalar of one bit on the host.
    other = jnp.where(other == i, (size - 1) * (1 - odd) + i * odd, other)
    extra = size - 1 + odd  # no number at all where n is odd
    return jnp.where(i == extra, (t + period * lax.rem(t, jnp.int32(2))) // 2, other)


def taken(a: jax.Array, index: jax.Array, axis: int) -> jax.Array:
    """Rows (axis -2) or columns (axis -1) `index` of every matrix of the batch."""
    return jnp.take(a, index, axis=axis, mode="clip")


class Rotation(NamedTuple):
    """For each i `(..., 1, n)`: column i becomes `cosine` * column i + `sine` * column of its partner.

    `tangent` times the magnitude of the pair's element is what is taken from i's diagonal element.
    """

    cosine: jax.Array
    sine: jax.Array
    tangent: jax.Array


def rotation(own: jax.Array, off: jax.Array, partner: jax.Array, active: jax.Array) -> Rotation:
    """The rotation that makes the 2 x 2 Hermitian matrices [[own_i, off_i], [conj(off_i), own_p]] diagonal, p being the
    partner of i; the identity where not `active`. All are `(..., 1, n)`; the smaller of two angles is taken
    (Golub & Van Loan, Matrix Computations, 4th ed., §8.5.2; for complex elements the phase goes into the sine)."""
    first = lax.iota(jnp.int32, partner.shape[0]) < partner
    size = jnp.abs(off)
    active = active & (size > 0)
    tau = (taken(own, partner, -1) - own) / (2 * jnp.where(active, size, 1))
    # Partners have opposite tau; where it is 0 the first has the positive sign.
    sign = jnp.where((tau > 0) | ((tau == 0) & first), 1, -1)
    tangent = jnp.where(active, sign / (jnp.abs(tau) + jnp.sqrt(1 + tau * tau)), 0).astype(own.dtype)
    cosine = 1 / jnp.sqrt(1 + tangent * tangent)
    phase = off / jnp.where(active, size, 1).astype(off.dtype)
    phase = jnp.conj(phase) if is_complex(off) else phase
    return Rotation(cosine.astype(off.dtype), -(tangent * cosine).astype(off.dtype) * phase, tangent)


def rotate_columns(a: jax.Array, turn: Rotation, partner: jax.Array) -> jax.Array:
    """A J."""
    return a * turn.cosine + taken(a, partner, -1) * turn.sine


def same_on_both(off: jax.Array, partner: jax.Array) -> jax.Array:
    """`off` with conj(off_i) for the second of each pair: rounding must not turn the two by different angles."""
    first = lax.iota(jnp.int32, partner.shape[0]) < partner
    other = taken(off, partner, -1)
    return jnp.where(first, off, jnp.conj(other) if is_complex(off) else other)
