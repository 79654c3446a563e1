"""Reductions in a kernel: loops over what is reduced, with the results so far in registers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, vector

from ..symbol_table import constant_index
from .builders import element_type_of, product
from .elements import Elements, NotInKernelError, is_supported, lanes_for, of_buffer, of_scalar, row_axis, write
from .kernel_body import KernelBody
from .kernels import loop
from .recipes import splat
from .reduction_kernels import combination
from .scalar_body import scalar_body
from .signedness import reinterpret, signless

__all__ = ["reduction"]

Values = Sequence[ir.Value]


def reduction(body: KernelBody, op: Any) -> None:
    """`reduce` of any number of operands by any body."""
    count = len(op.operands) // 2
    operands = [body.elements(value) for value in list(op.operands)[:count]]
    starts = [body.scalar(value) for value in list(op.operands)[count:]]
    if not all(is_supported(each.element) for each in operands):
        raise NotInKernelError("a reduction of other elements")
    reduced = sorted(int(axis) for axis in op.attributes["dimensions"])
    dims = operands[0].dims
    body.charge(product(dims), 16)
    kept = [axis for axis in range(len(dims)) if axis not in reduced]
    inside = [dims[axis] for axis in reduced]

    def place(outer: Values, inner: Values) -> list[ir.Value]:
        places = dict(zip([*kept, *reduced], [*outer, *inner], strict=True))
        return [places[axis] for axis in range(len(dims))]

    def one(outer: Values) -> list[ir.Value]:
        if count == 1 and row_axis(dims) in reduced:
            fast = _along_rows(body, op, operands[0], starts[0], reduced, lambda inner: place(outer, inner))
            if fast is not None:
                return [fast]

        def combine(inner: Values, so_far: Values, _: int) -> Values:
            elements = [each.at(place(outer, inner), 1) for each in operands]
            return _applied(op.regions[0], [*so_far, *elements])

        return body.over(tuple(inside), starts, combine)

    results = list(op.results)
    target = body.ctx.dims(results[0])
    if not target:
        for result, scalar in zip(results, one([]), strict=True):
            body.define(result, of_scalar(scalar, element_type_of(result)))
        return
    buffers = [body.new_buffer(target, element_type_of(result)) for result in results]

    def store(outer: Values, carried: Values, _: int) -> Values:
        values = zip(one(outer), carried, buffers, strict=True)
        return [write(value, into, outer, 1, buffer) for value, into, buffer in values]

    held = [buffer.value for buffer in buffers if buffer.value is not None]
    for buffer, value in zip(buffers, body.over(target, held, store), strict=True):
        buffer.value = value
    for result, buffer in zip(results, buffers, strict=True):
        body.define(result, of_buffer(buffer))


def _applied(region: Any, scalars: Values) -> list[ir.Value]:
    """A reduction's body on signless scalars."""
    types = [argument.type.element_type for argument in region.blocks[0].arguments]
    own = [reinterpret(scalar, type_) for scalar, type_ in zip(scalars, types, strict=True)]
    return [reinterpret(value, signless(value.type)) for value in scalar_body(region, own)]


def _along_rows(
    body: KernelBody, op: Any, operand: Elements, start: ir.Value, reduced: Sequence[int], place: Any
) -> ir.Value | None:
    """The reduction by one associative operation with a vector of partial results; None for any other."""
    found = combination(op.regions[0], operand.element)
    dims = tuple(operand.dims[axis] for axis in reduced)
    lanes = lanes_for(dims) if operand.has_lanes else 1
    row = row_axis(dims)
    if found is None or lanes == 1 or row is None:
        return None
    combine, identity = found
    end, step = body.ctx.sizes.value(dims[row]), constant_index(lanes)
    whole = arith.muli(arith.divui(end, step), step)
    outer, ends = dims[:row], [constant_index(0)] * (len(dims) - row - 1)
    partial = splat(arith.constant(signless(operand.element), identity), lanes)

    def vectors(before: Values, carried: Values, _: int) -> Values:
        return loop(
            constant_index(0),
            whole,
            carried,
            lambda at, so_far: [combine(so_far, operand.at(place([*before, at, *ends]), lanes))],
            step,
        )

    def rest(before: Values, carried: Values, _: int) -> Values:
        return loop(
            whole,
            end,
            carried,
            lambda at, so_far: [combine(so_far, operand.at(place([*before, at, *ends]), 1))],
        )

    (partial,) = body.over(outer, [partial], vectors)
    total = start
    for lane in range(lanes):
        total = combine(total, vector.extract(partial, [], [lane]))
    return body.over(outer, [total], rest)[0]
