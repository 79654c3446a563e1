"""Comparisons of decompositions that are not unique: signs of eigenvectors, bases of null spaces, orders of equal values.

Each takes (harness, arguments, got, expected) and returns what is wrong with `got`, or None. The result must have JAX's
values where they are unique (eigenvalues, singular values), and satisfy the definition of the decomposition for the
operand itself where they are not. NaNs stand where JAX's are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from support.tolerances import decomposition_tolerance

__all__ = ["COMPARISONS"]


def _adjoint(a: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(a, -1, -2))


def _far(what: str, got: np.ndarray, expected: np.ndarray, bound: float, scale: Any = 1.0) -> str | None:
    """What is wrong where two arrays differ by more than `bound` times `scale`, or have NaNs at different places."""
    if not np.array_equal(np.isnan(got), np.isnan(expected)):
        return f"{what}: NaNs at other places"
    with np.errstate(invalid="ignore"):
        error = np.where(np.isnan(got), 0, np.abs(got - expected)) / np.maximum(scale, 1e-30)
    worst = float(error.max(initial=0))
    return f"{what}: relative error {worst:.3g}, bound {bound:.3g}" if worst > bound else None


def _norm(a: np.ndarray) -> np.ndarray:
    """The largest element of each matrix, `(..., 1, 1)`."""
    return np.abs(a).max(axis=(-2, -1), keepdims=True, initial=0)


def _orthonormal(what: str, q: np.ndarray, bound: float) -> str | None:
    eye = np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1]))
    product = _adjoint(q) @ q
    return _far(what, product, np.where(np.isnan(product), np.nan, eye), bound)


def _first(*results: str | None) -> str | None:
    return next((result for result in results if result is not None), None)


def _wide(a: Any) -> np.ndarray:
    a = np.asarray(a)
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def _eigh(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    dtype = np.asarray(args[0]).dtype
    (v, w), (vj, wj) = map(_wide, got), map(_wide, expected)
    bound = decomposition_tolerance(dtype, v.shape[-1])
    # JAX's own factors say what was decomposed: the triangle that counts, symmetrized or not.
    operand = (vj * wj[..., None, :]) @ _adjoint(vj)
    rebuilt = (v * w[..., None, :]) @ _adjoint(v)
    scale = np.abs(wj).max(axis=-1, keepdims=True, initial=0)
    return _first(
        _far("eigenvalues", w, wj, bound, scale),
        _far("V W Vᴴ", rebuilt, operand, bound, scale[..., None]),
        _orthonormal("VᴴV", v, bound),
    )


def _svd(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    operand = np.asarray(args[0])
    bound = decomposition_tolerance(operand.dtype, max(operand.shape[-2:], default=1))
    if not harness.params["compute_uv"]:
        values, reference = (_wide(x[0] if isinstance(x, (tuple, list)) else x) for x in (got, expected))
        return _far("singular values", values, reference, bound, reference.max(axis=-1, keepdims=True, initial=0))
    (s, u, vh), (sj, _, _) = map(_wide, got), map(_wide, expected)
    k = s.shape[-1]
    rebuilt = (u[..., :k] * s[..., None, :]) @ vh[..., :k, :]
    scale = sj.max(axis=-1, keepdims=True, initial=0)
    return _first(
        _far("singular values", s, sj, bound, scale),
        _far("U S Vᴴ", rebuilt, np.where(np.isnan(rebuilt), np.nan, _wide(operand)), bound, scale[..., None]),
        _orthonormal("UᴴU", u, bound),
        _orthonormal("VᴴV", _adjoint(vh), bound),
    )


def _cholesky(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    """The factor is unique, but its last rows are as ill-conditioned as the operand is: it must multiply to the operand.
    The primitive says nothing of what stands above the diagonal."""
    factor, reference = np.tril(_wide(got)), np.tril(_wide(expected))
    product, operand = factor @ _adjoint(factor), reference @ _adjoint(reference)
    bound = decomposition_tolerance(np.asarray(got).dtype, factor.shape[-1])
    return _first(
        _far("L Lᴴ", product, operand, bound, _norm(np.where(np.isnan(operand), 0, operand))),
        None if not (np.diagonal(factor, axis1=-2, axis2=-1).real < 0).any() else "the diagonal is not positive",
    )


def _triangular_solve(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    """Substitution solves a system whose elements are off by rounding (Higham, ch. 8): so much the residual may be."""
    params = harness.params
    dtype = np.asarray(got).dtype
    a, b, x = _wide(args[0]), _wide(args[1]), _wide(got)
    a = np.tril(a) if params["lower"] else np.triu(a)
    if params["unit_diagonal"]:
        a = a * (1 - np.eye(a.shape[-1])) + np.eye(a.shape[-1])
    if params["conjugate_a"]:
        a = np.conj(a)
    if params["tranpose_a"]:  # as JAX spells it
        a = np.swapaxes(a, -1, -2)
    product = np.matmul if params["left_side"] else lambda left, right: np.matmul(right, left)
    eps = float(jnp.finfo(dtype).eps)
    scale = product(np.abs(a), np.abs(x)) + np.abs(b)
    return _far("op(A) X", product(a, x), b, 2 * (a.shape[-1] + 1) * eps, scale)


def _lu(harness: Any, args: Any, got: Any, expected: Any) -> str | None:
    operand = np.asarray(args[0])
    factors, pivots, permutation = _wide(got[0]), np.asarray(got[1]), np.asarray(got[2])
    m, n = operand.shape[-2:]
    k = min(m, n)
    lower = np.tril(factors, -1)[..., :, :k] + np.eye(m, k)
    upper = np.triu(factors)[..., :k, :]
    exchanged = np.broadcast_to(np.arange(m), permutation.shape).copy()
    for index in np.ndindex(permutation.shape[:-1]):
        for i, j in enumerate(pivots[index]):
            exchanged[index][[i, j]] = exchanged[index][[j, i]]
    if not np.array_equal(exchanged, permutation):
        return "the permutation is not that of the pivots"
    permuted = np.take_along_axis(_wide(operand), permutation[..., None].astype(np.int64), axis=-2)
    return _first(
        _far("L U", lower @ upper, permuted, decomposition_tolerance(operand.dtype, max(m, n)), _norm(_wide(operand))),
        None if np.abs(np.tril(factors, -1)).max(initial=0) <= 2 else "a factor above 1: this is no partial pivoting",
    )


COMPARISONS: dict[str, Callable[[Any, Any, Any, Any], str | None]] = {
    "cholesky": _cholesky,
    "eigh": _eigh,
    "lu": _lu,
    "svd": _svd,
    "triangular_solve": _triangular_solve,
}
