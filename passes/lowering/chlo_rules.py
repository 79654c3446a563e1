"""Lowering of the CHLO ops that capture keeps: what IREE computes well by itself, up to f32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, math

from .builders import LoweringContext, element_type_of
from .registry import lowering


def _erf(operand: ir.Value) -> ir.Value:
    return math.copysign(math.erf(operand), operand)  # IREE 3.13 makes 0 of -0


_MATH: dict[str, Callable[[ir.Value], ir.Value]] = {
    "erf": _erf,
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
