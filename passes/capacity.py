"""Buffers with more room along one axis than is used of it: how they are made, read, written and enlarged.

A part of `nimble-reserve-capacity`. What lies behind the used part is never read.
"""

from __future__ import annotations

from dataclasses import dataclass

from nimble_mlir.dialects import DYNAMIC, BufferView, ExportOp, ImportOp, ViewSizeOp, dims_of
from nimble_mlir.mlir import arith, ir, tensor

from .shape_functions import custom_call_target
from .symbol_table import DimBuilder, constant_index

__all__ = ["CONSUME", "FRONT", "RESERVE", "Reserved", "Room", "reserved", "view_size"]

# On the `nimble.import` of a view that nothing else reads: its buffer may be written to.
CONSUME = "nimble.consume"

# On the `nimble.import` of a view that nothing else uses: its sizes may be smaller along the first axis, and what lies
# behind them is not taken.
FRONT = "nimble.front"

# The target of the custom call around a list that says `Reserved` of it, with that as its configuration.
RESERVE = "nimble.reserve"

_SGT = 4  # arith.cmpi sgt


def view_size(view: ir.Value, axis: int) -> ir.Value:
    """The size of a view along `axis`."""
    return ViewSizeOp(view, ir.IndexType.get(), ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis)).size


@dataclass(frozen=True)
class Room:
    """Buffers of `capacity` along `axis`, whose other dims and element type are those of `type_`."""

    axis: int
    capacity: ir.Value
    sizes: DimBuilder
    type_: ir.RankedTensorType

    @property
    def _buffer_type(self) -> ir.RankedTensorType:
        """Without dims: the capacity is no size of the program, and has no symbol."""
        return ir.RankedTensorType.get(list(self.type_.shape), self.type_.element_type)

    def _extents(self, along: ir.Value) -> list[ir.Value]:
        """The dynamic sizes of a part that takes `along` of the axis."""
        dims = dims_of(self.type_) or ()
        return [
            along if axis == self.axis else self.sizes.value(dim)
            for axis, dim in enumerate(dims)
            if axis == self.axis or not dim.is_constant
        ]

    def empty(self) -> ir.Value:
        """A new buffer."""
        extents = self._extents(self.capacity)
        return ir.Operation.create("tensor.empty", results=[self._buffer_type], operands=extents).result

    def take(self, view: ir.Value, *, consume: bool) -> ir.Value:
        """The buffer of a view."""
        taken = ImportOp(view, self._extents(self.capacity), self._buffer_type)
        if consume:
            taken.operation.attributes[CONSUME] = ir.UnitAttr.get()
        return taken.tensor

    def take_front(self, view: ir.Value, used: ir.Value, type_: ir.RankedTensorType) -> ir.Value:
        """The first `used` rows of a view that nothing else uses, as a tensor of `type_`: without a copy, where they lie
        together."""
        if self.axis != 0:
            return self.front(self.take(view, consume=False), used, type_)
        taken = ImportOp(view, self._extents(used), type_)
        taken.operation.attributes[FRONT] = ir.UnitAttr.get()
        return taken.tensor

    def export(self, buffer: ir.Value) -> ir.Value:
        """The view of a buffer."""
        return ExportOp(buffer, self._extents(self.capacity), BufferView.get()).view

    def insert(self, rows: ir.Value, buffer: ir.Value, at: ir.Value | None, count: ir.Value) -> ir.Value:
        """The buffer with `count` rows from `at` (or its beginning) on."""
        sizes = [DYNAMIC if axis == self.axis else size for axis, size in enumerate(self.type_.shape)]
        offsets = [DYNAMIC if axis == self.axis and at is not None else 0 for axis in range(len(sizes))]
        return tensor.InsertSliceOp(
            _without_size(rows, self.axis),
            buffer,
            [at] if at is not None else [],
            self._extents(count),
            [],
            ir.DenseI64ArrayAttr.get(offsets),
            ir.DenseI64ArrayAttr.get(sizes),
            ir.DenseI64ArrayAttr.get([1] * len(sizes)),
        ).result

    def front(self, buffer: ir.Value, used: ir.Value, type_: ir.RankedTensorType) -> ir.Value:
        """The first `used` rows, as a tensor of `type_`."""
        rank = len(type_.shape)
        return tensor.ExtractSliceOp(
            type_,
            buffer,
            [],
            self._extents(used),
            [],
            ir.DenseI64ArrayAttr.get([0] * rank),
            ir.DenseI64ArrayAttr.get(list(type_.shape)),
            ir.DenseI64ArrayAttr.get([1] * rank),
        ).result

    def grown(self, view: ir.Value, needed: ir.Value, wish: Reserved) -> ir.Value:
        """The view, or one of twice the size (at least `needed`) with the same rows where the needed ones do not fit."""
        too_small = arith.cmpi(_SGT, needed, self.capacity)
        branch = ir.Operation.create("scf.if", results=[view.type], operands=[too_small], regions=2)
        with ir.InsertionPoint(branch.regions[0].blocks.append()):
            doubled = arith.muli(self.capacity, constant_index(2))
            larger = Room(self.axis, arith.maxsi(needed, wish.capped(doubled)), self.sizes, self.type_)
            # Not consumed: what was read of the view before may be used later.
            filled = larger.insert(self.take(view, consume=False), larger.empty(), None, self.capacity)
            ir.Operation.create("scf.yield", operands=[larger.export(filled)])
        with ir.InsertionPoint(branch.regions[1].blocks.append()):
            ir.Operation.create("scf.yield", operands=[view])
        return branch.result


@dataclass(frozen=True)
class Reserved:
    """What the user says of a list: the rows to have room for at once, and how many it has at most."""

    capacity: int = 0
    bound: int | None = None

    def first(self, capacity: ir.Value, used: ir.Value) -> ir.Value:
        """How large the buffer is at first, where `capacity` would do and `used` has to be."""
        if self.capacity:
            capacity = arith.maxsi(capacity, constant_index(self.capacity))
        return capacity if self.bound is None else arith.maxsi(used, self.capped(capacity))

    def capped(self, capacity: ir.Value) -> ir.Value:
        """No more than the bound."""
        return capacity if self.bound is None else arith.minsi(capacity, constant_index(self.bound))


def reserved(value: ir.Value) -> Reserved:
    """What is said of the list that `value` is."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner.operation
        if custom_call_target(op) == RESERVE:
            config = ir.DictAttr(op.attributes["backend_config"])
            numbers = {name: ir.IntegerAttr(config[name]).value for name in ("capacity", "bound") if name in config}
            return Reserved(**numbers)
        if op.name != "nimble.tie_shape":
            break
        value = op.operands[0]
    return Reserved()


def _without_size(rows: ir.Value, axis: int) -> ir.Value:
    """The rows as a tensor whose size along `axis` is dynamic, which `insert_slice` asks for beside a dynamic size."""
    type_ = ir.RankedTensorType(rows.type)
    shape = [DYNAMIC if i == axis else size for i, size in enumerate(type_.shape)]
    if shape == list(type_.shape):
        return rows
    return tensor.cast(ir.RankedTensorType.get(shape, type_.element_type, type_.encoding), rows)
