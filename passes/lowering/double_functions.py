"""What shaders lack of float64, in other arithmetic: powers, sines and more of float32 are computed in float64.

SPIR-V's exponential and logarithm stop at float32; the formulas here are FDLIBM's (e_exp.c and e_log.c, Sun Microsystems,
1993; below 1 ulp). And drivers may simplify `(x + c) - c` to x (Mesa 22.3 does), by which sines round to integers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.mlir import arith, ir, math

from ..regions import everything
from .circular_functions import ROUNDING
from .real import Real, bits_of, from_bits, where

__all__ = ["expand_double_functions"]

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG2_E = 1.44269504088896338700e00
# x**2 * P(x**2), highest power first.
_EXP = (
    4.13813679705723846039e-08, -1.65339022054652515390e-06, 6.61375632143793436117e-05, -2.77777777770155933842e-03,
    1.66666666666666019037e-01,
)  # fmt: skip
# s**2 * P(s**2) for log(1 + f), s = f / (2 + f).
_LOG = (
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
)  # fmt: skip

_BIAS, _MANTISSA_BITS = 1023, 52
_INFINITY = float("inf")
# Beyond these the exponential is infinite, or 0.
_OVERFLOW, _UNDERFLOW = 709.782712893384, -745.2
_SMALLEST_NORMAL = 2.0**-1022
_SQRT_HALF_BITS = 0x3FE6A09E00000000  # of about sqrt(1/2)


def expand_double_functions(function: Any) -> None:
    """Replaces `math.exp` and `math.log` of float64 scalars in a function, and roundings by a large number."""
    for op in [op for op in everything(function.operation) if op.name == "arith.subf" and _rounds(op)]:
        _expand_rounding(op)
    for op in [op for op in everything(function.operation) if op.name in _FORMULAS]:
        if not isinstance(op.operands[0].type, ir.F64Type):
            continue
        with ir.InsertionPoint(op), op.location:
            value = _FORMULAS[op.name](Real(op.operands[0])).value
        op.results[0].replace_all_uses_with(value)
        op.erase()


def _rounds(op: Any) -> bool:
    """Whether it is the subtraction in `(x + c) - c` with c = `ROUNDING`."""
    added = op.operands[0].owner
    return (
        _is_rounding(op.operands[1]) and getattr(added, "name", "") == "arith.addf" and _is_rounding(added.operands[1])
    )


def _is_rounding(value: ir.Value) -> bool:
    owner = value.owner
    if getattr(owner, "name", "") != "arith.constant" or not isinstance(value.type, ir.F64Type):
        return False
    return ir.FloatAttr(owner.attributes["value"]).value == ROUNDING


def _expand_rounding(op: Any) -> None:
    """Rounds as the sum in it does, which stays for the bits of the integer."""
    with ir.InsertionPoint(op), op.location:
        rounded = math.roundeven(op.operands[0].owner.operands[0])
    op.results[0].replace_all_uses_with(rounded)
    op.erase()


def _exp(x: Real) -> Real:
    """exp(x) = 2**n exp(r), |r| <= ln(2)/2; 2**n in two factors, since it may be no normal number."""
    near = where(x.is_("gt", _OVERFLOW), _OVERFLOW, where(x.is_("ge", _UNDERFLOW), x, _UNDERFLOW))  # also for NaN
    count = Real(math.roundeven((near * _LOG2_E).value))
    n = arith.fptosi(_integer(), count.value)
    high, low = near - count * _LN2_HIGH, count * _LN2_LOW
    r = high - low
    c = r - r * r * (r * r).horner(_EXP)
    y = 1.0 - ((low - r * c / (2.0 - c)) - high)
    half = arith.shrsi(n, _integer_constant(1))
    value = y * _power_of_two(half) * _power_of_two(arith.subi(n, half))
    value = where(x.is_("gt", _OVERFLOW), _INFINITY, where(x.is_("lt", _UNDERFLOW), 0.0, value))
    return where(x.is_nan(), x, value)


def _log(x: Real) -> Real:
    """log(x) = n log(2) + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2)."""
    tiny = x.is_("lt", _SMALLEST_NORMAL)
    bits = bits_of(where(tiny, x * 2.0**54, x))
    # The exponent that leaves a mantissa from sqrt(1/2) on.
    above = arith.subi(bits, _integer_constant(_SQRT_HALF_BITS))
    n = arith.shrsi(above, _integer_constant(_MANTISSA_BITS))
    mantissa = arith.subi(bits, arith.shli(n, _integer_constant(_MANTISSA_BITS)))
    f = from_bits(mantissa, x.type) - 1.0
    count = Real(arith.sitofp(x.type, n)) - where(tiny, 54.0, x.constant(0.0))
    s = f / (f + 2.0)
    r = s * s * (s * s).horner(_LOG)
    half = f * f * 0.5
    value = count * _LN2_HIGH - ((half - (s * (half + r) + count * _LN2_LOW)) - f)
    value = where(x.is_("eq", 0.0), -_INFINITY, where(x.is_("lt", 0.0), float("nan"), value))
    return where(x.is_("lt", _INFINITY), value, x)  # infinity and NaN are their own


_FORMULAS: dict[str, Callable[[Real], Real]] = {"math.exp": _exp, "math.log": _log}


def _integer() -> ir.Type:
    return ir.IntegerType.get_signless(64)


def _integer_constant(number: int) -> ir.Value:
    return arith.constant(_integer(), number)


def _power_of_two(n: ir.Value) -> Real:
    """2**n for an exponent of a normal number."""
    return from_bits(
        arith.shli(arith.addi(n, _integer_constant(_BIAS)), _integer_constant(_MANTISSA_BITS)), ir.F64Type.get()
    )
