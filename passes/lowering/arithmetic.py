"""Arithmetic on scalars by element type, and conversion of tensors between element types."""

from __future__ import annotations

from nimble_mlir.mlir import arith, ir, math
from nimble_mlir.mlir import complex as complex_dialect

from .builders import LoweringContext, element_type_of
from .signedness import as_signless, is_unsigned, signless

__all__ = ["computed_type", "converted", "multiply_add", "one", "summed_type", "widened", "zero"]


_GREATER, _DIFFERENT, _UNORDERED = 2, 6, 14  # arith.cmpf predicates: ogt, one, uno


def zero(element: ir.Type) -> ir.Value:
    """The constant 0 of a float, complex or signless integer type."""
    return _number(element, 0)


def one(element: ir.Type) -> ir.Value:
    """The constant 1 of a float, complex or signless integer type."""
    return _number(element, 1)


def _number(element: ir.Type, value: int) -> ir.Value:
    if isinstance(element, ir.ComplexType):
        parts = [ir.FloatAttr.get(element.element_type, float(part)) for part in (value, 0)]
        return complex_dialect.constant(element, ir.ArrayAttr.get(parts))
    return arith.constant(element, value if isinstance(element, ir.IntegerType) else float(value))


def computed_type(element: ir.Type) -> ir.Type:
    """In which type a contraction computes with elements of fewer than 8 bits, or floats of 8: sums of i8 wrap around as
    those of fewer bits do, and floats are rounded once."""
    if isinstance(element, ir.IntegerType) and element.width < 8:
        return ir.IntegerType.get_unsigned(8) if is_unsigned(element) else ir.IntegerType.get_signless(8)
    return ir.F32Type.get() if isinstance(element, ir.FloatType) and element.width <= 8 else element


def summed_type(element: ir.Type) -> ir.Type:
    """In which type products are summed: wrapped around once at the end, as the narrow sums would be, integers of fewer
    than 32 bits take IREE 3.13 a tenth of the time to compile, and have its microkernels."""
    if isinstance(element, ir.IntegerType) and element.width < 32:
        return ir.IntegerType.get_unsigned(32) if is_unsigned(element) else ir.IntegerType.get_signless(32)
    return computed_type(element)


def multiply_add(lhs: ir.Value, rhs: ir.Value, total: ir.Value) -> ir.Value:
    """`lhs * rhs + total`; over booleans, and and or."""
    element = total.type
    if isinstance(element, ir.ComplexType):
        return complex_dialect.add(complex_dialect.mul(lhs, rhs), total)
    if isinstance(element, ir.IntegerType):
        if element.width == 1:
            return arith.ori(arith.andi(lhs, rhs), total)
        return arith.addi(arith.muli(lhs, rhs), total)
    return arith.addf(arith.mulf(lhs, rhs), total)


def converted(ctx: LoweringContext, value: ir.Value, element: ir.Type) -> ir.Value:
    """An operand of a contraction in the result's element type (signless), each extended as its own type says."""
    source = element_type_of(value)
    if source == element:
        return value
    return ctx.elementwise([as_signless(value)], signless(element), lambda scalar: widened(scalar, source, element))


def widened(scalar: ir.Value, source: ir.Type, element: ir.Type) -> ir.Value:
    """A scalar of type `source` as `element`: extension by sign, zeros or float format, or truncation."""
    target = signless(element)
    if scalar.type == target:
        return scalar
    if isinstance(source, ir.IntegerType) and isinstance(target, ir.IntegerType):
        if source.width == target.width:
            return scalar
        if source.width > target.width:
            return arith.trunci(target, scalar)
        by_zeros = is_unsigned(source) or source.width == 1
        return (arith.extui if by_zeros else arith.extsi)(target, scalar)
    if isinstance(source, ir.IntegerType):
        if isinstance(target, ir.ComplexType):
            return complex_dialect.create_(
                target, widened(scalar, source, target.element_type), zero(target.element_type)
            )
        if isinstance(target, ir.BF16Type):
            return _rounded_to_bfloat16(widened(scalar, source, ir.F32Type.get()))
        by_zeros = is_unsigned(source) or source.width == 1
        return (arith.uitofp if by_zeros else arith.sitofp)(target, scalar)
    if isinstance(source, ir.ComplexType) or isinstance(target, ir.ComplexType):
        if not isinstance(source, ir.ComplexType):
            return complex_dialect.create_(
                target, widened(scalar, source, target.element_type), zero(target.element_type)
            )
        parts = [widened(part, source.element_type, target.element_type) for part in
                 (complex_dialect.re(scalar), complex_dialect.im(scalar))]  # fmt: skip
        return complex_dialect.create_(target, *parts)
    if source.width == target.width:  # bf16 and f16
        scalar = arith.extf(ir.F32Type.get(), scalar)
    if isinstance(target, ir.BF16Type) and isinstance(scalar.type, ir.F32Type):
        return _rounded_to_bfloat16(scalar)
    if isinstance(target, ir.F16Type) and isinstance(scalar.type, ir.F64Type):
        return arith.truncf(target, _rounded_to_odd(scalar))
    return (arith.extf if scalar.type.width < target.width else arith.truncf)(target, scalar)


def _rounded_to_bfloat16(scalar: ir.Value) -> ir.Value:
    """An f32 as bf16, to nearest, ties to even, on its bits: what LLVM makes of a truncation.

    MLIR folds the truncation of a converted integer into one conversion to bf16. That is a call of `__truncsfbf2` on CPUs
    without bf16, which IREE 3.13 does not link (test_conversions.py).
    """
    i32, i16 = ir.IntegerType.get_signless(32), ir.IntegerType.get_signless(16)
    bits = arith.bitcast(i32, scalar)
    high = arith.shrui(bits, arith.constant(i32, 16))
    half = arith.addi(arith.andi(high, arith.constant(i32, 1)), arith.constant(i32, 0x7FFF))
    rounded = arith.shrui(arith.addi(bits, half), arith.constant(i32, 16))
    quiet = arith.ori(high, arith.constant(i32, 0x40))
    rounded = arith.select(arith.cmpf(_UNORDERED, scalar, scalar), quiet, rounded)
    return arith.bitcast(ir.BF16Type.get(), arith.trunci(i16, rounded))


def _rounded_to_odd(scalar: ir.Value) -> ir.Value:
    """An f64 as the f32 from which it is rounded to f16 once: where it is inexact, the one of its two neighbours whose last
    bit is set (Boldo and Melquiond, Emulation of a FMA and correctly rounded sums, 2008).

    On CPUs without AVX512-FP16 IREE 3.13 calls a function that makes zeros of what is subnormal in f16.
    """
    f64, i32 = scalar.type, ir.IntegerType.get_signless(32)
    near = arith.truncf(ir.F32Type.get(), scalar)
    back, bits = arith.extf(f64, near), arith.bitcast(i32, near)
    one = arith.constant(i32, 1)
    farther = arith.cmpf(_GREATER, math.absf(back), math.absf(scalar))
    odd = arith.select(farther, arith.subi(bits, one), arith.addi(bits, one))
    even = arith.cmpi(0, arith.andi(bits, one), arith.constant(i32, 0))
    other = arith.andi(arith.cmpf(_DIFFERENT, back, scalar), even)
    return arith.bitcast(ir.F32Type.get(), arith.select(other, odd, bits))
