"""Which carries of a `stablehlo.while` the host computes: integers and booleans that depend on such alone.

A part of `nimble-lower-control-flow`. As scalars of the host they cost nothing to look at: a condition on them waits for no
device, and a slice that starts at one needs none of its values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nimble_mlir.mlir import ir

from .host_values import HOST_RULES, is_host_type
from .regions import is_within, terminator

__all__ = ["HostCarries", "host_carries"]

IsKnown = Callable[[ir.Value], bool]


@dataclass(frozen=True)
class HostCarries:
    """Positions of the carries, and the scalars from outside of the loop that the host has to read from the device once."""

    positions: list[int]
    read: list[ir.Value]


def host_carries(op: Any, is_known: IsKnown) -> HostCarries:
    """The carries of the loop `op` that become scalars of the host; `is_known` says what the host knows outside.

    Those that begin with a value that the host knows; and, where the condition then waits for no device in any iteration,
    those that it needs, although the host has to read their first values, and what they depend on outside, once.
    """
    cond = op.regions[0].blocks[0]
    candidates = {index for index, result in enumerate(op.results) if _is_scalar(result.type)}
    begun = {index for index in candidates if is_known(op.operands[index]) or _is_constant(op.operands[index])}
    condition = terminator(cond).operands[0]

    def readable(value: ir.Value) -> bool:
        return is_known(value) or (_is_scalar(value.type) and not _is_inside(value, op))

    largest = _closed(op, candidates, readable)
    if condition not in _known_inside(cond, _arguments(cond, largest), readable):
        return HostCarries(sorted(_closed(op, begun, is_known)), [])
    needed, seen = _needed(op, condition, largest)
    read = [
        value
        for value in seen
        if not _is_inside(value, op) and _is_scalar(value.type) and not is_known(value) and not _is_constant(value)
    ]
    return HostCarries(sorted(_closed(op, needed | begun, lambda value: is_known(value) or value in read)), read)


def _is_scalar(type_: ir.Type) -> bool:
    return is_host_type(type_) and type_.rank == 0


def _is_inside(value: ir.Value, op: Any) -> bool:
    block = value.owner if isinstance(value.owner, ir.Block) else value.owner.operation.block
    return any(is_within(block, region.blocks[0]) for region in op.regions)


def _closed(op: Any, carries: set[int], is_known: IsKnown) -> set[int]:
    """The largest part of `carries` that follows from itself after an iteration."""
    body = op.regions[1].blocks[0]
    yielded = list(terminator(body).operands)
    while True:
        known = _known_inside(body, _arguments(body, carries), is_known)
        left = {index for index in carries if yielded[index] in known or _is_constant(yielded[index])}
        if left == carries:
            return carries
        carries = left


def _arguments(block: ir.Block, carries: set[int]) -> set[ir.Value]:
    return {block.arguments[index] for index in carries}


def _known_inside(block: ir.Block, known: set[ir.Value], is_known: IsKnown) -> set[ir.Value]:
    """What the host knows of the values of a block, where it knows `known` of its arguments."""
    found = set(known)

    def knows(value: ir.Value) -> bool:
        return value in found or _is_constant(value) or is_known(value)

    for view in block.operations:
        op = view.operation
        if op.name == "stablehlo.while":
            found.update(op.results[index] for index in host_carries(op, knows).positions)
        elif op.name in HOST_RULES and is_host_type(op.results[0].type) and all(map(knows, op.operands)):
            found.add(op.results[0])
    found.update(value for value in terminator(block).operands if is_known(value))
    return found


def _needed(op: Any, condition: ir.Value, carries: set[int]) -> tuple[set[int], list[ir.Value]]:
    """The carries among `carries` that the condition depends on, through any number of iterations, and all values that
    it does."""
    cond, body = (region.blocks[0] for region in op.regions)
    yielded = list(terminator(body).operands)
    needed: set[int] = set()
    pending = [(cond, condition)]
    seen: dict[ir.Value, None] = {}
    while pending:
        block, value = pending.pop()
        if value in seen:
            continue
        seen[value] = None
        arguments = list(block.arguments)
        if value in arguments:
            index = arguments.index(value)
            if index in carries and index not in needed:
                needed.add(index)
                pending.append((body, yielded[index]))
        elif not isinstance(value.owner, ir.Block) and _is_inside(value, op):
            pending += [(block, operand) for operand in _read(value.owner.operation)]
    return needed, list(seen)


def _read(op: Any) -> list[ir.Value]:
    """What an op reads, also in its regions."""
    values = list(op.operands)
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                values += _read(inner.operation)
    return values


def _is_constant(value: ir.Value) -> bool:
    owner = value.owner
    return not isinstance(owner, ir.Block) and owner.name == "stablehlo.constant" and is_host_type(value.type)
