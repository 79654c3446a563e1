"""Shape functions of ops that rearrange elements: broadcasts, reshapes, slices, pads, concatenation, iota."""

from __future__ import annotations

from collections.abc import Sequence

from nimble_mlir.dims import DimExpr, dim_max, floordiv
from nimble_mlir.mlir import ir

from ..base import fail
from .registry import Dims, ShapeContext, shape_function


@shape_function("stablehlo.constant", "stablehlo.iota", "stablehlo.broadcast_in_dim", "stablehlo.get_dimension_size")
def static_result(ctx: ShapeContext) -> Sequence[Dims]:
    """The type of the result says its dims: these ops have static results."""
    return [ctx.result_dims()]


@shape_function("stablehlo.dynamic_broadcast_in_dim", "stablehlo.dynamic_iota")
def shape_operand(ctx: ShapeContext) -> Sequence[Dims]:
    """The last operand holds the dims."""
    return [ctx.sizes(len(ctx.op.operands) - 1)]


@shape_function("stablehlo.dynamic_reshape")
def dynamic_reshape(ctx: ShapeContext) -> Sequence[Dims]:
    """The last operand holds the dims, whose product is the operand's."""
    dims = ctx.sizes(1)
    ctx.equal(_product(ctx.dims(0)), _product(dims), "the numbers of elements of the operand and the result")
    return [dims]


@shape_function("stablehlo.reshape")
def reshape(ctx: ShapeContext) -> Sequence[Dims]:
    """A static result, or (in programs refined by inference) a dynamic operand with the same number of elements."""
    dims = ctx.result_dims()
    ctx.equal(_product(ctx.dims(0)), _product(dims), "the numbers of elements of the operand and the result")
    return [dims]


@shape_function("stablehlo.transpose")
def transpose(ctx: ShapeContext) -> Sequence[Dims]:
    """Dimension i of the result is dimension permutation[i] of the operand."""
    dims = ctx.dims(0)
    return [tuple(dims[axis] for axis in ctx.integers("permutation"))]


@shape_function("stablehlo.concatenate")
def concatenate(ctx: ShapeContext) -> Sequence[Dims]:
    """The sum along `dimension`; the other dims are equal."""
    axis = ctx.op.attributes["dimension"].value
    operands = [ctx.dims(index) for index in range(len(ctx.op.operands))]
    result = list(operands[0])
    for index, dims in enumerate(operands[1:], 1):
        result[axis] = result[axis] + dims[axis]
        for other in range(len(dims)):
            if other != axis:
                what = f"dimension {other} of operands 0 and {index}"
                result[other] = ctx.equal(result[other], dims[other], what)
    return [tuple(result)]


@shape_function("stablehlo.slice")
def slice_(ctx: ShapeContext) -> Sequence[Dims]:
    """ceil((limit - start) / stride), from attributes."""
    bounds = zip(ctx.integers("start_indices"), ctx.integers("limit_indices"), ctx.integers("strides"), strict=True)
    return [tuple(DimExpr.constant(-(-(limit - start) // stride)) for start, limit, stride in bounds)]


@shape_function("stablehlo.real_dynamic_slice")
def real_dynamic_slice(ctx: ShapeContext) -> Sequence[Dims]:
    """ceil((limit - start) / stride), from operands."""
    extents = zip(ctx.differences(1, 2), ctx.sizes(3), strict=True)
    return [tuple(floordiv(extent + stride - 1, stride) for extent, stride in extents)]


@shape_function("stablehlo.dynamic_slice")
def dynamic_slice(ctx: ShapeContext) -> Sequence[Dims]:
    """`slice_sizes`."""
    return [tuple(DimExpr.constant(size) for size in ctx.integers("slice_sizes"))]


@shape_function("stablehlo.dynamic_update_slice", "stablehlo.scatter")
def updated_operand(ctx: ShapeContext) -> Sequence[Dims]:
    """Result i has the dims of operand i."""
    return [ctx.dims(index) for index in range(len(ctx.op.results))]


@shape_function("stablehlo.pad")
def pad(ctx: ShapeContext) -> Sequence[Dims]:
    """operand + low + high + interior padding between its elements, from attributes."""
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    return [_padded(ctx.dims(0), *([DimExpr.constant(v) for v in ctx.integers(name)] for name in names))]


@shape_function("stablehlo.dynamic_pad")
def dynamic_pad(ctx: ShapeContext) -> Sequence[Dims]:
    """operand + low + high + interior padding between its elements, from operands."""
    return [_padded(ctx.dims(0), ctx.sizes(2), ctx.sizes(3), ctx.sizes(4))]


def _padded(dims: Dims, low: Sequence[DimExpr], high: Sequence[DimExpr], interior: Sequence[DimExpr]) -> Dims:
    result = []
    for dim, before, after, between in zip(dims, low, high, interior, strict=True):
        inner = DimExpr.constant(0) if between == 0 else between * dim_max(dim - 1, DimExpr.constant(0))
        result.append(dim + before + after + inner)
    return tuple(result)


@shape_function("stablehlo.set_dimension_size")
def set_dimension_size(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand's dims with one replaced by the value of operand 1."""
    dims = list(ctx.dims(0))
    dims[ctx.op.attributes["dimension"].value] = ctx.sizes(1)[0]
    return [tuple(dims)]


@shape_function("tensor.from_elements", "tensor.splat")
def scalar_or_static(ctx: ShapeContext) -> Sequence[Dims]:
    """A static result."""
    return [ctx.result_dims()]


@shape_function("custom_call:nimble.with_shape")
def with_shape(ctx: ShapeContext) -> Sequence[Dims]:
    """The dims that the user states, a scalar each; the operand's are required to equal them."""
    stated = tuple(ctx.sizes(index)[0] for index in range(1, len(ctx.op.operands)))
    operand = ctx.dims(0)
    if len(stated) != len(operand):
        raise fail(ctx.op, f"with_shape states {len(stated)} dimensions of a value of rank {len(operand)}")
    for axis, (actual, said) in enumerate(zip(operand, stated, strict=True)):
        ctx.equal(actual, said, f"dimension {axis} of the value and of the stated shape")
    return [stated]


def _product(dims: Sequence[DimExpr]) -> DimExpr:
    result = DimExpr.constant(1)
    for dim in dims:
        result = result * dim
    return result


def element_type(value: ir.Value) -> ir.Type:
    """The element type of a tensor value."""
    return ir.RankedTensorType(value.type).element_type
