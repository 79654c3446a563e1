"""Lower and upper bounds of expressions from ranges of symbols and polynomial inequalities.

In: a range for each symbol and expressions known to be >= 0. Out: an interval that contains each value that the
expression can take. Interval arithmetic comes first (also around the lower ends of the ranges, which sees b*s >= s);
then inequalities, given ones and those that calls carry (4*floordiv(s, 4) <= s), are added so that a monomial cancels:
Fourier-Motzkin elimination, at most `_DEPTH` steps deep and within a budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import gcd, inf

from nimble_mlir.dims import intervals
from nimble_mlir.dims.expr import Atom, Call, DimExpr, Monomial, divide_monomials, from_atom
from nimble_mlir.dims.intervals import ANY, Bound, Interval

__all__ = ["BoundsTable"]

_DEPTH = 3
_BUDGET = 40  # interval evaluations for one bound; a compile asks tens of thousands of times
_MAX_CASES = 4


class BoundsTable:
    """Bounds under fixed ranges and inequalities; answers are remembered."""

    def __init__(self, ranges: Mapping[str, Interval], inequalities: Sequence[DimExpr] = ()) -> None:
        self._ranges = ranges
        self._by_symbol: dict[str, list[DimExpr]] = {}
        for inequality in inequalities:
            for symbol in inequality.symbols:
                self._by_symbol.setdefault(symbol, []).append(inequality)
        self._intervals: dict[DimExpr, Interval] = {}
        self._bounds: dict[DimExpr, Interval] = {}
        self._implied: dict[Call, tuple[DimExpr, ...]] = {}

    def with_symbol(self, name: str, values: Interval) -> BoundsTable:
        """The same with a range for one more symbol, which the inequalities do not mention."""
        new = BoundsTable({**self._ranges, name: values})
        new._by_symbol = self._by_symbol
        new._intervals = {expr: known for expr, known in self._intervals.items() if name not in expr.symbols}
        new._bounds = {expr: known for expr, known in self._bounds.items() if name not in expr.symbols}
        new._implied = {call: known for call, known in self._implied.items() if name not in call.symbols}
        return new

    def bounds(self, expr: DimExpr) -> Interval:
        """An interval around all values of `expr`."""
        known = self._bounds.get(expr)
        if known is None:
            low, high = self.interval(expr)
            if not expr.is_constant and low != high:
                low = max(low, self._lower(expr, _DEPTH, [_BUDGET]))
                high = min(high, -self._lower(-expr, _DEPTH, [_BUDGET]))
            known = self._bounds[expr] = (low, high)
        return known

    def atom_interval(self, atom: Atom) -> Interval:
        """An interval around all values of an atom, from the ranges alone."""
        if isinstance(atom, str):
            return self._ranges.get(atom, ANY)
        parts = [self.interval(arg) for arg in atom.args]
        if atom.op == "floordiv":
            return intervals.floordiv(parts[0], parts[1])
        if atom.op == "mod":
            return intervals.mod(parts[0], parts[1])
        pick = min if atom.op == "min" else max
        return pick(low for low, _ in parts), pick(high for _, high in parts)

    def interval(self, expr: DimExpr) -> Interval:
        """An interval around all values of `expr`, from the ranges alone."""
        known = self._intervals.get(expr)
        if known is None:
            known = _evaluate(expr, self.atom_interval)
            if len(expr.terms) > 1 and any(len(m) > 1 or (m and m[0][1] > 1) for _, m in expr.terms):
                known = intervals.intersect(known, self._shifted_interval(expr))
            self._intervals[expr] = known
        return known

    def _shifted_interval(self, expr: DimExpr) -> Interval:
        """As `interval`, of the polynomial in each atom's distance from a finite end of its range.

        All coefficients of b*s - s are positive in terms of b - 1 and s - 1, so that its lower bound comes out exact.
        """
        shifted: dict[Atom, Interval] = {}

        def shift(atom: Atom) -> DimExpr | None:
            low, high = self.atom_interval(atom)
            if isinstance(low, int):
                shifted[atom] = (0, intervals.add_bounds(high, -low))
                return from_atom(atom) + low
            if isinstance(high, int):
                shifted[atom] = (0, inf)
                return high - from_atom(atom)
            return None

        moved = expr.replace_atoms(shift)
        return _evaluate(moved, lambda atom: shifted.get(atom) or self.atom_interval(atom))

    def _lower(self, expr: DimExpr, depth: int, budget: list[int]) -> Bound:
        """A lower bound of `expr` by adding inequalities, at most `depth` of them in a row."""
        best = self.interval(expr)[0]
        if depth == 0 or expr.is_constant:
            return best
        for inequality in self._relevant(expr):
            for scale, rest in self._eliminations(expr, inequality):
                if budget[0] <= 0:
                    return best
                budget[0] -= 1
                # scale*expr = (something >= 0) + rest
                best = max(best, intervals.ceil_divide(self._lower(rest, depth - 1, budget), scale))
        for cases in _case_splits(expr):
            if budget[0] <= 0:
                return best
            budget[0] -= len(cases)
            best = max(best, min(self._lower(case, depth - 1, budget) for case in cases))
        return best

    def _relevant(self, expr: DimExpr) -> Iterator[DimExpr]:
        """The inequalities (each >= 0) that share something with `expr`."""
        if self._by_symbol:
            seen: set[DimExpr] = set()
            for symbol in sorted(expr.symbols):
                for inequality in self._by_symbol.get(symbol, ()):
                    if inequality not in seen:
                        seen.add(inequality)
                        yield inequality
        for atom in dict.fromkeys(atom for _, monomial in expr.terms for atom, _ in monomial):
            if not isinstance(atom, str):
                if atom not in self._implied:
                    self._implied[atom] = tuple(self._implied_by(atom))
                yield from self._implied[atom]

    def _implied_by(self, call: Call) -> Iterator[DimExpr]:
        """Inequalities (each >= 0) that hold because of what the call computes."""
        value = from_atom(call)
        if call.op in ("min", "max"):
            for arg in call.args:
                yield arg - value if call.op == "min" else value - arg
            return
        a, d = call.args
        if self.interval(d)[0] < 1:
            return
        numerator_low = self.interval(a)[0]
        if call.op == "floordiv":
            yield a - d * value
            yield d * value - a + d - 1
            if not d.is_constant and numerator_low >= 0:
                yield a - value
        else:
            if not d.is_constant:
                yield d - 1 - value
            if numerator_low >= 0:
                yield a - value

    def _eliminations(self, expr: DimExpr, inequality: DimExpr) -> Iterator[tuple[int, DimExpr]]:
        """(k, rest) with k >= 1 and k*expr >= rest, where a monomial of `expr` is gone from rest."""
        for coefficient, monomial in expr.terms:
            for other, other_monomial in inequality.terms:
                if not other_monomial or (coefficient > 0) != (other > 0):
                    continue
                quotient = divide_monomials(monomial, other_monomial)
                if quotient is None or (quotient and self.monomial_interval(quotient)[0] < 0):
                    continue
                common = gcd(coefficient, other)
                multiple = inequality * DimExpr.from_terms({quotient: abs(coefficient) // common})
                scale = abs(other) // common
                yield scale, expr * scale - multiple

    def monomial_interval(self, monomial: Monomial) -> Interval:
        """An interval around all values of a product of atoms, from the ranges alone."""
        return _monomial_interval(monomial, self.atom_interval)


def _monomial_interval(monomial: Monomial, of_atom: Callable[[Atom], Interval]) -> Interval:
    result: Interval = (1, 1)
    for atom, exponent in monomial:
        result = intervals.multiply(result, intervals.power(of_atom(atom), exponent))
    return result


def _evaluate(expr: DimExpr, of_atom: Callable[[Atom], Interval]) -> Interval:
    result: Interval = (0, 0)
    for coefficient, monomial in expr.terms:
        result = intervals.add(result, intervals.scale(_monomial_interval(monomial, of_atom), coefficient))
    return result


def _case_splits(expr: DimExpr) -> Iterator[list[DimExpr]]:
    """For each min or max in the polynomial: `expr` with it replaced by each of its arguments, one of which it is."""
    for call in dict.fromkeys(atom for _, monomial in expr.terms for atom, _ in monomial if isinstance(atom, Call)):
        if call.op in ("min", "max") and len(call.args) <= _MAX_CASES:
            yield [expr.replace_atoms(lambda atom, c=call, a=arg: a if atom == c else None) for arg in call.args]
