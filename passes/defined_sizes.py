"""Sizes that the function defines as it runs: those of carries that change, of results of branches that differ, and those
that the values of a tensor say.

In: `stablehlo.custom_call @nimble.size(%x) {dimension = 0, symbol = "k"}` where a value arrives from control flow (an
argument of a loop's block or a result), and `@nimble.define_size(%n) {symbol = "k", what = "nm.arange"}` where an integer
is a size. Out: `nimble.symbol` with the size that the value has there, or that `nimble.define_size` reads.

Several values that arrive together may share a symbol: their sizes are the same whenever they arrive. What JAX computes a
second time, for gradients (`jax.checkpoint`), defines its symbols again: each definition is a symbol of its own, and what
needs them to be equal is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import DefineSizeOp, SymbolOp, attr_to_dim, bounds_to_attr, opaque
from nimble_mlir.dims import Constraint, DimExpr, SymbolInfo
from nimble_mlir.mlir import arith, ir, tensor

from .base import fail
from .lowering.signedness import signless
from .regions import precedes, statements
from .resolve_dims import SIZE_SOURCE
from .shape_functions import custom_call_target
from .shape_values import ShapeValues
from .symbol_table import DEFINED, SymbolTable, constant_index

__all__ = ["READ", "SIZE_OF", "TARGET", "define_sizes", "defined_sizes", "defined_symbols", "known_of_sizes", "said_of"]

TARGET = "nimble.size"
READ = "nimble.define_size"

# On the `tensor.dim` that reads a size that arrives: the symbol that it is.
SIZE_OF = "nimble.size_of"


def defined_symbols(function: Any) -> set[str]:
    """The symbols that `define_sizes` will define."""
    return {_symbol(op) for op in statements(function) if custom_call_target(op) in (TARGET, READ)}


def define_sizes(function: Any, variables: dict[str, ir.Value]) -> None:
    """Turns the custom calls into symbols; `variables` are the arguments that stand for them in what JAX has lowered.

    A size may be 0, although JAX takes all to be at least 1: what needs more is checked.
    """
    arrived: dict[str, tuple[Any, SymbolOp]] = {}
    defined: dict[str, list[SymbolOp]] = {}
    for op in statements(function):
        target = custom_call_target(op)
        if target not in (TARGET, READ):
            continue
        symbol = _symbol(op)
        with ir.InsertionPoint(op), op.location:
            if target == READ:
                declared = _read(op, symbol, len(defined.get(symbol, ())))
                defined.setdefault(symbol, []).append(declared)
            else:
                declared = _arrive(op, symbol, arrived)
                defined[symbol] = [declared]
            op.results[0].replace_all_uses_with(_scalar(declared, op.results[0].type))
        op.erase()
    for symbol, variable in variables.items():
        if symbol in defined:
            _replace_variable(variable, defined[symbol])


def _arrive(op: Any, symbol: str, arrived: dict[str, tuple[Any, SymbolOp]]) -> SymbolOp:
    """The symbol of the size that the value has where it arrives."""
    dimension = ir.IntegerAttr(ir.DictAttr(op.attributes["backend_config"])["dimension"]).value
    value = op.operands[0]
    size = tensor.dim(value, constant_index(dimension))
    size.owner.attributes[SIZE_SOURCE] = ir.UnitAttr.get()
    size.owner.attributes[SIZE_OF] = ir.FlatSymbolRefAttr.get(symbol)
    if symbol not in arrived:
        arrived[symbol] = value.owner, _declare(symbol, size)
    origin, declared = arrived[symbol]
    if origin != value.owner:
        raise fail(op, f"the size '{symbol}' is defined twice, by values that do not arrive together")
    return declared


def _read(op: Any, symbol: str, before: int) -> SymbolOp:
    """The symbol of the size that an integer says; `before` is how many times it has been defined."""
    config = ir.DictAttr(op.attributes["backend_config"])
    index = ir.IndexType.get()
    bounds = [arith.index_cast(index, tensor.extract(bound, [])) for bound in list(op.operands)[1:]]
    size = DefineSizeOp(op.operands[0], bounds, index, config["what"]).size
    return _declare(f"{symbol}_{before}" if before else symbol, size)


def _replace_variable(variable: ir.Value, definitions: Sequence[SymbolOp]) -> None:
    """Each use means the definition before it; JAX computes again what it uses again."""
    scalars = []
    for declared in definitions:
        with ir.InsertionPoint.after(declared.operation), declared.operation.location:
            scalars.append(_scalar(declared, variable.type))
    for use in list(variable.uses):
        user = use.owner.operation
        before = [index for index, declared in enumerate(definitions) if precedes(declared.operation, user)]
        use.owner.operands[use.operand_number] = scalars[before[-1] if before else 0]


def said_of(op: Any, values: ShapeValues) -> list[Constraint]:
    """What holds of the symbol that `op` declares, where an integer says its size: checks let nothing else pass."""
    size = op.operands[0].owner
    if isinstance(size, ir.Block) or size.name != READ:
        return []
    symbol = DimExpr.symbol(op.attributes["symbol"].value)
    value, *bounds = (values.get(operand) for operand in size.operands)
    found = [] if value is None else [Constraint(symbol, "==", value[0])]
    return found + [Constraint(bound[0], ">=", symbol) for bound in bounds if bound is not None]


def known_of_sizes(function: Any) -> tuple[Constraint, ...]:
    """What holds of the sizes that the function defines outside of loops and branches, at stage nimble."""
    entry = function.entry_block
    table = SymbolTable(function)
    outside = {name for name, value in table.values.items() if value.owner.operation.block == entry}
    defined = {name for name in outside if DEFINED in table.values[name].owner.attributes}
    relations = [
        relation
        for relation in table.scope.constraints
        if relation.symbols <= outside and not relation.symbols.isdisjoint(defined)
    ]
    for name in sorted(defined):
        info, symbol = table.scope.info(name), DimExpr.symbol(name)
        if info.max is not None:
            relations.append(Constraint(DimExpr.constant(info.max), ">=", symbol))
        if info.min > 0:
            relations.append(Constraint(symbol, ">=", DimExpr.constant(info.min)))
    return tuple(relations)


def defined_sizes(value: ir.Value) -> dict[int, DimExpr]:
    """Axis → symbol of the sizes of `value` that are defined where it arrives."""
    found: dict[int, DimExpr] = {}
    for use in value.uses:
        op = use.owner.operation
        if op.name == "tensor.dim" and SIZE_OF in op.attributes:
            axis = ir.IntegerAttr(op.operands[1].owner.attributes["value"]).value
            found[axis] = attr_to_dim(op.attributes[SIZE_OF])
    return found


def _symbol(op: Any) -> str:
    return ir.StringAttr(ir.DictAttr(op.attributes["backend_config"])["symbol"]).value


def _declare(symbol: str, size: ir.Value) -> SymbolOp:
    bounds = opaque(bounds_to_attr(SymbolInfo(symbol, min=0)))
    declared = SymbolOp(size, ir.IndexType.get(), ir.FlatSymbolRefAttr.get(symbol), bounds)
    declared.operation.attributes[DEFINED] = ir.UnitAttr.get()
    return declared


def _scalar(declared: SymbolOp, type_: ir.RankedTensorType) -> ir.Value:
    """The value of a symbol as a scalar tensor."""
    return tensor.from_elements(type_, [arith.index_cast(signless(type_.element_type), declared.value)])
