"""JAX's calls of LAPACK, as they stand in programs lowered or exported for the CPU, by the algorithms of capture/linalg.

`stablehlo.custom_call @lapack_spotrf_ffi(%a, shapes of results…) {mhlo.backend_config = {uplo = 76 : ui8}}`: the letters
behind `lapack_` are the routine's, of which the first says the element type. A failure is not told by `info`, which is
always 0, but by results that are NaN: what JAX itself makes of them where `info` tells it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import ir
from nimble_mlir.passes.base import fail
from nimble_mlir.passes.library_ops import lapack_routine

from .algorithms import MATRIX_DTYPES, Algorithm
from .linalg import cholesky_of_triangle
from .linalg.batches import over_batches
from .linalg.eigh import eigh
from .linalg.lu import lu
from .linalg.matrices import hermitian_transpose
from .linalg.qr import geqp3, geqrf, householder_product, ormqr
from .linalg.refusals import NO_ALGORITHM
from .linalg.svd import svd
from .linalg.triangular_solve import triangular_solve
from .linalg.tridiagonal import tridiagonal, tridiagonal_solve

__all__ = ["lapack_algorithm"]

_PIVOTED = MATRIX_DTYPES | {"int32"}


def lapack_algorithm(op: Any) -> Algorithm:
    """The algorithm of a call of LAPACK; raises UnsupportedOpError for a routine that has none."""
    routine = lapack_routine(op)
    assert routine is not None
    builder = _ROUTINES.get(routine)
    if builder is None:
        target = ir.StringAttr(op.attributes["call_target_name"]).value
        raise fail(op, f"custom call '{target}' is not supported{_advice(routine)}", UnsupportedOpError)
    return builder(_options(op))


def _advice(routine: str) -> str:
    primitive = {"geev": "eig", "gees": "schur", "gehrd": "hessenberg"}.get(routine)
    return f": {NO_ALGORITHM[primitive]}" if primitive is not None else ""


def _options(op: Any) -> dict[str, Any]:
    """The routine's parameters: characters are letters, booleans booleans."""
    found: dict[str, Any] = {}
    for key in ("mhlo.backend_config", "backend_config"):
        if key in op.attributes and isinstance(op.attributes[key], ir.DictAttr):
            for entry in ir.DictAttr(op.attributes[key]):
                text = re.fullmatch(r"(\d+) : ui8", str(entry.attr))
                found[entry.name] = chr(int(text[1])) if text else str(entry.attr) == "true"
    return found


def _info(a: jax.Array, rank: int = 2) -> jax.Array:
    return jnp.zeros(a.shape[: a.ndim - rank], jnp.int32)


def _potrf(options: dict[str, Any]) -> Algorithm:
    def algorithm(a: jax.Array) -> tuple[jax.Array, ...]:
        if options["uplo"] == "L":
            return cholesky_of_triangle(a), _info(a)
        return hermitian_transpose(cholesky_of_triangle(hermitian_transpose(a))), _info(a)

    return Algorithm(over_batches(algorithm, [2]), ("nn",), operands=1)


def _geqrf(options: dict[str, Any]) -> Algorithm:
    return Algorithm(over_batches(geqrf, [2]), ("mn",), operands=1)


def _geqp3(options: dict[str, Any]) -> Algorithm:
    return Algorithm(over_batches(geqp3, [2, 1]), ("mn", "n"), _PIVOTED, operands=2)


def _orgqr(options: dict[str, Any]) -> Algorithm:
    return Algorithm(over_batches(householder_product, [2, 1]), ("mn", "k"), operands=2)


def _ormqr(options: dict[str, Any]) -> Algorithm:
    left = options["left"]
    function = partial(ormqr, left=left, transpose=options["transpose"])
    return Algorithm(over_batches(function, [2, 1, 2]), ("mn", "k", "mc" if left else "cm"), operands=3)


def _getrf(options: dict[str, Any]) -> Algorithm:
    def algorithm(a: jax.Array) -> tuple[jax.Array, ...]:
        factors, pivots, _ = lu(a)
        return factors, pivots + 1, _info(a)  # LAPACK counts rows from 1

    return Algorithm(over_batches(algorithm, [2]), ("mn",), operands=1)


def _syevd(options: dict[str, Any]) -> Algorithm:
    def algorithm(a: jax.Array) -> tuple[jax.Array, ...]:
        return *eigh(a, lower=options["uplo"] == "L", sort_eigenvalues=True), _info(a)

    return Algorithm(over_batches(algorithm, [2]), ("nn",), operands=1)


def _gesdd(options: dict[str, Any]) -> Algorithm:
    mode = options["mode"]  # A: all of U and V; S: the columns that have singular values; N: none

    def algorithm(a: jax.Array) -> tuple[jax.Array, ...]:
        s, *uv = svd(a, full_matrices=mode == "A", compute_uv=mode != "N")
        m, n = a.shape[-2:]
        # What LAPACK does not write is of the full size.
        u, vh = uv or (jnp.zeros((*a.shape[:-2], m, m), a.dtype), jnp.zeros((*a.shape[:-2], n, n), a.dtype))
        return a, s, u, vh, _info(a)

    return Algorithm(over_batches(algorithm, [2]), ("mn",), operands=1)


def _trsm(options: dict[str, Any]) -> Algorithm:
    left = options["side"] == "L"
    function = partial(
        triangular_solve,
        left_side=left,
        lower=options["uplo"] == "L",
        transpose_a=options["trans_x"] != "N",
        conjugate_a=options["trans_x"] == "C",
        unit_diagonal=options["diag"] == "U",
    )
    return Algorithm(over_batches(function, [2, 2]), ("nn", "nk" if left else "kn"), operands=2)


def _gtsv(options: dict[str, Any]) -> Algorithm:
    def algorithm(dl: jax.Array, d: jax.Array, du: jax.Array, b: jax.Array) -> tuple[jax.Array, ...]:
        return dl, d, du, tridiagonal_solve(dl, d, du, b), _info(b)

    return Algorithm(over_batches(algorithm, [1, 1, 1, 2]), ("n", "n", "n", "nk"), operands=4)


def _sytrd(options: dict[str, Any]) -> Algorithm:
    def algorithm(a: jax.Array) -> tuple[jax.Array, ...]:
        return *tridiagonal(a, lower=options["uplo"] == "L"), _info(a)

    return Algorithm(over_batches(algorithm, [2]), ("nn",), operands=1)


# Routine without the letter of its element type → its algorithm.
_ROUTINES: dict[str, Callable[[dict[str, Any]], Algorithm]] = {
    "geqp3": _geqp3,
    "geqrf": _geqrf,
    "gesdd": _gesdd,
    "gesvd": _gesdd,
    "getrf": _getrf,
    "gtsv": _gtsv,
    "heevd": _syevd,
    "hetrd": _sytrd,
    "orgqr": _orgqr,
    "ormqr": _ormqr,
    "potrf": _potrf,
    "syevd": _syevd,
    "sytrd": _sytrd,
    "trsm": _trsm,
    "ungqr": _orgqr,
    "unmqr": _ormqr,
}
