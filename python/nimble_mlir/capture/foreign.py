"""StableHLO of somebody else with ops of other dialects (CHLO, Shardy), which only jaxlib's MLIR can read.

In: text, bytecode or a portable artifact. Out: a portable artifact of plain StableHLO, as capture makes it of what JAX
lowers to.
"""

from __future__ import annotations

from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import mlir

from nimble_mlir.errors import CompileError
from nimble_mlir.mlir import stablehlo_version

from .stablehlo import to_portable_artifact

__all__ = ["plain_stablehlo"]


def plain_stablehlo(source: str | bytes) -> bytes:
    """Raises CompileError where jaxlib cannot read `source` either."""
    context = mlir.make_ir_context()
    with context, ir.Location.unknown():
        try:
            artifact = isinstance(source, bytes) and b"vhlo" in source
            module = stablehlo.deserialize_portable_artifact(context, source) if artifact else ir.Module.parse(source)
        except (ir.MLIRError, ValueError, RuntimeError) as error:
            raise CompileError(f"the source is no StableHLO that can be read: {error}") from error
    return to_portable_artifact(module, stablehlo_version())
