"""Lowering of slices and updates of slices: `tensor.extract_slice` and `tensor.insert_slice` with clamped starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import DYNAMIC, dims_of, tensor_type
from nimble_mlir.dims import DimExpr, Proof
from nimble_mlir.mlir import arith, ir, tensor

from ..symbol_table import constant_index
from .builders import LoweringContext, clamp_index, constant_of, element_type_of, host_indices
from .registry import lowering
from .signedness import is_unsigned, reinterpret, signless


@lowering("nimble.slice")
def slice_(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Start and stride are values; the sizes are the result's."""
    rank = len(ctx.dims(op.operands[0]))
    start, stride = list(op.operands[1 : 1 + rank]), list(op.operands[1 + 2 * rank : 1 + 3 * rank])
    return [extract_slice(ctx, op.operands[0], start, ctx.dims(op.results[0]), stride)]


@lowering("stablehlo.slice")
def static_slice(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Start and stride are attributes."""
    start, stride = ([constant_index(int(v)) for v in op.attributes[name]] for name in ("start_indices", "strides"))
    return [extract_slice(ctx, op.operands[0], start, ctx.dims(op.results[0]), stride)]


@lowering("stablehlo.dynamic_slice")
def dynamic_slice(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """The starts are clamped so that the slice lies inside, as the specification says."""
    value, dims = op.operands[0], ctx.dims(op.results[0])
    starts = [scalar_index(operand) for operand in list(op.operands)[1:]]
    return [extract_slice(ctx, value, clamped_starts(ctx, starts, ctx.dims(value), dims), dims)]


@lowering("stablehlo.dynamic_update_slice")
def dynamic_update_slice(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """The starts are clamped so that the update lies inside."""
    value, update = op.operands[0], op.operands[1]
    starts = [scalar_index(operand) for operand in list(op.operands)[2:]]
    offsets = clamped_starts(ctx, starts, ctx.dims(value), ctx.dims(update))
    static, dynamic = _static_and_dynamic(offsets)
    shape = update.type.shape
    inserted = tensor.InsertSliceOp(
        update,
        value,
        dynamic,
        ctx.sizes.sizes(ctx.dims(update)),
        [],
        ir.DenseI64ArrayAttr.get(static),
        ir.DenseI64ArrayAttr.get(list(shape)),
        ir.DenseI64ArrayAttr.get([1] * len(shape)),
    )
    return [ctx.cast(inserted.result, ctx.dims(op.results[0]))]


def scalar_index(value: ir.Value) -> ir.Value:
    """The one element of an integer tensor as `index`; the host waits for it where the device computes it."""
    known = host_indices(value)
    if known is not None:
        return known[0]
    return to_index(tensor.extract(value, []))


def to_index(scalar: ir.Value) -> ir.Value:
    """An integer as `index`: unsigned types are extended with zeros, and end at the largest index."""
    if scalar.type == ir.IndexType.get():
        return scalar
    if is_unsigned(scalar.type):
        plain = reinterpret(scalar, signless(scalar.type))
        if plain.type.width == 64:  # an index is signed: what it cannot hold is its largest value
            plain = arith.minui(plain, arith.constant(plain.type, (1 << 63) - 1))
        return arith.index_castui(ir.IndexType.get(), plain)
    return arith.index_cast(ir.IndexType.get(), scalar)


def clamped_starts(
    ctx: LoweringContext, starts: Sequence[ir.Value], dims: Sequence[DimExpr], sizes: Sequence[DimExpr]
) -> list[ir.Value]:
    """Each start clamped to 0 … dim - size; left alone where it is proved to lie there."""
    result = []
    for start, dim, size in zip(starts, dims, sizes, strict=True):
        room = ctx.scope.simplify(dim - size)
        known = constant_of(start)
        inside = known is not None and known >= 0 and ctx.scope.at_least(room, DimExpr.constant(known)) is Proof.PROVED
        if room == 0:
            result.append(constant_index(0))
        else:
            result.append(start if inside else clamp_index(start, ctx.sizes.value(room)))
    return result


def extract_slice(
    ctx: LoweringContext,
    value: ir.Value,
    offsets: Sequence[ir.Value],
    dims: Sequence[DimExpr],
    strides: Sequence[ir.Value] | None = None,
) -> ir.Value:
    """`tensor.extract_slice` of a result with `dims`; constants among offsets and strides become attributes."""
    source = dims_of(value.type)
    if any(dim == 0 for dim in dims):  # the op's verifier admits no offset into a dimension of size 0
        return ctx.empty(dims, element_type_of(value))
    static_offsets, dynamic_offsets = _static_and_dynamic(offsets)
    static_strides, dynamic_strides = _static_and_dynamic(strides) if strides is not None else ([1] * len(dims), [])
    if source == tuple(dims) and not any(static_offsets) and all(stride == 1 for stride in static_strides):
        return value
    type_ = tensor_type(dims, element_type_of(value))
    return tensor.ExtractSliceOp(
        type_,
        value,
        dynamic_offsets,
        ctx.sizes.sizes(dims),
        dynamic_strides,
        ir.DenseI64ArrayAttr.get(static_offsets),
        ir.DenseI64ArrayAttr.get(list(type_.shape)),
        ir.DenseI64ArrayAttr.get(static_strides),
    ).result


def _static_and_dynamic(values: Sequence[ir.Value]) -> tuple[list[int], list[ir.Value]]:
    """What an op with mixed static and dynamic indices takes: integers with a mark for those that are values."""
    constants = [constant_of(value) for value in values]
    dynamic = [value for value, constant in zip(values, constants, strict=True) if constant is None]
    return [DYNAMIC if constant is None else constant for constant in constants], dynamic
