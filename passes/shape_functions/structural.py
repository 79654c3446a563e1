"""Shape functions of ops that rearrange elements: broadcasts, reshapes, slices, pads, concatenation, iota."""

from __future__ import annotations

from collections.abc import Sequence

from nimble_mlir.dims import DimExpr, dim_max, floordiv

from ..base import fail
from .registry import Dims, ShapeContext, product, shape_function


@shape_function("stablehlo.constant", "stablehlo.iota", "stablehlo.broadcast_in_dim", "stablehlo.get_dimension_size")
def static_result(ctx: ShapeContext) -> Sequence[Dims]:
    """The type of the result says its dims: these ops have static results."""
    return [ctx.result_dims()]


@shape_function("stablehlo.dynamic_iota")
def dynamic_iota(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand holds the dims."""
    return [ctx.not_negative(ctx.sizes(0))]


@shape_function("stablehlo.dynamic_broadcast_in_dim")
def dynamic_broadcast_in_dim(ctx: ShapeContext) -> Sequence[Dims]:
    """The last operand holds the dims; each of the operand's is 1 or the result's."""
    dims = ctx.not_negative(ctx.sizes(1))
    for axis, (dim, target) in enumerate(zip(ctx.dims(0), ctx.integers("broadcast_dimensions"), strict=True)):
        ctx.broadcasts(dim, dims[target], f"dimension {axis} of the operand and {target} of the result")
    return [dims]


@shape_function("stablehlo.dynamic_reshape")
def dynamic_reshape(ctx: ShapeContext) -> Sequence[Dims]:
    """The last operand holds the dims, whose product is the operand's."""
    dims = ctx.not_negative(ctx.sizes(1))
    ctx.equal(product(ctx.dims(0)), product(dims), "the numbers of elements of the operand and the result")
    return [dims]


@shape_function("stablehlo.reshape")
def reshape(ctx: ShapeContext) -> Sequence[Dims]:
    """A static result, or (in programs refined by inference) a dynamic operand with the same number of elements."""
    dims = ctx.result_dims()
    ctx.equal(product(ctx.dims(0)), product(dims), "the numbers of elements of the operand and the result")
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
    # A size that JAX takes to be at least 1 may be 0 where the function defines it.
    for axis, (dim, limit) in enumerate(zip(ctx.dims(0), ctx.integers("limit_indices"), strict=True)):
        ctx.at_least(dim, limit, f"a slice inside of the operand, but its bounds of dimension {axis} can lie outside")
    bounds = zip(ctx.integers("start_indices"), ctx.integers("limit_indices"), ctx.integers("strides"), strict=True)
    return [tuple(DimExpr.constant(-(-(limit - start) // stride)) for start, limit, stride in bounds)]


@shape_function("stablehlo.real_dynamic_slice")
def real_dynamic_slice(ctx: ShapeContext) -> Sequence[Dims]:
    """ceil((limit - start) / stride), from operands."""
    extents, strides = ctx.differences(1, 2), ctx.sizes(3)
    starts, limits = ctx.known_sizes(1), ctx.known_sizes(2)
    for axis, (dim, extent, stride) in enumerate(zip(ctx.dims(0), extents, strides, strict=True)):
        what = f"a slice inside of the operand, but its bounds of dimension {axis} can lie outside"
        ctx.at_least(extent, 0, what)
        ctx.at_least(stride, 1, f"strides of at least 1 in dimension {axis}")
        if starts is None or limits is None:
            ctx.at_least(dim, extent, what)
        else:
            ctx.at_least(starts[axis], 0, what)
            ctx.at_least(dim, limits[axis], what)
    return [tuple(floordiv(extent + stride - 1, stride) for extent, stride in zip(extents, strides, strict=True))]


@shape_function("stablehlo.dynamic_slice")
def dynamic_slice(ctx: ShapeContext) -> Sequence[Dims]:
    """`slice_sizes`."""
    sizes = tuple(DimExpr.constant(size) for size in ctx.integers("slice_sizes"))
    ctx.fits(sizes, ctx.dims(0), "slice")
    return [sizes]


@shape_function("stablehlo.dynamic_update_slice")
def dynamic_update_slice(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand's dims; the update is nowhere larger."""
    ctx.fits(ctx.dims(1), ctx.dims(0), "update")
    return [ctx.dims(0)]


@shape_function("stablehlo.pad")
def pad(ctx: ShapeContext) -> Sequence[Dims]:
    """operand + low + high + interior padding between its elements, from attributes."""
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    return [_padded(ctx, *([DimExpr.constant(v) for v in ctx.integers(name)] for name in names))]


@shape_function("stablehlo.dynamic_pad")
def dynamic_pad(ctx: ShapeContext) -> Sequence[Dims]:
    """operand + low + high + interior padding between its elements, from operands."""
    return [_padded(ctx, ctx.sizes(2), ctx.sizes(3), ctx.sizes(4))]


def _padded(ctx: ShapeContext, low: Sequence[DimExpr], high: Sequence[DimExpr], interior: Sequence[DimExpr]) -> Dims:
    result = []
    for axis, (dim, before, after, between) in enumerate(zip(ctx.dims(0), low, high, interior, strict=True)):
        ctx.at_least(between, 0, f"interior padding that is not negative in dimension {axis}")
        inner = DimExpr.constant(0) if between == 0 else between * dim_max(dim - 1, DimExpr.constant(0))
        result.append(dim + before + after + inner)
    return ctx.not_negative(tuple(result))


@shape_function("stablehlo.set_dimension_size")
def set_dimension_size(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand's dims with one replaced by the value of operand 1, which is nowhere larger."""
    dims, axis = list(ctx.dims(0)), ctx.op.attributes["dimension"].value
    size = ctx.sizes(1)[0]
    ctx.at_least(dims[axis], size, f"a size that is not larger than the operand's in dimension {axis}")
    dims[axis] = size
    return [ctx.not_negative(tuple(dims))]


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


@shape_function("custom_call:nimble.reserve")
def reserve(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand's: the call says how much room a list wants."""
    return [ctx.dims(0)]
