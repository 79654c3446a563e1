"""StableHLO's elementwise ops on scalars: one table, op name → arith, math and complex ops, by kind of element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir, math
from nimble_mlir.mlir import complex as complex_dialect

from ..base import fail
from .arithmetic import widened, zero
from .builders import element_type_of
from .signedness import is_unsigned, reinterpret, signless

__all__ = ["SCALAR_OPS", "complex_parts", "total_order"]

# (op, scalar operands, element type of the result) → the scalar.
Rule = Callable[[Any, Sequence[ir.Value], ir.Type], ir.Value]
Function = Callable[..., ir.Value]

_EQ, _SLT, _ULT = 0, 2, 6  # arith.cmpi predicates
_OLT, _UNE = 4, 13  # arith.cmpf predicates


def _constant(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    if isinstance(element, ir.ComplexType):
        return complex_dialect.constant(element, ir.ArrayAttr.get(complex_parts(op)))
    value = op.attributes["value"].get_splat_value().value
    return reinterpret(arith.constant(signless(element), value), element)


def complex_parts(op: Any) -> list[ir.FloatAttr]:
    """Real and imaginary part of a complex constant with one element.

    MLIR's bindings cannot read the attribute (torch-mlir 20261001: "Can't cast unknown element type"), so its text is.
    """
    kind = element_type_of(op.results[0]).element_type
    parts = op.get_asm().partition("dense<(")[2].partition(")>")[0].split(",")
    return [ir.FloatAttr(ir.Attribute.parse(f"{part.strip()} : {kind}")) for part in parts]


def _of(
    floats: Function | None,
    signed: Function | None = None,
    unsigned: Function | None = None,
    booleans: Function | None = None,
    complexes: Function | None = None,
) -> Rule:
    """A rule by kind of element; `unsigned` and `booleans` are as `signed` where they are not given."""

    def rule(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
        kind = operands[-1].type  # the result's, but for what splits a complex number
        if isinstance(kind, ir.ComplexType):
            function = complexes
        elif not isinstance(kind, ir.IntegerType):
            function = floats
        elif kind.width == 1:
            function = booleans or signed
        else:
            function = (unsigned or signed) if is_unsigned(kind) else signed
        if function is None:
            shown = element_type_of(op.operands[-1])
            raise fail(op, f"'{op.name}' on {shown} in the body of a reduction is not supported", UnsupportedOpError)
        plain = [reinterpret(operand, signless(operand.type)) for operand in operands]
        return reinterpret(function(*plain), element)

    return rule


def _compare_integers(direction: str, unsigned: bool) -> Function:
    predicate = {"EQ": 0, "NE": 1, "LT": 2, "LE": 3, "GT": 4, "GE": 5}[direction]
    return lambda lhs, rhs: arith.cmpi(predicate + 4 if unsigned and predicate >= 2 else predicate, lhs, rhs)


# Ordered; NE is unordered.
_FLOAT_PREDICATES = {"EQ": 1, "NE": 13, "LT": 4, "LE": 5, "GT": 2, "GE": 3}


def _compare(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    direction = str(op.attributes["comparison_direction"]).split()[-1].rstrip(">")
    kind = operands[0].type
    lhs, rhs = (reinterpret(operand, signless(kind)) for operand in operands)
    if isinstance(kind, ir.ComplexType):
        equal = complex_dialect.eq(lhs, rhs)
        return equal if direction == "EQ" else arith.xori(equal, arith.constant(equal.type, 1))
    if isinstance(kind, ir.IntegerType):
        # Booleans are unsigned, too: true is 1, not -1.
        return _compare_integers(direction, is_unsigned(kind) or kind.width == 1)(lhs, rhs)
    if "compare_type" in op.attributes and "TOTALORDER" in str(op.attributes["compare_type"]):
        return _compare_integers(direction, unsigned=False)(total_order(lhs), total_order(rhs))
    return arith.cmpf(_FLOAT_PREDICATES[direction], lhs, rhs)


def total_order(scalar: ir.Value) -> ir.Value:
    """A signed integer in the total order of floats: -NaN, -inf, …, -0, 0, …, inf, NaN."""
    integer = ir.IntegerType.get_signless(scalar.type.width)
    bits = arith.bitcast(integer, scalar)
    # The bits of a negative float grow with its magnitude.
    flipped = arith.xori(bits, arith.constant(integer, (1 << (integer.width - 1)) - 1))
    return arith.select(arith.cmpi(_SLT, bits, arith.constant(integer, 0)), flipped, bits)


def _select(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    return arith.select(*operands)


def _clamp(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    lower, value, upper = operands
    return _MINIMUM(op, [_MAXIMUM(op, [lower, value], element), upper], element)


def _convert(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    (value,) = operands
    if isinstance(element, ir.IntegerType) and not isinstance(value.type, ir.IntegerType):
        return reinterpret(_to_integer(value, element), element)
    plain = reinterpret(value, signless(value.type))
    if plain.type == signless(element):
        return reinterpret(plain, element)
    if isinstance(element, ir.FloatType) and isinstance(value.type, ir.ComplexType):
        return widened(complex_dialect.re(plain), value.type.element_type, element)
    return reinterpret(widened(plain, value.type, element), element)


def _to_integer(value: ir.Value, element: ir.IntegerType) -> ir.Value:
    if isinstance(value.type, ir.ComplexType):
        value = complex_dialect.re(value)
    if element.width == 1:
        return arith.cmpf(_UNE, value, zero(value.type))
    return (arith.fptoui if is_unsigned(element) else arith.fptosi)(signless(element), value)


def _same(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    return operands[0]


def _divide(signed: bool) -> Function:
    """Division as StableHLO has it: by zero it is -1, and the least number by -1 is itself."""

    def function(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
        safe, by_zero, overflow = _safe_divisor(lhs, rhs, signed)
        quotient = (arith.divsi if signed else arith.divui)(lhs, safe)
        if overflow is not None:
            quotient = arith.select(overflow, lhs, quotient)
        return arith.select(by_zero, arith.constant(lhs.type, -1), quotient)

    return function


def _remainder(signed: bool) -> Function:
    """The remainder as StableHLO has it: by zero it is the dividend, and the least number by -1 leaves none."""

    def function(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
        safe, by_zero, overflow = _safe_divisor(lhs, rhs, signed)
        rest = (arith.remsi if signed else arith.remui)(lhs, safe)
        if overflow is not None:
            rest = arith.select(overflow, arith.constant(lhs.type, 0), rest)
        return arith.select(by_zero, lhs, rest)

    return function


def _safe_divisor(lhs: ir.Value, rhs: ir.Value, signed: bool) -> tuple[ir.Value, ir.Value, ir.Value | None]:
    """A divisor that does not trap, whether it was zero, and whether the quotient overflows."""
    one = arith.constant(rhs.type, 1)
    by_zero = arith.cmpi(_EQ, rhs, arith.constant(rhs.type, 0))
    safe = arith.select(by_zero, one, rhs)
    if not signed:
        return safe, by_zero, None
    lowest = arith.constant(lhs.type, -(1 << (lhs.type.width - 1)))
    overflow = arith.andi(arith.cmpi(_EQ, lhs, lowest), arith.cmpi(_EQ, rhs, arith.constant(rhs.type, -1)))
    return arith.select(overflow, one, safe), by_zero, overflow


def _shift(shift: Function) -> Function:
    """Shifts by the width or more give 0 (or the sign)."""

    def function(value: ir.Value, amount: ir.Value) -> ir.Value:
        width = value.type.width
        inside = arith.cmpi(_ULT, amount, arith.constant(amount.type, width))
        if shift is arith.shrsi:
            return shift(value, arith.select(inside, amount, arith.constant(amount.type, width - 1)))
        return arith.select(inside, shift(value, amount), arith.constant(value.type, 0))

    return function


def _sign_of_float(value: ir.Value) -> ir.Value:
    # NaN and both zeros are their own sign.
    none = arith.cmpf(_UNE, value, value)
    still = arith.ori(none, arith.cmpf(1, value, zero(value.type)))
    return arith.select(still, value, math.copysign(arith.constant(value.type, 1.0), value))


def _sign_of_integer(value: ir.Value) -> ir.Value:
    return arith.minsi(arith.maxsi(value, arith.constant(value.type, -1)), arith.constant(value.type, 1))


def _sign_of_unsigned(value: ir.Value) -> ir.Value:
    return arith.minui(value, arith.constant(value.type, 1))


def _logistic(value: ir.Value) -> ir.Value:
    one = arith.constant(value.type, 1.0)
    return arith.divf(one, arith.addf(one, math.exp(arith.negf(value))))


def _is_finite(value: ir.Value) -> ir.Value:
    infinity = arith.constant(value.type, float("inf"))
    return arith.cmpf(_OLT, math.absf(value), infinity)


def _not(value: ir.Value) -> ir.Value:
    return arith.xori(value, arith.constant(value.type, -1 if value.type.width > 1 else 1))


def _negate(value: ir.Value) -> ir.Value:
    return arith.subi(arith.constant(value.type, 0), value)


def _complex(op: Any, operands: Sequence[ir.Value], element: ir.Type) -> ir.Value:
    return complex_dialect.create_(element, *operands)


_MAXIMUM = _of(arith.maximumf, arith.maxsi, arith.maxui, arith.ori)
_MINIMUM = _of(arith.minimumf, arith.minsi, arith.minui, arith.andi)

SCALAR_OPS: dict[str, Rule] = {
    "stablehlo.abs": _of(math.absf, math.absi, lambda x: x, complexes=complex_dialect.abs),
    "stablehlo.add": _of(arith.addf, arith.addi, booleans=arith.ori, complexes=complex_dialect.add),
    "stablehlo.and": _of(None, arith.andi),
    "stablehlo.atan2": _of(math.atan2),
    "stablehlo.broadcast_in_dim": _same,
    "stablehlo.cbrt": _of(math.cbrt),
    "stablehlo.ceil": _of(math.ceil),
    "stablehlo.clamp": _clamp,
    "stablehlo.compare": _compare,
    "stablehlo.complex": _complex,
    "stablehlo.constant": _constant,
    "stablehlo.convert": _convert,
    "stablehlo.cosine": _of(math.cos, complexes=complex_dialect.cos),
    "stablehlo.count_leading_zeros": _of(None, math.ctlz),
    "stablehlo.divide": _of(arith.divf, _divide(signed=True), _divide(signed=False), complexes=complex_dialect.div),
    "stablehlo.exponential": _of(math.exp, complexes=complex_dialect.exp),
    "stablehlo.exponential_minus_one": _of(math.expm1, complexes=complex_dialect.expm1),
    "stablehlo.floor": _of(math.floor),
    "stablehlo.imag": _of(lambda x: zero(x.type), complexes=complex_dialect.im),
    "stablehlo.is_finite": _of(_is_finite),
    "stablehlo.log": _of(math.log, complexes=complex_dialect.log),
    "stablehlo.log_plus_one": _of(math.log1p, complexes=complex_dialect.log1p),
    "stablehlo.logistic": _of(_logistic),
    "stablehlo.maximum": _MAXIMUM,
    "stablehlo.minimum": _MINIMUM,
    "stablehlo.multiply": _of(arith.mulf, arith.muli, booleans=arith.andi, complexes=complex_dialect.mul),
    "stablehlo.negate": _of(arith.negf, _negate, complexes=complex_dialect.neg),
    "stablehlo.not": _of(None, _not),
    "stablehlo.or": _of(None, arith.ori),
    "stablehlo.popcnt": _of(None, math.ctpop),
    "stablehlo.power": _of(math.powf, complexes=complex_dialect.pow),
    "stablehlo.real": _of(lambda x: x, complexes=complex_dialect.re),
    "stablehlo.remainder": _of(arith.remf, _remainder(signed=True), _remainder(signed=False)),
    "stablehlo.reshape": _same,
    "stablehlo.round_nearest_afz": _of(math.round),
    "stablehlo.round_nearest_even": _of(math.roundeven),
    "stablehlo.rsqrt": _of(math.rsqrt, complexes=complex_dialect.rsqrt),
    "stablehlo.select": _select,
    "stablehlo.shift_left": _of(None, _shift(arith.shli)),
    "stablehlo.shift_right_arithmetic": _of(None, _shift(arith.shrsi)),
    "stablehlo.shift_right_logical": _of(None, _shift(arith.shrui)),
    "stablehlo.sign": _of(_sign_of_float, _sign_of_integer, _sign_of_unsigned, complexes=complex_dialect.sign),
    "stablehlo.sine": _of(math.sin, complexes=complex_dialect.sin),
    "stablehlo.sqrt": _of(math.sqrt, complexes=complex_dialect.sqrt),
    "stablehlo.subtract": _of(arith.subf, arith.subi, complexes=complex_dialect.sub),
    "stablehlo.tan": _of(math.tan, complexes=complex_dialect.tan),
    "stablehlo.tanh": _of(math.tanh, complexes=complex_dialect.tanh),
    "stablehlo.transpose": _same,
    "stablehlo.xor": _of(None, arith.xori),
}
