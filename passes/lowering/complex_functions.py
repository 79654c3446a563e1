"""Elementary functions of complex scalars, as pairs of real ones; complex64 is computed in f64 and rounded.

Upstream's lowering of MLIR's complex dialect is right for add, subtract and multiply. Its functions overflow halfway, or
build on f32 arctangents, sines and cosines that IREE computes too roughly.
"""

from __future__ import annotations

from collections.abc import Callable

from nimble_mlir.mlir import arith, ir
from nimble_mlir.mlir import complex as complex_dialect

from . import circular_functions as circular
from . import real_functions as real
from .real import Real, where

__all__ = ["COMPLEX_FUNCTIONS", "apply", "join", "parts"]

Pair = tuple[Real, Real]
_INF = float("inf")


def parts(value: ir.Value) -> Pair:
    """Real and imaginary part of a complex scalar."""
    return Real(complex_dialect.re(value)), Real(complex_dialect.im(value))


def join(pair: Pair) -> ir.Value:
    """A complex scalar of its two parts."""
    return complex_dialect.create_(ir.ComplexType.get(pair[0].type), pair[0].value, pair[1].value)


def apply(function: Callable[..., Pair], *operands: ir.Value) -> ir.Value:
    """`function` on complex scalars, in f64."""
    own = operands[0].type
    f64 = ir.F64Type.get()
    pairs = [parts(operand) for operand in operands]
    if ir.ComplexType(own).element_type == f64:
        return join(function(*pairs))
    wide = [tuple(Real(arith.extf(f64, part.value)) for part in pair) for pair in pairs]
    narrow = ir.ComplexType(own).element_type
    result = function(*wide)
    return join((Real(arith.truncf(narrow, result[0].value)), Real(arith.truncf(narrow, result[1].value))))


def _size(z: Pair) -> Real:
    """|z| without overflow; infinite where a part is, whatever the other."""
    a, b = abs(z[0]), abs(z[1])
    steep = a.is_("lt", b)
    low, high = where(steep, a, b), where(steep, b, a)
    ratio = low / where(high.is_("eq", 0.0), 1.0, high)
    size = high * (1.0 + ratio * ratio).sqrt()
    infinite = arith.ori(a.is_("eq", _INF), b.is_("eq", _INF))
    return where(infinite, _INF, size)


def _log_size(z: Pair) -> Real:
    a, b = abs(z[0]), abs(z[1])
    steep = a.is_("lt", b)
    low, high = where(steep, a, b), where(steep, b, a)
    ratio = low / where(high.is_("eq", 0.0), 1.0, high)
    log = high.log() + 0.5 * real.log1p(ratio * ratio)
    infinite = arith.ori(a.is_("eq", _INF), b.is_("eq", _INF))
    return where(infinite, _INF, log)


def absolute(z: Pair) -> Pair:
    """|z| as the real part."""
    return _size(z), z[1] * 0.0


def log(z: Pair) -> Pair:
    """log |z| and the angle."""
    return _log_size(z), real.atan2(z[1], z[0])


def log1p(z: Pair) -> Pair:
    """log(1 + z), accurate near 0."""
    a, b = z
    shifted = (a + 1.0, b)
    small = arith.andi(abs(a).is_("lt", 0.5), abs(b).is_("lt", 0.5))
    size = where(small, real.log1p(a * (a + 2.0) + b * b) * 0.5, _log_size(shifted))
    return size, real.atan2(b, shifted[0])


def exp(z: Pair) -> Pair:
    """e**a (cos b + i sin b); real where b is 0. Half of the exponent at a time, lest e**a overflows before cos b."""
    a, b = z
    half = (a * 0.5).exp()
    sine, cosine = circular.sin_cos(b)
    flat = b.is_("eq", 0.0)
    vanishes = a.is_("eq", -_INF)
    re = where(flat, a.exp(), where(vanishes, 0.0, (half * cosine) * half))
    return re, where(flat, b, where(vanishes, 0.0, (half * sine) * half))


def expm1(z: Pair) -> Pair:
    """exp(z) - 1, accurate near 0: (e**a - 1) cos b - 2 sin²(b/2)."""
    a, b = z
    grown = real.expm1(a)
    half_sine = circular.sin(b * 0.5)
    re = grown * circular.cos(b) - 2.0 * (half_sine * half_sine)
    whole = exp(z)
    large = a.is_("gt", 30.0)
    return where(b.is_("eq", 0.0), grown, where(large, whole[0] - 1.0, re)), whole[1]


def sqrt(z: Pair) -> Pair:
    """The root with non-negative real part (W. Kahan, "Branch cuts for complex elementary functions", 1987)."""
    a, b = z
    huge = arith.ori(abs(a).is_("gt", 1e300), abs(b).is_("gt", 1e300))
    tiny = arith.andi(abs(a).is_("lt", 1e-300), abs(b).is_("lt", 1e-300))
    scale = where(huge, a.constant(2.0**-4), where(tiny, a.constant(2.0**104), 1.0))
    back = where(huge, a.constant(4.0), where(tiny, a.constant(2.0**-52), 1.0))
    x, y = a * scale, b * scale
    w = ((abs(x) + _size((x, y))) * 0.5).sqrt()
    other = abs(y) / where(w.is_("eq", 0.0), 1.0, w * 2.0)
    right = arith.xori(a.is_negative(), arith.constant(ir.IntegerType.get_signless(1), True))
    re, im = where(right, w, other) * back, where(right, other, w) * back
    infinite = abs(b).is_("eq", _INF)
    infinite_a = abs(a).is_("eq", _INF)
    re = where(infinite, _INF, where(infinite_a, where(right, _INF, where(b.is_nan(), b, 0.0)), re))
    im = where(infinite, _INF, where(infinite_a, where(right, where(b.is_nan(), b, 0.0), _INF), im))
    return re, where(b.is_("lt", 0.0), -im, im)  # as XLA: -0.0 counts as above the branch cut


def rsqrt(z: Pair) -> Pair:
    """1 / sqrt(z)."""
    root = sqrt(z)
    return divide((z[0].constant(1.0), z[0].constant(0.0)), root)


def _boxed(part: Real) -> Real:
    """1 for an infinity, otherwise 0, with the sign of `part`."""
    return where(abs(part).is_("eq", _INF), part.constant(1.0), 0.0).with_sign_of(part)


def divide(n: Pair, d: Pair) -> Pair:
    """n / d by R. L. Smith's method (1962), which does not overflow halfway; C's values for zeros and infinities."""
    (a, b), (c, e) = n, d
    steep = abs(c).is_("lt", abs(e))
    low, high = where(steep, c, e), where(steep, e, c)
    ratio = low / high
    bottom = high + low * ratio
    first, second = where(steep, b, a), where(steep, a, b)
    re = (first + second * ratio) / bottom
    im = where(steep, first * ratio - second, second - first * ratio) / bottom
    none = arith.andi(c.is_("eq", 0.0), e.is_("eq", 0.0))
    endless = a.constant(_INF).with_sign_of(c)
    finite_n = arith.andi(abs(a).is_("lt", _INF), abs(b).is_("lt", _INF))
    infinite_d = arith.ori(abs(c).is_("eq", _INF), abs(e).is_("eq", _INF))
    vanish = arith.andi(finite_n, infinite_d)
    infinite_n = arith.ori(abs(a).is_("eq", _INF), abs(b).is_("eq", _INF))
    finite_d = arith.andi(abs(c).is_("lt", _INF), abs(e).is_("lt", _INF))
    grows = arith.andi(infinite_n, finite_d)
    p, q = (_boxed(part) for part in n)
    re = where(grows, (p * c + q * e) * _INF, re)
    im = where(grows, (q * c - p * e) * _INF, im)
    s, t = (_boxed(part) for part in d)
    re = where(vanish, (a * s + b * t) * 0.0, re)
    im = where(vanish, (b * s - a * t) * 0.0, im)
    return where(none, endless * a, re), where(none, endless * b, im)


def _sinh_cosh(a: Real) -> tuple[Real, Real]:
    grown = real.expm1(abs(a))
    below = grown / (grown + 1.0)
    infinite = grown.is_("eq", _INF)
    sinh = where(infinite, grown, (grown + below) * 0.5)
    cosh = where(infinite, grown, (grown + 1.0) * 0.5 + 0.5 / (grown + 1.0))
    return sinh.with_sign_of(a), cosh


def sin(z: Pair) -> Pair:
    """sin a cosh b + i cos a sinh b."""
    sine, cosine = circular.sin_cos(z[0])
    sinh, cosh = _sinh_cosh(z[1])
    return sine * cosh, where(z[1].is_("eq", 0.0), z[1], cosine * sinh)


def cos(z: Pair) -> Pair:
    """cos a cosh b - i sin a sinh b."""
    sine, cosine = circular.sin_cos(z[0])
    sinh, cosh = _sinh_cosh(z[1])
    return cosine * cosh, -(sine * sinh)


def tanh(z: Pair) -> Pair:
    """(sinh a cosh a (1 + tan² b), tan b) / (1 + sinh² a (1 + tan² b)) (W. Kahan, 1987)."""
    a, b = z
    sine, cosine = circular.sin_cos(b)
    sinh, cosh = _sinh_cosh(a)
    bottom = cosine * cosine + sinh * sinh
    large = abs(a).is_("gt", 20.0)
    re = where(large, a.constant(1.0).with_sign_of(a), sinh * cosh / bottom)
    far = (abs(a) * -2.0).exp() * 4.0
    im = where(large, sine * cosine * far, sine * cosine / bottom)
    return re, im


def tan(z: Pair) -> Pair:
    """-i tanh(i z)."""
    re, im = tanh((-z[1], z[0]))
    return im, -re


def power(x: Pair, y: Pair) -> Pair:
    """exp(y log x); 0 to a power with positive real part is 0, anything to the power of 0 is 1."""
    size, angle = log(x)
    c, d = y
    re, im = exp((c * size - d * angle, c * angle + d * size))
    zero = arith.andi(x[0].is_("eq", 0.0), x[1].is_("eq", 0.0))
    vanish = arith.andi(zero, c.is_("gt", 0.0))
    one = arith.andi(c.is_("eq", 0.0), d.is_("eq", 0.0))
    return where(one, 1.0, where(vanish, 0.0, re)), where(arith.ori(one, vanish), 0.0, im)


def sign(z: Pair) -> Pair:
    """z / |z|, 0 for 0."""
    size = _size(z)
    zero = size.is_("eq", 0.0)
    return where(zero, 0.0, z[0] / size), where(zero, 0.0, z[1] / size)


def cbrt(z: Pair) -> Pair:
    """The principal cube root."""
    size, angle = log(z)
    re, im = exp((size * (1 / 3), angle * (1 / 3)))
    zero = _size(z).is_("eq", 0.0)
    return where(zero, 0.0, re), where(zero, 0.0, im)


def logistic(z: Pair) -> Pair:
    """1 / (1 + exp(-z))."""
    re, im = exp((-z[0], -z[1]))
    return divide((re.constant(1.0), re.constant(0.0)), (re + 1.0, im))


# StableHLO's names.
COMPLEX_FUNCTIONS: dict[str, Callable[..., Pair]] = {
    "cbrt": cbrt,
    "cosine": cos,
    "divide": divide,
    "exponential": exp,
    "exponential_minus_one": expm1,
    "log": log,
    "log_plus_one": log1p,
    "logistic": logistic,
    "power": power,
    "rsqrt": rsqrt,
    "sign": sign,
    "sine": sin,
    "sqrt": sqrt,
    "tan": tan,
    "tanh": tanh,
}
