"""StableHLO of somebody else into a `Program`: text, bytecode, a portable artifact, or a `jax.export.Exported`.

Each dynamic dimension of an argument is a symbol of its own; what the ops demand to be equal becomes a check.
"""

from __future__ import annotations

from typing import Any

from nimble_mlir.dialects import new_context
from nimble_mlir.errors import CompileError
from nimble_mlir.mlir import ir, parse_stablehlo_artifact
from nimble_mlir.passes.base import entry_functions
from nimble_mlir.passes.constants import ConstantPool, extract_constants
from nimble_mlir.passes.program import Program

__all__ = ["import_stablehlo"]

_BYTECODE_MAGIC = b"ML\xefR"


def import_stablehlo(source: str | bytes | Any) -> Program:
    """Reads `source`; raises CompileError where it is no StableHLO module with a public function."""
    # jax.export.Exported, recognized by what it has: this package does not import jax.
    source = getattr(source, "mlir_module_serialized", source)
    if not isinstance(source, str | bytes | bytearray):
        raise CompileError(f"compile_stablehlo takes text, bytes or a jax.export.Exported, got {type(source).__name__}")
    context = new_context()
    with context, ir.Location.unknown():
        module = _parse(context, source)
        if not entry_functions(module):
            raise CompileError("the module has no public function")
        constants = ConstantPool()
        extract_constants(module, constants)
    return Program(context, module, {}, constants)


def _parse(context: ir.Context, source: str | bytes | bytearray) -> ir.Module:
    try:
        if isinstance(source, str):
            return ir.Module.parse(source)
        data = bytes(source)
        if not data.startswith(_BYTECODE_MAGIC):
            return ir.Module.parse(data.decode())
        return parse_stablehlo_artifact(context, data) if b"vhlo" in data else ir.Module.parse(data)
    except (ir.MLIRError, ValueError, RuntimeError) as error:
        raise CompileError(f"the source is no StableHLO that can be read: {error}") from error
