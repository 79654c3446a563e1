"""Lowering of reduce_window: one `linalg.generic` whose reduction loops run over the window of a padded operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, tensor

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of
from .padding_rules import pad_by_constants
from .registry import lowering
from .scalar_body import scalar_body
from .slice_rules import extract_slice


@lowering("stablehlo.reduce_window")
def reduce_window(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Window i starts at i * stride of the padded (and base-dilated) operands, and its elements are a dilation apart."""
    count = len(op.results)
    operands, inits = list(op.operands[:count]), list(op.operands[count:])
    rank = len(ctx.dims(operands[0]))
    window = window_attribute(op, "window_dimensions", rank)
    strides, bases, dilations = (
        window_attribute(op, name, rank) for name in ("window_strides", "base_dilations", "window_dilations")
    )
    low, high = window_padding(op, rank)
    target = ctx.dims(op.results[0])
    scalars = [tensor.extract(init, []) for init in inits]
    padded = [
        trim(
            ctx,
            pad_by_constants(ctx, value, scalar, low, high, [base - 1 for base in bases]),
            target,
            window,
            strides,
            dilations,
        )
        for value, scalar in zip(operands, scalars, strict=True)
    ]
    # Only axes with a window of more than one element get a reduction loop.
    windowed = [axis for axis in range(rank) if window[axis] > 1]
    loops = rank + len(windowed)
    position = {axis: rank + i for i, axis in enumerate(windowed)}
    exprs = []
    for axis in range(rank):
        expr: Any = ir.AffineDimExpr.get(axis) * strides[axis]
        if axis in position:
            expr = expr + ir.AffineDimExpr.get(position[axis]) * dilations[axis]
        exprs.append(expr)
    input_map = ir.AffineMap.get(loops, 0, exprs)
    # Its sizes are the bounds of the reduction loops; its elements are never read.
    extent = ctx.empty([DimExpr.constant(window[axis]) for axis in windowed], element_type_of(operands[0]))
    extent_map = ir.AffineMap.get(loops, 0, [ir.AffineDimExpr.get(position[axis]) for axis in windowed])
    starts = [ctx.fill(target, scalar) for scalar in scalars]

    def body(*arguments: ir.Value) -> Sequence[ir.Value]:
        elements, accumulated = arguments[:count], arguments[count + 1 :]
        return scalar_body(op.regions[0], [*accumulated, *elements])

    return ctx.reduction([*padded, extent], [*[input_map] * count, extent_map], starts, len(windowed), body)


def trim(
    ctx: LoweringContext,
    value: ir.Value,
    target: Sequence[DimExpr],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> ir.Value:
    """`value` without the elements behind the last window, so that its sizes follow from the loops'."""
    wanted = [
        ctx.scope.simplify((size - 1) * stride + (extent - 1) * dilation + 1)
        for size, extent, stride, dilation in zip(target, window, strides, dilations, strict=True)
    ]
    dims = ctx.dims(value)
    if all(ctx.same(have, want) for have, want in zip(dims, wanted, strict=True)):
        return value
    return extract_slice(ctx, value, [constant_index(0)] * len(dims), wanted)


def window_attribute(op: Any, name: str, rank: int) -> list[int]:
    """A per-dimension attribute of a window, ones where it is absent."""
    return [int(v) for v in op.attributes[name]] if name in op.attributes else [1] * rank


def window_padding(op: Any, rank: int) -> tuple[list[int], list[int]]:
    """Low and high padding of each dimension of a window, zeros where it is absent."""
    if "padding" not in op.attributes:
        return [0] * rank, [0] * rank
    attribute = op.attributes["padding"]
    flat = [attribute.get_splat_value().value] * (2 * rank) if attribute.is_splat else [int(v) for v in attribute]
    return flat[0::2], flat[1::2]
