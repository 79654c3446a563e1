"""Conversion of elements where a plain cast has no defined value: XLA saturates floats into integers, and NaN is 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.mlir import arith, ir
from nimble_mlir.mlir import complex as complex_dialect

from .arithmetic import widened
from .builders import LoweringContext, element_type_of
from .registry import lowering
from .signedness import as_signless, is_unsigned, reinterpret, signless

__all__ = ["converted_scalar"]

_OGE, _OLE, _UNORDERED = 3, 5, 14  # arith.cmpf predicates


@lowering("stablehlo.convert")
def convert(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
    """Floats into integers, what becomes a float of 16 bits with a rounding of our own (`widened`), and to and from 8-bit
    floats; the others are upstream's."""
    source, target = element_type_of(op.operands[0]), element_type_of(op.results[0])
    narrow = any(isinstance(_part(element), ir.FloatType) and _part(element).width <= 8 for element in (source, target))
    into_integer = not isinstance(source, ir.IntegerType) and isinstance(target, ir.IntegerType) and target.width > 1
    into_half = isinstance(target, ir.BF16Type) or (isinstance(target, ir.F16Type) and isinstance(source, ir.F64Type))
    if not (into_integer or into_half or (narrow and target != ir.IntegerType.get_signless(1))):
        return None
    value = ctx.elementwise(
        [as_signless(op.operands[0])], signless(target), lambda scalar: converted_scalar(scalar, source, target)
    )
    cast = ctx.cast(value, ctx.dims(op.results[0]))
    return [reinterpret(cast, tensor_type(ctx.dims(op.results[0]), target))]


def _part(element: ir.Type) -> ir.Type:
    return element.element_type if isinstance(element, ir.ComplexType) else element


def converted_scalar(scalar: ir.Value, source: ir.Type, target: ir.Type) -> ir.Value:
    """A signless scalar that is a `source`, as a `target` (signless)."""
    if isinstance(source, ir.FloatType) and source.width <= 8:
        f32 = ir.F32Type.get()
        return converted_scalar(arith.extf(f32, scalar), f32, target)
    if isinstance(source, ir.ComplexType) and not isinstance(target, ir.ComplexType):
        return converted_scalar(complex_dialect.re(scalar), source.element_type, target)
    if isinstance(target, ir.IntegerType) and isinstance(source, ir.FloatType):
        return _rounded_to_zero(scalar, target)
    if isinstance(target, ir.FloatType) and target.width <= 8 and not isinstance(source, ir.FloatType):
        return arith.truncf(target, widened(scalar, source, ir.F32Type.get()))
    return widened(scalar, source, target)


def _rounded_to_zero(scalar: ir.Value, target: ir.IntegerType) -> ir.Value:
    """A float as an integer: what lies beyond becomes the nearest one, NaN 0; as a boolean, whether it is not 0."""
    if scalar.type.width < 32:
        scalar = arith.extf(ir.F32Type.get(), scalar)
    type_ = signless(target)
    zero = arith.constant(scalar.type, 0.0)
    if target.width == 1:
        return arith.cmpf(13, scalar, zero)  # une
    unsigned = is_unsigned(target)
    low = 0 if unsigned else -(1 << (target.width - 1))
    high = (1 << target.width) - 1 if unsigned else (1 << (target.width - 1)) - 1
    # The bounds are powers of two (or 0), so exact in any float.
    too_high = arith.cmpf(_OGE, scalar, arith.constant(scalar.type, float(high + 1)))
    too_low = arith.cmpf(_OLE, scalar, arith.constant(scalar.type, float(low)))
    outside = arith.ori(arith.ori(too_high, too_low), arith.cmpf(_UNORDERED, scalar, scalar))
    inside = arith.select(outside, zero, scalar)
    wide = ir.IntegerType.get_signless(max(32, target.width))
    whole = (arith.fptoui if unsigned and target.width >= 32 else arith.fptosi)(wide, inside)
    result = whole if wide == type_ else arith.trunci(type_, whole)
    result = arith.select(too_high, arith.constant(type_, -1 if unsigned else high), result)
    return arith.select(too_low, arith.constant(type_, low), result)
