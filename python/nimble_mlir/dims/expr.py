"""Symbolic dimensions in canonical form: integer polynomials over symbols and floordiv, mod, min and max.

In: text, integers and operators. Out: immutable `DimExpr` values (sizes, in elements). Afterwards two expressions that
compare equal are the same polynomial over the same atoms, hence have the same value for all values of their symbols;
the converse does not hold (`nimble_mlir.dims.Scope` decides more, with what is known about the symbols).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import SupportsIndex, TypeAlias

__all__ = ["Atom", "Call", "DimExpr", "Monomial", "as_expr"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Call:
    """One application of "floordiv", "mod", "min" or "max" to expressions, as an atom of a polynomial.

    Make them with `floordiv`, `mod`, `dim_min` and `dim_max`, which fold; this constructor takes its arguments as they
    are. `op` and `args` must not be assigned.
    """

    __slots__ = ("_hash", "args", "op", "symbols", "text")

    op: str
    args: tuple[DimExpr, ...]
    symbols: frozenset[str]
    text: str

    def __init__(self, op: str, args: tuple[DimExpr, ...]) -> None:
        self.op = op
        self.args = args
        self.symbols = frozenset().union(*(arg.symbols for arg in args))
        self.text = f"{op}({', '.join(map(str, args))})"
        self._hash = hash(self.text)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        # The text of canonical arguments is unique, so it stands for them.
        return isinstance(other, Call) and self._hash == other._hash and self.text == other.text

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Call({self.text!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Call, (self.op, self.args)


Atom: TypeAlias = "str | Call"
"""A symbol (its name) or a call."""

Monomial: TypeAlias = "tuple[tuple[Atom, int], ...]"
"""A product of atoms with powers >= 1, each atom once, sorted; the empty product is 1."""


def _atom_key(atom: Atom) -> tuple[int, str]:
    return (0, atom) if isinstance(atom, str) else (1, atom.text)


@lru_cache(maxsize=1 << 16)
def _monomial_key(monomial: Monomial) -> tuple[object, ...]:
    """Graded lexicographic order, the largest monomial first (a monomial order: compatible with products)."""
    degree = 0
    keys = []
    for atom, power in monomial:
        degree += power
        keys.append((_atom_key(atom), -power))
    return -degree, keys


@lru_cache(maxsize=1 << 16)
def multiply_monomials(left: Monomial, right: Monomial) -> Monomial:
    """The product of two monomials, in canonical order."""
    if not left:
        return right
    if not right:
        return left
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: _atom_key(item[0])))


@lru_cache(maxsize=1 << 16)
def divide_monomials(left: Monomial, right: Monomial) -> Monomial | None:
    """The monomial q with left == q*right, or None where there is none."""
    powers = dict(left)
    for atom, power in right:
        remaining = powers.get(atom, 0) - power
        if remaining < 0:
            return None
        if remaining:
            powers[atom] = remaining
        else:
            del powers[atom]
    return tuple(powers.items())


class DimExpr:
    """A symbolic dimension: an immutable, hashable polynomial with integer coefficients over atoms.

    `==` compares canonical forms and also takes an int on the right; there is no order and no truth value of
    "is zero" (an expression is truthy as any object is). Division and mod are Python's: they round towards minus
    infinity.
    """

    __slots__ = ("_hash", "_symbols", "_terms", "_text")

    _terms: tuple[tuple[int, Monomial], ...]
    _hash: int
    _symbols: frozenset[str] | None
    _text: str | None

    def __init__(self, value: DimExpr | SupportsIndex | str = 0) -> None:
        """Same as `as_expr(value)`."""
        expr = as_expr(value)
        self._terms, self._hash, self._symbols, self._text = expr._terms, expr._hash, expr._symbols, expr._text

    @staticmethod
    def from_terms(terms: Mapping[Monomial, int]) -> DimExpr:
        """The sum of coefficient * monomial; the monomials must be canonical (as `terms` gives them)."""
        items = [(coefficient, monomial) for monomial, coefficient in terms.items() if coefficient]
        if len(items) > 1:
            items.sort(key=lambda item: _monomial_key(item[1]))
        return _make(tuple(items))

    @staticmethod
    def symbol(name: str) -> DimExpr:
        """The symbol `name` ([A-Za-z_][A-Za-z0-9_]*). Raises ValueError for another name."""
        if not _IDENTIFIER.fullmatch(name):
            raise ValueError(f"{name!r} is not a symbol name: expected letters, digits and '_', no digit in front")
        return from_atom(name)

    @staticmethod
    def constant(value: SupportsIndex) -> DimExpr:
        """The constant `value`."""
        number = value.__index__()
        return _make(((number, ()),)) if number else _ZERO

    @staticmethod
    def parse(text: str) -> DimExpr:
        """Read an expression, canonical or not; `DimExpr.parse(str(e)) == e` for every e.

        Grammar: integers, symbols, + - * ( ), floordiv(a, b), mod(a, b), min(a, ...), max(a, ...), and also
        JAX's non_negative(a) (= max(a, 0)) and a^2 (an integer power). Raises DimSyntaxError.
        """
        from nimble_mlir.dims.parse import parse_expr

        return parse_expr(text)

    @property
    def terms(self) -> tuple[tuple[int, Monomial], ...]:
        """(coefficient, monomial) pairs in a fixed order: higher degrees first, the constant last; () is zero."""
        return self._terms

    @property
    def is_constant(self) -> bool:
        """Whether the expression is an integer."""
        terms = self._terms
        return not terms or (len(terms) == 1 and not terms[0][1])

    @property
    def constant_value(self) -> int:
        """The value of a constant. Raises ValueError where `is_constant` is false."""
        if not self.is_constant:
            raise ValueError(f"'{self}' is not a constant")
        return self._terms[0][0] if self._terms else 0

    @property
    def constant_term(self) -> int:
        """The coefficient of 1 in the polynomial."""
        if self._terms and not self._terms[-1][1]:
            return self._terms[-1][0]
        return 0

    @property
    def symbols(self) -> frozenset[str]:
        """The names of all symbols, also of those inside calls."""
        if self._symbols is None:
            names: set[str] = set()
            for _, monomial in self._terms:
                for atom, _ in monomial:
                    if isinstance(atom, str):
                        names.add(atom)
                    else:
                        names |= atom.symbols
            self._symbols = frozenset(names)
        return self._symbols

    def as_atom(self) -> Atom | None:
        """The atom, where the expression is nothing but one atom."""
        if len(self._terms) == 1:
            coefficient, monomial = self._terms[0]
            if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
                return monomial[0][0]
        return None

    def as_symbol(self) -> str | None:
        """The name, where the expression is nothing but one symbol."""
        atom = self.as_atom()
        return atom if isinstance(atom, str) else None

    def substitute(self, values: Mapping[str, DimExpr | int]) -> DimExpr:
        """Replace symbols, all at once; the others stay. Raises ZeroDivisionError where a divisor becomes 0."""
        if self.symbols.isdisjoint(values):
            return self

        def replace(atom: Atom) -> DimExpr | None:
            if isinstance(atom, str):
                value = values.get(atom)
                return None if value is None else as_expr(value)
            if atom.symbols.isdisjoint(values):
                return None
            return make_call(atom.op, [arg.substitute(values) for arg in atom.args])

        return self.replace_atoms(replace)

    def replace_atoms(self, replace: Callable[[Atom], DimExpr | None]) -> DimExpr:
        """Replace the atoms of the polynomial (not those inside calls); None keeps an atom."""
        replaced: dict[Atom, DimExpr] = {}
        for _, monomial in self._terms:
            for atom, _ in monomial:
                if atom not in replaced:
                    new = replace(atom)
                    if new is not None:
                        replaced[atom] = new
        if not replaced:
            return self
        total: dict[Monomial, int] = {}
        for coefficient, monomial in self._terms:
            product = _make(((coefficient, tuple(item for item in monomial if item[0] not in replaced)),))
            for atom, power in monomial:
                if atom in replaced:
                    for _ in range(power):
                        product = product * replaced[atom]
            for part, key in product._terms:
                total[key] = total.get(key, 0) + part
        return DimExpr.from_terms(total)

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The value (elements). Raises KeyError for a symbol without a value, ZeroDivisionError for a divisor of 0."""
        total = 0
        for coefficient, monomial in self._terms:
            product = coefficient
            for atom, power in monomial:
                if isinstance(atom, str):
                    value = values[atom]
                else:
                    value = _EVALUATE[atom.op](*[arg.evaluate(values) for arg in atom.args])
                product *= value if power == 1 else value**power
            total += product
        return total

    def __add__(self, other: DimExpr | int) -> DimExpr:
        return _combine(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: DimExpr | int) -> DimExpr:
        return _combine(self, other, -1)

    def __rsub__(self, other: DimExpr | int) -> DimExpr:
        return _combine(-self, other, 1)

    def __neg__(self) -> DimExpr:
        return _make(tuple((-coefficient, monomial) for coefficient, monomial in self._terms))

    def __mul__(self, other: DimExpr | int) -> DimExpr:
        if not isinstance(other, DimExpr):
            if not hasattr(other, "__index__"):
                return NotImplemented
            factor = other.__index__()
            return _make(tuple((c * factor, m) for c, m in self._terms)) if factor else _ZERO
        total: dict[Monomial, int] = {}
        for left, left_monomial in self._terms:
            for right, right_monomial in other._terms:
                key = multiply_monomials(left_monomial, right_monomial)
                total[key] = total.get(key, 0) + left * right
        return DimExpr.from_terms(total)

    __rmul__ = __mul__

    def __floordiv__(self, other: DimExpr | int) -> DimExpr:
        return make_call("floordiv", [self, other])

    def __rfloordiv__(self, other: int) -> DimExpr:
        return make_call("floordiv", [other, self])

    def __mod__(self, other: DimExpr | int) -> DimExpr:
        return make_call("mod", [self, other])

    def __rmod__(self, other: int) -> DimExpr:
        return make_call("mod", [other, self])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, DimExpr):
            return self._hash == other._hash and self._terms == other._terms
        if isinstance(other, int):
            return self.is_constant and self.constant_value == other
        return NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        if self._text is None:
            self._text = _to_text(self._terms)
        return self._text

    def __repr__(self) -> str:
        return f"DimExpr({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return DimExpr.parse, (str(self),)


def _make(terms: tuple[tuple[int, Monomial], ...]) -> DimExpr:
    expr = object.__new__(DimExpr)
    expr._terms = terms
    expr._symbols = None
    expr._text = None
    # A constant hashes as its integer, because it compares equal to it.
    if not terms:
        expr._hash = 0
    elif len(terms) == 1 and not terms[0][1]:
        expr._hash = hash(terms[0][0])
    else:
        expr._hash = hash(terms)
    return expr


_ZERO = _make(())


def from_atom(atom: Atom) -> DimExpr:
    """The expression that is nothing but `atom`; the name of a symbol is not checked."""
    return _make(((1, ((atom, 1),)),))


def _combine(left: DimExpr, right: DimExpr | int, sign: int) -> DimExpr:
    """Left + sign*right, or NotImplemented for an operand that is no dimension."""
    if not isinstance(right, DimExpr):
        if not hasattr(right, "__index__"):
            return NotImplemented
        right = DimExpr.constant(right)
    if not right._terms:
        return left
    total = {monomial: coefficient for coefficient, monomial in left._terms}
    for coefficient, monomial in right._terms:
        total[monomial] = total.get(monomial, 0) + sign * coefficient
    return DimExpr.from_terms(total)


def _to_text(terms: tuple[tuple[int, Monomial], ...]) -> str:
    pieces: list[str] = []
    for coefficient, monomial in terms:
        factors = [atom if isinstance(atom, str) else atom.text for atom, power in monomial for _ in range(power)]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        sign = ("-" if coefficient < 0 else "") if not pieces else (" - " if coefficient < 0 else " + ")
        pieces.append(sign + "*".join(factors))
    return "".join(pieces) or "0"


def as_expr(value: DimExpr | SupportsIndex | str) -> DimExpr:
    """A DimExpr as it is, an integer as a constant, a text parsed. Raises TypeError for anything else."""
    if isinstance(value, DimExpr):
        return value
    if isinstance(value, str):
        return DimExpr.parse(value)
    if hasattr(value, "__index__"):
        return DimExpr.constant(value)
    raise TypeError(f"expected a dimension (DimExpr, int or text), got {type(value).__name__}")


def make_call(op: str, args: list[DimExpr | int] | list[DimExpr]) -> DimExpr:
    """Apply `op` ("floordiv", "mod", "min", "max") to `args`, folded."""
    from nimble_mlir.dims.calls import FOLD

    return FOLD[op](*args)


_EVALUATE: dict[str, Callable[..., int]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "min": min,
    "max": max,
}
