"""Lowering of reverse: a kernel that copies rows, each forward or backward, by the vector; a generic for few elements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.mlir import arith, ir, vector

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, extract, index_of, product
from .kernels import read, write
from .registry import lowering
from .row_kernels import parts_kernel, row_indices
from .signedness import as_signless, reinterpret
from .vectors import along, has_lanes, lanes_of, read_lanes, write_lanes

__all__ = ["reversed_along"]

Values = Sequence[ir.Value]

# Up to so many elements, a generic that fuses with what is around it is better than a dispatch.
_FEW = 4096


@lowering("stablehlo.reverse")
def reverse(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Each element is read at the mirrored index; upstream has no lowering where a size is dynamic."""
    return [reversed_along(ctx, op.operands[0], list(op.attributes["dimensions"]))]


def reversed_along(ctx: LoweringContext, value: ir.Value, axes: Sequence[int]) -> ir.Value:
    """`value` with the order of its elements reversed along `axes`."""
    dims = ctx.dims(value)
    last = {axis: ctx.sizes.value(dims[axis] - 1) for axis in axes if dims[axis] != 1}
    size = product(dims)
    if not last:
        return value
    worth_it = ctx.has_kernels and not (size.is_constant and size.constant_value <= _FEW)
    if worth_it and has_lanes(element_type_of(value)):
        return reinterpret(_by_kernel(ctx, as_signless(value), last), value.type)

    def body() -> ir.Value:
        return extract(value, _mirrored([index_of(axis) for axis in range(len(dims))], last))

    return ctx.generic([], [], tensor_type(dims, element_type_of(value)), body)


def _mirrored(indices: Values, last: dict[int, ir.Value]) -> list[ir.Value]:
    return [arith.subi(last[axis], index) if axis in last else index for axis, index in enumerate(indices)]


def _by_kernel(ctx: LoweringContext, value: ir.Value, last: dict[int, ir.Value]) -> ir.Value:
    dims = ctx.dims(value)
    kept = max(last) + 1
    if kept < len(dims) - 1:  # what is not reversed at the end is one run
        groups = [*[[axis] for axis in range(kept)], list(range(kept, len(dims)))]
        return ctx.expand(_by_kernel(ctx, ctx.collapse(value, groups), last), groups, dims)
    *outer, size = ctx.sizes.values(dims)
    lanes = lanes_of(element_type_of(value))
    backward = len(outer) in last

    def one_row(row: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Values:
        to = row_indices(row, outer)
        from_ = _mirrored(to, last)

        def several(at: ir.Value, into: ir.Value) -> Values:
            if not backward:
                return [write_lanes(read_lanes(x[0], [*from_, at], lanes), into, [*to, at])]
            first = arith.subi(arith.subi(size, constant_index(lanes)), at)
            run = read_lanes(x[0], [*from_, first], lanes)
            return [write_lanes(vector.shuffle(run, run, list(range(lanes))[::-1]), into, [*to, at])]

        def one(at: ir.Value, into: ir.Value) -> Values:
            return [write(read(x[0], [*from_, arith.subi(last[len(outer)], at) if backward else at]), into, [*to, at])]

        return along(size, lanes, y, several, one)

    rows = reduce(arith.muli, outer, constant_index(1))
    return parts_kernel(ctx, [value], [ctx.empty(dims, element_type_of(value))], rows, size, one_row)[0]
