"""How a carry grows: the ops by which a loop's body makes its next value from the one that arrives, by appending alone.

In: control flow of scf at stage shapes, with buffer views where sizes differ. Out: a chain of steps: concatenations behind
what is there, branches each of which appends or keeps, and inner loops that append to what they begin with. A part of
`nimble-reserve-capacity`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dialects import BufferView, dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir

from .capacity import CONSUME, RESERVE
from .regions import is_within, terminator
from .shape_functions import custom_call_target

__all__ = ["LOOPS", "Append", "Branch", "Loop", "Step", "chain_of", "growing_carry", "plain"]

# Where the first values of the carries stand among the operands of a loop, and its arguments in the body.
LOOPS = {"scf.for": (3, 1), "scf.while": (0, 0)}


Dims = tuple[DimExpr, ...]


@dataclass(frozen=True)
class Append:
    """A `stablehlo.concatenate` whose first operand is the list so far."""

    op: Any


@dataclass(frozen=True)
class Branch:
    """Result `index` of an `scf.if`, and how each of its regions appends to the list so far."""

    op: Any
    index: int
    chains: tuple[list[Step], ...]


@dataclass(frozen=True)
class Loop:
    """Carry `index` of a loop that begins with `first`, the list so far: how it arrives in the body (`taken`, an import),
    how the body appends to it to make `last`, and the dims at the three places."""

    op: Any
    index: int
    first: ir.Value
    taken: Any
    steps: list[Step]
    last: ir.Value
    dims: tuple[Dims, Dims, Dims]


Step = Append | Branch | Loop


def growing_carry(op: Any, index: int) -> tuple[Loop, int] | None:
    """How carry `index` of a loop grows, and along which axis; None where it changes in another way, or not at all."""
    loop = _carry(op, index)
    if loop is None:
        return None
    axes = {step.op.attributes["dimension"].value for step in _all(loop.steps) if isinstance(step, Append)}
    if len(axes) != 1:
        return None
    (axis,) = axes
    return (loop, axis) if len(set(_other_dims(loop, axis))) == 1 else None


def plain(value: ir.Value) -> ir.Value:
    """The value without the ops that only state something of it."""
    while not isinstance(value.owner, ir.Block) and _is_same(value.owner.operation):
        value = value.owner.operation.operands[0]
    return value


def _is_same(op: Any) -> bool:
    return op.name == "nimble.tie_shape" or custom_call_target(op) == RESERVE


def chain_of(value: ir.Value, block: ir.Block) -> tuple[list[Step], ir.Value]:
    """The last steps in `block` that make `value`, in order, and what they append to."""
    steps: list[Step] = []
    while True:
        value = plain(value)
        if isinstance(value.owner, ir.Block) or value.owner.operation.block != block:
            return steps, value
        op = value.owner.operation
        found = _STEPS[op.name](value, op) if op.name in _STEPS else None
        if found is None:
            return steps, value
        step, value = found
        steps.insert(0, step)


Found = tuple[Step, ir.Value] | None


def _append(value: ir.Value, op: Any) -> Found:
    return Append(op), op.operands[0]


def _arrival(value: ir.Value, op: Any) -> Found:
    """An import of what branches or a loop give."""
    view = op.operands[0]
    if isinstance(view.owner, ir.Block) or _import_of(view) != op:
        return None
    owner = view.owner.operation
    index = ir.OpResult(view).result_number
    if owner.name == "scf.if":
        return _branch(owner, index)
    loop = _carry(owner, index) if owner.name in LOOPS else None
    return None if loop is None or not loop.steps else (loop, loop.first)


def _branches(value: ir.Value, op: Any) -> Found:
    """The result of branches that append alike: its size is the same behind each, and it is no view."""
    return _branch(op, ir.OpResult(value).result_number)


def _branch(op: Any, index: int) -> Found:
    chains: list[list[Step]] = []
    starts: list[ir.Value] = []
    for region in op.regions:
        block = region.blocks[0]
        found = _chain_of_edge(terminator(block).operands[index], block)
        if found is None or is_within(_block_of(found[1]), block):
            return None
        chains.append(found[0])
        starts.append(found[1])
    if any(start != starts[0] for start in starts) or not any(chains):
        return None
    return Branch(op, index, tuple(chains)), starts[0]


def _chain_of_edge(value: ir.Value, block: ir.Block) -> tuple[list[Step], ir.Value] | None:
    """The steps to what leaves `block`: a tensor, the export of one, or what branches in it leave as it is (those of a
    switch stand in each other)."""
    left = exported(value)
    if left is not None:
        return chain_of(left, block)
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "scf.if" or sum(1 for _ in value.uses) != 1:
        return None
    found = _branch(owner.operation, ir.OpResult(value).result_number)
    if found is None:
        return None
    steps, start = chain_of(found[1], block)
    return [*steps, found[0]], start


def _carry(op: Any, index: int) -> Loop | None:
    first, skipped = LOOPS[op.name]
    body = list(op.regions)[-1].blocks[0]
    view = body.arguments[skipped + index]
    if not isinstance(view.type, BufferView):
        return None
    if op.name == "scf.while" and not _passes(op.regions[0].blocks[0], index):
        return None
    taken = _import_of(view)
    start, last = exported(op.operands[first + index]), exported(terminator(body).operands[index])
    if taken is None or start is None or last is None:
        return None
    steps, value = chain_of(last, body)
    if value != taken.results[0]:
        return None
    dims = (_dims(start), _dims(value), _dims(last))
    return Loop(op, index, start, taken, steps, last, dims)


def _passes(before: ir.Block, index: int) -> bool:
    """Whether the condition of an `scf.while` hands an argument on as it got it."""
    return terminator(before).operands[1 + index] == before.arguments[index]


def exported(value: ir.Value) -> ir.Value | None:
    """What goes over an edge of control flow as `value`: itself, or what it is the view of, None if that is not known."""
    if not isinstance(value.type, BufferView):
        return value
    owner = value.owner
    return owner.operation.operands[0] if not isinstance(owner, ir.Block) and owner.name == "nimble.export" else None


def _import_of(view: ir.Value) -> Any | None:
    """The one op that takes a view's tensor; None where something else uses the view, or its buffer is written to."""
    users = [use.owner.operation for use in view.uses if use.owner.operation.name != "nimble.view_size"]
    if len(users) != 1 or users[0].name != "nimble.import" or CONSUME in users[0].attributes:
        return None
    return users[0]


def _block_of(value: ir.Value) -> ir.Block:
    return value.owner if isinstance(value.owner, ir.Block) else value.owner.operation.block


def _all(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps, and those inside of them."""
    for step in steps:
        yield step
        inner = step.chains if isinstance(step, Branch) else (step.steps,) if isinstance(step, Loop) else ()
        for chain in inner:
            yield from _all(chain)


def _other_dims(loop: Loop, axis: int) -> Iterator[Dims]:
    """The dims along all other axes, of each value that the carry has on its way."""
    for step in _all([loop]):
        places = (
            step.dims if isinstance(step, Loop) else [_dims(step.op.operands[0])] if isinstance(step, Append) else []
        )
        for dims in places:
            yield tuple(dim for i, dim in enumerate(dims) if i != axis)


def _dims(value: ir.Value) -> Dims:
    dims = dims_of(value.type)
    assert dims is not None, value
    return tuple(dims)


_STEPS: dict[str, Callable[[ir.Value, Any], Found]] = {
    "nimble.import": _arrival,
    "scf.if": _branches,
    "stablehlo.concatenate": _append,
}
