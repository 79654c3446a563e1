"""References to functions by name, wherever ops hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nimble_mlir.mlir import ir

__all__ = ["rename_calls"]


def rename_calls(operation: Any, new: Mapping[str, str]) -> None:
    """Calls, composites and computations of custom calls below `operation` name the functions as `new` does."""
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                if op.operation.name == "func.call":
                    callee = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
                    op.attributes["callee"] = ir.FlatSymbolRefAttr.get(new[callee])
                if op.operation.name == "stablehlo.composite":
                    body = ir.FlatSymbolRefAttr(op.attributes["decomposition"]).value
                    op.attributes["decomposition"] = ir.FlatSymbolRefAttr.get(new[body])
                if "called_computations" in op.attributes:
                    called = [ir.FlatSymbolRefAttr(entry).value for entry in op.attributes["called_computations"]]
                    op.attributes["called_computations"] = ir.ArrayAttr.get(
                        [ir.FlatSymbolRefAttr.get(new[function]) for function in called]
                    )
                rename_calls(op.operation, new)
