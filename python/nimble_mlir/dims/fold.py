"""Folds of calls that hold only under what is known about the symbols.

In: a table of bounds and rewrites of monomials by equal expressions. Out: for each expression one that has the same
value for all values of the symbols that the table admits. A division goes away only where its divisor is proved not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from nimble_mlir.dims import intervals
from nimble_mlir.dims.bounds import BoundsTable
from nimble_mlir.dims.calls import dim_max, floordiv
from nimble_mlir.dims.expr import Atom, Call, DimExpr, Monomial, divide_monomials, from_atom, make_call
from nimble_mlir.dims.intervals import Interval

__all__ = ["Folder", "expand", "residue"]

_MAX_ROUNDS = 8  # two rewrites may feed each other; every round's result is equal, so that stopping is sound


class Folder:
    """Folds expressions under a bounds table; answers are remembered."""

    def __init__(self, table: BoundsTable, rewrites: Sequence[tuple[Monomial, DimExpr]] = ()) -> None:
        self.table = table
        self._rewrites = rewrites
        self._memo: dict[DimExpr, DimExpr] = {}

    def with_symbol(self, name: str, values: Interval) -> Folder:
        """The same with a range for one more symbol, which nothing known so far mentions."""
        new = Folder(self.table.with_symbol(name, values), self._rewrites)
        new._memo = {expr: known for expr, known in self._memo.items() if name not in expr.symbols}
        return new

    def fold(self, expr: DimExpr) -> DimExpr:
        """The folded form of `expr`."""
        known = self._memo.get(expr)
        if known is None:
            known = expr
            for _ in range(_MAX_ROUNDS):
                previous = known
                known = self._rewrite(previous.replace_atoms(self._fold_atom))
                if known == previous:
                    break
            self._memo[expr] = known
        return known

    def _rewrite(self, expr: DimExpr) -> DimExpr:
        for monomial, replacement in self._rewrites:
            for _ in range(_MAX_ROUNDS):
                for coefficient, candidate in expr.terms:
                    quotient = divide_monomials(candidate, monomial)
                    if quotient is not None:
                        before = DimExpr.from_terms({candidate: coefficient})
                        after = DimExpr.from_terms({quotient: coefficient}) * replacement
                        expr = expr - before + after
                        break
                else:
                    break
        return expr

    def _fold_atom(self, atom: Atom) -> DimExpr | None:
        if isinstance(atom, str):
            low, high = self.table.atom_interval(atom)
            return DimExpr.constant(low) if low == high and isinstance(low, int) else None
        try:
            folded = make_call(atom.op, [self.fold(arg) for arg in atom.args])
        except ZeroDivisionError:
            return None  # it has no value in this scope; the call stays, and no proof is about it
        call = folded.as_atom()
        if not isinstance(call, Call):
            return folded
        if call.op in ("min", "max"):
            result = self._fold_extremum(call)
        else:
            result = self._fold_division(call)
        if result is not None:
            return result
        return folded if call != atom else None

    def _fold_extremum(self, call: Call) -> DimExpr | None:
        """Leave out each argument that another one never exceeds (min) or never falls below (max)."""
        kept = list(call.args)
        for arg in call.args:
            for other in kept:
                if other is arg:
                    continue
                low = self.table.bounds(other - arg if call.op == "max" else arg - other)[0]
                if low >= 0:
                    kept.remove(arg)
                    break
        return make_call(call.op, kept) if len(kept) < len(call.args) else None

    def _fold_division(self, call: Call) -> DimExpr | None:
        a, d = call.args
        d_bounds = self.table.bounds(d)
        if d_bounds[0] < 1 and d_bounds[1] > -1:
            return None
        is_mod = call.op == "mod"
        # floor((q*d + r) / d) = q + floor(r / d)
        quotient, rest = _divide(a, d)
        if len(rest.terms) < len(a.terms):
            return make_call("mod", [rest, d]) if is_mod else quotient + make_call("floordiv", [rest, d])
        a_bounds = self.table.bounds(a)
        low, high = intervals.floordiv(a_bounds, d_bounds)
        if low == high and isinstance(low, int):
            return a - d * low if is_mod else DimExpr.constant(low)
        if not d.is_constant and a_bounds[0] >= 0 and self.table.bounds(d - a)[0] >= 1:
            return a if is_mod else DimExpr.constant(0)
        if is_mod and d.is_constant:
            modulus, remainder = residue(a)
            if modulus % d.constant_value == 0:
                return DimExpr.constant(remainder % d.constant_value)
        return None


def _divide(a: DimExpr, d: DimExpr) -> tuple[DimExpr, DimExpr]:
    """(q, r) with a == q*d + r: division of multivariate polynomials by the leading term, integer quotients only."""
    if d.is_constant:
        return DimExpr.constant(0), a
    leading, leading_monomial = d.terms[0]
    quotient = DimExpr.constant(0)
    rest = a
    done = False
    while not done:
        done = True
        for coefficient, monomial in rest.terms:
            factor = divide_monomials(monomial, leading_monomial)
            if factor is not None and coefficient % leading == 0:
                part = DimExpr.from_terms({factor: coefficient // leading})
                quotient, rest = quotient + part, rest - part * d
                done = False
                break
    return quotient, rest


def residue(expr: DimExpr) -> tuple[int, int]:
    """(g, r) such that each value of `expr` is r modulo g, 0 <= r < g; g == 0 says that the value is r."""
    modulus = 0
    for coefficient, monomial in expr.terms:
        if monomial:
            factor = abs(coefficient)
            for atom, power in monomial:
                factor *= _atom_divisor(atom) ** power
            modulus = gcd(modulus, factor)
    constant = expr.constant_term
    return modulus, constant % modulus if modulus else constant


def _atom_divisor(atom: Atom) -> int:
    """A number that divides each value of the atom, at least 1."""
    if isinstance(atom, str) or atom.op == "floordiv":
        return 1
    # For mod(a, d) both a and d count: a - d*q. For min and max: it is one of the arguments.
    return gcd(*(part for arg in atom.args for part in residue(arg))) or 1


def expand(expr: DimExpr) -> DimExpr:
    """An equal expression, more canonical and less readable, to compare two expressions by their difference.

    mod becomes a - d*floordiv(a, d), min becomes -max(-...), dividends of constants get coefficients below the divisor,
    and constants that all arguments of a max share move out of it.
    """
    return expr.replace_atoms(_expand_atom)


def _expand_atom(atom: Atom) -> DimExpr | None:
    if isinstance(atom, str):
        return None
    args = [expand(arg) for arg in atom.args]
    if atom.op == "min":
        return -_shifted_max([-arg for arg in args])
    if atom.op == "max":
        return _shifted_max(args)
    a, d = args
    quotient = _reduced_floordiv(a, d)
    return a - d * quotient if atom.op == "mod" else quotient


def _shifted_max(args: list[DimExpr]) -> DimExpr:
    shift = min(arg.constant_term for arg in args)
    return dim_max(*[arg - shift for arg in args]) + shift


def _reduced_floordiv(a: DimExpr, d: DimExpr) -> DimExpr:
    if not d.is_constant or d == 0:
        return from_atom(Call("floordiv", (a, d)))
    k = d.constant_value
    quotient = DimExpr.from_terms({monomial: coefficient // k for coefficient, monomial in a.terms})
    return quotient + floordiv(a - quotient * k, k)
