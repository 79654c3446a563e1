"""What a scope knows, turned from declarations into rewrites, ranges and inequalities.

In: `SymbolInfo`s and constraints. Out: `Facts`, in which
- each symbol that an equality determines is an expression over the others (`rules`, fully substituted: Gaussian
  elimination on unit coefficients, so that there are no cycles),
- a symbol s that is always a multiple of m > 1 is m*s' for a fresh symbol s' ("lifted"), so that divisibility needs no
  reasoning of its own,
- all else is inequalities and rewrites of monomials over lifted symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from math import gcd, inf, lcm

from nimble_mlir.dims.bounds import BoundsTable
from nimble_mlir.dims.calls import floordiv, mod
from nimble_mlir.dims.constraint import Constraint, SymbolInfo
from nimble_mlir.dims.expr import Atom, Call, DimExpr, Monomial, from_atom, make_call
from nimble_mlir.dims.fold import Folder
from nimble_mlir.dims.intervals import ANY, Bound, Interval, ceil_divide, floor_divide, intersect

__all__ = ["Facts", "absorb", "eliminate"]

_MAX_ROUNDS = 4  # passes over the inequalities to narrow ranges; each one is sound, none is needed


def contradiction(constraint: object) -> ValueError:
    """The error for declarations that no values satisfy."""
    return ValueError(f"constraint '{constraint}' never holds with what is known about its symbols")


def range_of(difference: DimExpr, kind: str) -> tuple[str, Interval] | None:
    """(s, values) where `difference` >= 0 (or == 0) says just that symbol s lies in an interval, maybe an empty one."""
    varying = (difference - difference.constant_term).terms
    if len(varying) != 1 or len(varying[0][1]) != 1:
        return None
    coefficient, ((symbol, exponent),) = varying[0]
    if not isinstance(symbol, str) or exponent != 1:
        return None
    # coefficient*s >= -constant
    bound = difference.constant_term
    if coefficient > 0:
        low, high = ceil_divide(-bound, coefficient), inf
    else:
        low, high = -inf, floor_divide(bound, -coefficient)
    if kind == "==":
        value, remainder = divmod(-bound, coefficient)
        low, high = (inf, -inf) if remainder else (value, value)
    return symbol, (low, high)


def multiple_of(difference: DimExpr, kind: str) -> tuple[str, int] | None:
    """(s, k) where `difference` == 0 (or >= 0) says just that symbol s is a multiple of k."""
    if len(difference.terms) != 1:
        return None
    coefficient, monomial = difference.terms[0]
    if len(monomial) != 1 or (kind == ">=" and coefficient > 0):
        return None
    call, _ = monomial[0]
    if not isinstance(call, Call) or call.op != "mod" or not call.args[1].is_constant:
        return None
    # mod(c*s, k) is canonical, hence c and k have no common divisor
    inner = call.args[0].terms
    if len(inner) != 1 or len(inner[0][1]) != 1:
        return None
    symbol, exponent = inner[0][1][0]
    return (symbol, call.args[1].constant_value) if isinstance(symbol, str) and exponent == 1 else None


def absorb(infos: dict[str, SymbolInfo], constraint: Constraint) -> bool:
    """Whether `constraint` says no more than a range or a multiple of one symbol; if so, `infos` says it afterwards.

    Likely values that it excludes are dropped. Raises ValueError where no value is left.
    """
    difference = constraint.difference
    if difference.is_constant:
        value = difference.constant_value
        if value < 0 or (value and constraint.kind == "=="):
            raise contradiction(constraint)
        # A division in a constraint that cancelled may still have no value, but no question depends on it.
        return True
    found = range_of(difference, constraint.kind)
    if found is not None and found[0] in infos:
        info = infos[found[0]]
        low, high = intersect(found[1], (info.min, inf if info.max is None else info.max))
        multiple = info.multiple_of
    else:
        divisor = multiple_of(difference, constraint.kind)
        if divisor is None or divisor[0] not in infos:
            return False
        info = infos[divisor[0]]
        low, high = info.min, inf if info.max is None else info.max
        multiple = lcm(info.multiple_of, divisor[1])
    if low > high:
        raise contradiction(constraint)
    try:
        narrowed = replace(info, min=low, max=None if high == inf else high, multiple_of=multiple, likely=())
    except ValueError:
        raise contradiction(constraint) from None
    likely = tuple(value for value in info.likely if narrowed.problem(value) is None)
    infos[info.name] = replace(narrowed, likely=likely)
    return True


def eliminate(
    infos: Mapping[str, SymbolInfo], rules: dict[str, DimExpr], constraints: Iterable[Constraint]
) -> list[Constraint]:
    """Add to `rules` each symbol that an equality determines; return the constraints that determined none.

    Raises ValueError for equalities without a solution in integers.
    """
    pending = list(constraints)
    progress = True
    while progress:
        progress = False
        remaining: list[Constraint] = []
        for constraint in pending:
            difference = _substituted(constraint, rules)
            choice = _choose(difference, constraint, infos) if constraint.kind == "==" else None
            if choice is None:
                remaining.append(constraint)
                continue
            symbol, value = choice
            progress = True
            try:
                rules.update({s: old.substitute({symbol: value}) for s, old in rules.items() if symbol in old.symbols})
            except ZeroDivisionError:
                raise contradiction(constraint) from None
            rules[symbol] = value
        pending = remaining
    return pending


def _substituted(constraint: Constraint, rules: Mapping[str, DimExpr]) -> DimExpr:
    """lhs - rhs without eliminated symbols. Raises ValueError where a side has no value."""
    try:
        return constraint.difference.substitute(rules)
    except ZeroDivisionError:
        raise contradiction(constraint) from None


def _choose(difference: DimExpr, constraint: Constraint, infos: Mapping[str, SymbolInfo]) -> tuple[str, DimExpr] | None:
    """A symbol with its value, from difference == 0: one with a unit coefficient that occurs nowhere else in it.

    A renaming (s == t) keeps the symbol declared first. Else symbols without a multiple_of go first, because their
    ranges turn into inequalities, which lose nothing; then one that stands alone on a side.
    """
    terms = difference.terms
    common = gcd(*(coefficient for coefficient, monomial in terms if monomial))
    if common == 0 or difference.constant_term % common:
        if difference == 0:
            return None
        raise contradiction(constraint)
    sides = (constraint.lhs.as_symbol(), constraint.rhs.as_symbol())
    renaming = len(terms) == 2 and all(len(m) == 1 and isinstance(m[0][0], str) and m[0][1] == 1 for _, m in terms)
    order = {name: position for position, name in enumerate(infos)}
    best: tuple[tuple[bool, bool, int], str, DimExpr] | None = None
    for coefficient, monomial in terms:
        if len(monomial) != 1 or monomial[0][1] != 1 or abs(coefficient) != common:
            continue
        symbol = monomial[0][0]
        rest = difference - DimExpr.from_terms({monomial: coefficient})
        if not isinstance(symbol, str) or symbol in rest.symbols:
            continue
        plain = symbol not in infos or infos[symbol].multiple_of == 1
        rank = (not renaming and plain, not renaming and symbol in sides, order.get(symbol, -1))
        if best is None or rank > best[0]:
            value = DimExpr.from_terms({m: -c // coefficient for c, m in rest.terms})
            best = (rank, symbol, value)
    return None if best is None else (best[1], best[2])


class Facts:
    """Everything known about the symbols, in the form that questions need. Never changes after construction."""

    def __init__(
        self, infos: Mapping[str, SymbolInfo], rules: Mapping[str, DimExpr], constraints: Iterable[Constraint]
    ) -> None:
        """Raises ValueError where the declarations admit no values (not all such cases are found)."""
        self.rules = rules
        known: list[tuple[DimExpr, str, object]] = [(_substituted(c, rules), c.kind, c) for c in constraints]
        known += self._of_eliminated(infos)
        multiples = {name: info.multiple_of for name, info in infos.items() if name not in rules}
        for difference, kind, _ in known:
            found = multiple_of(difference, kind)
            if found is not None:
                multiples[found[0]] = lcm(multiples.get(found[0], 1), found[1])
        self._multiples = {name: multiple for name, multiple in multiples.items() if multiple > 1}
        self._lifted = {name: from_atom(f"{name}'") * multiple for name, multiple in self._multiples.items()}
        self._names = {f"{name}'": name for name in self._multiples}

        ranges: dict[str, Interval] = {}
        for name, info in infos.items():
            if name not in rules:
                self._narrow(ranges, self.lift(DimExpr.symbol(name)) - info.min, info)
                if info.max is not None:
                    self._narrow(ranges, info.max - self.lift(DimExpr.symbol(name)), info)
        inequalities: list[DimExpr] = []
        equalities: list[DimExpr] = []
        for difference, kind, source in known:
            try:
                lifted = _reduced(self.lift(difference), kind, source)
            except ZeroDivisionError:
                raise _no_value(source) from None
            if self._narrow(ranges, lifted, source, kind):
                continue
            inequalities.append(lifted)
            if kind == "==":
                inequalities.append(-lifted)
                equalities.append(lifted)
        for _ in range(_MAX_ROUNDS):
            if not _tighten(ranges, inequalities):
                break
        self.folder = Folder(BoundsTable(ranges, inequalities), [r for e in equalities for r in _rewrite_of(e)])

    def _of_eliminated(self, infos: Mapping[str, SymbolInfo]) -> Iterator[tuple[DimExpr, str, object]]:
        """What is declared about eliminated symbols, as constraints on their values."""
        for name, value in self.rules.items():
            info = infos.get(name)
            if info is None:
                continue
            yield value - info.min, ">=", info
            if info.max is not None:
                yield info.max - value, ">=", info
            if info.multiple_of > 1:
                yield mod(value, info.multiple_of), "==", info

    def _narrow(self, ranges: dict[str, Interval], difference: DimExpr, source: object, kind: str = ">=") -> bool:
        """Whether `difference` (>= 0 or == 0) is a constant or says just a range, which `ranges` then holds."""
        if difference.is_constant:
            value = difference.constant_value
            if value < 0 or (value and kind == "=="):
                raise _no_value(source)
            return True
        found = range_of(difference, kind)
        if found is None:
            return False
        symbol, values = found
        ranges[symbol] = intersect(ranges.get(symbol, ANY), values)
        if ranges[symbol][0] > ranges[symbol][1]:
            raise _no_value(source)
        return True

    def with_fresh(self, info: SymbolInfo) -> Facts:
        """The same with one more symbol, without a multiple_of, which nothing mentions so far."""
        new = object.__new__(Facts)
        new.rules, new._multiples, new._lifted, new._names = self.rules, self._multiples, self._lifted, self._names
        new.folder = self.folder.with_symbol(info.name, (info.min, inf if info.max is None else info.max))
        return new

    def lift(self, expr: DimExpr) -> DimExpr:
        """`expr` (over uneliminated symbols) over lifted symbols. Raises ZeroDivisionError where it has no value."""
        return expr.substitute(self._lifted) if self._lifted else expr

    def internal(self, expr: DimExpr) -> DimExpr:
        """The folded form of `expr` over lifted symbols, on which bounds and comparisons work."""
        # Where a divisor becomes 0, it has no value in this scope: it stays as it is.
        with suppress(ZeroDivisionError):
            expr = expr.substitute(self.rules)
        with suppress(ZeroDivisionError):
            expr = self.lift(expr)
        return self.folder.fold(expr)

    def lower(self, expr: DimExpr) -> DimExpr:
        """`expr` over lifted symbols in declared ones: s' is s divided by its multiple, coefficients taken in first."""
        if not self._names:
            return expr
        total = DimExpr.constant(0)
        for whole, monomial in expr.terms:
            coefficient = whole
            factors: list[DimExpr] = []
            for atom, exponent in monomial:
                if not isinstance(atom, str):
                    factors += [make_call(atom.op, [self.lower(arg) for arg in atom.args])] * exponent
                    continue
                name = self._names.get(atom)
                for _ in range(exponent):
                    if name is None:
                        factors.append(from_atom(atom))
                        continue
                    common = gcd(coefficient, self._multiples[name])
                    coefficient //= common
                    factors.append(floordiv(DimExpr.symbol(name), self._multiples[name] // common))
            product = DimExpr.constant(coefficient)
            for factor in factors:
                product = product * factor
            total = total + product
        return total


def _no_value(source: object) -> ValueError:
    if isinstance(source, SymbolInfo):
        return ValueError(f"the constraints leave no value for symbol '{source.name}'")
    return contradiction(source)


def _rewrite_of(equality: DimExpr) -> list[tuple[Monomial, DimExpr]]:
    """The largest monomial with a unit coefficient, with what it equals by equality == 0; or nothing."""
    if not equality.terms:
        return []
    coefficient, monomial = equality.terms[0]
    if abs(coefficient) != 1:
        return []
    value = equality - DimExpr.from_terms({monomial: coefficient})
    value = value if coefficient < 0 else -value
    # At the top the monomial order makes rewriting end; inside a call it would not.
    if any(_mentions_inside(value, atom) for atom, _ in monomial):
        return []
    return [(monomial, value)]


def _mentions_inside(expr: DimExpr, atom: Atom) -> bool:
    """Whether `atom` occurs in an argument of a call in `expr`, at any depth."""
    args = [arg for _, m in expr.terms for part, _ in m if isinstance(part, Call) for arg in part.args]
    return any(any(part == atom for _, m in arg.terms for part, _ in m) or _mentions_inside(arg, atom) for arg in args)


def _reduced(difference: DimExpr, kind: str, source: object) -> DimExpr:
    """The same relation to 0 without the common divisor of its coefficients."""
    common = gcd(*(coefficient for coefficient, monomial in difference.terms if monomial))
    if common < 2:
        return difference
    if kind == "==" and difference.constant_term % common:
        raise _no_value(source)
    return DimExpr.from_terms({monomial: coefficient // common for coefficient, monomial in difference.terms})


def _tighten(ranges: dict[str, Interval], inequalities: list[DimExpr]) -> bool:
    """Narrow the range of each symbol in a term of an inequality by the ranges of the rest; whether any changed."""
    changed = False
    for inequality in inequalities:
        table = BoundsTable(ranges)
        for coefficient, monomial in inequality.terms:
            rest_high = table.interval(inequality - DimExpr.from_terms({monomial: coefficient}))[1]
            if rest_high == inf:
                continue
            for symbol, exponent in monomial:
                if not isinstance(symbol, str):
                    continue
                others = tuple((a, p) for a, p in monomial if a != symbol)
                if exponent > 1:
                    others += ((symbol, exponent - 1),)
                low, high = table.monomial_interval(others)
                new = _solve_range(coefficient, low, high, rest_high)
                old = ranges.get(symbol, ANY)
                narrowed = intersect(old, new)
                if narrowed != old and narrowed[0] <= narrowed[1]:
                    ranges[symbol] = narrowed
                    changed = True
    return changed


def _solve_range(coefficient: int, low: Bound, high: Bound, rest_high: Bound) -> Interval:
    """Where x lies if coefficient*x*y + rest >= 0 for a y in [low, high], low >= 1, and a rest of at most rest_high."""
    if low < 1:
        return ANY
    if coefficient < 0:
        limit = floor_divide(rest_high, -coefficient)
        return (-inf, floor_divide(limit, low) if limit >= 0 else limit if low == 1 == high else -1)
    limit = ceil_divide(-rest_high, coefficient)
    if limit <= 0:
        return ceil_divide(limit, int(low)), inf
    return (1 if isinstance(high, float) else ceil_divide(limit, int(high)), inf)
