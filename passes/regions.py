"""Walking functions whose ops hold regions: what is executed in program order, and what only computes on scalars.

Control flow is executed as the function itself is: its regions hold ops on tensors, and every pass treats them as those
of the entry block. The regions of all other ops (the bodies of reductions, sorts, windows, `linalg.generic`) belong to
their op.
"""

from __future__ import annotations

from typing import Any

from nimble_mlir.mlir import ir

__all__ = ["CONTROL_FLOW", "statements", "terminator"]

CONTROL_FLOW = frozenset(
    "stablehlo.case stablehlo.if stablehlo.while scf.execute_region scf.for scf.if scf.while".split()
)


def statements(operation: Any) -> list[Any]:
    """The ops below `operation` (a function, or control flow) in program order, with those inside of control flow after
    the op that holds them. It is a list, so that a pass may rewrite and erase while it goes over it."""
    root = operation.operation
    found: list[Any] = []

    def visit(op: Any) -> Any:
        if op == root:
            return ir.WalkResult.ADVANCE
        found.append(op)
        return ir.WalkResult.ADVANCE if op.name in CONTROL_FLOW else ir.WalkResult.SKIP

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def terminator(block: ir.Block) -> Any:
    """The last op of a block."""
    operations = block.operations
    return operations[len(operations) - 1].operation
