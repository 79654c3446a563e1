"""Floats of at most 8 bits: a table of their formats, and conversion between their bits and wider floats, as IR on scalars.

Rounding is to nearest, ties to even (of powers of two to the larger one), and the conversions give the bits that ml_dtypes
and XLA give for each number; where these differ (f64 by way of f32, the sign of a NaN that becomes 0) those of XLA.
Source: the formats as OCP's "8-bit Floating Point" and "Microscaling Formats" (2023) and LLVM's APFloat define them.
"""

from __future__ import annotations

from dataclasses import dataclass

from nimble_mlir.mlir import arith, ir, math

__all__ = ["FORMATS", "FloatFormat", "decoded", "encoded", "format_of"]

_EQ, _SGT, _ULT, _UGT = 0, 4, 6, 8  # arith.cmpi
_OLT = 4  # arith.cmpf


@dataclass(frozen=True)
class FloatFormat:
    """A format whose numbers are (sign, size): size counts the magnitudes from 0 on, as bits of an exponent and a mantissa.

    `largest` is the size of the largest number, `overflow` that of what is larger, `nan` that of NaN. Sizes from
    `first_nan` on are NaN, `infinity` is infinite. Where `nan_is_negative_zero`, there is one zero and one NaN.
    """

    width: int
    mantissa: int
    bias: int
    largest: int
    overflow: int
    nan: int
    first_nan: int | None = None
    infinity: int | None = None
    nan_is_negative_zero: bool = False

    @property
    def sign(self) -> int:
        """The sign's bit."""
        return 1 << (self.width - 1)


def _like_ieee(mantissa: int, bias: int) -> FloatFormat:
    """The largest exponent is for infinities and NaNs."""
    infinity = 0x7F & ~((1 << mantissa) - 1)
    quiet = infinity | 1 << (mantissa - 1)
    return FloatFormat(8, mantissa, bias, infinity - 1, infinity, quiet, infinity + 1, infinity)


def _one_nan(mantissa: int, bias: int) -> FloatFormat:
    """Finite but for the NaN that takes the place of -0."""
    return FloatFormat(8, mantissa, bias, 0x7F, 0x80, 0x80, nan_is_negative_zero=True)


def _finite(width: int, mantissa: int, bias: int) -> FloatFormat:
    """No NaN: it becomes -0, as XLA has it. What is too large becomes the largest number."""
    largest = (1 << (width - 1)) - 1
    return FloatFormat(width, mantissa, bias, largest, largest, 1 << (width - 1))


# By the name of the MLIR type.
FORMATS: dict[str, FloatFormat] = {
    "f8E5M2": _like_ieee(2, 15),
    "f8E4M3": _like_ieee(3, 7),
    "f8E3M4": _like_ieee(4, 3),
    "f8E4M3FN": FloatFormat(8, 3, 7, 0x7E, 0x7F, 0x7F, first_nan=0x7F),
    "f8E5M2FNUZ": _one_nan(2, 16),
    "f8E4M3FNUZ": _one_nan(3, 8),
    "f8E4M3B11FNUZ": _one_nan(3, 11),
    "f4E2M1FN": _finite(4, 1, 1),
    "f6E2M3FN": _finite(6, 3, 1),
    "f6E3M2FN": _finite(6, 2, 3),
    "f8E8M0FNU": FloatFormat(8, 0, 127, 0xFE, 0xFF, 0xFF, first_nan=0xFF),  # a power of two: no sign, no zero
}
_POWERS_OF_TWO = FORMATS["f8E8M0FNU"]


def format_of(element: ir.Type) -> FloatFormat | None:
    """The format of a float type of at most 8 bits, None for any other type."""
    return FORMATS.get(str(element)) if isinstance(element, ir.FloatType) and element.width <= 8 else None


def decoded(bits: ir.Value, format_: FloatFormat) -> ir.Value:
    """The f32 that the low bits of an i8 stand for: exact."""
    i32, f32 = ir.IntegerType.get_signless(32), ir.F32Type.get()
    code = arith.extui(i32, bits)
    nan = arith.constant(f32, float("nan"))
    if format_ is _POWERS_OF_TWO:
        value = arith.bitcast(f32, arith.shli(code, arith.constant(i32, 23)))
        # 2**-127 has no exponent of its own in f32.
        value = arith.select(_is(_EQ, code, 0), arith.bitcast(f32, arith.constant(i32, 1 << 22)), value)
        return arith.select(_is(_EQ, code, 0xFF), nan, value)
    size = arith.andi(code, arith.constant(i32, format_.sign - 1))
    aligned = arith.shli(size, arith.constant(i32, 23 - format_.mantissa))
    normal = arith.bitcast(f32, arith.addi(aligned, arith.constant(i32, (127 - format_.bias) << 23)))
    unit = arith.constant(f32, 2.0 ** (1 - format_.bias - format_.mantissa))
    value = arith.select(_is(_ULT, size, 1 << format_.mantissa), arith.mulf(arith.sitofp(f32, size), unit), normal)
    if format_.infinity is not None:
        value = arith.select(_is(_EQ, size, format_.infinity), arith.constant(f32, float("inf")), value)
    if format_.first_nan is not None:
        value = arith.select(_is(_UGT, size, format_.first_nan - 1), nan, value)
    sign = arith.shli(code, arith.constant(i32, 32 - format_.width))  # the bits below it do not matter
    value = math.copysign(value, arith.bitcast(f32, sign))
    return arith.select(_is(_EQ, code, format_.nan), nan, value) if format_.nan_is_negative_zero else value


def _is(predicate: int, value: ir.Value, number: int) -> ir.Value:
    return arith.cmpi(predicate, value, arith.constant(value.type, number))


def encoded(value: ir.Value, format_: FloatFormat) -> ir.Value:
    """The bits of a float scalar rounded to the format, as an i8 whose other bits are 0."""
    if value.type.width < 32:
        value = arith.extf(ir.F32Type.get(), value)
    wide = _Wide(value)
    if format_ is _POWERS_OF_TWO:
        return wide.power_of_two()
    code, is_nan = wide.size(format_), wide.is_nan()
    code = arith.select(is_nan, wide.constant(format_.nan), code)
    sign = arith.shrui(wide.bits, wide.constant(wide.width - format_.width))
    sign = arith.andi(sign, wide.constant(format_.sign))
    if format_.nan_is_negative_zero:
        is_number = arith.cmpi(_ULT, arith.subi(code, wide.constant(1)), wide.constant(format_.largest))
        sign = arith.select(is_number, sign, wide.constant(0))
    return arith.trunci(ir.IntegerType.get_signless(8), arith.ori(code, sign))


class _Wide:
    """An f32 or f64 scalar as bits."""

    def __init__(self, value: ir.Value) -> None:
        self.value = value
        self.width = value.type.width
        self.mantissa, self.bias = (52, 1023) if self.width == 64 else (23, 127)
        self.integer = ir.IntegerType.get_signless(self.width)
        self.bits = arith.bitcast(self.integer, value)
        self.magnitude = arith.andi(self.bits, self.constant((1 << (self.width - 1)) - 1))

    def constant(self, number: int) -> ir.Value:
        return arith.constant(self.integer, number)

    def is_nan(self) -> ir.Value:
        infinity = ((1 << (self.width - 1 - self.mantissa)) - 1) << self.mantissa
        return arith.cmpi(_UGT, self.magnitude, self.constant(infinity))

    def size(self, format_: FloatFormat) -> ir.Value:
        """The magnitude as a size of the format, in an integer of the scalar's width."""
        code = self._rounded(self.mantissa - format_.mantissa)
        code = arith.subi(code, self.constant((self.bias - format_.bias) << format_.mantissa))
        # A sum with this number has the format's smallest subnormal as its last bit.
        shift = arith.constant(self.value.type, 2.0 ** (self.mantissa + 1 - format_.bias - format_.mantissa))
        absolute = math.absf(self.value)
        summed = arith.bitcast(self.integer, arith.addf(absolute, shift))
        below = arith.subi(summed, arith.bitcast(self.integer, shift))
        is_below = arith.cmpf(_OLT, absolute, arith.constant(self.value.type, 2.0 ** (1 - format_.bias)))
        code = arith.select(is_below, below, code)
        too_large = arith.cmpi(_SGT, code, self.constant(format_.largest))
        return arith.select(too_large, self.constant(format_.overflow), code)

    def _rounded(self, dropped: int) -> ir.Value:
        """The magnitude's bits without the last `dropped` ones, rounded to nearest, ties to even."""
        odd = arith.andi(arith.shrui(self.magnitude, self.constant(dropped)), self.constant(1))
        half = arith.addi(odd, self.constant((1 << (dropped - 1)) - 1))
        return arith.shrui(arith.addi(self.magnitude, half), self.constant(dropped))

    def power_of_two(self) -> ir.Value:
        """The exponent; NaN for what has none: negative numbers, zeros, infinities and NaN."""
        half = self.constant(1 << (self.mantissa - 1))
        code = arith.shrui(arith.addi(self.magnitude, half), self.constant(self.mantissa))
        code = arith.subi(code, self.constant(self.bias - 127))
        if self.width == 32:  # 2**-127, which is subnormal there, is code 0; what is above it is 1 in ml_dtypes
            between = arith.cmpi(_ULT, self.magnitude, self.constant((1 << 22) + 1))
            code = arith.select(between, self.constant(0), code)
        code = arith.maxsi(code, self.constant(0))
        positive = arith.cmpi(_SGT, self.bits, self.constant(0))
        fits = arith.andi(positive, arith.cmpi(_ULT, code, self.constant(0xFF)))
        code = arith.select(fits, code, self.constant(0xFF))
        return arith.trunci(ir.IntegerType.get_signless(8), code)
