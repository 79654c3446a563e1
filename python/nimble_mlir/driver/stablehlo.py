"""StableHLO of somebody else into a `Program`: text, bytecode, a portable artifact, or a `jax.export.Exported`.

Each dynamic dimension of an argument is a symbol of its own; what the ops demand to be equal becomes a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.dialects import new_context
from nimble_mlir.errors import CompileError
from nimble_mlir.mlir import collect_diagnostics, ir, parse_stablehlo_artifact
from nimble_mlir.passes.base import entry_functions, functions
from nimble_mlir.passes.constants import ConstantPool, extract_constants
from nimble_mlir.passes.library_ops import STORED_CHLO
from nimble_mlir.passes.program import Program
from nimble_mlir.passes.regions import everything
from nimble_mlir.passes.shape_functions import custom_call_target
from nimble_mlir.passes.signature import drop_argument_attribute

from .platforms import bind_platform, platform_index
from .tuples import flatten_tuples

__all__ = ["import_stablehlo"]

_BYTECODE_MAGIC = b"ML\xefR"

Source = str | bytes


def import_stablehlo(source: Any, target: str, translate: Callable[[Source], bytes]) -> Program:
    """Reads `source`; raises CompileError where it is no StableHLO module with a public function.

    `translate` makes an artifact of plain StableHLO from what has ops of other dialects. Of an export for several
    platforms, the program is what it is for `target`.
    """
    platforms = tuple(getattr(source, "platforms", ()))
    # jax.export.Exported, recognized by what it has: this package does not import jax.
    source = getattr(source, "mlir_module_serialized", source)
    if not isinstance(source, str | bytes | bytearray):
        raise CompileError(f"compile_stablehlo takes text, bytes or a jax.export.Exported, got {type(source).__name__}")
    context = new_context()
    with context, ir.Location.unknown():
        module = _parse(context, source if isinstance(source, str) else bytes(source), translate)
        _hide_computations(module)
        if not entry_functions(module):
            raise CompileError("the module has no public function")
        if len(platforms) > 1:
            bind_platform(module, platform_index(platforms, target))
        for function in entry_functions(module):
            flatten_tuples(function)
            # Dimension variables (of a lowering that is no export) are values that the caller gives, as others.
            drop_argument_attribute(function, "jax.global_constant")
        constants = ConstantPool()
        extract_constants(module, constants)
    return Program(context, module, {}, constants)


def _hide_computations(module: ir.Module) -> None:
    """The computations of custom calls, which JAX lowers as public functions, are no entry points."""
    calls = [op for op in everything(module.operation) if "called_computations" in op.attributes]
    called = {ir.FlatSymbolRefAttr(name).value for op in calls for name in op.attributes["called_computations"]}
    for function in functions(module):
        if function.name.value in called:
            function.attributes["sym_visibility"] = ir.StringAttr.get("private")


def _parse(context: ir.Context, source: Source, translate: Callable[[Source], bytes]) -> ir.Module:
    try:
        if isinstance(source, bytes) and not source.startswith(_BYTECODE_MAGIC):
            source = source.decode()
        with collect_diagnostics(context):  # what is said of other dialects is not to be printed
            module = _read(context, source)
    except (ir.MLIRError, ValueError, RuntimeError):
        return _read(context, translate(source))
    if any(custom_call_target(op) in STORED_CHLO for op in everything(module.operation)):
        return _read(context, translate(source))
    return module


def _read(context: ir.Context, source: Source) -> ir.Module:
    if isinstance(source, bytes) and b"vhlo" in source:
        return parse_stablehlo_artifact(context, source)
    return ir.Module.parse(source)
