"""Unsigned element types: StableHLO has `ui8`, linalg and arith have signless integers and signed or unsigned ops.

Until `stablehlo-legalize-to-linalg` has run, both forms stand side by side, and a cast that says nothing joins them; its
last type conversion folds the casts away.
"""

from __future__ import annotations

from nimble_mlir.mlir import ir

__all__ = ["as_signless", "is_unsigned", "reinterpret", "signless"]


_CAST = "builtin.unrealized_conversion_cast"


def is_unsigned(element: ir.Type) -> bool:
    """Whether an element type is an unsigned integer."""
    return isinstance(element, ir.IntegerType) and element.is_unsigned


def signless(element: ir.Type) -> ir.Type:
    """The signless integer of the same width; any other type is as it is."""
    return ir.IntegerType.get_signless(element.width) if is_unsigned(element) else element


def reinterpret(value: ir.Value, type_: ir.Type) -> ir.Value:
    """The same bits as `type_`: a scalar or tensor of the same shape whose element differs in signedness alone."""
    if value.type == type_:
        return value
    owner = value.owner
    if not isinstance(owner, ir.Block) and owner.name == _CAST and owner.operands[0].type == type_:
        return owner.operands[0]
    return ir.Operation.create(_CAST, results=[type_], operands=[value]).result


def as_signless(value: ir.Value) -> ir.Value:
    """A tensor with its elements as signless integers where they are unsigned."""
    type_ = ir.RankedTensorType(value.type)
    element = signless(type_.element_type)
    if element == type_.element_type:
        return value
    return reinterpret(value, ir.RankedTensorType.get(type_.shape, element, type_.encoding))
