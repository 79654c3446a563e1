"""Elementary functions of real scalars that IREE 3.13 has not for f64, or computes too roughly for f32.

IREE links no C library: an f64 sine fails there with "failed to link executable"; its f32 arctangent is off by 2e-6, its
f32 sine by more with every turn. Each function here takes an f32 or f64 and computes in f64, which leaves an f32 right
to the last bit or nearly so. exp and log of an f64 are IREE's own, good to an ulp.

Sources: S. Gal, W. Kahan and the freely available FDLIBM (Sun Microsystems, 1993) for the reductions and coefficients.
"""

from __future__ import annotations

import math as host
from collections.abc import Callable

from nimble_mlir.mlir import arith, ir, math, scf

from .long_arithmetic import long_product, split, two_sum
from .real import Real, bits_of, from_bits, where

__all__ = ["atan2", "cbrt", "expm1", "fmod", "log1p", "power", "tanh"]

_PI = host.pi
_SMALLEST_NORMAL = 2.0**-1022


def in_double(function: Callable[..., Real]) -> Callable[..., Real]:
    """Computes in f64 and rounds the result to the type of the arguments."""

    def call(*arguments: Real) -> Real:
        f64, own = ir.F64Type.get(), arguments[0].type
        if own == f64:
            return function(*arguments)
        wide = [Real(arith.extf(f64, argument.value)) for argument in arguments]
        return Real(arith.truncf(own, function(*wide).value))

    return call


# FDLIBM's s_atan.c, for |t| < 7/16: odd powers from t**3 on, highest first.
_ATAN = (
    1.62858201153657823623e-02, -3.65315727442169155270e-02, 4.97687799461593236017e-02, -5.83357013379057348645e-02,
    6.66107313738753120669e-02, -7.69187620504482999495e-02, 9.09088713343650656196e-02, -1.11111104054623557880e-01,
    1.42857142725034663711e-01, -1.99999999998764832476e-01, 3.33333333333329318027e-01,
)  # fmt: skip
_PI_LOW = 1.2246467991473531772e-16


@in_double
def atan2(y: Real, x: Real) -> Real:
    """The angle of (x, y), with the signs of zeros as in C's atan2."""
    size_x, size_y = abs(x), abs(y)
    steep = size_y.is_("gt", size_x)
    low, high = where(steep, size_x, size_y), where(steep, size_y, size_x)
    # Both infinite is the same as both 1, both 0 as 0 over 1; halves, lest a sum overflows.
    infinite = low.is_("eq", float("inf"))
    scale = where(high.is_("gt", 1e300), high.constant(0.5), 1.0)
    low = where(infinite, 1.0, low * scale)
    high = where(infinite, 1.0, where(high.is_("eq", 0.0), 1.0, high * scale))
    low = where(size_y.is_nan(), size_y, where(size_x.is_nan(), size_x, low))
    turned = (low / high).is_("gt", host.tan(_PI / 8))
    t = where(turned, low - high, low) / where(turned, low + high, high)
    z = t * t
    small = t - t * (z * z.horner(_ATAN))
    quarter = where(turned, small + (_PI / 4) + _PI_LOW / 4, small)
    angle = where(steep, (_PI / 2) - (quarter - _PI_LOW / 2), quarter)
    angle = where(x.is_negative(), _PI - (angle - _PI_LOW), angle)
    return angle.with_sign_of(y)


# Cephes (S. L. Moshier, 1989), log1p.c: numerator and denominator, highest power first.
_LOG1P_TOP = (
    4.5270000862445199635215e-5, 4.9854102823193375972212e-1, 6.5787325942061044846969e0, 2.9911919328553073277375e1,
    6.0949667980987787057556e1, 5.7112963590585538103336e1, 2.0039553499201281259648e1,
)  # fmt: skip
_LOG1P_BOTTOM = (
    1.0, 1.5062909083469192043167e1, 8.3047565967967209469434e1, 2.2176239823732856465394e2, 3.0909872225312059774938e2,
    2.1642788614495947685003e2, 6.0118660497603843919306e1,
)  # fmt: skip


@in_double
def log1p(x: Real) -> Real:
    """log(1 + x), by the rational function that XLA takes, too, so that both have the same error of up to 1e-14."""
    small = abs(x).is_("lt", host.sqrt(2.0) - 1.0)
    square = x * x
    near = x - 0.5 * square + x * square * (x.horner(_LOG1P_TOP) / x.horner(_LOG1P_BOTTOM))
    return where(x.is_("eq", 0.0), x, where(small, near, (1.0 + x).log()))


def expm1(x: Real) -> Real:
    """exp(x) - 1, accurate near 0: in f64, where IREE 3.13 computes just that, by W. Kahan's correction of the rounding of
    exp(x), (u - 1) x / log u."""
    if x.type.width < 64:
        return Real(math.expm1(x.value))
    u = x.exp()
    near = where(u.is_("eq", 1.0), x, (u - 1.0) * (x / u.log()))
    return where(abs(x).is_("lt", 1.0), near, u - 1.0)


@in_double
def tanh(x: Real) -> Real:
    """The hyperbolic tangent by expm1."""
    size = abs(x)
    t = expm1(size * 2.0)
    result = where(size.is_("gt", 22.0), 1.0, t / (t + 2.0))
    return where(x.is_nan(), x, result.with_sign_of(x))


@in_double
def cbrt(x: Real) -> Real:
    """The cube root: by logarithms, then one step of Newton's."""
    size = abs(x)
    root = (size.log() * (1 / 3)).exp()
    root = root - (root - (size / root) / root) * (1 / 3)
    finite = arith.andi(size.is_("ge", _SMALLEST_NORMAL), size.is_("lt", float("inf")))
    return where(finite, root.with_sign_of(x), x)


def power(x: Real, y: Real) -> Real:
    """x to the power of y, with C's values for zeros, infinities and negative x."""
    return in_double(_power_of_narrow if x.type.width < 64 else _power)(x, y)


def _power_of_narrow(x: Real, y: Real) -> Real:
    return _signed_power(x, y, (abs(x).log() * y).exp())


def _power(x: Real, y: Real) -> Real:
    """exp(y log|x|) with 70 bits of the logarithm and of the product."""
    size = abs(x)
    high, low = _long_log(size)
    product, error = long_product(y, high)
    error = error + y * low
    # exp(p + e) = exp(p) (1 + e); where p alone decides, e may be inf - inf.
    result = product.exp()
    corrected = result + result * error
    usable = arith.andi(abs(product).is_("lt", 800.0), result.is_("lt", float("inf")))
    usable = arith.andi(usable, arith.andi(size.is_("ge", _SMALLEST_NORMAL), size.is_("lt", float("inf"))))
    plain = (size.log() * y).exp()
    return _signed_power(x, y, where(usable, corrected, plain))


def _signed_power(x: Real, y: Real, of_size: Real) -> Real:
    half = y * 0.5
    whole = _floor(y).is_("eq", y)
    odd = arith.andi(whole, _floor(half).is_("ne", half))
    signed = where(arith.andi(odd, x.is_negative()), -of_size, of_size)
    finite_negative = arith.andi(x.is_("lt", 0.0), x.is_("gt", float("-inf")))
    undefined = arith.andi(finite_negative, _floor(y).is_("ne", y))
    result = where(undefined, float("nan"), signed)
    infinite_y = abs(y).is_("eq", float("inf"))
    one = arith.ori(y.is_("eq", 0.0), x.is_("eq", 1.0))
    one = arith.ori(one, arith.andi(infinite_y, abs(x).is_("eq", 1.0)))
    return where(one, 1.0, result)


def _floor(x: Real) -> Real:
    return Real(math.floor(x.value))


_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 32 bits


def _long_log(x: Real) -> tuple[Real, Real]:
    """The logarithm of a positive finite x as a sum of two doubles: log(2**k m) = k log 2 + 2 artanh((m-1)/(m+1))."""
    i64 = ir.IntegerType.get_signless(64)
    tiny = x.is_("lt", 2.0**-1000)
    scaled = where(tiny, x * 2.0**200, x)
    bits = bits_of(scaled)
    # Moves the bounds of m to sqrt(1/2) … sqrt(2).
    moved = arith.addi(bits, arith.constant(i64, 0x3FF0000000000000 - 0x3FE6A09E667F3BCD))
    exponent = arith.subi(arith.shrui(moved, arith.constant(i64, 52)), arith.constant(i64, 1023))
    mantissa = arith.addi(
        arith.andi(moved, arith.constant(i64, (1 << 52) - 1)), arith.constant(i64, 0x3FE6A09E667F3BCD)
    )
    m = from_bits(mantissa, x.type)
    k = Real(arith.sitofp(x.type, exponent)) - where(tiny, x.constant(200.0), 0.0)
    above = m - 1.0
    below = m + 1.0
    lost = above - (below - 2.0)  # what m + 1 rounds off, exactly
    s = above / below
    s1, s2 = split(s)
    b1, b2 = split(below)
    rest = (((above - s1 * b1) - s1 * b2) - s2 * b1) - s2 * b2 - s * lost
    s_low = rest / below
    z = s * s
    # log m = 2 s + 2 s**3/3 + s**5 (2/5 + 2/7 z + …)
    series = z.horner(tuple(2.0 / power for power in range(23, 3, -2)))
    cube, cube_low = long_product(z, s)
    third, third_low = long_product(cube, x.constant(2 / 3))
    cube_low = cube_low + _square_error(s, z) * s + 3.0 * z * s_low
    third_low = third_low + cube_low * (2 / 3) + cube * _TWO_THIRDS_REST
    tail = third_low + cube * z * series + s_low * 2.0 + k * _LN2_LOW
    high, low = two_sum(k * _LN2_HIGH, s * 2.0)
    high, more = two_sum(high, third)
    low = low + more + tail
    total = high + low
    return total, low - (total - high)


_TWO_THIRDS_REST = 3.7007434154171883e-17  # what the double 2/3 lacks of two thirds


def _square_error(s: Real, square: Real) -> Real:
    s1, s2 = split(s)
    return ((s1 * s1 - square) + 2.0 * (s1 * s2)) + s2 * s2


@in_double
def fmod(x: Real, y: Real) -> Real:
    """The remainder of x / y with the sign of x, exact, by subtracting y times powers of two."""
    divisor = abs(y)
    loop = scf.WhileOp([x.type], [abs(x).value])
    before = loop.regions[0].blocks.append(x.type)
    with ir.InsertionPoint(before):
        rest = Real(before.arguments[0])
        possible = arith.andi(divisor.is_("gt", 0.0), divisor.is_("lt", float("inf")))
        again = arith.andi(arith.andi(rest.is_("ge", divisor), rest.is_("lt", float("inf"))), possible)
        scf.ConditionOp(again, [rest.value])
    after = loop.regions[1].blocks.append(x.type)
    with ir.InsertionPoint(after):
        rest = Real(after.arguments[0])
        scf.YieldOp([_subtracted(rest, divisor).value])
    rest = Real(loop.results[0]).with_sign_of(x)
    undefined = arith.ori(y.is_("eq", 0.0), abs(x).is_("eq", float("inf")))
    undefined = arith.ori(undefined, arith.ori(x.is_nan(), y.is_nan()))
    return where(undefined, float("nan"), rest)


def _subtracted(rest: Real, divisor: Real) -> Real:
    """rest minus the largest divisor * 2**k that it holds, 0 <= k: exact, for both have the same exponent or nearly."""
    i64 = ir.IntegerType.get_signless(64)
    shift = arith.constant(i64, 52)
    apart = arith.subi(arith.shrui(bits_of(rest), shift), arith.shrui(bits_of(divisor), shift))
    # A product with a power of two is exact; in two steps, for the exponents may be 2000 apart.
    half = arith.shrui(arith.maxsi(apart, arith.constant(i64, 0)), arith.constant(i64, 1))
    other = arith.subi(arith.maxsi(apart, arith.constant(i64, 0)), half)
    scaled = divisor * _power_of_two(half, rest.type) * _power_of_two(other, rest.type)
    fits = scaled.is_("le", rest)
    step = where(fits, scaled, scaled * 0.5)
    # scaled * 0.5 could be below the divisor where apart is 0, but then scaled is the divisor, which fits.
    return rest - step


def _power_of_two(exponent: ir.Value, type_: ir.Type) -> Real:
    i64 = exponent.type
    return from_bits(arith.shli(arith.addi(exponent, arith.constant(i64, 1023)), arith.constant(i64, 52)), type_)
