"""Which carries of a `stablehlo.while` the host computes: integers and booleans that depend on such alone.

A part of `nimble-lower-control-flow`. As scalars of the host they cost nothing to look at: a condition on them waits for no
device, and a slice that starts at one needs none of its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.mlir import ir

from .host_values import HOST_RULES, is_host_type
from .regions import CONTROL_FLOW, terminator

__all__ = ["host_carries"]

IsKnown = Callable[[ir.Value], bool]


def host_carries(op: Any, is_known: IsKnown) -> list[int]:
    """The carries of the loop `op` that become scalars of the host; `is_known` says what the host knows outside.

    Those that begin with a value that the host knows; and, where the condition then waits for no device in any iteration,
    those that it needs, although the host has to read their first values once.
    """
    cond, body = (region.blocks[0] for region in op.regions)
    candidates = {
        index for index, result in enumerate(op.results) if is_host_type(result.type) and result.type.rank == 0
    }
    begun = {index for index in candidates if is_known(op.operands[index]) or _is_constant(op.operands[index])}
    largest = _closed(op, candidates, is_known)
    condition = terminator(cond).operands[0]
    if condition in _known_inside(cond, _arguments(cond, largest), is_known):
        needed = _needed(op, condition, largest)
        chosen = _closed(op, needed | begun, is_known)
        if condition in _known_inside(cond, _arguments(cond, chosen), is_known):
            return sorted(chosen)
    return sorted(_closed(op, begun, is_known))


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
            found.update(op.results[index] for index in host_carries(op, knows))
        elif op.name not in CONTROL_FLOW and op.name in HOST_RULES and is_host_type(op.results[0].type):
            if all(knows(operand) for operand in op.operands):
                found.add(op.results[0])
    found.update(value for value in terminator(block).operands if is_known(value))
    return found


def _needed(op: Any, condition: ir.Value, carries: set[int]) -> set[int]:
    """The carries among `carries` that the condition depends on, through any number of iterations."""
    cond, body = (region.blocks[0] for region in op.regions)
    yielded = list(terminator(body).operands)
    needed: set[int] = set()
    pending = [(cond, condition)]
    seen: set[ir.Value] = set()
    while pending:
        block, value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        arguments = list(block.arguments)
        if value in arguments:
            index = arguments.index(value)
            if index in carries and index not in needed:
                needed.add(index)
                pending.append((body, yielded[index]))
        elif not isinstance(value.owner, ir.Block):
            pending += [(block, operand) for operand in _read(value.owner.operation)]
    return needed


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
