"""Scope: the symbols of one entry function with what is known about them, and proofs about expressions over them.

In: `SymbolInfo`s and `Constraint`s. Out: simplified expressions, bounds, and the answers PROVED, REFUTED, UNDECIDED.
A proof speaks about all values of the symbols that lie in the declared ranges and satisfy the constraints, and for
which the expressions have a value (no division by 0). It is never wrong; it may be UNDECIDED where a better one would
not be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import lcm
from types import MappingProxyType

from nimble_mlir.dims.calls import mod
from nimble_mlir.dims.constraint import Constraint, Proof, SymbolInfo
from nimble_mlir.dims.expr import DimExpr, as_expr
from nimble_mlir.dims.facts import Facts, absorb, eliminate
from nimble_mlir.dims.fold import expand, residue
from nimble_mlir.dims.intervals import Bound

__all__ = ["Constraint", "Proof", "Scope", "SymbolInfo"]


class Scope:
    """Immutable; `with_*` return new scopes. Answers are remembered per scope.

    Constraints that say no more than a range or a multiple of one symbol are absorbed: `info` reports them, and
    `constraints` does not list them. A symbol that is not declared may be any integer.
    """

    def __init__(self, symbols: Mapping[str, SymbolInfo], constraints: Sequence[Constraint] = ()) -> None:
        """Raises ValueError for constraints on undeclared symbols and where it finds that no values are possible."""
        for name, info in symbols.items():
            if name != info.name:
                raise ValueError(f"symbol '{name}' is declared with the info of '{info.name}'")
        self._infos: dict[str, SymbolInfo] = dict(symbols)
        self._constraints: list[Constraint] = []
        self._unused: list[Constraint] = []  # constraints that determined no symbol
        self._rules: dict[str, DimExpr] = {}
        self._add(constraints)

    def _add(self, constraints: Sequence[Constraint]) -> None:
        """Take in constraints; only while this scope is being made."""
        fresh: list[Constraint] = []
        for constraint in constraints:
            undeclared = sorted(constraint.symbols - self._infos.keys())
            if undeclared:
                raise ValueError(f"constraint '{constraint}' mentions undeclared symbol '{undeclared[0]}'")
            if constraint not in self._constraints and not absorb(self._infos, constraint):
                self._constraints.append(constraint)
                fresh.append(constraint)
        self._unused = eliminate(self._infos, self._rules, self._unused + fresh)
        self._set_facts(Facts(self._infos, self._rules, self._unused))

    def _set_facts(self, facts: Facts) -> None:
        self._facts = facts
        self._simplified: dict[DimExpr, DimExpr] = {}
        self._proofs: dict[tuple[DimExpr, str, int], Proof] = {}

    def _copy(self) -> Scope:
        new = object.__new__(Scope)
        new._infos = dict(self._infos)
        new._constraints = list(self._constraints)
        new._unused = list(self._unused)
        new._rules = dict(self._rules)
        return new

    @property
    def symbols(self) -> Mapping[str, SymbolInfo]:
        """The declared symbols in order, each as `info` reports it."""
        return MappingProxyType(self._infos)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The constraints that no `SymbolInfo` says."""
        return tuple(self._constraints)

    def info(self, name: str) -> SymbolInfo:
        """What is declared about a symbol, with the constraints on it alone. Raises KeyError for an undeclared one."""
        return self._infos[name]

    def with_symbol(self, info: SymbolInfo) -> Scope:
        """This scope and one more symbol; one that is declared already keeps what both say.

        Raises ValueError where the two admit no common value.
        """
        new = self._copy()
        old = self._infos.get(info.name)
        if old is None:
            new._infos[info.name] = info
            if info.multiple_of == 1:
                new._set_facts(self._facts.with_fresh(info))
                return new
        else:
            ends = [end for end in (old.max, info.max) if end is not None]
            narrowed = replace(
                old,
                min=max(old.min, info.min),
                max=min(ends) if ends else None,
                multiple_of=lcm(old.multiple_of, info.multiple_of),
                likely=(),
            )
            likely = tuple(v for v in dict.fromkeys(old.likely + info.likely) if narrowed.problem(v) is None)
            new._infos[info.name] = replace(narrowed, likely=likely)
        new._add(())
        return new

    def with_constraint(self, constraint: Constraint) -> Scope:
        """This scope and one more constraint. Raises ValueError as the constructor."""
        new = self._copy()
        new._add((constraint,))
        return new

    def with_equal(self, a: DimExpr | int, b: DimExpr | int) -> Scope:
        """This scope and the equality a == b. Raises ValueError as the constructor."""
        return self.with_constraint(Constraint(as_expr(a), "==", as_expr(b)))

    def simplify(self, expr: DimExpr | int) -> DimExpr:
        """An expression with the same value, the same one for expressions that are found equal by rewriting.

        A division disappears only where its divisor is proved not 0.
        """
        expr = as_expr(expr)
        known = self._simplified.get(expr)
        if known is None:
            known = self._facts.lower(self._facts.internal(expr))
            self._simplified[expr] = known
        return known

    def bounds(self, expr: DimExpr | int) -> tuple[int | None, int | None]:
        """The least and the largest value that `expr` can have, or further out; None: no bound was found."""
        low, high = self._facts.folder.table.bounds(self._facts.internal(as_expr(expr)))
        return _public(low), _public(high)

    def equal(self, a: DimExpr | int, b: DimExpr | int) -> Proof:
        """Whether a == b."""
        if a == b:
            return Proof.PROVED
        return self._prove(as_expr(a) - b, "equal", 0)

    def at_least(self, a: DimExpr | int, b: DimExpr | int) -> Proof:
        """Whether a >= b."""
        return self._prove(as_expr(a) - b, "at_least", 0)

    def divisible(self, a: DimExpr | int, k: DimExpr | int) -> Proof:
        """Whether a is a multiple of k; UNDECIDED where k may be 0. Raises ValueError for the constant 0."""
        k = as_expr(k)
        if k == 0:
            raise ValueError(f"divisible('{a}', 0): nothing is divided by 0")
        if k.is_constant:
            return self._prove(as_expr(a), "divisible", k.constant_value)
        low, high = self.bounds(k)
        if (low is None or low < 1) and (high is None or high > -1):
            return Proof.UNDECIDED
        return self._prove(mod(a, k), "equal", 0)

    def _prove(self, expr: DimExpr, question: str, k: int) -> Proof:
        key = (expr, question, k)
        known = self._proofs.get(key)
        if known is None:
            internal = self._facts.internal(expr)
            if question == "equal":
                known = self._is_zero(internal)
            elif question == "at_least":
                known = self._is_not_negative(internal)
            else:
                known = self._is_zero(self._facts.folder.fold(mod(internal, k)))
            self._proofs[key] = known
        return known

    def _is_zero(self, difference: DimExpr) -> Proof:
        if difference.is_constant:
            return Proof.PROVED if difference == 0 else Proof.REFUTED
        low, high = self._facts.folder.table.bounds(difference)
        if low == high == 0:
            return Proof.PROVED
        modulus, remainder = residue(difference)
        if low > 0 or high < 0 or (modulus and remainder):
            return Proof.REFUTED
        expanded = expand(difference)
        if expanded != difference:
            expanded = self._facts.folder.fold(expanded)
            if expanded.is_constant:
                return Proof.PROVED if expanded == 0 else Proof.REFUTED
        return Proof.UNDECIDED

    def _is_not_negative(self, difference: DimExpr) -> Proof:
        low, high = self._facts.folder.table.bounds(difference)
        if low < 0 <= high:
            expanded = expand(difference)
            if expanded != difference:
                low, high = self._facts.folder.table.bounds(self._facts.folder.fold(expanded))
        if low >= 0:
            return Proof.PROVED
        return Proof.REFUTED if high < 0 else Proof.UNDECIDED

    def __eq__(self, other: object) -> bool:
        """Whether both declare the same symbols, in the same order, and list the same constraints."""
        if not isinstance(other, Scope):
            return NotImplemented
        return list(self._infos.items()) == list(other._infos.items()) and self._constraints == other._constraints

    def __hash__(self) -> int:
        return hash((tuple(self._infos.items()), tuple(self._constraints)))

    def __repr__(self) -> str:
        return f"Scope({list(self._infos.values())!r}, {[str(constraint) for constraint in self._constraints]!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Scope, (dict(self._infos), self.constraints)


def _public(bound: Bound) -> int | None:
    return None if isinstance(bound, float) else bound
