"""Elementwise ops as one `linalg.generic` over a table of scalar rules: what upstream's lowering or IREE gets wrong.

A scalar rule (scalar_rules.py) is used three times: on tensors here, in the body of `stablehlo.map`, and in the bodies of
reductions and windows (scalar_body.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.mlir import ir, tensor

from .builders import LoweringContext, element_type_of
from .registry import lowering
from .scalar_body import scalar_body
from .scalar_rules import SCALAR_RULES
from .signedness import as_signless, reinterpret, signless

# Upstream lowers the others rightly, and the scalar rules serve only bodies.
_WHOLE_TENSORS = """
    abs atan2 cbrt cosine divide exponential exponential_minus_one is_finite log log_plus_one logistic power remainder rsqrt
    sign sine sqrt tan tanh
""".split()


def elementwise(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
    """All operands have the dims of the result; None where the table leaves the element type to upstream."""
    rule = SCALAR_RULES[op.name]
    if not rule.applies(op):
        return None
    result = element_type_of(op.results[0])
    inputs = [as_signless(operand) for operand in op.operands]
    value = ctx.elementwise(inputs, signless(result), lambda *scalars: rule.build(op, scalars))
    return [_typed(ctx, value, op)]


for _name in _WHOLE_TENSORS:
    lowering(f"stablehlo.{_name}")(elementwise)


@lowering("stablehlo.map")
def map_(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """The body's computation for each element; capture makes one of each CHLO function that IREE has not."""
    result = element_type_of(op.results[0])
    types = [element_type_of(operand) for operand in op.operands]

    def body(*scalars: ir.Value) -> ir.Value:
        own = [reinterpret(scalar, type_) for scalar, type_ in zip(scalars, types, strict=True)]
        return reinterpret(scalar_body(op.regions[0], own)[0], signless(result))

    inputs = [as_signless(operand) for operand in op.operands]
    return [_typed(ctx, ctx.elementwise(inputs, signless(result), body), op)]


def _typed(ctx: LoweringContext, value: ir.Value, op: Any) -> ir.Value:
    result = op.results[0]
    dims = ctx.dims(result)
    type_ = tensor_type(dims, element_type_of(value))
    cast = value if value.type == type_ else tensor.cast(type_, value)
    return reinterpret(cast, result.type)
