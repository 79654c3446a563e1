"""The solving of symbols from argument sizes, and the checks of the sizes, as IR: index arithmetic and `nimble.check`.

The same `Plan` is run in Python by the runtime before a call (with the sizes in its messages); what is emitted here
guards hosts that do not check. Static text only: argument, axis, symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nimble_mlir.dialects import CheckOp, ConstraintOp, SymbolOp, bounds_to_attr, opaque
from nimble_mlir.dims import Constraint, DimExpr, Plan, SymbolInfo, place_text
from nimble_mlir.mlir import arith, ir

from .symbol_table import DimBuilder, constant_index

__all__ = ["check", "emit_constraint_check", "emit_plan", "state"]

_EQ, _SGE, _SLE = 0, 5, 3  # arith.cmpi predicates eq, sge, sle

SizeOf = Callable[[int, int], ir.Value]


def check(condition: ir.Value, kind: str, message: str) -> None:
    """Emits `nimble.check` at the insertion point."""
    CheckOp(condition, ir.StringAttr.get(kind), ir.StringAttr.get(message))


def emit_plan(
    plan: Plan,
    size_of: SizeOf,
    names: Sequence[str],
    symbols: Sequence[SymbolInfo],
    constraints: Sequence[Constraint],
    *,
    check_constants: bool = False,
) -> dict[str, ir.Value]:
    """Emits, at the insertion point, a `nimble.symbol` for each symbol and the checks of `plan`; returns the values.

    `size_of(argument, axis)` gives a size as `index` (or an element, as `SizeSource` says). `check_constants` also checks
    sizes that are integers: a static tensor type says them already, and IREE checks that at the boundary."""
    infos = {info.name: info for info in symbols}
    values: dict[str, ir.Value] = {}
    for step in plan.steps:
        info = infos[step.symbol]
        if step.constraint is None:
            size, where = size_of(step.argument, step.axis), place_text(f"'{names[step.argument]}'", step.axis)
        else:
            size, where = constant_index(0), f"constraint '{step.constraint}'"
        solved = _solve(size, step.rest, step.coefficient, values, where, step.symbol)
        _range_checks(solved, info, where, may_be_negative=step.rest != 0 or step.axis < 0)
        values[step.symbol] = SymbolOp(
            solved, ir.IndexType.get(), ir.FlatSymbolRefAttr.get(step.symbol), opaque(bounds_to_attr(info))
        ).value
    for expected in plan.checks:
        if expected.expected.is_constant and not check_constants:
            continue
        where = place_text(f"'{names[expected.argument]}'", expected.axis)
        size = size_of(expected.argument, expected.axis)
        condition = arith.cmpi(_EQ, size, _materialize(expected.expected, values))
        check(condition, "argument_size", f"{where} must be '{expected.expected}'")
    for constraint in constraints:
        emit_constraint_check(constraint, values)
    return values


def state(constraint: Constraint, values: dict[str, ir.Value]) -> None:
    """Emits `nimble.constraint`: later passes rely on the relation, so a check of it must stand before."""
    used = sorted(constraint.symbols)
    ConstraintOp(
        [values[name] for name in used],
        ir.ArrayAttr.get([ir.FlatSymbolRefAttr.get(name) for name in used]),
        ir.StringAttr.get(str(constraint)),
    )


def emit_constraint_check(constraint: Constraint, values: dict[str, ir.Value]) -> None:
    """Emits `nimble.constraint` and the check of a relation between symbols."""
    predicate = _EQ if constraint.kind == "==" else _SGE
    lhs, rhs = _materialize(constraint.lhs, values), _materialize(constraint.rhs, values)
    check(arith.cmpi(predicate, lhs, rhs), "constraint", f"constraint '{constraint}' does not hold")
    state(constraint, values)


def _solve(
    size: ir.Value, rest: DimExpr, coefficient: DimExpr, values: dict[str, ir.Value], where: str, symbol: str
) -> ir.Value:
    if rest != 0:
        size = arith.subi(size, _materialize(rest, values))
    if coefficient == 1:
        return size
    divisor = _materialize(coefficient, values)
    # A coefficient in other symbols may be 0 for a host that does not check; dividing by it would trap.
    safe = arith.maxsi(divisor, constant_index(1)) if not coefficient.is_constant else divisor
    quotient = arith.floordivsi(size, safe)
    whole = arith.cmpi(_EQ, arith.muli(quotient, divisor), size)
    dim = coefficient * DimExpr.symbol(symbol) + rest
    check(whole, "argument_size", f"{where} must be '{dim}' for a whole number '{symbol}'")
    return quotient


def _range_checks(value: ir.Value, info: SymbolInfo, where: str, *, may_be_negative: bool) -> None:
    if info.min > 0 or may_be_negative:
        condition = arith.cmpi(_SGE, value, constant_index(info.min))
        check(condition, "symbol_range", f"{where}: '{info.name}' must be at least {info.min}")
    if info.max is not None:
        condition = arith.cmpi(_SLE, value, constant_index(info.max))
        check(condition, "symbol_range", f"{where}: '{info.name}' must be at most {info.max}")
    if info.multiple_of > 1:
        remainder = arith.remsi(value, constant_index(info.multiple_of))
        condition = arith.cmpi(_EQ, remainder, constant_index(0))
        check(condition, "symbol_range", f"{where}: '{info.name}' must be a multiple of {info.multiple_of}")


def _materialize(dim: DimExpr, values: dict[str, ir.Value]) -> ir.Value:
    return DimBuilder.emit_here(dim, values)
