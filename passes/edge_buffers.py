"""Buffers of their own for what meets at the edges of control flow: a workaround for two bugs of IREE 3.13.

1. IREE packs the results of several dispatches into one allocation, and where two values that meet at an edge lie in the
   same one, it reads both from the offset of the first. Behind an optimization barrier each is a buffer.
2. Where one buffer goes to two block arguments of an edge, and nothing uses it afterwards, the second gets a null
   reference: its VM moves the register twice. So the second is copied, by a kernel that nothing can fold away.

test/python/models/test_workarounds.py has both programs, and fails when IREE has been mended.
"""

from __future__ import annotations

from math import prod
from typing import Any

from nimble_mlir.dialects import BufferView
from nimble_mlir.mlir import ir

from .marks import OWN
from .own_buffers import VIEWS, copied
from .regions import terminator

__all__ = ["barrier", "copy_duplicates", "edges"]

# Where the first values of the carries stand among the operands of a loop.
_FIRST_INIT = {"scf.for": 3, "scf.while": 0}


def edges(op: Any) -> list[tuple[Any, int]]:
    """The ops whose operands, from a position on, go to the block arguments or results of the control flow `op`."""
    if op.name in _FIRST_INIT:
        return [(op, _FIRST_INIT[op.name]), (terminator(list(op.regions)[-1].blocks[0]), 0)]
    if op.name == "scf.if":
        return [(terminator(block), 0) for region in op.regions for block in region.blocks]
    return []


def barrier(value: ir.Value) -> ir.Value:
    """`value` as IREE cannot look through."""
    return ir.Operation.create("util.optimization_barrier", results=[value.type], operands=[value]).result


def copy_duplicates(op: Any) -> None:
    """Copies what goes over an edge of the control flow `op` for the second time.

    What an iteration or a branch yields is compared as it stands here. Of the first values of a loop, those of one size
    and element type are taken to be equal: IREE finds out that `0 + x` is `x` later. They are copied once a loop.
    """
    for edge, first in edges(op):
        seen: list[Any] = []
        for index in range(first, len(edge.operands)):
            value = edge.operands[index]
            if isinstance(value.type, BufferView):
                _copy_exported(value, edge == op, seen)
                continue
            # All that goes over an edge has a tie, unless upstream's canonicalization has put a cast behind it.
            if isinstance(value.owner, ir.Block) or value.owner.name != "nimble.tie_shape":
                continue
            key = _source(value) if edge != op else _buffer_type(value.type)
            if key not in seen:
                seen.append(key)
                continue
            with ir.InsertionPoint(edge), edge.location:
                edge.operands[index] = _copy(value)


def _copy_exported(view: ir.Value, is_first: bool, seen: list[Any]) -> None:
    """Copies the tensor of a view that is exported for this edge, where the edge has it already: IREE makes one view of
    two exports of one tensor."""
    if isinstance(view.owner, ir.Block) or view.owner.name != "nimble.export" or OWN in view.owner.attributes:
        return
    export = view.owner.operation
    value, *sizes = export.operands
    key = _buffer_type(value.type) if is_first else _source(value)
    if key not in seen:
        seen.append(key)
        return
    with ir.InsertionPoint(export), export.location:
        export.operands[0] = copied(value, sizes)


def _buffer_type(type_: ir.RankedTensorType) -> tuple[ir.Type, int | None]:
    return type_.element_type, prod(type_.shape) if type_.has_static_shape else None


def _source(value: ir.Value) -> ir.Value:
    while not isinstance(value.owner, ir.Block) and value.owner.name in VIEWS:
        value = value.owner.operation.operands[0]
    return value


def _copy(value: ir.Value) -> ir.Value:
    """The same elements in another buffer, behind a tie of its own."""
    tie = value.owner.operation
    sizes = list(tie.operands)[1:]
    attributes = {name: tie.attributes[name] for name in tie.attributes}
    operands = [copied(value, sizes), *sizes]
    return ir.Operation.create(
        "nimble.tie_shape", results=[value.type], operands=operands, attributes=attributes
    ).result
