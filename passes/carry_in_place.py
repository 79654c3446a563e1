"""`nimble-carry-in-place`: what loops of the host update in place is carried as a buffer view. In: control flow of scf. Out:
the same; IREE copies a whole tensor at the first update behind an edge of a loop, and no buffer view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import BufferView, ExportOp, ImportOp, dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions
from .capacity import CONSUME
from .marks import OWN
from .regions import statements, terminator
from .shape_functions.registry import product
from .symbol_table import DimBuilder, SymbolTable

__all__ = ["CarryInPlace"]

# Where the first values of the carries stand among the operands of a loop, and the arguments of its body that are none.
_LOOPS = {"scf.for": (3, 1), "scf.while": (0, 0)}

# What writes to a part of its first operand.
_UPDATES = ("stablehlo.dynamic_update_slice", "stablehlo.scatter")

# A tensor of so many elements is copied in less time than a view takes.
_SMALL = 1 << 12


@dataclass(frozen=True)
class CarryInPlace(ModulePass):
    """Carries a tensor that an iteration updates in part, such as the stacked results of a scan, as a buffer view.

    IREE 3.13 copies a loop's carry before the first update of an iteration, since it does not see that nothing else holds
    it. An iteration of a scan then takes time that grows with the length. What is imported from a view and consumed is
    updated where it lies. The first value is copied once, before the loop: the buffer is the loop's own.

      %r = scf.for … iter_args(%c = %init) -> (tensor<?x8xf32>) {
        %next = stablehlo.dynamic_update_slice %c, %row, %i, %zero
        scf.yield %next }
    ==>
      %v = "nimble.export"(%init, %n) {nimble.own}
      %w = scf.for … iter_args(%u = %v) -> (!nimble.buffer_view) {
        %c = "nimble.import"(%u, %n) {nimble.consume}
        %next = stablehlo.dynamic_update_slice %c, %row, %i, %zero
        scf.yield "nimble.export"(%next, %n) }
      %r = "nimble.import"(%w, %n) {nimble.consume}
    """

    name: ClassVar[str] = "nimble-carry-in-place"

    def run(self, module: ir.Module) -> None:
        """Never fails: a carry that changes in another way stays as it is."""
        for function in entry_functions(module):
            sizes = DimBuilder(function.entry_block, SymbolTable(function).values)
            # Inner loops first: what they update is updated by the loops around them.
            loops = [op for op in statements(function) if op.name in _LOOPS]
            for loop in reversed(loops):
                for index in range(len(loop.results)):
                    if _is_updated(loop, index):
                        _carry(loop, index, sizes)
            for op in statements(function):
                if op.name == "nimble.export":
                    _join(op)


def _is_updated(loop: Any, index: int) -> bool:
    """Whether a tensor carry is, after an iteration, the same tensor with updates of its parts."""
    result = loop.results[index]
    dims = dims_of(result.type) if isinstance(result.type, ir.RankedTensorType) else None
    if not dims:
        return False
    size: DimExpr = product(dims)
    if size.is_constant and size.constant_value <= _SMALL:
        return False
    body = loop.regions[-1].blocks[0]
    argument = body.arguments[_LOOPS[loop.name][1] + index]
    value, updated = terminator(body).operands[index], False
    while value != argument:
        if isinstance(value.owner, ir.Block):
            return False
        op = value.owner.operation
        if op.block != body:
            return False
        if op.name in _UPDATES and len(op.results) == 1:
            updated = True
        elif op.name == "nimble.import" and CONSUME in op.attributes:
            inner = op.operands[0].owner
            if isinstance(inner, ir.Block) or inner.name not in _LOOPS:
                return False
            position = _LOOPS[inner.name][0] + list(inner.operation.results).index(op.operands[0])
            export = inner.operands[position].owner
            if isinstance(export, ir.Block) or export.name != "nimble.export" or inner.operation.block != body:
                return False
            op, updated = export.operation, True
        elif op.name != "nimble.tie_shape":
            return False
        value = op.operands[0]
    return updated


def _carry(loop: Any, index: int, sizes: DimBuilder) -> None:
    first, skipped = _LOOPS[loop.name]
    type_ = loop.results[index].type
    extents = sizes.sizes(dims_of(type_) or ())
    with ir.InsertionPoint(loop), loop.location:
        begun = ExportOp(loop.operands[first + index], extents, BufferView.get())
        begun.operation.attributes[OWN] = ir.UnitAttr.get()
    loop.operands[first + index] = begun.view
    for region in loop.regions:
        block = region.blocks[0]
        last = terminator(block)
        is_body = region == list(loop.regions)[-1]
        argument = block.arguments[(skipped if is_body else 0) + index]
        leaving = index if is_body else index + 1  # behind the condition
        argument.set_type(BufferView.get())
        if is_body:
            with ir.InsertionPoint.at_block_begin(block), loop.location:
                taken = _taken(argument, extents, type_, consume=True)
            argument.replace_all_uses_except(taken, [taken.owner.operation])
            with ir.InsertionPoint(last), last.location:
                view = ExportOp(last.operands[leaving], extents, BufferView.get()).view
            last.operands[leaving] = view
        elif len(list(argument.uses)) > 1:
            with ir.InsertionPoint.at_block_begin(block), loop.location:
                seen = _taken(argument, extents, type_, consume=False)
            argument.replace_all_uses_except(seen, [seen.owner.operation, last])
    result = loop.results[index]
    result.set_type(BufferView.get())
    with ir.InsertionPoint.after(loop), loop.location:
        made = _taken(result, extents, type_, consume=True)
    result.replace_all_uses_except(made, [made.owner.operation])


def _taken(view: ir.Value, extents: list[ir.Value], type_: ir.Type, *, consume: bool) -> ir.Value:
    taken = ImportOp(view, extents, type_)
    if consume:
        taken.operation.attributes[CONSUME] = ir.UnitAttr.get()
    return taken.tensor


def _join(export: Any) -> None:
    """Where a view is taken only to be handed on, it is handed on; what a loop has made in its own buffer needs no other."""
    value = export.operands[0]
    while _is_used_once(value) and not isinstance(value.owner, ir.Block) and value.owner.name == "nimble.tie_shape":
        value = value.owner.operands[0]
    if not _is_used_once(value) or isinstance(value.owner, ir.Block):
        return
    op = value.owner.operation
    if op.name == "nimble.import" and CONSUME in op.attributes and op.block == export.block:
        export.results[0].replace_all_uses_with(op.operands[0])
        export.erase()
    elif OWN in export.attributes and _is_own(value, export.block):
        del export.attributes[OWN]


def _is_own(value: ir.Value, block: ir.Block) -> bool:
    """Whether a tensor lies in a buffer that was taken in this block, and nothing reads what it held before."""
    while not isinstance(value.owner, ir.Block) and value.owner.operation.block == block and _is_used_once(value):
        op = value.owner.operation
        if op.name == "nimble.import":
            return CONSUME in op.attributes
        if op.name not in (*_UPDATES, "nimble.tie_shape"):
            return False
        value = op.operands[0]
    return False


def _is_used_once(value: ir.Value) -> bool:
    return len(list(value.uses)) == 1
