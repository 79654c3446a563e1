"""StableHLO ops that have no lowering of their own: each is an algorithm, written in JAX (capture/linalg), whose StableHLO
takes the op's place before the passes run (capture/expand.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nimble_mlir.mlir import ir

__all__ = ["LIBRARY_OPS", "library_ops"]

LIBRARY_OPS = frozenset(
    {"stablehlo.cholesky", "stablehlo.fft", "stablehlo.rng_bit_generator", "stablehlo.triangular_solve"}
)


def library_ops(module: ir.Module) -> list[Any]:
    """The ops of `module` that an algorithm is to replace, in order."""
    return [op for op in _walk(module.operation) if op.name in LIBRARY_OPS]


def _walk(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                yield op.operation
                yield from _walk(op.operation)
