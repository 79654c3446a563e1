"""Sine, cosine and tangent of real scalars, right for arguments of every magnitude.

Up to `_NEAR` the argument is reduced by pi/2 in parts; beyond it, it is an integer times a power of two, which is multiplied
by the bits of 2/pi that matter (M. Payne and R. Hanek, "Radian reduction for trigonometric functions", 1983). Both are
computed without branches, which vectors have not. An f32 is computed in f64, with shorter polynomials.

Sources of the polynomials: FDLIBM's k_sin.c and k_cos.c (Sun Microsystems, 1993), FreeBSD's k_sinf.c and k_cosf.c.
"""

from __future__ import annotations

import math as host
from dataclasses import dataclass
from itertools import pairwise

from nimble_mlir.mlir import arith, ir, tensor

from .long_arithmetic import long_product, two_sum
from .real import Real, bits_of, where

__all__ = ["ROUNDING", "cos", "sin", "sin_cos", "tan"]

# 2/pi as a binary fraction: 64 bits a word.
_TWO_OVER_PI_DIGITS = (
    "A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2E006492EEA09D1921CFE1DEB1CB129A73E"
    "E88235F52EBB4484E99C7026B45F7E413991D639835339F49C845F8BBDF9283B1FF897FFDE05980FEF2F118B5A0A6D1F6D367ECF27CB09B7"
    "4F463F669E5FEA2D7527BAC7EBE5F17B3D0739F78A5292EA6BFB5FB11F8D5D0856033046FC7B6BABF0CFBC209AF4361D"
)
_WORDS = tuple(int(_TWO_OVER_PI_DIGITS[i : i + 16], 16) for i in range(0, len(_TWO_OVER_PI_DIGITS), 16))

_HALF_PI = host.pi / 2
_HALF_PI_REST = 6.123233995736766e-17
# Adding and subtracting it rounds a double to an integer, whose low bits then are those of the sum.
ROUNDING = 1.5 * 2.0**52
_ULT, _EQ, _NE = 6, 0, 1  # arith.cmpi


@dataclass
class _Reduced:
    """An argument as n pi/2 + (r + rest), |r| <= pi/4 or nearly; of n, an i64, the low two bits count."""

    r: Real
    rest: Real
    n: ir.Value


def sin(x: Real) -> Real:
    """The sine."""
    return where(x.is_("eq", 0.0), x, sin_cos(x)[0])


def cos(x: Real) -> Real:
    """The cosine."""
    return sin_cos(x)[1]


def tan(x: Real) -> Real:
    """The tangent: sine over cosine."""
    sine, cosine = _wide_sin_cos(x)
    return where(x.is_("eq", 0.0), x, _in_type_of(x, sine / cosine))


def sin_cos(x: Real) -> tuple[Real, Real]:
    """Sine and cosine by one reduction; NaN for infinities."""
    sine, cosine = _wide_sin_cos(x)
    return _in_type_of(x, sine), _in_type_of(x, cosine)


def _in_type_of(x: Real, result: Real) -> Real:
    return result if x.type == result.type else Real(arith.truncf(x.type, result.value))


def _wide_sin_cos(x: Real) -> tuple[Real, Real]:
    """Both as f64."""
    if x.type.width == 64:
        reduced = _reduced(x)
        sine, cosine = _long_polynomials(reduced)
    else:
        reduced = _reduced_narrow(x)
        sine, cosine = _short_polynomials(reduced.r)
    odd, second = _bit(reduced.n, 0), _bit(reduced.n, 1)
    sine, cosine = where(odd, cosine, sine), where(odd, sine, cosine)
    return where(second, -sine, sine), where(arith.xori(odd, second), -cosine, cosine)


def _bit(bits: ir.Value, position: int) -> ir.Value:
    return arith.cmpi(_NE, arith.andi(bits, _integer(1 << position)), _integer(0))


def _integer(number: int) -> ir.Value:
    """A constant of 64 bits; `number` may be taken as unsigned."""
    return arith.constant(ir.IntegerType.get_signless(64), number - (1 << 64) if number >> 63 else number)


_SIN = (
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
    8.33333333332248946124e-03, -1.66666666666666324348e-01,
)  # fmt: skip
_COS = (
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
    -1.38888888888741095749e-03, 4.16666666666666019037e-02,
)  # fmt: skip


def _long_polynomials(reduced: _Reduced) -> tuple[Real, Real]:
    r, rest = reduced.r, reduced.rest
    z = r * r
    cube = z * r
    sine = r - ((z * (0.5 * rest - cube * z.horner(_SIN[:-1])) - rest) - cube * _SIN[-1])
    half = 0.5 * z
    head = 1.0 - half
    return sine, head + (((1.0 - head) - half) + (z * (z * z.horner(_COS)) - r * rest))


# Good to 2**-37 on |r| <= pi/4.
_SHORT_SIN = (
    2.7183114939898219064e-06,
    -1.98393348360966317347e-04,
    8.3333293858894631756e-03,
    -1.66666666416265235595e-01,
)
_SHORT_COS = (
    2.43904487962774090654e-05, -1.38867637746099294692e-03, 4.16666233237390631894e-02, -4.99999997251031003120e-01, 1.0,
)  # fmt: skip


def _short_polynomials(r: Real) -> tuple[Real, Real]:
    z = r * r
    return r + r * (z * z.horner(_SHORT_SIN)), z.horner(_SHORT_COS)


# pi/2 in parts of 33 bits, so that products with integers below 2**20 are exact.
_PARTS = (1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21)
_PARTS_REST = 8.47842766036889956997e-32
_NEAR = 2.0**20


def _reduced(x: Real) -> _Reduced:
    rounded = x * (2 / host.pi) + ROUNDING
    n = rounded - ROUNDING
    first = x - n * _PARTS[0]
    second = first - n * _PARTS[1]
    carried = (first - second) - n * _PARTS[1]
    third = second - n * _PARTS[2]
    carried = carried + ((second - third) - n * _PARTS[2]) - n * _PARTS_REST
    r = third + carried
    far = _reduced_far(x)
    is_far = _is_far(x, _NEAR)
    near_rest = (third - r) + carried
    return _Reduced(
        where(is_far, far.r, r), where(is_far, far.rest, near_rest), arith.select(is_far, far.n, bits_of(rounded))
    )


def _is_far(x: Real, bound: float) -> ir.Value:
    """False for infinities and NaN, of which the other reduction makes NaN."""
    size = abs(x)
    return arith.andi(size.is_("ge", bound), size.is_("lt", float("inf")))


def _reduced_far(x: Real) -> _Reduced:
    """An f64 of at least 2**20: 128 bits of the product's fraction."""
    bits = bits_of(x)
    exponent = arith.andi(arith.shrui(bits, _integer(52)), _integer(0x7FF))
    m = arith.ori(arith.andi(bits, _integer((1 << 52) - 1)), _integer(1 << 52))
    # |x| = m 2**e; of 2**e 2/pi the bits from 2 above the point on matter. Below 2**55, zeros precede those of 2/pi.
    position = arith.subi(exponent, _integer(1075 - _LEADING_ZEROS + 2))
    position = arith.maxsi(position, _integer(0))
    index = arith.index_cast(ir.IndexType.get(), arith.shrui(position, _integer(6)))
    shift = arith.andi(position, _integer(63))
    table = _table()
    one, words = arith.constant(ir.IndexType.get(), 1), []
    for _ in range(4):
        words.append(tensor.extract(table, [index]))
        index = arith.addi(index, one)
    first, second, third = (_funnel(high, low, shift) for high, low in pairwise(words))
    low = arith.addi(arith.muli(m, second), _high_product(m, third))
    carry = arith.extui(low.type, arith.cmpi(_ULT, low, _high_product(m, third)))
    high = arith.addi(arith.addi(arith.muli(m, first), _high_product(m, second)), carry)
    return _signed(x, *_turns(high, low))


# Bits of 0 before those of 2/pi in the table.
_LEADING_ZEROS = 64


def _table() -> ir.Value:
    words = (0, *_WORDS)
    text = ", ".join(str(word - (1 << 64) if word >> 63 else word) for word in words)
    type_ = ir.RankedTensorType.get([len(words)], ir.IntegerType.get_signless(64))
    return arith.constant(type_, ir.DenseElementsAttr(ir.Attribute.parse(f"dense<[{text}]> : {type_}")))


def _funnel(high: ir.Value, low: ir.Value, shift: ir.Value) -> ir.Value:
    """The 64 bits of two words from bit `shift` on."""
    rest = arith.shrui(arith.shrui(low, _integer(1)), arith.subi(_integer(63), shift))
    return arith.ori(arith.shli(high, shift), rest)


def _high_product(m: ir.Value, word: ir.Value) -> ir.Value:
    """The high 64 bits of the product of m < 2**53 and a word."""
    half, mask = _integer(32), _integer((1 << 32) - 1)
    m1, m0 = arith.shrui(m, half), arith.andi(m, mask)
    w1, w0 = arith.shrui(word, half), arith.andi(word, mask)
    middle = arith.addi(arith.muli(m1, w0), arith.shrui(arith.muli(m0, w0), half))
    other = arith.addi(arith.muli(m0, w1), arith.andi(middle, mask))
    top = arith.addi(arith.muli(m1, w1), arith.shrui(middle, half))
    return arith.addi(top, arith.shrui(other, half))


def _turns(high: ir.Value, low: ir.Value) -> tuple[Real, Real, ir.Value]:
    """A number of quarter turns, 2 bits and 126 of a fraction, as (r, rest) in radians and its nearest integer."""
    f64 = ir.F64Type.get()
    n = arith.shrui(arith.addi(high, _integer(1 << 61)), _integer(62))
    left = arith.subi(high, arith.shli(n, _integer(62)))
    # The parts have 30 and 32 bits, and then 64 of which the first 53 are enough.
    parts = (arith.shrsi(left, _integer(32)), arith.andi(left, _integer((1 << 32) - 1)))
    first, second = (Real(arith.sitofp(f64, part)) for part in parts)
    third = Real(arith.uitofp(f64, low)) * 2.0**-126
    head, tail = two_sum(first * 2.0**-30, second * 2.0**-62)
    head, tail = two_sum(head, tail + third)
    r, error = long_product(head, head.constant(_HALF_PI))
    error = error + head * _HALF_PI_REST + tail * _HALF_PI
    total = r + error
    return total, error - (total - r), n


def _signed(x: Real, r: Real, rest: Real, n: ir.Value) -> _Reduced:
    """What was reduced of |x|, for x."""
    negative = x.is_negative()
    flipped = arith.subi(_integer(0), n)
    return _Reduced(where(negative, -r, r), where(negative, -rest, rest), arith.select(negative, flipped, n))


# The first 25 bits of pi/2 (exact products with integers below 2**28), and the rest.
_NARROW_PARTS = (1.57079631090164184570e00, 1.58932547735281966916e-08)
_NARROW_NEAR = 2.0**27


def _reduced_narrow(x: Real) -> _Reduced:
    """An f32, as an f64."""
    wide = Real(arith.extf(ir.F64Type.get(), x.value))
    rounded = wide * (2 / host.pi) + ROUNDING
    n = rounded - ROUNDING
    r = (wide - n * _NARROW_PARTS[0]) - n * _NARROW_PARTS[1]
    is_far = _is_far(x, _NARROW_NEAR)
    far = _reduced_far_narrow(x)
    return _Reduced(where(is_far, far.r, r), far.rest, arith.select(is_far, far.n, bits_of(rounded)))


def _reduced_far_narrow(x: Real) -> _Reduced:
    """An f32 of at least 2**27: 62 bits of the product's fraction, of which 30 are left where x is closest to n pi/2."""
    i64 = ir.IntegerType.get_signless(64)
    bits = arith.extui(i64, bits_of(x))
    exponent = arith.andi(arith.shrui(bits, _integer(23)), _integer(0xFF))
    m = arith.ori(arith.andi(bits, _integer((1 << 23) - 1)), _integer(1 << 23))
    position = arith.maxsi(arith.subi(exponent, _integer(150 + 2)), _integer(0))
    shift = arith.andi(position, _integer(63))
    in_first = arith.cmpi(_ULT, position, _integer(64))
    words = [
        arith.select(in_first, _integer(_WORDS[i]), _integer(_WORDS[i + 1])) for i in range(3)
    ]  # at most 102 bits are skipped
    first, second = (_funnel(high, low, shift) for high, low in pairwise(words))
    below = arith.shrui(arith.muli(m, arith.shrui(second, _integer(32))), _integer(32))
    turns = arith.addi(arith.muli(m, first), below)
    n = arith.shrui(arith.addi(turns, _integer(1 << 61)), _integer(62))
    left = arith.subi(turns, arith.shli(n, _integer(62)))
    r = Real(arith.sitofp(ir.F64Type.get(), left)) * (_HALF_PI * 2.0**-62)
    negative = x.is_negative()
    flipped = arith.subi(_integer(0), n)
    return _Reduced(where(negative, -r, r), r.constant(0.0), arith.select(negative, flipped, n))
