"""Which buffer of a kernel each tensor in its body is: one version of one of the kernel's tensors.

Kernels are built so that each tensor is updated where it lies. Here that is shown, not assumed: what is read or updated is
the newest version of its buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nimble_mlir.mlir import ir

from .regions import terminator

__all__ = ["READS", "UPDATES", "Access", "NotInPlaceError", "Versions", "accesses", "is_tensor", "versions_of"]

# op: where its operands have the tensor, and where the indices begin. An update's value is its first operand.
READS = {"tensor.extract": (0, 1), "vector.transfer_read": (0, 1)}
UPDATES = {"tensor.insert": (1, 2), "vector.transfer_write": (1, 2)}

# What counts in a tensor of counters (dialects/chunks.py), whose version stays the same.
_COUNTS = frozenset(["nimble.take_chunk", "nimble.chunk_done", "nimble.await_chunks"])

_Current = dict[ir.Value, ir.Value]  # by buffer


@dataclass(frozen=True)
class Versions:
    """For each tensor in a kernel, the buffer of which it is a version, and the version that was the newest before it."""

    buffers: dict[ir.Value, ir.Value]
    before: dict[ir.Value, ir.Value]


class NotInPlaceError(Exception):
    """An op that does something else with a tensor, or needs elements that have been overwritten."""


@dataclass(frozen=True)
class Access:
    """An element of a buffer, or `lanes` elements along its last dimension, read or written."""

    op: Any
    buffer: ir.Value
    indices: tuple[ir.Value, ...]
    lanes: int
    is_update: bool


def is_tensor(value: ir.Value) -> bool:
    """Whether a value is a ranked tensor."""
    return isinstance(value.type, ir.RankedTensorType)


def versions_of(block: ir.Block, tensors: list[ir.Value]) -> Versions:
    """The versions of `tensors` in the body of a kernel. Raises NotInPlaceError."""
    visitor = _Visitor(tensors)
    current = {value: value for value in tensors}
    visitor.visit(block, current)
    for binding in terminator(block).operands:
        visitor.read(binding.owner.operands[0], current)
    return Versions(visitor.buffers, visitor.before)


def accesses(op: Any, buffers: dict[ir.Value, ir.Value]) -> Iterator[Access]:
    """What an op, without its regions, reads or writes."""
    places = READS.get(op.name) or UPDATES.get(op.name)
    if places is None:
        return
    at, first = places
    indices = tuple(op.operands)[first:]
    vector_type = (op.operands[0] if op.name in UPDATES else op.results[0]).type
    lanes = 1
    if isinstance(vector_type, ir.VectorType):
        lanes = vector_type.get_dim_size(0)
        # Behind the indices stand the padding of a read, and a mask.
        indices = indices[: ir.RankedTensorType(op.operands[at].type).rank]
    yield Access(op, buffers[op.operands[at]], indices, lanes, op.name in UPDATES)


def _is_plain(op: Any) -> bool:
    """Whether a transfer is of a row of elements that lie side by side, all of which exist."""
    if not op.name.startswith("vector.transfer"):
        return True
    is_read = op.name == "vector.transfer_read"
    vector_type = ir.VectorType((op.results[0] if is_read else op.operands[0]).type)
    rank = ir.RankedTensorType(op.operands[0 if is_read else 1].type).rank
    masked = len(op.operands) != rank + 2
    map_ = ir.AffineMapAttr(op.attributes["permutation_map"]).value
    inside = [bool(each) for each in ir.ArrayAttr(op.attributes["in_bounds"])]
    return vector_type.rank == 1 and not masked and all(inside) and map_ == ir.AffineMap.get_minor_identity(rank, 1)


class _Visitor:
    def __init__(self, tensors: list[ir.Value]) -> None:
        self.buffers = {value: value for value in tensors}
        self.before: dict[ir.Value, ir.Value] = {}

    def read(self, value: ir.Value, current: _Current) -> ir.Value:
        """The buffer of a tensor that is used as it is now."""
        buffer = self.buffers.get(value)
        if buffer is None or current[buffer] != value:
            raise NotInPlaceError("a tensor that is not the newest version of a buffer")
        return buffer

    def visit(self, block: ir.Block, current: _Current) -> None:
        for view in block.operations:
            op = view.operation
            control = _CONTROL.get(op.name)
            if control is not None:
                control(self, op, current)
            elif op.name in READS and _is_plain(op):
                self.read(op.operands[0], current)
            elif op.name in UPDATES and _is_plain(op):
                buffer = self.read(op.operands[1], current)
                self._define(op.results[0], buffer, current)
            elif op.name in _COUNTS:
                self.read(op.operands[0], current)
            elif op != terminator(block) and op.name != "nimble.bind":
                self._refuse_tensors(op)

    def _refuse_tensors(self, op: Any) -> None:
        if any(map(is_tensor, (*op.operands, *op.results))) or op.regions:
            raise NotInPlaceError(f"'{op.name}' of a tensor")

    def _define(self, value: ir.Value, buffer: ir.Value, current: _Current) -> None:
        self.buffers[value] = buffer
        self.before[value] = current[buffer]
        current[buffer] = value

    def _enter(
        self, block: ir.Block, arguments: Any, values: Any, current: _Current
    ) -> tuple[_Current, list[ir.Value]]:
        """The versions as a block begins whose arguments stand for these values; and which buffers it takes over."""
        inner, taken = dict(current), []
        for argument, value in zip(arguments, values, strict=True):
            if not is_tensor(value):
                continue
            buffer = self.read(value, current)
            if buffer in taken:
                raise NotInPlaceError("a buffer that is carried twice")
            taken.append(buffer)
            self._define(argument, buffer, inner)
        return inner, taken

    def _leave(self, values: Any, inner: _Current, taken: list[ir.Value], current: _Current) -> None:
        """Checks what a block hands on: the newest versions of what it took over, in that order, and it changed no more."""
        given = [self.read(value, inner) for value in values if is_tensor(value)]
        if given != taken:
            raise NotInPlaceError("buffers that change places")
        if any(version != current[buffer] for buffer, version in inner.items() if buffer not in taken):
            raise NotInPlaceError("an update that is not handed on")

    def _results(self, op: Any, taken: list[ir.Value], current: _Current) -> None:
        for result, buffer in zip(filter(is_tensor, op.results), taken, strict=True):
            self._define(result, buffer, current)

    def _for(self, op: Any, current: _Current) -> None:
        block = op.regions[0].blocks[0]
        inner, taken = self._enter(block, list(block.arguments)[1:], list(op.operands)[3:], current)
        self.visit(block, inner)
        self._leave(terminator(block).operands, inner, taken, current)
        self._results(op, taken, current)

    def _while(self, op: Any, current: _Current) -> None:
        before, after = (region.blocks[0] for region in op.regions)
        inner, taken = self._enter(before, before.arguments, op.operands, current)
        self.visit(before, inner)
        handed = list(terminator(before).operands)[1:]
        self._leave(handed, inner, taken, current)
        for argument, value in zip(after.arguments, handed, strict=True):
            if is_tensor(value):
                self._define(argument, self.buffers[value], inner)
        self.visit(after, inner)
        self._leave(terminator(after).operands, inner, taken, current)
        self._results(op, taken, current)

    def _if(self, op: Any, current: _Current) -> None:
        taken: list[ir.Value] | None = None
        for region in op.regions:
            if not list(region.blocks):
                continue
            block = region.blocks[0]
            inner = dict(current)
            self.visit(block, inner)
            values = list(filter(is_tensor, terminator(block).operands))
            own = [self.read(value, inner) for value in values]
            if len(set(own)) != len(own) or (taken is not None and own != taken):
                raise NotInPlaceError("branches that give different buffers")
            taken = own
            self._leave(values, inner, own, current)
        self._results(op, taken or [], current)


_CONTROL: dict[str, Callable[[_Visitor, Any, _Current], None]] = {
    "scf.for": _Visitor._for,
    "scf.if": _Visitor._if,
    "scf.while": _Visitor._while,
}
