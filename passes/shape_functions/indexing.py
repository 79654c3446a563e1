"""Shape functions of gathers and of selections along a dimension."""

from __future__ import annotations

from collections.abc import Sequence

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, stablehlo

from .registry import Dims, ShapeContext, shape_function


@shape_function("stablehlo.gather", "stablehlo.dynamic_gather")
def gather(ctx: ShapeContext) -> Sequence[Dims]:
    """Batch dims from the indices, offset dims from the slice sizes."""
    numbers = stablehlo.GatherDimensionNumbers(ctx.op.attributes["dimension_numbers"])
    if ctx.op.name == "stablehlo.dynamic_gather":
        sizes: Sequence[DimExpr] = ctx.sizes(2)
    else:
        sizes = [DimExpr.constant(size) for size in ctx.integers("slice_sizes")]
    ctx.fits(tuple(sizes), ctx.dims(0), "slice")
    indices = ctx.dims(1)
    batch = [dim for axis, dim in enumerate(indices) if axis != numbers.index_vector_dim]
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    offsets = [size for axis, size in enumerate(sizes) if axis not in dropped]
    offset_dims = list(numbers.offset_dims)
    result: list[DimExpr] = []
    for axis in range(len(batch) + len(offsets)):
        result.append(offsets[offset_dims.index(axis)] if axis in offset_dims else batch.pop(0))
    return [tuple(result)]


@shape_function("custom_call:nimble.chlo.top_k")
def top_k(ctx: ShapeContext) -> Sequence[Dims]:
    """Values and indices: the operand's dims with the last one k."""
    config = ir.DictAttr(ctx.op.attributes["backend_config"])
    size, count = ctx.dims(0)[-1], DimExpr.constant(config["k"].value)
    ctx.at_least(size, count, "a last dimension of at least k elements")
    dims = (*ctx.dims(0)[:-1], count)
    return [dims, dims]
