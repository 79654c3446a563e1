"""Shape functions of gathers and of selections along a dimension."""

from __future__ import annotations

from collections.abc import Sequence

from nimble_mlir.dims import DimExpr, dim_min
from nimble_mlir.mlir import ir, stablehlo

from .contraction import _integers_or, _padding, window_size
from .registry import Dims, ShapeContext, product, shape_function


@shape_function("stablehlo.gather", "stablehlo.dynamic_gather")
def gather(ctx: ShapeContext) -> Sequence[Dims]:
    """Batch dims from the indices, offset dims from the slice sizes."""
    numbers = stablehlo.GatherDimensionNumbers(ctx.op.attributes["dimension_numbers"])
    if ctx.op.name == "stablehlo.dynamic_gather":
        sizes: Sequence[DimExpr] = ctx.sizes(2)
    else:
        sizes = [DimExpr.constant(size) for size in ctx.integers("slice_sizes")]
    indices = ctx.dims(1)
    batch = [dim for axis, dim in enumerate(indices) if axis != numbers.index_vector_dim]
    # Where nothing is gathered, nothing is read: a size that the function defines may be 0.
    read = product(batch)
    ctx.fits(tuple(dim_min(size, size * read) for size in sizes), ctx.dims(0), "slice")
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    offsets = [size for axis, size in enumerate(sizes) if axis not in dropped]
    offset_dims = list(numbers.offset_dims)
    result: list[DimExpr] = []
    for axis in range(len(batch) + len(offsets)):
        result.append(offsets[offset_dims.index(axis)] if axis in offset_dims else batch.pop(0))
    return [tuple(result)]


@shape_function("stablehlo.scatter")
def scatter(ctx: ShapeContext) -> Sequence[Dims]:
    """Result i has the dims of operand i. There is an update for each index, of a window that fits into the operand."""
    count = len(ctx.op.results)
    numbers = stablehlo.ScatterDimensionNumbers(ctx.op.attributes["scatter_dimension_numbers"])
    operand, indices = ctx.all_equal(range(count)), ctx.dims(count)
    updates = ctx.all_equal(range(count + 1, 2 * count + 1))
    window_dims = list(numbers.update_window_dims)
    batch = [dim for axis, dim in enumerate(indices) if axis != numbers.index_vector_dim]
    scattered = [dim for axis, dim in enumerate(updates) if axis not in window_dims]
    for axis, (lhs, rhs) in enumerate(zip(batch, scattered, strict=True)):
        ctx.equal(lhs, rhs, f"dimension {axis} of the indices and of the updates")
    pairs = zip(numbers.input_batching_dims, numbers.scatter_indices_batching_dims, strict=True)
    for axis, of_indices in pairs:
        ctx.equal(operand[axis], indices[of_indices], f"batching dimension {axis} of the operand and of the indices")
    dropped = {*numbers.inserted_window_dims, *numbers.input_batching_dims}
    kept = [dim for axis, dim in enumerate(operand) if axis not in dropped]
    for axis, dim in zip(window_dims, kept, strict=True):
        ctx.at_least(dim, updates[axis], f"an operand that is at least as large as dimension {axis} of the updates")
    return [operand] * count


@shape_function("custom_call:nimble.chlo.top_k")
def top_k(ctx: ShapeContext) -> Sequence[Dims]:
    """Values and indices: the operand's dims with the last one k."""
    config = ir.DictAttr(ctx.op.attributes["backend_config"])
    size, count = ctx.dims(0)[-1], DimExpr.constant(config["k"].value)
    ctx.at_least(size, count, "a last dimension of at least k elements")
    dims = (*ctx.dims(0)[:-1], count)
    return [dims, dims]


@shape_function("custom_call:stablehlo.dynamic_top_k")
def dynamic_top_k(ctx: ShapeContext) -> Sequence[Dims]:
    """As top_k, with k in the second operand."""
    size, (count,) = ctx.dims(0)[-1], ctx.sizes(1)
    ctx.at_least(size, count, "a last dimension of at least k elements")
    dims = (*ctx.dims(0)[:-1], count)
    return [dims, ctx.not_negative(dims)]


@shape_function("stablehlo.select_and_scatter")
def select_and_scatter(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand's dims; the source has an element for each window, as the result of a window reduction has."""
    operand, source = ctx.dims(0), ctx.dims(1)
    rank = len(operand)
    windows, strides = (_integers_or(ctx, name, [1] * rank) for name in ("window_dimensions", "window_strides"))
    padding = _padding(ctx, rank)
    for axis in range(rank):
        window = DimExpr.constant(windows[axis])
        size = window_size(operand[axis], window, strides[axis], *padding[axis], base=1, dilation=1)
        ctx.equal(source[axis], ctx.scope.simplify(size), f"dimension {axis} of the source and the number of windows")
    return [operand]
