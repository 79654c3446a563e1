"""References to functions by name, wherever ops hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nimble_mlir.mlir import ir
from nimble_mlir.passes.regions import everything

__all__ = ["rename_calls"]

# Op → its attribute that names the function it is about.
_REFERENCES = {"func.call": "callee", "stablehlo.composite": "decomposition"}


def rename_calls(operation: Any, new: Mapping[str, str]) -> None:
    """Calls, composites and computations of custom calls below `operation` name the functions as `new` does."""
    for op in everything(operation):
        key = _REFERENCES.get(op.name)
        if key is not None:
            op.attributes[key] = _renamed(op.attributes[key], new)
        if "called_computations" in op.attributes:
            called = [_renamed(entry, new) for entry in op.attributes["called_computations"]]
            op.attributes["called_computations"] = ir.ArrayAttr.get(called)


def _renamed(reference: ir.Attribute, new: Mapping[str, str]) -> ir.Attribute:
    return ir.FlatSymbolRefAttr.get(new[ir.FlatSymbolRefAttr(reference).value])
