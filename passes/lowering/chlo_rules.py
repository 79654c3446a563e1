"""Lowering of the CHLO ops that capture keeps: what IREE computes well by itself, up to f32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, math

from .builders import LoweringContext, element_type_of
from .registry import lowering


def _erfc(operand: ir.Value) -> ir.Value:
    # IREE has a lowering for math.erf and none for math.erfc; absolute error stays that of erf (2e-7 in f32).
    return arith.subf(arith.constant(operand.type, 1.0), math.erf(operand))


_MATH: dict[str, Callable[[ir.Value], ir.Value]] = {
    "erf": math.erf,
    "erfc": _erfc,
}


def _rule(body: Callable[[ir.Value], ir.Value]) -> Callable[[LoweringContext, Any], Sequence[ir.Value] | None]:
    def lower(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
        operand = op.operands[0]
        element = element_type_of(operand)
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
