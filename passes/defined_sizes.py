"""Sizes that the function defines as it runs: the symbols of carries whose size changes, and of results of branches that
differ in size.

In: `stablehlo.custom_call @nimble.size(%x) {dimension = 0, symbol = "k"}` where a value arrives from control flow: an
argument of a loop's block or a result. Out: `nimble.symbol` with the size that the value has there. Several values that
arrive together may share a symbol: their sizes are the same whenever they arrive.
"""

from __future__ import annotations

from typing import Any

from nimble_mlir.dialects import SymbolOp, attr_to_dim, bounds_to_attr, opaque
from nimble_mlir.dims import DimExpr, SymbolInfo
from nimble_mlir.mlir import arith, ir, tensor

from .base import fail
from .lowering.signedness import signless
from .regions import statements
from .resolve_dims import SIZE_SOURCE
from .shape_functions import custom_call_target
from .symbol_table import DEFINED, constant_index

__all__ = ["SIZE_OF", "TARGET", "define_sizes", "defined_sizes", "defined_symbols"]

TARGET = "nimble.size"

# On the `tensor.dim` that reads such a size: the symbol that it is.
SIZE_OF = "nimble.size_of"


def defined_symbols(function: Any) -> set[str]:
    """The symbols that `define_sizes` will define."""
    return {_definition(op)[1] for op in statements(function) if custom_call_target(op) == TARGET}


def define_sizes(function: Any, variables: dict[str, ir.Value]) -> None:
    """Turns the custom calls into symbols; `variables` are the arguments that stand for them in what JAX has lowered.

    A size may be 0, although JAX takes all to be at least 1: what needs more is checked.
    """
    defined: dict[str, tuple[Any, ir.Value]] = {}
    for op in statements(function):
        if custom_call_target(op) != TARGET:
            continue
        dimension, symbol = _definition(op)
        value = op.operands[0]
        with ir.InsertionPoint(op), op.location:
            size = tensor.dim(value, constant_index(dimension))
            size.owner.attributes[SIZE_SOURCE] = ir.UnitAttr.get()
            size.owner.attributes[SIZE_OF] = ir.FlatSymbolRefAttr.get(symbol)
            if symbol not in defined:
                defined[symbol] = value.owner, _declare(op, symbol, size)
        origin, scalar = defined[symbol]
        if origin != value.owner:
            raise fail(op, f"the size '{symbol}' is defined twice, by values that do not arrive together")
        op.results[0].replace_all_uses_with(scalar)
        op.erase()
    for symbol, variable in variables.items():
        if symbol in defined:
            variable.replace_all_uses_with(defined[symbol][1])


def defined_sizes(value: ir.Value) -> dict[int, DimExpr]:
    """Axis → symbol of the sizes of `value` that are defined where it arrives."""
    found: dict[int, DimExpr] = {}
    for use in value.uses:
        op = use.owner.operation
        if op.name == "tensor.dim" and SIZE_OF in op.attributes:
            axis = ir.IntegerAttr(op.operands[1].owner.attributes["value"]).value
            found[axis] = attr_to_dim(op.attributes[SIZE_OF])
    return found


def _definition(op: Any) -> tuple[int, str]:
    config = ir.DictAttr(op.attributes["backend_config"])
    return ir.IntegerAttr(config["dimension"]).value, ir.StringAttr(config["symbol"]).value


def _declare(op: Any, symbol: str, size: ir.Value) -> ir.Value:
    """The `nimble.symbol`, and its value as the scalar tensor that the custom call gave."""
    bounds = opaque(bounds_to_attr(SymbolInfo(symbol, min=0)))
    declared = SymbolOp(size, ir.IndexType.get(), ir.FlatSymbolRefAttr.get(symbol), bounds)
    declared.operation.attributes[DEFINED] = ir.UnitAttr.get()
    type_ = op.results[0].type
    return tensor.from_elements(type_, [arith.index_cast(signless(type_.element_type), declared.value)])
