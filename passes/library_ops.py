"""StableHLO ops that have no lowering of their own: each is an algorithm, written in JAX (capture/linalg), whose StableHLO
takes the op's place before the passes run (capture/expand.py). So are the calls into libraries in JAX's programs."""

from __future__ import annotations

import re
from typing import Any

from nimble_mlir.mlir import ir

from .regions import everything
from .shape_functions import custom_call_target

__all__ = ["LIBRARY_CALLS", "LIBRARY_OPS", "STORED_CHLO", "lapack_routine", "library_name", "library_ops"]

LIBRARY_OPS = frozenset(
    {"stablehlo.cholesky", "stablehlo.fft", "stablehlo.rng_bit_generator", "stablehlo.triangular_solve"}
)

# Targets of custom calls that are likewise; those of LAPACK are apart.
LIBRARY_CALLS = frozenset({"stablehlo.dynamic_rng_bit_generator"})

# Targets of custom calls that stand for ops of CHLO in programs that older versions of JAX stored → the op's name.
STORED_CHLO = {"mhlo.erf": "erf", "mhlo.tan": "tan", "mhlo.topk": "top_k"}

_LAPACK = re.compile(r"lapack_[sdcz](\w+)_ffi")


def library_ops(module: ir.Module) -> list[Any]:
    """The ops of `module` that an algorithm is to replace, in order."""
    return [op for op in everything(module.operation) if library_name(op) is not None]


def library_name(op: Any) -> str | None:
    """The op's name or its target, "lapack" for a call of LAPACK; None for what is no library op."""
    if op.name in LIBRARY_OPS:
        return op.name
    target = custom_call_target(op)
    if target in LIBRARY_CALLS:
        return target
    return "lapack" if lapack_routine(op) is not None else None


def lapack_routine(op: Any) -> str | None:
    """The routine that a custom call names, without the letter of its element type: "potrf" of `lapack_spotrf_ffi`."""
    match = _LAPACK.fullmatch(custom_call_target(op) or "")
    return None if match is None else match[1]
