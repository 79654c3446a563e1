"""What the runtime wants to know of a function: which arguments it may update in place (asked at stage linalg), and how
much work it is (asked at stage shapes, where the types still have their dims).

IREE 3.13 writes into the buffer of an argument where an op updates the argument's tensor (a destination of
`tensor.insert_slice`, an `outs` of linalg, what a `nimble.kernel` updates in place, a loop's carry), also when the caller
keeps the buffer; a clone in between does not help. So the runtime copies such arguments, and only those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, stablehlo

from .shape_functions.registry import product

__all__ = ["updated_arguments", "work_estimate"]

# Ops whose result may share its operand's buffer.
_VIEWS = frozenset(
    "tensor.cast tensor.collapse_shape tensor.expand_shape tensor.extract_slice tensor.reshape nimble.cast "
    "nimble.tie_shape".split()
)


def updated_arguments(function: Any) -> set[int]:
    """Positions of the arguments whose buffer an op may write to; control flow that carries one counts as writing."""
    updated: set[int] = set()
    for position, argument in enumerate(function.entry_block.arguments):
        pending = [argument]
        while pending:
            value = pending.pop()
            for use in value.uses:
                op = use.owner.operation
                if op.name in _VIEWS:
                    pending.append(op.results[0])
                elif _writes(op, use.operand_number):
                    updated.add(position)
    return updated


def _writes(op: Any, operand: int) -> bool:
    if op.name == "tensor.insert_slice":
        return operand == 1
    if op.name == "nimble.bind":
        return operand == 0 and any(_updates(use.owner.opview, op.results[0]) for use in op.results[0].uses)
    if op.name.startswith("linalg.") and "operandSegmentSizes" in op.attributes:
        return operand >= list(op.attributes["operandSegmentSizes"])[0]
    if op.name.startswith("linalg.") and op.results:
        return operand >= len(op.operands) - len(op.results)
    return op.name.startswith("scf.") or op.name in ("tensor.insert", "tensor.scatter")


def _updates(user: Any, binding: ir.Value) -> bool:
    return user.operation.name == "nimble.kernel" and binding in list(user.outputs)


# Sums of more terms are not worth their evaluation: such a function is no small one.
_MAX_TERMS = 64


def work_estimate(function: Any) -> DimExpr | None:
    """The scalar operations of a call as an expression over the symbols, within a small factor.

    None where the function loops or calls, where a size is not known, and where the expression would be long.
    """
    total = DimExpr.constant(0)
    for block in function.body.blocks:
        for operation in block.operations:
            op = operation.operation
            if op.name in _REPEATED:
                return None
            factor = _FACTORS.get(op.name, _one)(op)
            for value in op.results if op.name in _FACTORS else (*op.results, *op.operands):
                size = _elements(value.type)
                if size is None or factor is None:
                    return None
                total = total + size * factor
            if len(total.terms) > _MAX_TERMS:
                return None
    return total


# Their regions run as often as data or sizes say.
_REPEATED = frozenset("stablehlo.while stablehlo.case stablehlo.if func.call".split())


def _elements(type_: ir.Type) -> DimExpr | None:
    if not isinstance(type_, ir.RankedTensorType):
        return DimExpr.constant(0)
    dims = dims_of(type_)
    return None if dims is None else product(dims)


def _one(_op: Any) -> DimExpr | None:
    return DimExpr.constant(1)


def _contracted(op: Any) -> DimExpr | None:
    dims = dims_of(op.operands[0].type)
    contracting = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"]).lhs_contracting_dimensions
    return None if dims is None else product([dims[axis] for axis in contracting])


def _kernel(op: Any) -> DimExpr | None:
    dims = dims_of(op.operands[1].type)
    of_outputs = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"]).kernel_output_feature_dimension
    return None if dims is None else product([dim for axis, dim in enumerate(dims) if axis != of_outputs])


def _window(op: Any) -> DimExpr | None:
    return product([DimExpr.constant(size) for size in op.attributes["window_dimensions"]])


# What each element of a result costs, for the ops where that is not about 1.
_FACTORS: dict[str, Callable[[Any], DimExpr | None]] = {
    "stablehlo.dot_general": _contracted,
    "stablehlo.convolution": _kernel,
    "stablehlo.dynamic_conv": _kernel,
    "stablehlo.reduce_window": _window,
}
