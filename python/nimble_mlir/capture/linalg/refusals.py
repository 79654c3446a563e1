"""What of linear algebra and Fourier transforms is refused, and the nearest thing that works."""

from __future__ import annotations

from typing import Any

from . import ALGORITHMS

__all__ = ["NO_ALGORITHM", "refusal"]

NO_ALGORITHM = {
    "eig": "jnp.linalg.eigh has eigenvalues of symmetric and Hermitian matrices, jnp.linalg.svd singular values",
    "schur": "jnp.linalg.eigh has the Schur form of symmetric and Hermitian matrices",
    "hessenberg": "jax.lax.linalg.tridiagonal reduces symmetric and Hermitian matrices, jnp.linalg.qr triangularizes others",
}

_DTYPES = frozenset({"float32", "float64", "complex64", "complex128"})

# Further dtypes that an algorithm takes: those that JAX has it for on the CPU.
_MORE_DTYPES = {
    "lu_pivots_to_permutation": frozenset({"int32"}),
    "triangular_solve": frozenset({"bfloat16", "float16"}),
}


def refusal(eqn: Any) -> str | None:
    """Why a primitive's application has no lowering, as `'op' of dtype[shape] is not supported: advice`; None if it has."""
    name, advice = eqn.primitive.name, _advice(eqn)
    return None if advice is None else f"'{name}' of {eqn.invars[0].aval.str_short()} is not supported: {advice}"


def _advice(eqn: Any) -> str | None:
    name, params = eqn.primitive.name, eqn.params
    if name in NO_ALGORITHM:
        return NO_ALGORITHM[name]
    if name not in ALGORITHMS:
        return None
    if name == "fft" and not all(isinstance(length, int) for length in params["fft_lengths"]):
        return "the length of a transform must be constant; pad or cut the axis to one"
    if str(eqn.invars[0].aval.dtype) not in _DTYPES | _MORE_DTYPES.get(name, frozenset()):
        return "convert to float32"
    if name in ("eigh", "svd") and not _is_whole(params["subset_by_index"], eqn.invars[0].aval.shape[-2:]):
        return "compute all values and take the part by a slice"
    if name == "tridiagonal_solve" and params["perturb_singular"]:
        return "perturb_singular=False solves systems that are not singular"
    return None


def _is_whole(subset: Any, shape: Any) -> bool:
    return subset is None or (subset[0] == 0 and any(subset[1] == size for size in shape))
