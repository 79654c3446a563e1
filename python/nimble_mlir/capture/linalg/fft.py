"""Discrete Fourier transforms of constant lengths, as matrix products of real numbers.

A transform of a short length is one product with the matrix of its roots of unity, real and imaginary parts side by side;
a composite length is split into two (Bailey, "FFTs in external or hierarchical memory", 1990), a prime one becomes a
convolution (Bluestein, "A linear filtering approach to the computation of discrete Fourier transform", 1970). All roots
of unity are computed in double precision from angles reduced exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["fft"]

# Up to this length one product costs less than two shorter ones with their transposition.
_DIRECT = 64

# Real and imaginary parts, each `(..., n)`.
Pair = tuple[jax.Array, jax.Array]


def fft(x: jax.Array, *, kind: str, lengths: Sequence[int]) -> jax.Array:
    """XLA's FFT over the last `len(lengths)` axes of `x`; `kind` is FFT, IFFT, RFFT or IRFFT.

    The inverse ones divide by the number of elements. RFFT gives `lengths[-1] // 2 + 1` elements of the last axis, and
    IRFFT takes as many; it ignores the imaginary parts of the first, and of the last where the length is even.
    """
    axes = range(x.ndim - len(lengths), x.ndim)
    others = list(zip(axes, lengths, strict=True))[:-1]
    last = lengths[-1]
    if any(isinstance(size, int) and size == 0 for size in x.shape):
        return _nothing(x, kind, last)
    if kind == "RFFT":
        pair = _along(lambda p: _real_to_complex(p[0], last), (x, jnp.zeros_like(x)), axes[-1])
        return lax.complex(*_each(pair, others, -1))
    inverse = kind in ("IFFT", "IRFFT")
    sign = 1 if inverse else -1
    pair = _each((jnp.real(x), jnp.imag(x)), others, sign)
    factor = np.asarray(1 / math.prod(lengths), pair[0].dtype) if inverse else None
    if kind == "IRFFT":
        result = _complex_to_real(pair, last)
        return result if factor is None else result * factor
    re, im = _dft(pair, last, sign)
    return lax.complex(re, im) if factor is None else lax.complex(re * factor, im * factor)


def _nothing(x: jax.Array, kind: str, last: int) -> jax.Array:
    """The result for an array without elements; an inverse of no elements of the last axis is of zeros."""
    size = {"RFFT": last // 2 + 1, "IRFFT": last}.get(kind, x.shape[-1])
    dtype = {"RFFT": jnp.result_type(x.dtype, jnp.complex64), "IRFFT": jnp.finfo(x.dtype).dtype}.get(kind, x.dtype)
    return jnp.zeros((*x.shape[:-1], size), dtype)


def _each(pair: Pair, axes: Sequence[tuple[int, int]], sign: int) -> Pair:
    """Complex transforms along each of (axis, length)."""
    for axis, length in axes:
        pair = _along(lambda p, n=length: _dft(p, n, sign), pair, axis)
    return pair


def _along(transform: Any, pair: Pair, axis: int) -> Pair:
    """`transform` of the last axis applied to `axis`."""
    re, im = transform(tuple(jnp.swapaxes(part, axis, -1) for part in pair))
    return jnp.swapaxes(re, axis, -1), jnp.swapaxes(im, axis, -1)


def _roots(products: np.ndarray, n: int, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2 pi products / n, times `sign` for the sine; the integers are reduced modulo n first."""
    angle = 2 * np.pi / n * (products % n)
    return np.cos(angle), sign * np.sin(angle)


def _product(parts: Sequence[jax.Array], matrix: np.ndarray) -> jax.Array:
    """The last axis of `parts`, side by side, times `matrix`."""
    x = jnp.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    weights = jnp.asarray(matrix.astype(x.dtype))
    return lax.dot_general(x, weights, (((x.ndim - 1,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)


def _dft(pair: Pair, n: int, sign: int) -> Pair:
    """The complex transform of the last axis, of length `n`, not scaled."""
    if n <= 1:
        return pair
    if n <= _DIRECT:
        cosine, sine = _roots(np.outer(np.arange(n), np.arange(n)), n, sign)
        both = _product(pair, np.block([[cosine, sine], [-sine, cosine]]))
        return both[..., :n], both[..., n:]
    first = _divisor(n)
    return _split(pair, first, n // first, sign) if first > 1 else _bluestein(pair, n, sign)


def _divisor(n: int) -> int:
    """The divisor of `n` that is nearest to its square root from below; 1 for a prime."""
    return next(d for d in range(math.isqrt(n), 0, -1) if n % d == 0)


def _split(pair: Pair, n1: int, n2: int, sign: int) -> Pair:
    """With j = j1 n2 + j2 and k = k1 + n1 k2: transforms over j1, a factor w^(k1 j2), transforms over j2."""
    batch = pair[0].shape[:-1]
    re, im = (part.reshape(*batch, n1, n2) for part in pair)
    # (..., j2, k1)
    re, im = _dft(_swapped(re, im), n1, sign)
    cosine, sine = (w.astype(re.dtype) for w in _roots(np.outer(np.arange(n2), np.arange(n1)), n1 * n2, sign))
    # (..., k1, k2)
    re, im = _dft(_swapped(*_times((re, im), (cosine, sine))), n2, sign)
    re, im = _swapped(re, im)
    return re.reshape(*batch, n1 * n2), im.reshape(*batch, n1 * n2)


def _swapped(re: jax.Array, im: jax.Array) -> Pair:
    return jnp.swapaxes(re, -1, -2), jnp.swapaxes(im, -1, -2)


def _bluestein(pair: Pair, n: int, sign: int) -> Pair:
    """j k = (j² + k² - (k - j)²) / 2: a convolution with a chirp, by transforms of a power of two."""
    size = 1 << (2 * n - 2).bit_length()
    # w^(j² / 2), with the angle reduced modulo 2 n.
    cosine, sine = _roots(np.arange(n) ** 2, 2 * n, sign)
    chirp = np.zeros(size, np.complex128)
    chirp[:n] = cosine - 1j * sine
    chirp[size - n + 1 :] = chirp[1:n][::-1]
    spectrum = np.fft.fft(chirp) / size
    dtype = pair[0].dtype
    re, im = _times(pair, (cosine.astype(dtype), sine.astype(dtype)))
    pads = [(0, 0, 0)] * (re.ndim - 1) + [(0, size - n, 0)]
    zero = np.zeros((), dtype)
    forward = _dft((lax.pad(re, zero, pads), lax.pad(im, zero, pads)), size, -1)
    back = _dft(_times(forward, (spectrum.real.astype(dtype), spectrum.imag.astype(dtype))), size, 1)
    return _times((back[0][..., :n], back[1][..., :n]), (cosine.astype(dtype), sine.astype(dtype)))


def _times(pair: Pair, factor: tuple[np.ndarray, np.ndarray]) -> Pair:
    """The complex product with constants."""
    (re, im), (a, b) = pair, factor
    return re * a - im * b, re * b + im * a


def _real_to_complex(x: jax.Array, n: int) -> Pair:
    """The first n // 2 + 1 elements of the transform of real `x`."""
    kept = n // 2 + 1
    if n <= _DIRECT:
        cosine, sine = _roots(np.outer(np.arange(n), np.arange(kept)), max(n, 1), -1)
        both = _product([x], np.block([cosine, sine]))
        return both[..., :kept], both[..., kept:]
    re, im = _dft((x, jnp.zeros_like(x)), n, -1)
    return re[..., :kept], im[..., :kept]


def _complex_to_real(pair: Pair, n: int) -> jax.Array:
    """The real inverse transform, not scaled, of the first n // 2 + 1 elements of a Hermitian sequence."""
    kept = n // 2 + 1
    if n <= _DIRECT:
        cosine, sine = _roots(np.outer(np.arange(kept), np.arange(n)), max(n, 1), 1)
        weight = np.where((np.arange(kept) == 0) | (2 * np.arange(kept) == n), 1.0, 2.0)[:, None]
        alone = weight == 1.0
        return _product(pair, np.concatenate([weight * cosine, np.where(alone, 0, -weight * sine)]))
    re, im = pair
    alone = ((np.arange(kept) == 0) | (2 * np.arange(kept) == n)).astype(im.dtype)
    im = im * (1 - alone)
    end = (n + 1) // 2
    full = (
        jnp.concatenate([re, re[..., 1:end][..., ::-1]], axis=-1),
        jnp.concatenate([im, -im[..., 1:end][..., ::-1]], axis=-1),
    )
    return _dft(full, n, 1)[0]
