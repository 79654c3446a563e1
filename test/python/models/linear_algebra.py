"""Programs of linear algebra and Fourier transforms: matrices of symbolic size, batched and not. What is not unique
(signs of eigenvectors) is multiplied back together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.lax import linalg
from support.programs import c64, f32, program

import nimble_mlir as nm


def _adjoint(x):
    return jnp.conj(jnp.swapaxes(x, -1, -2))


def _positive(x):
    """A well-conditioned Hermitian matrix."""
    return x @ _adjoint(x) / x.shape[-1] + jnp.eye(x.shape[-1], dtype=x.dtype)


def _dominant(x):
    """A well-conditioned matrix without symmetry, whose pivots are not all on the diagonal."""
    return jnp.roll(x + 2 * x.shape[-1] * jnp.eye(x.shape[-1], dtype=x.dtype), 1, axis=-1)


@program(
    "b, n, k",
    lambda b, n, k: (nm.spec((b, n, n), f32), nm.spec((b, n, k), f32), nm.spec((n, n), c64)),
    "model",
    run_at_most={"b": 3, "n": 9, "k": 4},
)
def triangular_systems(x, y, z):
    a, h = _positive(x), _positive(z)
    return {
        "factor": linalg.cholesky(a),
        "complex_factor": jnp.linalg.cholesky(h),
        "not_positive": linalg.cholesky(-a),
        "forward": linalg.triangular_solve(a, y, left_side=True, lower=True),
        "backward": linalg.triangular_solve(a, y, left_side=True, lower=False, transpose_a=True, unit_diagonal=True),
        "from_right": linalg.triangular_solve(h, z, lower=True, transpose_a=True, conjugate_a=True),
        "positive": jax.scipy.linalg.cho_solve((linalg.cholesky(a)[0], True), y[0]),
    }


@program(
    "b, n, k",
    lambda b, n, k: (nm.spec((b, n, n), f32), nm.spec((b, n, k), f32)),
    "model",
    run_at_most={"b": 3, "n": 9, "k": 4},
)
def general_systems(x, y):
    a = _dominant(x)
    i = jnp.arange(x.shape[-1])
    d = jnp.diagonal(a, axis1=-2, axis2=-1) + 9
    return {
        "factors": linalg.lu(a),
        "solved": jnp.linalg.solve(a, y),
        "inverse": jnp.linalg.inv(a),
        "determinant": jnp.linalg.slogdet(a / x.shape[-1]),
        "tridiagonal": linalg.tridiagonal_solve(
            jnp.where(i == 0, 0, x[:, 0]), d, jnp.where(i == x.shape[-1] - 1, 0, x[:, -1]), y
        ),
    }


@program(
    "b, m, n",
    lambda b, m, n: (nm.spec((b, m, n), f32), nm.spec((m, n), c64)),
    "model",
    run_at_most={"b": 3, "m": 7, "n": 7},
)
def orthogonal_factors(x, z):
    q, r, order = linalg.qr(x, pivoting=True, full_matrices=False)
    return {
        "thin": jnp.linalg.qr(x),
        "complete": jnp.linalg.qr(z, mode="complete"),
        "pivoted": [order, jnp.abs(jnp.diagonal(r, axis1=-2, axis2=-1)), q @ r],
    }


@program("b, n", lambda b, n: (nm.spec((b, n, n), f32), nm.spec((n, n), c64)), "model", run_at_most={"b": 3, "n": 9})
def spectra(x, z):
    w, v = jnp.linalg.eigh(x + _adjoint(x))
    wz, vz = jnp.linalg.eigh(_positive(z), UPLO="U")
    return {
        "values": [w, wz],
        "rebuilt": [(v * w[:, None]) @ _adjoint(v), (vz * wz.astype(z.dtype)) @ _adjoint(vz)],
        "orthonormal": _adjoint(v) @ v,
    }


@program(
    "b, m, n",
    lambda b, m, n: (nm.spec((b, m, n), f32), nm.spec((m, n), c64)),
    "model",
    run_at_most={"b": 3, "m": 7, "n": 7},
)
def singular_values(x, z):
    uz, sz, vhz = jnp.linalg.svd(z)
    k = sz.shape[0]
    return {
        "values": [sz, jnp.linalg.svd(x, compute_uv=False)],
        "rebuilt": (uz[:, :k] * sz.astype(z.dtype)) @ vhz[:k],
        "orthonormal": [_adjoint(uz) @ uz, vhz @ _adjoint(vhz)],
    }


@program("b, m, n", lambda b, m, n: (nm.spec((b, m, n), f32),), "model", run_at_most={"b": 3, "m": 7, "n": 7},
         on_demand=True)  # fmt: skip
def thin_singular_vectors(x):
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    return {"values": s, "rebuilt": (u * s[:, None]) @ vh}


@program("b, s", lambda b, s: (nm.spec((b, 96), f32), nm.spec((s, b, 67), c64), nm.spec((b, 4, 6, 5), f32)), "model")
def transforms(x, z, y):
    return {
        "composite": [jnp.fft.rfft(x), jnp.fft.irfft(jnp.fft.rfft(x) * 2, 96), jnp.fft.fft(x)],
        "prime": [jnp.fft.fft(z), jnp.fft.ifft(z), jnp.fft.irfft(z, 67)],
        "several": [jnp.fft.fft2(y), jnp.fft.rfftn(y, axes=(1, 2, 3)), jnp.fft.irfftn(y, s=(4, 6, 9), axes=(1, 2, 3))],
        "one": jnp.fft.ifft(y[..., :1]),
    }
