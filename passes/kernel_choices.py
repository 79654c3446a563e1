"""Branches that the passes decide: a program that says what it would do in one dispatch, and what otherwise.

In: `scf.if` whose condition follows from `stablehlo.custom_call @nimble.one_dispatch() : tensor<i1>` and constants alone.
Where that is true, each loop in the branch is to be one dispatch, and its iterations do not depend on each other.
Out: the branch that was chosen, in place of the `scf.if`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nimble_mlir.mlir import ir

from .lowering.builders import constant_of
from .regions import CONTROL_FLOW, terminator
from .shape_functions import custom_call_target

__all__ = ["TARGET", "Choice", "choice_of", "control_flow", "inlined"]

TARGET = "nimble.one_dispatch"

# What hands on a number as it is, where it is 0 or 1.
_SAME = frozenset(["arith.extui", "arith.index_cast", "arith.trunci", "stablehlo.convert", "tensor.extract"])
_EQ, _NE = 0, 1  # arith.cmpi predicates


@dataclass(frozen=True)
class Choice:
    """The regions of a branch: the one whose loops are one dispatch each, and the other."""

    one_dispatch: int
    otherwise: int


def choice_of(op: Any) -> Choice | None:
    """The choice that `op` is, None for any other control flow."""
    if op.name != "scf.if":
        return None
    condition = _when(op.operands[0])
    return None if condition is None else Choice(0, 1) if condition else Choice(1, 0)


def _when(value: ir.Value) -> int | None:
    """What a scalar is where the target is true; None where it depends on something else."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    if custom_call_target(owner) == TARGET:
        return 1
    if owner.name in _SAME and len(owner.operands) == 1:
        return _when(owner.operands[0])
    if owner.name == "arith.cmpi":
        predicate = ir.IntegerAttr(owner.attributes["predicate"]).value
        known, constant = _when(owner.operands[0]), constant_of(owner.operands[1])
        if known is not None and constant is not None and predicate in (_EQ, _NE):
            return int((known == constant) == (predicate == _EQ))
    return None


def control_flow(block: ir.Block) -> list[Any]:
    """The loops and branches that stand in a block itself."""
    return [view.operation for view in block.operations if view.operation.name in CONTROL_FLOW]


def inlined(op: Any, region: int) -> list[Any]:
    """Puts one region of a branch in its place; returns the loops and branches that stood in it."""
    block = op.regions[region].blocks[0]
    last = terminator(block)
    for result, value in zip(op.results, last.operands, strict=True):
        result.replace_all_uses_with(value)
    last.erase()
    moved = control_flow(block)
    for inner in [view.operation for view in block.operations]:
        inner.move_before(op)
    condition = op.operands[0]
    op.erase()
    _erase_unused(condition)
    return moved


def _erase_unused(value: ir.Value) -> None:
    """Erases what only a condition was computed from."""
    owner = value.owner
    if isinstance(owner, ir.Block) or any(True for result in owner.results for _ in result.uses):
        return
    operands = list(owner.operands)
    owner.erase()
    for operand in operands:
        _erase_unused(operand)
