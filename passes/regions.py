"""Walking functions whose ops hold regions: what is executed in program order, and what only computes on scalars.

Control flow is executed as the function itself is: its regions hold ops on tensors, and every pass treats them as those
of the entry block. The regions of all other ops (the bodies of reductions, sorts, windows, `linalg.generic`) belong to
their op.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nimble_mlir.mlir import ir

__all__ = [
    "CONTROL_FLOW",
    "copy_body",
    "everything",
    "is_within",
    "precedes",
    "replace_operands",
    "statements",
    "terminator",
]

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


def everything(operation: Any) -> Iterator[Any]:
    """All ops below `operation`, at any depth, outer ones first. The ops of any context: capture walks jaxlib's with it."""
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                yield op.operation
                yield from everything(op.operation)


def copy_body(function: Any, region: Any) -> None:
    """Fills an empty region with what a function of one block computes: as the body of an op that had called it."""
    source = function.entry_block
    block = region.blocks.append(*[argument.type for argument in source.arguments])
    copies: dict[ir.Value, ir.Value] = dict(zip(source.arguments, block.arguments, strict=True))
    with ir.InsertionPoint(block):
        for inner in source.operations:
            operation = inner.operation
            operands = [copies[operand] for operand in operation.operands]
            if operation.name in ("func.return", "stablehlo.return"):
                ir.Operation.create("stablehlo.return", operands=operands)
                continue
            copy = operation.clone()
            for index, operand in enumerate(operands):
                copy.operands[index] = operand
            copies |= dict(zip(operation.results, copy.results, strict=True))


def replace_operands(operation: Any, values: Mapping[ir.Value, ir.Value]) -> None:
    """Replaces the operands of an op, and of those at any depth in it, that are keys of `values`."""
    for op in (operation, *everything(operation)):
        for index, operand in enumerate(op.operands):
            if operand in values:
                op.operands[index] = values[operand]


def is_within(block: ir.Block, outer: ir.Block) -> bool:
    """Whether `block` is `outer` or nested in it."""
    current: ir.Block | None = block
    while current is not None:
        if current == outer:
            return True
        owner = current.owner.operation
        current = owner.block if owner.name != "func.func" else None
    return False


def precedes(first: Any, second: Any) -> bool:
    """Whether `first` is executed before `second`, in its block or in one around it."""
    block = first.operation.block
    op = second.operation
    while op.block != block:
        op = op.block.owner.operation
        if op.name == "func.func":
            return False
    return op != first.operation and first.operation.is_before_in_block(op)


def terminator(block: ir.Block) -> Any:
    """The last op of a block."""
    operations = block.operations
    return operations[len(operations) - 1].operation
