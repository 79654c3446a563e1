"""Linear algebra and Fourier transforms written in JAX's own array operations: what JAX computes by calling LAPACK on the
CPU, for matrices of static and symbolic sizes and any batch of them.

In: what the primitive gets. Out: arrays of the shapes and dtypes that its abstract evaluation gives. Each function takes
the primitive's operands and parameters; `ALGORITHMS` has them by the primitive's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from .batches import over_batches
from .cholesky import cholesky, cholesky_update
from .eigh import eigh
from .fft import fft
from .lu import lu, lu_pivots_to_permutation
from .matrices import cols, rows
from .qr import geqp3, geqrf, householder_product, ormqr, qr
from .svd import svd
from .triangular_solve import triangular_solve
from .tridiagonal import tridiagonal, tridiagonal_solve

__all__ = ["ALGORITHMS", "cholesky_of_triangle"]


def cholesky_of_triangle(a: Any) -> Any:
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
    "cholesky": (over_batches(cholesky_of_triangle, [2]), False),
    "cholesky_update": (cholesky_update, False),
    "eigh": (over_batches(eigh, [2]), True),
    "fft": (_fft, False),
    "geqp3": (over_batches(_geqp3, [2, 1]), True),
    "geqrf": (over_batches(geqrf, [2]), True),
    "householder_product": (over_batches(householder_product, [2, 1]), False),
    "lu": (over_batches(lu, [2]), True),
    "lu_pivots_to_permutation": (over_batches(lu_pivots_to_permutation, [1]), False),
    "ormqr": (over_batches(ormqr, [2, 1, 2]), False),
    "qr": (over_batches(qr, [2]), True),
    "svd": (over_batches(svd, [2]), True),
    "triangular_solve": (over_batches(triangular_solve, [2, 2]), False),
    "tridiagonal": (over_batches(tridiagonal, [2]), True),
    "tridiagonal_solve": (over_batches(_tridiagonal_solve, [1, 1, 1, 2]), False),
}
