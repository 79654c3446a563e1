"""Kernels over rows: tensors as matrices whose rows run along one dimension, each row in one workgroup."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from ..symbol_table import constant_index
from .builders import LoweringContext
from .kernels import kernel, loop

__all__ = ["as_rows", "from_rows", "row_kernel"]

Values = Sequence[ir.Value]

# Workgroup w takes the rows w, w + _WORKGROUPS, …: enough for the threads of a CPU.
_WORKGROUPS = 64


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
