"""Kernels over rows: tensors as matrices whose rows run along one dimension, each row in one workgroup; and kernels over
counted items of which each workgroup has a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from ..symbol_table import constant_index
from .builders import LoweringContext
from .kernels import kernel, loop

__all__ = ["as_rows", "from_rows", "parts_kernel", "row_indices", "row_kernel"]

Values = Sequence[ir.Value]

# Enough for the threads of a CPU. Of a `row_kernel`, workgroup w takes the rows w, w + _WORKGROUPS, ….
_WORKGROUPS = 64
# So many elements are worth waking a thread for them.
_ELEMENTS = 4096


def as_rows(ctx: LoweringContext, value: ir.Value, axis: int) -> ir.Value:
    """A tensor [rows, size of `axis`]."""
    rank = len(ctx.dims(value))
    if rank == 1:
        return ctx.expand(value, [[0, 1]], [DimExpr.constant(1), *ctx.dims(value)])
    moved = ctx.transpose(value, [*(other for other in range(rank) if other != axis), axis])
    return ctx.collapse(moved, [list(range(rank - 1)), [rank - 1]])


def from_rows(ctx: LoweringContext, value: ir.Value, dims: Sequence[DimExpr], axis: int) -> ir.Value:
    """The inverse of `as_rows`: a tensor with `dims`."""
    rank = len(dims)
    if rank == 1:
        return ctx.collapse(value, [[0, 1]])
    order = [*(other for other in range(rank) if other != axis), axis]
    expanded = ctx.expand(value, [list(range(rank - 1)), [rank - 1]], [dims[other] for other in order])
    return ctx.transpose(expanded, [order.index(other) for other in range(rank)])


def row_kernel(
    ctx: LoweringContext,
    inputs: Values,
    outputs: Values,
    body: Callable[[ir.Value, list[ir.Value], list[ir.Value]], Values],
) -> list[ir.Value]:
    """A kernel that runs `body` for each row of its tensors: with the row's number, the inputs and the outputs."""
    rows = ctx.dims(inputs[0])[0]
    if rows == 1:
        return kernel(ctx, inputs, outputs, lambda _, x, y: body(constant_index(0), x, y))
    count = ctx.sizes.value(rows)
    workgroups = arith.minui(count, constant_index(_WORKGROUPS))

    def all_rows(number: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Values:
        return loop(number, count, y, lambda row, *carried: body(row, x, list(carried)), step=workgroups)

    return kernel(ctx, inputs, outputs, all_rows, workgroups)


def parts_kernel(
    ctx: LoweringContext,
    inputs: Values,
    outputs: Values,
    count: ir.Value,
    size: ir.Value,
    body: Callable[[ir.Value, list[ir.Value], list[ir.Value]], Values],
) -> list[ir.Value]:
    """A kernel that runs `body` for each number below `count`, adjacent ones in one workgroup, with the inputs and outputs.

    `size` is about how many elements are read for each number."""
    work = arith.muli(count, arith.maxui(size, constant_index(1)))
    blocks = arith.ceildivui(work, constant_index(_ELEMENTS))
    workgroups = arith.minui(arith.minui(count, blocks), constant_index(_WORKGROUPS))

    def one_part(number: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Values:
        first, end = (
            arith.divui(arith.muli(bound, count), workgroups)
            for bound in (number, arith.addi(number, constant_index(1)))
        )
        return loop(first, end, y, lambda item, *carried: body(item, x, list(carried)))

    return kernel(ctx, inputs, outputs, one_part, workgroups)


def row_indices(row: ir.Value, sizes: Values) -> list[ir.Value]:
    """The indices of the row with a number among rows in row-major order, of which there are `sizes`."""
    indices: list[ir.Value] = []
    for size in reversed(sizes[1:]):
        indices.insert(0, arith.remui(row, size))
        row = arith.divui(row, size)
    return [row, *indices] if sizes else []
