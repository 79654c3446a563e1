"""Conditions on sizes as terms, and whether a scope proves them.

A condition is a bool, or a term: ("eq", a, b), ("ge", a, b), ("not", c), ("and", c, d), ("or", c, d), where a and b are dim
expressions or opaque terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.dims import DimExpr, Proof, Scope

__all__ = ["decide"]


def decide(scope: Scope, condition: Any) -> bool | None:
    """True or False where `condition` is proved or refuted, None otherwise."""
    if isinstance(condition, bool):
        return condition
    if not isinstance(condition, tuple):
        return None
    kind, *operands = condition
    return _DECIDE[kind](scope, operands) if kind in _DECIDE else None


def _flag(proof: Proof) -> bool | None:
    return {Proof.PROVED: True, Proof.REFUTED: False}.get(proof)


def _decide_eq(scope: Scope, operands: list[Any]) -> bool | None:
    lhs, rhs = operands
    if isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr):
        return _flag(scope.equal(lhs, rhs))
    return True if lhs == rhs else None


def _decide_ge(scope: Scope, operands: list[Any]) -> bool | None:
    lhs, rhs = operands
    if isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr):
        return _flag(scope.at_least(lhs, rhs))
    return None


def _decide_not(scope: Scope, operands: list[Any]) -> bool | None:
    decided = decide(scope, operands[0])
    return None if decided is None else not decided


def _decide_and(scope: Scope, operands: list[Any]) -> bool | None:
    decided = [decide(scope, operand) for operand in operands]
    if False in decided:
        return False
    return True if None not in decided else None


def _decide_or(scope: Scope, operands: list[Any]) -> bool | None:
    decided = [decide(scope, operand) for operand in operands]
    if True in decided:
        return True
    return False if None not in decided else None


_DECIDE: dict[str, Callable[[Scope, list[Any]], bool | None]] = {
    "eq": _decide_eq,
    "ge": _decide_ge,
    "not": _decide_not,
    "and": _decide_and,
    "or": _decide_or,
}
