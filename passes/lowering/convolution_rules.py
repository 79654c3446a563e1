"""Lowering of convolution: padded, in channels-last layout, then a matmul, a kernel, a named linalg convolution, a matmul of
patches, or a generic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, linalg, stablehlo

from .arithmetic import converted, multiply_add, summed_type, zero
from .builders import LoweringContext, element_type_of, product
from .convolution_kernels import convolution_kernel, has_kernel
from .padding_rules import pad_by_constants
from .registry import lowering
from .reverse_rules import reversed_along
from .signedness import as_signless, reinterpret, signless
from .window_rules import trim, window_attribute, window_padding, window_span


@dataclass(frozen=True)
class _Windows:
    """The static parameters of a convolution over `len(strides)` spatial dimensions."""

    strides: list[int]
    dilations: list[int]
    groups: int


@lowering("stablehlo.convolution")
def convolution(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Operand as (batch, spatial…, features), kernel as (spatial…, in, out); the result is transposed back."""
    numbers = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
    spatial = list(numbers.input_spatial_dimensions)
    rank = len(spatial)
    batch_groups = op.attributes["batch_group_count"].value
    windows = _Windows(
        window_attribute(op, "window_strides", rank),
        window_attribute(op, "rhs_dilation", rank),
        op.attributes["feature_group_count"].value * batch_groups,  # one of them is 1
    )
    result = op.results[0]
    element = element_type_of(result)
    if element != ir.IntegerType.get_signless(1):  # and and or
        element = summed_type(element)
        if isinstance(element, ir.FloatType) and element.width < 32:
            element = ir.F32Type.get()  # as XLA: IREE 3.13 would round each sum
    lhs, rhs = (converted(ctx, operand, element) for operand in op.operands[:2])
    lhs = ctx.transpose(lhs, [numbers.input_batch_dimension, *spatial, numbers.input_feature_dimension])
    rhs = ctx.transpose(
        rhs,
        [
            *numbers.kernel_spatial_dimensions,
            numbers.kernel_input_feature_dimension,
            numbers.kernel_output_feature_dimension,
        ],
    )
    reversal = [bool(v) for v in op.attributes["window_reversal"]] if "window_reversal" in op.attributes else []
    rhs = reversed_along(ctx, rhs, [axis for axis, flag in enumerate(reversal) if flag])
    lhs, rhs = as_signless(lhs), as_signless(rhs)
    if batch_groups > 1:
        lhs = _batch_groups_as_features(ctx, lhs, batch_groups)
    low, high = window_padding(op, rank)
    interior = [base - 1 for base in window_attribute(op, "lhs_dilation", rank)]
    lhs = pad_by_constants(ctx, lhs, zero(element_type_of(lhs)), [0, *low, 0], [0, *high, 0], [0, *interior, 0])
    to_last = [numbers.output_batch_dimension, *numbers.output_spatial_dimensions, numbers.output_feature_dimension]
    dims = ctx.dims(result)
    value = _channels_last(ctx, lhs, rhs, [dims[axis] for axis in to_last], windows, signless(element))
    value = ctx.cast(ctx.transpose(value, [to_last.index(axis) for axis in range(rank + 2)]), dims)
    value = converted(ctx, value, element_type_of(result))
    return [reinterpret(value, result.type)]


def _batch_groups_as_features(ctx: LoweringContext, lhs: ir.Value, groups: int) -> ir.Value:
    """(groups * batch, spatial…, features) as (batch, spatial…, groups * features): group by group the same products."""
    dims = ctx.dims(lhs)
    count = DimExpr.constant(groups)
    batch = ctx.scope.simplify(dims[0] // count)
    last = len(dims)
    split = ctx.cast(lhs, [batch * count, *dims[1:]])
    split = ctx.expand(split, [[0, 1], *[[axis] for axis in range(2, last + 1)]], [count, batch, *dims[1:]])
    moved = ctx.transpose(split, [*range(1, last), 0, last])
    return ctx.collapse(moved, [*[[axis] for axis in range(last - 1)], [last - 1, last]])


def _channels_last(
    ctx: LoweringContext,
    lhs: ir.Value,
    rhs: ir.Value,
    target: Sequence[DimExpr],
    windows: _Windows,
    element: ir.Type,
) -> ir.Value:
    for form in (_as_matmul, _as_kernel, _as_named, _as_patches, _as_generic):
        value = form(ctx, lhs, rhs, target, windows, element)
        if value is not None:
            return value
    raise AssertionError("a generic says every convolution")


def _as_matmul(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows, element: ir.Type
) -> ir.Value | None:
    """Windows that tile the operand without overlap (patches, 1 x 1 kernels) are rows of a matmul."""
    dims, kernel = ctx.dims(lhs), ctx.dims(rhs)
    window = list(kernel[:-2])
    tiles = windows.groups == 1 and all(
        ctx.same(extent, DimExpr.constant(stride)) and ctx.same(have, count * stride)
        for extent, stride, have, count in zip(window, windows.strides, dims[1:-1], target[1:-1], strict=True)
    )
    if not tiles or not ctx.same(kernel[-2], dims[-1]):
        return None
    rank = len(window)
    groups = [[0], *[[1 + 2 * i, 2 + 2 * i] for i in range(rank)], [2 * rank + 1]]
    split = [dims[0], *[dim for pair in zip(target[1:-1], window, strict=True) for dim in pair], dims[-1]]
    aligned = ctx.cast(lhs, [dims[0], *[product(split[g[0] : g[-1] + 1]) for g in groups[1:-1]], dims[-1]])
    patches = ctx.transpose(
        ctx.expand(aligned, groups, split),
        [0, *[1 + 2 * i for i in range(rank)], *[2 + 2 * i for i in range(rank)], 2 * rank + 1],
    )
    rows = ctx.collapse(patches, [list(range(rank + 1)), list(range(rank + 1, 2 * rank + 2))])
    columns = ctx.collapse(rhs, [list(range(rank + 1)), [rank + 1]])
    row_dims = [dims[0], *target[1:-1]]
    out = ctx.fill([product(row_dims), target[-1]], zero(element))
    op = linalg.MatmulOp([out.type], [rows, columns], [out])
    linalg.fill_builtin_region(op.operation)
    return ctx.expand(op.results[0], [list(range(rank + 1)), [rank + 1]], [*row_dims, target[-1]])


def _as_kernel(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows, element: ir.Type
) -> ir.Value | None:
    if not ctx.has_kernels or windows.groups > 1 or not has_kernel(element, ctx.dims(rhs)):
        return None
    lhs = _trimmed(ctx, lhs, rhs, target, windows)
    return convolution_kernel(ctx, lhs, rhs, target, windows.strides, windows.dilations)


_NAMED = {1: linalg.Conv1DNwcWcfOp, 2: linalg.Conv2DNhwcHwcfOp, 3: linalg.Conv3DNdhwcDhwcfOp}
_DEPTHWISE = {
    1: linalg.DepthwiseConv1DNwcWcOp,
    2: linalg.DepthwiseConv2DNhwcHwcOp,
    3: linalg.DepthwiseConv3DNdhwcDhwcOp,
}


def _as_named(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows, element: ir.Type
) -> ir.Value | None:
    """One of linalg's named convolutions: one group, or as many groups as features with one output each."""
    kernel = ctx.dims(rhs)
    rank = len(kernel) - 2
    depthwise = windows.groups > 1 and kernel[-2] == 1 and kernel[-1] == windows.groups
    named = (_DEPTHWISE if depthwise else _NAMED).get(rank)
    if named is None or (windows.groups > 1 and not depthwise):
        return None
    if not all(dim.is_constant for dim in kernel[:-2]):
        return None  # the sizes of the window are the loops', and a kernel of symbolic size is rare
    if not depthwise and not target[-2].is_constant:
        return None  # IREE 3.13 does not vectorize along a dynamic width: 20 times slower
    lhs = _trimmed(ctx, lhs, rhs, target, windows)
    if depthwise:
        rhs = ctx.collapse(rhs, [*[[axis] for axis in range(rank)], [rank, rank + 1]])
    out = ctx.fill(target, zero(element))
    op = named(
        [out.type], [lhs, rhs], [out], strides=_i64_vector(windows.strides), dilations=_i64_vector(windows.dilations)
    )
    linalg.fill_builtin_region(op.operation)
    return op.results[0]


def _as_patches(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows, element: ir.Type
) -> ir.Value | None:
    """The elements under each window as a row of a matmul, a batch of them where there are groups."""
    kernel = ctx.dims(rhs)
    if not all(dim.is_constant for dim in kernel):
        return None
    rank, groups = len(kernel) - 2, windows.groups
    count, outputs = DimExpr.constant(groups), kernel[-1] // windows.groups
    lhs = _trimmed(ctx, lhs, rhs, target, windows)
    if groups == 1 and rank and windows.dilations[-1] == 1 and ctx.dims(lhs)[-1].is_constant:
        return _as_runs(ctx, lhs, rhs, target, windows, element)
    dims = ctx.dims(lhs)
    separate = [[axis] for axis in range(rank + 1)]
    lhs = ctx.expand(lhs, [*separate, [rank + 1, rank + 2]], [*dims[:-1], count, kernel[-2]])
    # Loops: group, batch, position…, window…, features.
    loop = ir.AffineDimExpr.get
    positions = [loop(2 + i) * windows.strides[i] + loop(2 + rank + i) * windows.dilations[i] for i in range(rank)]
    source = ir.AffineMap.get(2 * rank + 3, 0, [loop(1), *positions, loop(0), loop(2 * rank + 2)])
    rows = [target[0], *target[1:-1]]
    patches = ctx.generic(
        [lhs], [source], tensor_type([count, *rows, *kernel[:-1]], element_type_of(lhs)), lambda scalar: scalar
    )
    rhs = ctx.expand(rhs, [*separate, [rank + 1, rank + 2]], [*kernel[:-1], count, outputs])
    rhs = ctx.transpose(rhs, [rank + 1, *range(rank + 1), rank + 2])
    row, column, window = range(1, rank + 2), range(rank + 2, 2 * rank + 3), range(1, rank + 2)
    left, right = ctx.collapse(patches, [[0], row, column]), ctx.collapse(rhs, [[0], window, [rank + 2]])
    out = ctx.fill([count, product(rows), outputs], zero(element))
    batched = linalg.BatchMatmulOp([out.type], [left, right], [out])
    linalg.fill_builtin_region(batched.operation)
    value = ctx.expand(batched.results[0], [[0], row, [rank + 2]], [count, *rows, outputs])
    value = ctx.transpose(value, [*row, 0, rank + 2])
    return ctx.collapse(value, [*separate, [rank + 1, rank + 2]])


def _as_runs(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows, element: ir.Type
) -> ir.Value:
    """Patches of one group whose last spatial dimension is not dilated: width and features are read in one run."""
    kernel, dims = ctx.dims(rhs), ctx.dims(lhs)
    rank = len(kernel) - 2
    merged = ctx.collapse(lhs, [*[[axis] for axis in range(rank)], [rank, rank + 1]])
    features = dims[-1].constant_value
    # Loops: batch, position…, window… but for its last dimension, run.
    loop = ir.AffineDimExpr.get
    outer = [loop(1 + i) * windows.strides[i] + loop(1 + rank + i) * windows.dilations[i] for i in range(rank - 1)]
    run = loop(rank) * (windows.strides[-1] * features) + loop(2 * rank)
    source = ir.AffineMap.get(2 * rank + 1, 0, [loop(0), *outer, run])
    rows = list(target[:-1])
    shape = tensor_type([*rows, *kernel[: rank - 1], kernel[rank - 1] * features], element_type_of(lhs))
    patches = ctx.generic([merged], [source], shape, lambda scalar: scalar)
    left = ctx.collapse(patches, [list(range(rank + 1)), list(range(rank + 1, 2 * rank + 1))])
    right = ctx.collapse(rhs, [list(range(rank + 1)), [rank + 1]])
    out = ctx.fill([product(rows), kernel[-1]], zero(element))
    op = linalg.MatmulOp([out.type], [left, right], [out])
    linalg.fill_builtin_region(op.operation)
    return ctx.expand(op.results[0], [list(range(rank + 1)), [rank + 1]], [*rows, kernel[-1]])


def _as_generic(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows, element: ir.Type
) -> ir.Value:
    """Any number of spatial dimensions and groups: loops (batch, spatial…, group, out) and (window…, in)."""
    kernel = ctx.dims(rhs)
    rank, groups = len(kernel) - 2, DimExpr.constant(windows.groups)
    outputs = ctx.scope.simplify(kernel[-1] // groups)
    lhs = _trimmed(ctx, lhs, rhs, target, windows)
    dims = ctx.dims(lhs)
    last = rank + 1
    lhs = ctx.expand(lhs, [*[[axis] for axis in range(last)], [last, last + 1]], [*dims[:-1], groups, kernel[-2]])
    rhs = ctx.expand(rhs, [*[[axis] for axis in range(last)], [last, last + 1]], [*kernel[:-1], groups, outputs])
    start = ctx.fill([*target[:-1], groups, outputs], zero(element))
    parallel = rank + 3
    loop = ir.AffineDimExpr.get
    group, out, inner = loop(rank + 1), loop(rank + 2), loop(parallel + rank)
    positions = [loop(1 + i) * windows.strides[i] + loop(parallel + i) * windows.dilations[i] for i in range(rank)]
    loops = parallel + rank + 1
    maps = [
        ir.AffineMap.get(loops, 0, [loop(0), *positions, group, inner]),
        ir.AffineMap.get(loops, 0, [*[loop(parallel + i) for i in range(rank)], inner, group, out]),
    ]
    (value,) = ctx.reduction([lhs, rhs], maps, [start], rank + 1, lambda a, b, total: [multiply_add(a, b, total)])
    return ctx.cast(ctx.collapse(value, [*[[axis] for axis in range(last)], [last, last + 1]]), target)


def _trimmed(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, target: Sequence[DimExpr], windows: _Windows
) -> ir.Value:
    dims = ctx.dims(lhs)
    spans = window_span(ctx, target[1:-1], ctx.dims(rhs)[:-2], windows.strides, windows.dilations)
    return trim(ctx, lhs, zero(element_type_of(lhs)), [dims[0], *spans, dims[-1]])


def _i64_vector(values: Sequence[int]) -> ir.Attribute:
    i64 = ir.IntegerType.get_signless(64)
    elements = [ir.IntegerAttr.get(i64, value) for value in values]
    return ir.DenseElementsAttr.get(elements, tensor_type([DimExpr.constant(len(values))], i64))
