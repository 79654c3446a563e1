"""A plan as plain values for JSON: how symbols are solved and what is checked, for C++, which makes no plan of its own."""

from __future__ import annotations

from typing import Any

from nimble_mlir.dims.scope import Scope
from nimble_mlir.dims.solve import Plan

__all__ = ["plan_data"]


def plan_data(plan: Plan, scope: Scope) -> dict[str, Any]:
    """Steps and checks with their expressions as text, the ranges of the symbols and the constraints of the scope."""
    steps = [
        {
            "symbol": step.symbol,
            "argument": step.argument,
            "axis": step.axis,
            "rest": str(step.rest),
            "coefficient": str(step.coefficient),
            "dim": str(step.dim),
            "constraint": None if step.constraint is None else str(step.constraint),
        }
        for step in plan.steps
    ]
    checks = [
        {"argument": check.argument, "axis": check.axis, "expected": str(check.expected)} for check in plan.checks
    ]
    symbols = [
        {"name": info.name, "min": info.min, "max": info.max, "multiple_of": info.multiple_of}
        for info in scope.symbols.values()
    ]
    constraints = [
        {"text": str(constraint), "lhs": str(constraint.lhs), "kind": constraint.kind, "rhs": str(constraint.rhs)}
        for constraint in scope.constraints
    ]
    return {"steps": steps, "checks": checks, "symbols": symbols, "constraints": constraints}
