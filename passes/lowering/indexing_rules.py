"""Lowering of gathers: a slice where the one start is known to the host, else an element-wise read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, stablehlo

from ..symbol_table import constant_index
from .builders import LoweringContext, clamp_index, extract, host_indices, index_of, merge_units
from .registry import lowering
from .slice_rules import clamped_starts, extract_slice, to_index


@lowering("nimble.gather", "stablehlo.gather")
def gather(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Reads `operand[clamped start + offset]` for each result element, as StableHLO's specification defines gather."""
    operand, starts, result = op.operands[0], op.operands[1], op.results[0]
    numbers = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
    operand_dims, start_dims = ctx.dims(operand), ctx.dims(starts)
    sliced = _as_slice(ctx, op, numbers)
    if sliced is not None:
        return [sliced]
    rank = len(ctx.dims(result))
    if op.name == "nimble.gather":
        slice_sizes = list(op.operands[2:])
    else:
        slice_sizes = [constant_index(int(size)) for size in op.attributes["slice_sizes"]]
    offset_dims, start_map = list(numbers.offset_dims), list(numbers.start_index_map)
    operand_batch = list(numbers.operand_batching_dims)
    start_batch = list(numbers.start_indices_batching_dims)
    dropped = {*numbers.collapsed_slice_dims, *operand_batch}
    vector_dim = numbers.index_vector_dim
    batch_axes = [axis for axis in range(rank) if axis not in offset_dims]
    offset_of = dict(zip([a for a in range(len(operand_dims)) if a not in dropped], offset_dims, strict=True))
    sizes = ctx.sizes.values(operand_dims)
    last = [arith.subi(size, taken) for size, taken in zip(sizes, slice_sizes, strict=True)]
    # Where the batch index of each dimension of `starts` is found among the loops.
    start_axes = [axis for axis in range(len(start_dims)) if axis != vector_dim]
    loop_of = dict(zip(start_axes, batch_axes, strict=True))

    def start(component: int) -> ir.Value:
        indices = [
            constant_index(component) if axis == vector_dim else index_of(loop_of[axis])
            for axis in range(len(start_dims))
        ]
        return to_index(extract(starts, indices))

    def body() -> ir.Value:
        indices = []
        for axis in range(len(operand_dims)):
            if axis in operand_batch:
                indices.append(index_of(loop_of[start_batch[operand_batch.index(axis)]]))
                continue
            index = index_of(offset_of[axis]) if axis in offset_of else None
            if axis in start_map:
                base = clamp_index(start(start_map.index(axis)), last[axis])
                index = base if index is None else arith.addi(base, index)
            indices.append(constant_index(0) if index is None else index)
        return extract(operand, indices)

    return [ctx.generic([], [], result.type, body)]


def _as_slice(ctx: LoweringContext, op: Any, numbers: Any) -> ir.Value | None:
    """`x[1:]` and the like: one start, which the host knows, is a slice; dimensions of size 1 are dropped after it."""
    operand, starts, result = op.operands[0], op.operands[1], op.results[0]
    if (
        ir.RankedTensorType(starts.type).rank != 1
        or numbers.index_vector_dim != 0
        or list(numbers.operand_batching_dims)
    ):
        return None
    known = host_indices(starts)
    if known is None:
        return None
    dims, target = ctx.dims(operand), ctx.dims(result)
    dropped, start_map = list(numbers.collapsed_slice_dims), list(numbers.start_index_map)
    kept = [axis for axis in range(len(dims)) if axis not in dropped]
    sizes = [DimExpr.constant(1)] * len(dims)
    for axis, size in zip(kept, target, strict=True):
        sizes[axis] = size
    offsets = [known[start_map.index(axis)] if axis in start_map else constant_index(0) for axis in range(len(dims))]
    value = extract_slice(ctx, operand, clamped_starts(ctx, offsets, dims, sizes), sizes)
    return ctx.cast(ctx.collapse(value, merge_units([axis not in dropped for axis in range(len(dims))])), target)
