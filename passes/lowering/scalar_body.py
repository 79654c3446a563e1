"""The body of a reduction, window or comparison: StableHLO on 0-d tensors into arith on scalars.

In: a region whose block arguments are 0-d tensors, and scalars for them. Out: the scalars that it returns, computed at the
insertion point. The table is in scalar_ops.py; an op that it lacks is an UnsupportedOpError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir, tensor

from ..base import fail
from ..shape_functions import custom_call_target
from .arithmetic import widened
from .scalar_ops import SCALAR_OPS

__all__ = ["accumulator_type", "body_matches", "scalar_body"]

_RETURNS = ("stablehlo.return", "func.return")


def scalar_body(region: Any, scalars: Sequence[ir.Value], *, wide: bool = False) -> list[ir.Value]:
    """Emits the region's computation on `scalars` (of the block arguments' element types) and returns its results.

    Where `wide`, floats narrower than f32 are f32 throughout, as the scalars are; those of 8 bits are rounded to their
    format after each op, as XLA does, which IREE 3.13 cannot compute with in a reduction ("'vector.mask' op").
    """
    block = region.blocks[0]
    values: dict[ir.Value, ir.Value] = dict(zip(block.arguments, scalars, strict=True))
    for op in block.operations:
        operation = op.operation
        operands = [values[v] if v in values else _outer(v, wide) for v in operation.operands]
        if operation.name in _RETURNS:
            return operands
        target = custom_call_target(operation)
        rule = SCALAR_OPS.get(operation.name if target is None else f"custom_call:{target}")
        if rule is None or operation.results[0].type.rank != 0:
            name = f"'{operation.name}'" if target is None else f"custom call '{target}'"
            raise fail(operation, f"{name} in the body of a reduction is not supported", UnsupportedOpError)
        element = operation.results[0].type.element_type
        value = rule(operation, operands, accumulator_type(element) if wide else element)
        if wide and isinstance(element, ir.FloatType) and element.width == 8:
            value = arith.extf(value.type, arith.truncf(element, value))
        values[operation.results[0]] = value
    raise AssertionError("a region ends with a return")


def accumulator_type(element: ir.Type) -> ir.Type:
    """In which type a long reduction is accumulated: f32 for narrower floats, as XLA does on the CPU."""
    if isinstance(element, ir.FloatType) and element.width < 32:
        return ir.F32Type.get()
    return element


def body_matches(region: Any, names: Sequence[str]) -> bool:
    """Whether the body of a reduction of one operand is these ops of StableHLO in this order, the first on both of its
    arguments, and returns the last one's result."""
    block = region.blocks[0]
    operations = [op.operation for op in block.operations]
    if [op.name for op in operations[:-1]] != [f"stablehlo.{name}" for name in names]:
        return False
    both = set(operations[0].operands) == set(block.arguments) and len(block.arguments) == 2
    return both and list(operations[-1].operands) == list(operations[-2].results)


def _outer(value: ir.Value, wide: bool) -> ir.Value:
    """A value from outside of the region, which is a 0-d tensor."""
    scalar = tensor.extract(value, [])
    return widened(scalar, scalar.type, accumulator_type(scalar.type)) if wide else scalar
