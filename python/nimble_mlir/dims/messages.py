"""Why the shapes of a call do not fit: the slow twin of `Plan.solve`, which makes the ShapeError.

In: a plan, the shapes and names of the arguments. Out: the symbol values, or a ShapeError for the first thing that is
wrong: fixed sizes first, then each symbol as it is solved (whole number, range, multiple), other sizes, constraints.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from nimble_mlir.dims.scope import Scope
from nimble_mlir.errors import ShapeError

if TYPE_CHECKING:
    from nimble_mlir.dims.expr import DimExpr
    from nimble_mlir.dims.solve import Check, Plan, Step

__all__ = ["explain", "place_text"]


def place_text(argument: str, axis: int) -> str:
    """An axis, or an element (see `SizeSource`), of an argument, which is its quoted name or its number."""
    if axis >= 0:
        return f"argument {argument} axis {axis}"
    return f"argument {argument}" + (f" element {-2 - axis}" if axis < -1 else "")


def explain(plan: Plan, shapes: Sequence[Sequence[int]], names: Sequence[str], scope: Scope) -> dict[str, int]:
    """The values of all symbols of `plan`, as `Plan.solve` returns them. Raises ShapeError."""
    call = _Call(shapes, names, scope)
    for check in plan.checks:
        if check.expected.is_constant:
            call.check(check)
    for step in plan.steps:
        call.solve(step)
    for check in plan.checks:
        call.check(check)
    for constraint in scope.constraints:
        if constraint.symbols <= call.values.keys() and not constraint.holds(call.values):
            raise ShapeError(f"constraint '{constraint}' does not hold for {call.assignment(constraint.symbols)}")
    return call.values


class _Call:
    """The shapes of one call, and the symbols solved so far with the place that each was solved from."""

    def __init__(self, shapes: Sequence[Sequence[int]], names: Sequence[str], scope: Scope) -> None:
        self.shapes = shapes
        self.names = names
        self.scope = scope
        self.values: dict[str, int] = {}
        self.places: dict[str, str] = {}

    def assignment(self, symbols: Collection[str], places: bool = False) -> str:
        """ "b = 64, s = 128", with the place that each was solved from if asked for."""
        return ", ".join(
            f"{name} = {self.values[name]}" + (f" ({self.places[name]})" if places else "")
            for name in sorted(symbols & self.values.keys())
        )

    def size(self, argument: int, axis: int, dim: DimExpr) -> int:
        """The size of an axis. Raises ShapeError where the argument is missing or has too few dimensions."""
        if argument >= len(self.shapes):
            raise ShapeError(f"argument '{self.names[argument]}' is missing: only {len(self.shapes)} were given")
        shape = self.shapes[argument]
        if axis >= len(shape):
            name = self.names[argument]
            raise ShapeError(f"argument '{name}' has {len(shape)} dimension(s), but its axis {axis} must be '{dim}'")
        return shape[axis]

    def solve(self, step: Step) -> None:
        """Find the value of one symbol and check its range."""
        symbol, dim = step.symbol, step.dim
        if step.constraint is not None:
            size = 0
            place = f"constraint '{step.constraint}'"
        else:
            size = self.size(step.argument, step.axis, dim)
            place = place_text(f"'{self.names[step.argument]}'", step.axis)
        known = self.assignment(dim.symbols, places=True)
        known = f" with {known}" if known else ""
        numerator = size - self._evaluate(step.rest, dim, place, known)
        coefficient = self._evaluate(step.coefficient, dim, place, known)
        if coefficient == 0 and numerator == 0:
            raise ShapeError(f"{place} is {size}, but '{dim}' leaves '{symbol}' undetermined{known}")
        if coefficient == 0 or numerator % coefficient:
            if step.constraint is not None:
                raise ShapeError(f"{place} does not hold for any whole number '{symbol}'{known}")
            raise ShapeError(f"{place} is {size}, but it must be '{dim}' for a whole number '{symbol}'{known}")
        value = self.values[symbol] = numerator // coefficient
        self.places[symbol] = place
        info = self.scope.symbols.get(symbol)
        problem = None if info is None else info.problem(value)
        if problem is None:
            return
        if step.constraint is not None:
            raise ShapeError(f"{place} makes '{symbol}' {value}{known}, but '{symbol}' must be {problem}")
        if dim.as_symbol() is None:
            origin = f"so '{symbol}' is {value} (from '{dim}'{known}), "
            raise ShapeError(f"{place} is {size}, {origin}but '{symbol}' must be {problem}")
        raise ShapeError(f"{place} is {size}, but '{symbol}' must be {problem}")

    def _evaluate(self, expr: DimExpr, dim: DimExpr, place: str, known: str) -> int:
        try:
            return expr.evaluate(self.values)
        except ZeroDivisionError:
            raise ShapeError(f"{place} must be '{dim}', which divides by zero{known}") from None

    def check(self, check: Check) -> None:
        """Compare the size of one axis with what it must be."""
        expected = check.expected
        size = self.size(check.argument, check.axis, expected)
        place = place_text(f"'{self.names[check.argument]}'", check.axis)
        what = f"{place} is {size}, but"
        if expected.is_constant:
            if size != expected.constant_value:
                raise ShapeError(f"{what} it must be {expected}")
            return
        symbol = expected.as_symbol()
        known = self.assignment(expected.symbols, places=True)
        try:
            value = expected.evaluate(self.values)
        except ZeroDivisionError:
            raise ShapeError(f"{what} '{expected}' has no value with {known}") from None
        if size == value:
            return
        if symbol is not None:
            raise ShapeError(f"{what} '{symbol}' is {value} ({self.places[symbol]})")
        raise ShapeError(f"{what} '{expected}' is {value} with {known}")
