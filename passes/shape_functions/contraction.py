"""Shape functions of contractions, reductions and windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dims import DimExpr, dim_max, floordiv
from nimble_mlir.mlir import stablehlo

from .registry import Dims, ShapeContext, product, shape_function

ONE = DimExpr.constant(1)
ZERO = DimExpr.constant(0)


@shape_function("stablehlo.dot_general")
def dot_general(ctx: ShapeContext) -> Sequence[Dims]:
    """Batching dims, then the free dims of the left operand, then those of the right one."""
    numbers = stablehlo.DotDimensionNumbers(ctx.op.attributes["dot_dimension_numbers"])
    lhs, rhs = ctx.dims(0), ctx.dims(1)
    lhs_batch, rhs_batch = list(numbers.lhs_batching_dimensions), list(numbers.rhs_batching_dimensions)
    lhs_contract, rhs_contract = list(numbers.lhs_contracting_dimensions), list(numbers.rhs_contracting_dimensions)
    for a, b in zip(lhs_contract, rhs_contract, strict=True):
        ctx.equal(lhs[a], rhs[b], f"contracting dimension {a} of the left and {b} of the right operand")
    batch = [
        ctx.equal(lhs[a], rhs[b], f"batching dimension {a} of the left and {b} of the right operand")
        for a, b in zip(lhs_batch, rhs_batch, strict=True)
    ]
    free = [lhs[i] for i in range(len(lhs)) if i not in lhs_batch + lhs_contract]
    free += [rhs[i] for i in range(len(rhs)) if i not in rhs_batch + rhs_contract]
    return [tuple(batch + free)]


@shape_function("stablehlo.reduce")
def reduce(ctx: ShapeContext) -> Sequence[Dims]:
    """The inputs' common dims without the reduced ones.

    There is no largest of no elements: JAX says so where it knows the size. Of a size that an op defines it is required, but
    not where JAX's `initial=` is the result then: it follows as the left operand of another maximum."""
    count = len(ctx.op.results)
    dims = ctx.all_equal(range(count))
    reduced = set(ctx.integers("dimensions"))
    elements = product([dims[axis] for axis in sorted(reduced)])
    if not elements.symbols.isdisjoint(ctx.defined) and _is_extremum(ctx.op):
        ctx.at_least(elements, 1, "elements to find the largest or smallest of")
    return [tuple(dim for axis, dim in enumerate(dims) if axis not in reduced)] * count


def _is_extremum(op: Any) -> bool:
    """Whether a reduction is JAX's max or min without `initial=`."""
    from ..lowering.scalar_body import body_matches  # here: the lowering's builders import this package
    from ..lowering.scan_rules import is_identity

    if len(op.results) != 1 or not is_identity(op.regions[0], op.operands[1]):
        return False
    names = [name for name in ("maximum", "minimum") if body_matches(op.regions[0], [name])]
    return bool(names) and not all(
        use.owner.operation.name == f"stablehlo.{names[0]}" and use.operand_number == 1 for use in op.results[0].uses
    )


def window_size(
    size: DimExpr,
    window: DimExpr,
    stride: DimExpr | int,
    low: DimExpr,
    high: DimExpr,
    base: DimExpr | int,
    dilation: DimExpr | int,
) -> DimExpr:
    """The number of windows: StableHLO's reduce_window and convolution, from sizes, padding and dilations."""
    dilated = dim_max((size - 1) * base + 1, ZERO) if base != 1 else size
    extent = (window - 1) * dilation + 1
    step = DimExpr.constant(stride) if isinstance(stride, int) else stride
    return dim_max(floordiv(dilated + low + high - extent, step) + 1, ZERO)


@shape_function("stablehlo.reduce_window")
def reduce_window(ctx: ShapeContext) -> Sequence[Dims]:
    """One window reduction a result element."""
    count = len(ctx.op.results)
    dims = ctx.all_equal(range(count))
    rank = len(dims)
    window = ctx.integers("window_dimensions")
    strides, bases, dilations = (
        _integers_or(ctx, name, [1] * rank) for name in ("window_strides", "base_dilations", "window_dilations")
    )
    padding = _padding(ctx, rank)
    result = tuple(
        window_size(dims[i], DimExpr.constant(window[i]), strides[i], *padding[i], base=bases[i], dilation=dilations[i])
        for i in range(rank)
    )
    return [tuple(ctx.scope.simplify(dim) for dim in result)] * count


@shape_function("nimble.dynamic_reduce_window")
def dynamic_reduce_window(ctx: ShapeContext) -> Sequence[Dims]:
    """One window reduction a result element; window, strides, dilations and padding are the last operands."""
    count = len(ctx.op.results)
    dims = ctx.all_equal(range(count))
    window, strides, bases, dilations, padding = (ctx.sizes(2 * count + i) for i in range(5))
    result = tuple(
        window_size(
            dims[i],
            window[i],
            strides[i],
            padding[2 * i],
            padding[2 * i + 1],
            base=bases[i],
            dilation=dilations[i],
        )
        for i in range(len(dims))
    )
    return [tuple(ctx.scope.simplify(dim) for dim in result)] * count


@shape_function("stablehlo.convolution", "stablehlo.dynamic_conv")
def convolution(ctx: ShapeContext) -> Sequence[Dims]:
    """Batch and output features from the dimension numbers, one window a spatial position."""
    numbers = stablehlo.ConvDimensionNumbers(ctx.op.attributes["dimension_numbers"])
    lhs, rhs = ctx.dims(0), ctx.dims(1)
    spatial = list(numbers.input_spatial_dimensions)
    rank = len(spatial)
    strides, bases, dilations = (
        _integers_or(ctx, name, [1] * rank) for name in ("window_strides", "lhs_dilation", "rhs_dilation")
    )
    if ctx.op.name == "stablehlo.dynamic_conv":
        flat = ctx.sizes(2)
        padding = [(flat[2 * i], flat[2 * i + 1]) for i in range(rank)]
    else:
        padding = _padding(ctx, rank)
    groups = ctx.op.attributes["feature_group_count"].value
    features = rhs[numbers.kernel_input_feature_dimension] * groups
    ctx.equal(lhs[numbers.input_feature_dimension], features, "the input features of the operand and of the kernel")
    result: dict[int, DimExpr] = {
        numbers.output_batch_dimension: floordiv(
            lhs[numbers.input_batch_dimension], DimExpr.constant(ctx.op.attributes["batch_group_count"].value)
        ),
        numbers.output_feature_dimension: rhs[numbers.kernel_output_feature_dimension],
    }
    for i, axis in enumerate(numbers.output_spatial_dimensions):
        window = rhs[numbers.kernel_spatial_dimensions[i]]
        size = window_size(lhs[spatial[i]], window, strides[i], *padding[i], base=bases[i], dilation=dilations[i])
        result[axis] = ctx.scope.simplify(size)
    return [tuple(result[axis] for axis in range(len(result)))]


def _integers_or(ctx: ShapeContext, name: str, default: list[int]) -> list[int]:
    return ctx.integers(name) if name in ctx.op.attributes else default


def _padding(ctx: ShapeContext, rank: int) -> list[tuple[DimExpr, DimExpr]]:
    if "padding" not in ctx.op.attributes:
        return [(ZERO, ZERO)] * rank
    attribute = ctx.op.attributes["padding"]
    flat = [attribute.get_splat_value().value] * (2 * rank) if attribute.is_splat else [int(v) for v in attribute]
    return [(DimExpr.constant(flat[2 * i]), DimExpr.constant(flat[2 * i + 1])) for i in range(rank)]
