"""Lowering of gathers: a slice where the one start is known to the host, a kernel, or an element-wise read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, stablehlo

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, extract, host_indices, index_of, merge_units, product
from .crosswise import materialized
from .gather_kernels import Fill, GatherDims, gather_kernel
from .kernels import restored
from .registry import lowering
from .slice_rules import clamped_starts, extract_slice
from .vectors import has_lanes

__all__ = ["gather_dims"]

# Up to so many elements a gather is not worth a dispatch of its own.
_FEW = 1024


@lowering("nimble.gather", "stablehlo.gather")
def gather(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Reads `operand[clamped start + offset]` for each result element, as StableHLO's specification defines gather.

    On GPUs it is a dispatch of its own: where IREE 3.13 fuses one with a reduction of what it reads (an embedding with its
    layer norm), it keeps the indices in memory of the work group, which SPIR-V has no `index` for.
    """
    numbers = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
    sliced = _as_slice(ctx, op, numbers)
    if sliced is not None:
        return [sliced]
    operand, starts, result = op.operands[0], op.operands[1], op.results[0]
    target = ctx.dims(result)
    sizes = ctx.sizes.values(ctx.dims(operand))
    last = [arith.subi(size, taken) for size, taken in zip(sizes, _slice_sizes(op), strict=True)]
    dims = gather_dims(numbers, len(sizes), len(ctx.dims(starts)), len(target))
    if not ctx.has_kernels or not _is_kernel(operand, dims, target):
        rank = len(target)

        def element() -> ir.Value:
            indices = [index_of(axis) for axis in range(rank)]
            return extract(operand, dims.position(indices, last, lambda at: extract(starts, at)))

        value = ctx.generic([], [], result.type, element)
        return [value if ctx.has_kernels else materialized(ctx, value)]
    found = _filling_select(ctx, op, [target[axis] for axis in dims.batch], dims.batch)
    if found is None:
        return [restored(ctx, gather_kernel(ctx, operand, starts, last, dims, target), result.type)]
    select, fill = found
    with ir.InsertionPoint(select), select.location:
        filled = gather_kernel(ctx, operand, starts, last, dims, target, fill())
        select.results[0].replace_all_uses_with(restored(ctx, filled, select.results[0].type))
    return [ctx.empty(target, element_type_of(operand))]  # the select is dead now


def _slice_sizes(op: Any) -> list[ir.Value]:
    if op.name == "nimble.gather":
        return list(op.operands[2:])
    return [constant_index(int(size)) for size in op.attributes["slice_sizes"]]


def gather_dims(numbers: Any, rank: int, start_rank: int, result_rank: int) -> GatherDims:
    """Which dimension of the result each dimension of the operand is read along, from the attribute of a gather."""
    offset_dims, operand_batch = list(numbers.offset_dims), list(numbers.operand_batching_dims)
    dropped = {*numbers.collapsed_slice_dims, *operand_batch}
    batch = iter([axis for axis in range(result_rank) if axis not in offset_dims])
    start_axes = [None if axis == numbers.index_vector_dim else next(batch) for axis in range(start_rank)]
    start_batch = [start_axes[axis] for axis in numbers.start_indices_batching_dims]
    return GatherDims(
        batch_of={axis: of for axis, of in zip(operand_batch, start_batch, strict=True) if of is not None},
        offset_of=dict(zip([axis for axis in range(rank) if axis not in dropped], offset_dims, strict=True)),
        component_of={axis: component for component, axis in enumerate(numbers.start_index_map)},
        start_axes=start_axes,
        rank=rank,
    )


def _is_kernel(operand: ir.Value, dims: GatherDims, target: Sequence[DimExpr]) -> bool:
    """Not where few elements are read, or each by its start index alone: a generic fuses with what is around it."""
    size = product(target)
    if not has_lanes(element_type_of(operand)) or (size.is_constant and size.constant_value <= _FEW):
        return False
    return bool(target) and bool(dims.offset_of or dims.batch_of)


_BROADCASTS = ("nimble.broadcast_in_dim", "stablehlo.broadcast_in_dim")


def _filling_select(
    ctx: LoweringContext, op: Any, batch_dims: Sequence[DimExpr], batch: Sequence[int]
) -> tuple[Any, Callable[[], Fill]] | None:
    """The select that alone uses a gather and puts a constant where a start index lies outside (JAX's mode "fill"), and
    a builder of what it selects by."""
    uses = list(op.results[0].uses)
    if len(uses) != 1 or uses[0].operand_number != 1 or uses[0].owner.operation.name != "stablehlo.select":
        return None
    select = uses[0].owner.operation
    by, filling = (_broadcast_source(select.operands[position]) for position in (0, 2))
    if select.block != op.operation.block or by is None or filling is None:
        return None
    (kept, kept_axes), (value, value_axes) = by, filling
    if kept_axes != list(batch) or value_axes or isinstance(value.owner, ir.Block):
        return None
    same = all(ctx.same(have, want) for have, want in zip(ctx.dims(kept), batch_dims, strict=True))
    if not same or value.owner.name != "stablehlo.constant":
        return None
    return select, lambda: Fill(kept, extract(value, []))


def _broadcast_source(value: ir.Value) -> tuple[ir.Value, list[int]] | None:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name not in _BROADCASTS:
        return None
    return owner.operands[0], [int(axis) for axis in owner.attributes["broadcast_dimensions"]]


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
