"""The symbols of one entry function: their scope (bounds, constraints) and the one SSA value of each.

`DimBuilder` turns dim expressions into host `index` arithmetic; each distinct expression is computed once, at the place
where the last of its symbols is defined, so that the value dominates everything that may need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nimble_mlir.dialects import ConstraintOp, SymbolOp
from nimble_mlir.dims import Call, Constraint, DimExpr, Scope, SymbolInfo
from nimble_mlir.mlir import arith, ir

from .regions import precedes, statements

__all__ = ["DEFINED", "DimBuilder", "SymbolTable", "constant_index"]

# On the `nimble.symbol` of a size that the function defines as it runs, where it does: after an op, in a loop's body.
DEFINED = "nimble.defined"


class SymbolTable:
    """The symbols that an entry function declares, read from its `nimble.symbol` and `nimble.constraint` ops."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.values: dict[str, ir.Value] = {}
        infos: dict[str, SymbolInfo] = {}
        constraints: list[Constraint] = []
        for operation in statements(function):
            if operation.name == "nimble.symbol":
                op = operation.opview
                assert isinstance(op, SymbolOp)
                infos[op.symbol.value] = op.info
                self.values[op.symbol.value] = op.value
            elif operation.name == "nimble.constraint":
                op = operation.opview
                assert isinstance(op, ConstraintOp)
                constraints.append(op.constraint)
        self.scope = Scope(infos, constraints)

    def constrain(self, constraint: Constraint) -> None:
        """Adds what a check guarantees from here on."""
        self.scope = self.scope.with_constraint(constraint)


def constant_index(value: int) -> ir.Value:
    """An `index` constant at the current insertion point."""
    return arith.constant(ir.IndexType.get(), value)


class DimBuilder:
    """Materializes dim expressions as `index` values, one value an expression.

    Expressions over the arguments' sizes stand in the entry block; those with a symbol that an op defines stand behind
    it, those with several behind the last: what has such a type can only come later.
    """

    def __init__(self, block: ir.Block, values: dict[str, ir.Value]) -> None:
        self._block = block
        self._values: dict[DimExpr, ir.Value] = {DimExpr.symbol(name): value for name, value in values.items()}
        self._definitions = {name: value.owner for name, value in values.items() if _is_defined(value)}
        # Where the next value goes: behind the arguments' symbols (None), behind a symbol that an op defines.
        entry = [value for name, value in values.items() if name not in self._definitions]
        self._anchors: dict[str | None, Any] = {None: _last_definition(block, entry), **self._definitions}
        self._location = block.owner.location

    @classmethod
    def emit_here(cls, dim: DimExpr, values: dict[str, ir.Value]) -> ir.Value:
        """Emits `dim` at the current insertion point, from the values of its symbols."""
        builder = cls.__new__(cls)
        builder._values = {DimExpr.symbol(name): value for name, value in values.items()}
        builder._definitions = {}
        return builder._emit_nested(dim)

    def value(self, dim: DimExpr) -> ir.Value:
        """The `index` value of `dim`; raises KeyError for a symbol that the function does not define."""
        if dim not in self._values:
            last = self._last_symbol(dim.symbols)
            with self._insertion_point(last), self._location:
                value = self._emit(dim)
            self._values[dim] = value
            if not isinstance(value.owner, ir.Block):
                self._anchors[last] = _later(self._anchors[last], value.owner)
        return self._values[dim]

    def values(self, dims: Sequence[DimExpr]) -> list[ir.Value]:
        """The values of `dims`."""
        return [self.value(dim) for dim in dims]

    def sizes(self, dims: Sequence[DimExpr]) -> list[ir.Value]:
        """The values of the dims that are no constants: what `tensor.empty` and the nimble ops take."""
        return [self.value(dim) for dim in dims if not dim.is_constant]

    @contextmanager
    def insertion(self, dims: Sequence[DimExpr]) -> Iterator[list[ir.Value]]:
        """An insertion point behind the values of `dims`, which it yields: for checks of them."""
        values = self.values(dims)
        with self._insertion_point(self._last_symbol(frozenset().union(*(dim.symbols for dim in dims)))):
            yield values

    @property
    def defined(self) -> frozenset[str]:
        """The symbols that ops define."""
        return frozenset(self._definitions)

    def is_defined_around(self, symbols: frozenset[str], block: ir.Block) -> bool:
        """Whether an op defines the last of `symbols`, and `block` is in a region behind it."""
        last = self._last_symbol(symbols)
        return last is not None and self._definitions[last].operation.block != block

    def _last_symbol(self, symbols: frozenset[str]) -> str | None:
        """The symbol among `symbols` that is defined last, None where the arguments' sizes determine them all."""
        last: str | None = None
        for name in sorted(symbols & self._definitions.keys()):
            if last is None or precedes(self._definitions[last], self._definitions[name]):
                last = name
        return last

    def _insertion_point(self, last: str | None) -> ir.InsertionPoint:
        anchor = self._anchors[last]
        return ir.InsertionPoint.at_block_begin(self._block) if anchor is None else ir.InsertionPoint.after(anchor)

    def _emit(self, dim: DimExpr) -> ir.Value:
        if dim.is_constant:
            return constant_index(dim.constant_value)
        total: ir.Value | None = None
        for coefficient, factors in dim.terms:
            total = _add(total, coefficient, self._emit_product(factors))
        assert total is not None
        return total

    def _emit_product(self, factors: Any) -> ir.Value | None:
        product: ir.Value | None = None
        for atom, power in factors:
            for _ in range(power):
                factor = self._emit_atom(atom)
                product = factor if product is None else arith.muli(product, factor)
        return product

    def _emit_atom(self, atom: Any) -> ir.Value:
        if not isinstance(atom, Call):
            return self._values[DimExpr.symbol(atom)]
        arguments = [self._emit_nested(argument) for argument in atom.args]
        result = arguments[0]
        for argument in arguments[1:]:
            result = _CALLS[atom.op](result, argument)
        return result

    def _emit_nested(self, dim: DimExpr) -> ir.Value:
        return self._values[dim] if dim in self._values else self._emit(dim)


def _add(total: ir.Value | None, coefficient: int, product: ir.Value | None) -> ir.Value:
    if product is None:
        term = constant_index(coefficient)
    elif total is not None and coefficient == -1:
        return arith.subi(total, product)
    else:
        term = product if coefficient == 1 else arith.muli(product, constant_index(coefficient))
    return term if total is None else arith.addi(total, term)


def _floor_div(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """A divisor that is no constant may be 0: a check says so, but IREE may divide before it, which traps."""
    if isinstance(rhs.owner, ir.Block) or rhs.owner.name != "arith.constant":
        by_zero = arith.cmpi(0, rhs, constant_index(0))  # arith.cmpi eq
        rhs = arith.select(by_zero, constant_index(1), rhs)
    return arith.floordivsi(lhs, rhs)


def _floor_mod(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return arith.subi(lhs, arith.muli(_floor_div(lhs, rhs), rhs))


_CALLS = {"floordiv": _floor_div, "mod": _floor_mod, "min": arith.minsi, "max": arith.maxsi}


def _is_defined(value: ir.Value) -> bool:
    return not isinstance(value.owner, ir.Block) and DEFINED in value.owner.attributes


def _last_definition(block: ir.Block, values: Sequence[ir.Value]) -> Any:
    last = None
    for value in values:
        if isinstance(value.owner, ir.Block):
            continue
        last = _later(last, value.owner)
    return last


def _later(first: Any, second: Any) -> Any:
    if first is None:
        return second
    return second if first.operation.is_before_in_block(second.operation) else first
