"""Control flow in the body of a kernel: loops and branches of scf whose carries and results stand in buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, scf

from ..regions import terminator
from .builders import element_type_of
from .elements import Buffer, NotInKernelError, of_buffer, of_scalar
from .kernel_body import KernelBody
from .kernels import branch, loop
from .signedness import signless

__all__ = ["emit_iteration", "emit_loop", "inner_if", "inner_loop"]

Values = Sequence[ir.Value]


def emit_loop(
    body: KernelBody, op: Any, carries: Sequence[Buffer | None], inits: Sequence[ir.Value | None]
) -> list[ir.Value]:
    """A loop whose carries stand in buffers (which hold the first values) or, where None, are scalars.

    Returns the last values of the scalars; the buffers hold those of the others."""
    count = sum(carry is None for carry in carries)
    first = [*(value for value in inits if value is not None), *body.held_now(op)]
    emit = _for if op.name == "scf.for" else _while
    results = emit(body, op, carries, first, count)
    body.set_buffers(op, results[count:])
    return results[:count]


def emit_iteration(body: KernelBody, op: Any, carries: Sequence[Buffer | None], index: ir.Value) -> None:
    """One iteration, as a workgroup, of a `scf.for` all of whose carries stand in buffers."""
    block = op.regions[0].blocks[0]
    counter, *others = block.arguments
    body.bind_scalar(counter, index)
    _arrive(body, others, carries, [])
    for value, carry in zip(body.run(block), carries, strict=True):
        # The others write to it at the same time: only rows of it may be replaced.
        if body.elements(value).buffer is not carry:
            raise NotInKernelError("a workgroup that replaces all of a tensor")


def _arrive(body: KernelBody, arguments: Values, carries: Sequence[Buffer | None], scalars: Values) -> None:
    """States what the arguments of a loop's block are."""
    left = iter(scalars)
    for argument, carry in zip(arguments, carries, strict=True):
        if carry is not None:
            body.set_elements(argument, of_buffer(carry))
        elif isinstance(argument.type, ir.RankedTensorType):
            body.set_elements(argument, of_scalar(next(left), element_type_of(argument)))
        else:
            body.bind_scalar(argument, next(left))


def _leave(body: KernelBody, op: Any, yielded: Values, carries: Sequence[Buffer | None]) -> list[ir.Value]:
    """Ends an iteration: the carries' buffers get the new values; returns all that the loop hands on."""
    scalars = [body.scalar(value) for value, carry in zip(yielded, carries, strict=True) if carry is None]
    written = {carry for carry in carries if carry is not None}
    pending = []
    for value, carry in zip(yielded, carries, strict=True):
        if carry is None:
            continue
        new = body.elements(value)
        if new.buffer is carry:
            continue
        # What reads a carry that is about to change is computed before; its own, where it is read at the same place, is
        # not about to change.
        if new.reads & (written - {carry}) or carry in new.shifted:
            new = body.held(new)
        pending.append((carry, new))
    for carry, new in pending:
        body.fill(carry, new)
    return [*scalars, *body.held_now(op)]


def _carried(
    body: KernelBody, op: Any, value: ir.Value, others: Sequence[Buffer | None]
) -> tuple[Buffer | None, ir.Value | None]:
    """A buffer with the first value of an inner loop's carry, that of `value` itself where nothing else reads it, or the
    scalar that it is. `others` are those of the carries before."""
    if not isinstance(value.type, ir.RankedTensorType) or not body.ctx.dims(value):
        return None, body.scalar(value)
    buffer, _ = body.writable(op, value, [])
    return (body.held(of_buffer(buffer)).buffer if buffer in others else buffer), None


def _for(body: KernelBody, op: Any, carries: Sequence[Buffer | None], first: Values, count: int) -> list[ir.Value]:
    block = op.regions[0].blocks[0]
    limits = [body.scalar(operand) for operand in list(op.operands)[:3]]

    def one(index: ir.Value, *arguments: ir.Value) -> Values:
        with body.inside(op, arguments[count:]):
            counter, *others = block.arguments
            body.bind_scalar(counter, index)
            _arrive(body, others, carries, arguments[:count])
            return _leave(body, op, body.run(block), carries)

    return loop(limits[0], limits[1], first, one, step=limits[2])


def _while(body: KernelBody, op: Any, carries: Sequence[Buffer | None], first: Values, count: int) -> list[ir.Value]:
    blocks = [region.blocks[0] for region in op.regions]
    # What the condition hands on is what it got: lowering control flow makes it so.
    condition, *handed_on = terminator(blocks[0]).operands
    if handed_on != list(blocks[0].arguments):
        raise NotInKernelError("a condition that hands on other values")
    types = [value.type for value in first]
    new: Any = scf.WhileOp(types, list(first))
    before, after = (region.blocks.append(*types) for region in new.operation.regions)
    with ir.InsertionPoint(before), body.inside(op, before.arguments[count:]):
        scalars = list(before.arguments)[:count]
        _arrive(body, blocks[0].arguments, carries, scalars)
        body.run(blocks[0])
        goes_on = body.scalar(condition)
        scf.ConditionOp(goes_on, [*scalars, *body.held_now(op)])
    with ir.InsertionPoint(after), body.inside(op, after.arguments[count:]):
        _arrive(body, blocks[1].arguments, carries, list(after.arguments)[:count])
        scf.YieldOp(_leave(body, op, body.run(blocks[1]), carries))
    return list(new.operation.results)


def inner_loop(body: KernelBody, op: Any) -> None:
    """A loop in the body: its carries get buffers, those of the first values or copies of them."""
    skipped = 3 if op.name == "scf.for" else 0
    pairs: list[tuple[Buffer | None, ir.Value | None]] = []
    for value in list(op.operands)[skipped:]:
        pairs.append(_carried(body, op, value, [buffer for buffer, _ in pairs]))
    carries = [buffer for buffer, _ in pairs]
    scalars = iter(emit_loop(body, op, carries, [scalar for _, scalar in pairs]))
    _results(body, op, carries, scalars)


def _results(body: KernelBody, op: Any, carries: Sequence[Buffer | None], scalars: Iterator[ir.Value]) -> None:
    for result, carry in zip(op.results, carries, strict=True):
        if carry is not None:
            body.define(result, of_buffer(carry))
        elif isinstance(result.type, ir.RankedTensorType):
            body.define(result, of_scalar(next(scalars), element_type_of(result)))
        else:
            body.bind_scalar(result, next(scalars))


def inner_if(body: KernelBody, op: Any) -> None:
    """A branch in the body: each side writes its results to scratch buffers, those of a branch around it where that gives
    nothing but the same."""
    ranked = [isinstance(result.type, ir.RankedTensorType) and bool(dims_of(result.type)) for result in op.results]
    carries = [
        _handed_on(body, result) or body.new_buffer(body.ctx.dims(result), element_type_of(result), may_share=True)
        if is_tensor
        else None
        for result, is_tensor in zip(op.results, ranked, strict=True)
    ]
    body.branch_buffers |= dict(zip(op.results, carries, strict=True))
    held = body.held_now(op)
    types = [
        signless(element_type_of(result) if isinstance(result.type, ir.RankedTensorType) else result.type)
        for result, is_tensor in zip(op.results, ranked, strict=True)
        if not is_tensor
    ]

    before, works = body.work, []

    def side(region: Any) -> Callable[[], Values]:
        def emit() -> Values:
            with body.inside(op, held), body.apart_work(works):
                return _leave(body, op, body.run(region.blocks[0]), carries) if region.blocks else held

        return emit

    results = branch(
        body.scalar(op.operands[0]), [*types, *(v.type for v in held)], side(op.regions[0]), side(op.regions[1])
    )
    body.work = before + _larger(*works)
    body.set_buffers(op, results[len(types) :])
    _results(body, op, carries, iter(results))


def _larger(work: DimExpr, other: DimExpr) -> DimExpr:
    """What a branch is worth: its larger side, or both where nobody knows which is larger."""
    if not (work.is_constant and other.is_constant):
        return work + other
    return work if work.constant_value > other.constant_value else other


def _handed_on(body: KernelBody, value: ir.Value) -> Buffer | None:
    """The buffer of the result of a branch that is `value` in one of its sides, if nothing else uses that."""
    uses = list(value.uses)
    if len(uses) != 1:
        return None
    user = uses[0].owner.operation
    if user.name == "nimble.tie_shape":
        return _handed_on(body, user.results[0])
    around = user.parent
    if user.name != "scf.yield" or around is None or around.name != "scf.if":
        return None
    return body.branch_buffers.get(around.results[uses[0].operand_number])
