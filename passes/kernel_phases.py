"""What of a kernel several workgroups may do at the same time. A part of `nimble-share-kernels`.

In: the body of a kernel that updates its tensors in place (kernel_versions.py). Out: a plan: scalars that each workgroup
computes, loops, and phases. A phase is a run of ops of which no part needs what another part computes, but for what stands
before the phase: its loops run over one range, and each iteration touches only its own elements of what the phase updates.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import Any

from nimble_mlir.mlir import ir

from .kernel_versions import READS, UPDATES, Access, accesses, is_tensor
from .regions import everything, terminator

__all__ = ["Item", "Loop", "NotSharedError", "Phase", "Range", "Scalar", "number_of", "phases", "plan"]

_log = logging.getLogger("nimble_mlir.passes")

# What an op on one vector of 32 bytes takes, as a multiple of an addition; a quarter of a nanosecond is one.
_COSTS = {"math.exp": 20, "math.tanh": 20, "math.erf": 20, "math.log": 20, "arith.divf": 5, "math.sqrt": 5}
_REGISTER = 8  # elements
_UNKNOWN_TRIPS = 16


class NotSharedError(Exception):
    """Why a kernel is left to one workgroup."""


@dataclass(frozen=True)
class Range:
    """The indices that a phase's loops run over; chunks are multiples of `step`."""

    start: int
    stop: int
    step: int


@dataclass
class Scalar:
    """An op that each workgroup executes."""

    op: Any


@dataclass
class Phase:
    """Ops that run in chunks: `loops` in them go over a part of the range. Without a range they are one chunk."""

    ops: list[Any]
    range: Range | None = None
    loops: list[Any] = field(default_factory=list)

    @property
    def cost(self) -> int:
        """About how long it takes, in quarters of a nanosecond."""
        return sum(map(_cost, self.ops))


@dataclass
class Loop:
    """A loop that each workgroup goes through, over what is shared."""

    op: Any
    items: list[Item]


Item = Scalar | Phase | Loop


def plan(ops: Sequence[Any], buffers: dict[ir.Value, ir.Value], constant: set[ir.Value]) -> list[Item]:
    """The plan for ops that follow each other; `constant` are the buffers that the kernel only reads.

    Raises NotSharedError for numbers that depend on what the kernel computes, and are needed beyond a phase."""
    planner = _Planner(buffers, constant)
    for op in ops:
        planner.add(op)
    planner.close()
    return planner.items


class _Planner:
    def __init__(self, buffers: dict[ir.Value, ir.Value], constant: set[ir.Value]) -> None:
        self.buffers, self.constant = buffers, constant
        self.items: list[Item] = []
        self.open: Phase | None = None

    def add(self, op: Any) -> None:
        """Adds the op that comes next: to the phase that is open, or to a new one."""
        if self._is_scalar(op):
            self.items.append(Scalar(op))
            return
        joined = _parallel([*(self.open.ops if self.open else []), op], self.buffers)
        if joined is not None and (self.open is None or self.open.range is not None):
            self.open = joined
            return
        alone = _parallel([op], self.buffers)
        inner = _loop(op, self.buffers, self.constant) if alone is None else None
        if alone is None and inner is None and self.open is not None and self.open.range is None:
            self.open.ops.append(op)
            return
        self.close()
        if inner is not None:
            self.items.append(inner)
        else:
            self.open = alone or Phase([op])

    def close(self) -> None:
        """Ends the phase that is open."""
        if self.open is None:
            return
        for op in self.open.ops:
            numbers = [result for result in op.results if not is_tensor(result)]
            if any(not self._is_inside(use.owner.operation) for number in numbers for use in number.uses):
                raise NotSharedError(f"a number that '{op.name}' computes")
        self.items.append(self.open)
        self.open = None

    def _is_inside(self, op: Any) -> bool:
        assert self.open is not None
        while op.block != self.open.ops[0].block:
            op = op.block.owner.operation
        return op in self.open.ops

    def _is_scalar(self, op: Any) -> bool:
        """Whether each workgroup can compute an op's results, without what the kernel computes."""
        if op.regions or op.name in UPDATES:
            return False
        if op.name in READS:
            return self.buffers[op.operands[0]] in self.constant
        owners = [value.owner for value in op.operands]
        made = self.open.ops if self.open is not None else []
        return not any(not isinstance(owner, ir.Block) and owner.operation in made for owner in owners)


def phases(items: Sequence[Item]) -> Iterator[Phase]:
    """All phases of a plan."""
    for item in items:
        if isinstance(item, Phase):
            yield item
        elif isinstance(item, Loop):
            yield from phases(item.items)


def _loop(op: Any, buffers: dict[ir.Value, ir.Value], constant: set[ir.Value]) -> Loop | None:
    """A loop over phases that can be shared; None for any other op."""
    if op.name != "scf.for":
        return None
    block = op.regions[0].blocks[0]
    last = terminator(block)
    try:
        items = plan([view.operation for view in block.operations if view.operation != last], buffers, constant)
    except NotSharedError as reason:
        _log.debug("a loop of a kernel is one chunk: %s", reason)
        return None
    return Loop(op, items) if any(phase.range for phase in phases(items)) else None


def _parallel(ops: Sequence[Any], buffers: dict[ir.Value, ir.Value]) -> Phase | None:
    """The phase that ops are; None where an iteration may touch what another one updates."""
    if any(not is_tensor(result) for op in ops for result in op.results):
        return None
    inside = [op for each in ops for op in (each, *everything(each))]
    updated = {access.buffer for op in inside for access in accesses(op, buffers) if access.is_update}
    finder = _Loops(buffers, updated)
    if not all(map(finder.visit, ops)) or not finder.loops:
        return None
    ranges = {(number_of(loop.operands[0]), number_of(loop.operands[1])) for loop in finder.loops}
    if len(ranges) != 1:
        return None
    ((start, stop),) = ranges
    steps = [number_of(loop.operands[2]) for loop in finder.loops]
    if start is None or stop is None or any(step is None for step in steps) or stop <= start:
        return None
    return Phase(list(ops), Range(start, stop, lcm(*(step for step in steps if step))), finder.loops)


class _Loops:
    """Finds the outermost loops whose iterations touch only elements of their own, which all updates must stand in."""

    def __init__(self, buffers: dict[ir.Value, ir.Value], updated: set[ir.Value]) -> None:
        self.buffers, self.updated = buffers, updated
        self.loops: list[Any] = []
        self.axes: dict[ir.Value, int] = {}  # of each buffer, the one that the loops go along

    def visit(self, op: Any) -> bool:
        """Whether all that an op updates is in such loops."""
        if op.name == "scf.for" and self._is_own(op):
            self.loops.append(op)
            return True
        if any(access.buffer in self.updated for access in accesses(op, self.buffers)):
            return False
        return all(self.visit(view.operation) for region in op.regions for block in region.blocks for view in block)

    def _is_own(self, loop: Any) -> bool:
        if any(not is_tensor(result) for result in loop.results):
            return False
        index = loop.regions[0].blocks[0].arguments[0]
        step = number_of(loop.operands[2])
        found = [
            access for op in everything(loop) for access in accesses(op, self.buffers) if access.buffer in self.updated
        ]
        if step is None or not found:
            return False
        axes = dict(self.axes)
        for access in found:
            axis = self._axis(access, index, step)
            if axis is None or axes.setdefault(access.buffer, axis) != axis:
                return False
        self.axes = axes
        return True

    @staticmethod
    def _axis(access: Access, index: ir.Value, step: int) -> int | None:
        """The axis along which an access is between the loop's index and that of the next iteration."""
        last = len(access.indices) - 1
        for axis, at in enumerate(access.indices):
            offset = _offset(at, index)
            if offset is not None and 0 <= offset <= step - (access.lanes if axis == last else 1):
                return axis
        return None


def _offset(value: ir.Value, index: ir.Value) -> int | None:
    """How far a value is behind an index, None where nothing says so."""
    owner = value.owner
    if value == index:
        return 0
    if isinstance(owner, ir.Block) or owner.name != "arith.addi" or owner.operands[0] != index:
        return None
    return number_of(owner.operands[1])


# Arithmetic on sizes, where kernels stand as they were made.
_FOLDED: dict[str, Callable[[int, int], int]] = {
    "arith.addi": operator.add,
    "arith.divui": operator.floordiv,
    "arith.minui": min,
    "arith.muli": operator.mul,
    "arith.subi": operator.sub,
}


def number_of(value: ir.Value) -> int | None:
    """The number that an index is, None where it is known only as the program runs."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    if owner.name == "arith.constant":
        return ir.IntegerAttr(owner.attributes["value"]).value
    fold = _FOLDED.get(owner.name)
    operands = [number_of(operand) for operand in owner.operands] if fold is not None else []
    if fold is None or any(operand is None for operand in operands):
        return None
    return fold(*(operand for operand in operands if operand is not None))


def _cost(op: Any) -> int:
    trips = 1
    if op.name == "scf.for":
        start, stop, step = map(number_of, list(op.operands)[:3])
        known = start is not None and stop is not None and step
        trips = max(0, -(-(stop - start) // step)) if known else _UNKNOWN_TRIPS  # type: ignore[operator]
    elif op.name == "scf.while":
        trips = _UNKNOWN_TRIPS
    inner = sum(_cost(view.operation) for region in op.regions for block in region.blocks for view in block)
    return trips * inner + _COSTS.get(op.name, 1) * _registers(op)


def _registers(op: Any) -> int:
    types = [value.type for value in (*op.results, *op.operands)]
    lanes = max(
        (ir.VectorType(type_).get_dim_size(0) for type_ in types if isinstance(type_, ir.VectorType)), default=1
    )
    return max(1, lanes // _REGISTER)
