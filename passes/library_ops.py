"""StableHLO ops that have no lowering of their own: each is an algorithm, written in JAX (capture/linalg), whose StableHLO
takes the op's place before the passes run (capture/expand.py)."""

from __future__ import annotations

from typing import Any

from nimble_mlir.mlir import ir

from .regions import everything

__all__ = ["LIBRARY_OPS", "library_ops"]

LIBRARY_OPS = frozenset(
    {"stablehlo.cholesky", "stablehlo.fft", "stablehlo.rng_bit_generator", "stablehlo.triangular_solve"}
)


def library_ops(module: ir.Module) -> list[Any]:
    """The ops of `module` that an algorithm is to replace, in order."""
    return [op for op in everything(module.operation) if op.name in LIBRARY_OPS]
