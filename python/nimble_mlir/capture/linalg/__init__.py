"""Linear algebra and Fourier transforms written in JAX's own array operations: what JAX computes by calling LAPACK on the
CPU, for matrices of static and symbolic sizes and any batch of them.

In: what the primitive gets. Out: arrays of the shapes and dtypes that its abstract evaluation gives. Each function takes
the primitive's operands and parameters; `ALGORITHMS` has them by the primitive's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .cholesky import cholesky, cholesky_update
from .eigh import eigh
from .fft import fft
from .lu import lu, lu_pivots_to_permutation
from .matrices import cols, rows
from .qr import geqp3, geqrf, householder_product, ormqr, qr
from .svd import svd
from .triangular_solve import triangular_solve
from .tridiagonal import tridiagonal, tridiagonal_solve

__all__ = ["ALGORITHMS"]


def _cholesky(a: Any) -> Any:
    """JAX's primitive leaves the elements above the diagonal as LAPACK does: those of the operand, NaN if it fails."""
    factor = cholesky(a)
    return jnp.where((rows(a.shape[-1]) >= cols(a.shape[-1])) | jnp.isnan(factor), factor, a)


def _fft(x: Any, *, fft_type: Any, fft_lengths: Any) -> Any:
    return fft(x, kind=fft_type.name, lengths=fft_lengths)


def _geqp3(a: Any, jpvt: Any, *, use_magma: Any) -> Any:
    return geqp3(a, jpvt)


def _tridiagonal_solve(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool) -> Any:
    return tridiagonal_solve(dl, d, du, b)


# name of the primitive → (algorithm, whether the primitive has several results)
ALGORITHMS: dict[str, tuple[Callable[..., Any], bool]] = {
    "cholesky": (_cholesky, False),
    "cholesky_update": (cholesky_update, False),
    "eigh": (eigh, True),
    "fft": (_fft, False),
    "geqp3": (_geqp3, True),
    "geqrf": (geqrf, True),
    "householder_product": (householder_product, False),
    "lu": (lu, True),
    "lu_pivots_to_permutation": (lu_pivots_to_permutation, False),
    "ormqr": (ormqr, False),
    "qr": (qr, True),
    "svd": (svd, True),
    "triangular_solve": (triangular_solve, False),
    "tridiagonal": (tridiagonal, True),
    "tridiagonal_solve": (_tridiagonal_solve, False),
}
