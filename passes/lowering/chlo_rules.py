"""Lowering of the CHLO ops that capture keeps: what MLIR's math dialect computes well, elementwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, math

from .builders import LoweringContext, element_type_of
from .registry import lowering


def _erfc(operand: ir.Value) -> ir.Value:
    # IREE has a lowering for math.erf and none for math.erfc; absolute error stays that of erf (2e-7 in f32).
    return arith.subf(arith.constant(operand.type, 1.0), math.erf(operand))


def _square(operand: ir.Value) -> ir.Value:
    return arith.mulf(operand, operand)


# M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011), single precision: coefficients for w < 5 and
# for the others, highest power first.
_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip
_OLT, _OEQ = 4, 1  # arith.cmpf predicates


def _erf_inv(operand: ir.Value) -> ir.Value:
    type_ = operand.type

    def constant(value: float) -> ir.Value:
        return arith.constant(type_, value)

    w = arith.negf(math.log1p(arith.negf(arith.mulf(operand, operand))))
    central = arith.cmpf(_OLT, w, constant(5.0))
    shifted = arith.select(central, arith.subf(w, constant(2.5)), arith.subf(math.sqrt(w), constant(3.0)))
    total = arith.select(central, constant(_CENTRAL[0]), constant(_TAIL[0]))
    for near, far in zip(_CENTRAL[1:], _TAIL[1:], strict=True):
        total = arith.addf(arith.mulf(total, shifted), arith.select(central, constant(near), constant(far)))
    at_end = arith.cmpf(_OEQ, math.absf(operand), constant(1.0))
    return arith.select(at_end, arith.mulf(operand, constant(float("inf"))), arith.mulf(total, operand))


_MATH: dict[str, Callable[[ir.Value], ir.Value]] = {
    "acos": math.acos,
    "acosh": math.acosh,
    "asin": math.asin,
    "asinh": math.asinh,
    "atan": math.atan,
    "atanh": math.atanh,
    "cosh": math.cosh,
    "erf": math.erf,
    "erf_inv": _erf_inv,
    "erfc": _erfc,
    "sinh": math.sinh,
    "square": _square,
    "tan": math.tan,
}


def _rule(body: Callable[[ir.Value], ir.Value]) -> Callable[[LoweringContext, Any], Sequence[ir.Value] | None]:
    def lower(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
        operand = op.operands[0]
        element = element_type_of(operand)
        if not isinstance(element, ir.FloatType) or (body is _erf_inv and element.width > 32):
            return None
        return [ctx.elementwise([operand], element, lambda scalar: _widened(body, scalar))]

    return lower


def _widened(body: Callable[[ir.Value], ir.Value], scalar: ir.Value) -> ir.Value:
    """Computes types narrower than f32 in f32, as XLA's CPU backend does."""
    f32 = ir.F32Type.get()
    if scalar.type.width >= 32:
        return body(scalar)
    return arith.truncf(scalar.type, body(arith.extf(f32, scalar)))


for _name, _body in _MATH.items():
    lowering(f"custom_call:nimble.chlo.{_name}")(_rule(_body))
