"""Values whose size differs from one arrival to the next, at the edges of control flow: there they are buffer views.

A part of `nimble-lower-control-flow`. IREE 3.13 gives a tensor that a loop carries the size that it had first (wrong
results, silently, or a failure as it runs); a buffer view has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import BufferView, ExportOp, ImportOp, ViewSizeOp, dims_of
from nimble_mlir.mlir import ir

from .defined_sizes import SIZE_OF
from .regions import everything, terminator
from .resolve_dims import SIZE_SOURCE
from .symbol_table import DimBuilder

__all__ = ["Edge", "arrive", "state_view_sizes"]


class Edge:
    """The types of the values that cross the edges of one op: those of its results, or buffer views where the dims of what
    arrives, leaves and comes out differ."""

    def __init__(self, op: Any) -> None:
        blocks = [region.blocks[0] for region in op.regions]
        results = [result.type for result in op.results]
        if op.name == "stablehlo.while":
            arriving = [list(op.operands), *(list(block.arguments) for block in blocks)]
            crossing = [*arriving, list(terminator(blocks[1]).operands)]
        else:
            crossing = [list(terminator(block).operands) for block in blocks]
        self.types = [
            type_ if all(values[index].type == type_ for values in crossing) else BufferView.get()
            for index, type_ in enumerate(results)
        ]

    def leave(self, values: Sequence[ir.Value], indices: Sequence[int] | None = None) -> list[ir.Value]:
        """`values`, which stand for the results `indices` (all of them), as they cross."""
        types = self.types if indices is None else [self.types[index] for index in indices]
        return [
            ExportOp(value, [], type_).view if isinstance(type_, BufferView) and value.type != type_ else value
            for value, type_ in zip(values, types, strict=True)
        ]


def arrive(pairs: Sequence[tuple[ir.Value, ir.Value]], point: ir.InsertionPoint, location: ir.Location) -> None:
    """Replaces the first of each pair by the second, where this is a view by its tensor, which is made at `point`.

    The sizes that are defined there are read from the views, before all else.
    """
    views = [(old, new) for old, new in pairs if isinstance(new.type, BufferView)]
    for old, new in pairs:
        if not isinstance(new.type, BufferView):
            old.replace_all_uses_with(new)
    if not views:
        return
    with point, location:
        marker = ir.Operation.create("scf.yield")
    for old, new in views:
        for op in [use.owner.operation for use in old.uses]:
            if SIZE_OF in op.attributes:
                _read_size(op, new, marker)
    for old, new in views:
        with ir.InsertionPoint(marker), location:
            old.replace_all_uses_with(ImportOp(new, [], old.type).tensor)
    marker.erase()


def _read_size(op: Any, view: ir.Value, marker: Any) -> None:
    """The view's size for the `tensor.dim` `op`, with the symbol that it is, before `marker`."""
    with ir.InsertionPoint(marker), op.location:
        size = ViewSizeOp(view, ir.IndexType.get(), op.operands[1].owner.attributes["value"]).size
    for use in op.results[0].uses:
        if use.owner.operation.name == "nimble.symbol":
            use.owner.operation.move_before(marker)
    op.results[0].replace_all_uses_with(size)
    # It stays, without uses: the caller may be going over the ops of its block.
    for name in (SIZE_OF, SIZE_SOURCE):
        del op.attributes[name]


def state_view_sizes(function: Any, sizes: DimBuilder) -> None:
    """Gives exports and imports the sizes of their tensors, once all symbols have their values."""
    for op in list(everything(function.operation)):
        if op.name in ("nimble.export", "nimble.import") and len(op.operands) > 1:
            continue
        if op.name == "nimble.export":
            with ir.InsertionPoint(op), op.location:
                new = ExportOp(op.operands[0], sizes.sizes(_dims(op.operands[0])), op.results[0].type)
        elif op.name == "nimble.import":
            with ir.InsertionPoint(op), op.location:
                new = ImportOp(op.operands[0], sizes.sizes(_dims(op.results[0])), op.results[0].type)
        else:
            continue
        op.results[0].replace_all_uses_with(new.operation.results[0])
        op.erase()


def _dims(value: ir.Value) -> Any:
    dims = dims_of(value.type)
    assert dims is not None, value
    return dims
