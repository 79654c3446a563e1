"""Dims at the edges of control flow: what goes into a region, what comes out of it, and that both fit.

A carry has the same dims before and after each iteration, and all branches give results of the same dims: proved, or a
check; refuted is an error. `nimble.cast` joins types that say the same differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dialects import CastOp, dims_of, tensor_type
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir

from .regions import terminator
from .shape_functions import ShapeContext

__all__ = ["EDGES", "InferRegion", "cast_operands"]

InferRegion = Callable[[ir.Block], None]


def _while(context: ShapeContext, infer: InferRegion) -> None:
    """The block arguments get the dims of the first values; the body's results are required to have them, too."""
    op = context.op
    blocks = [region.blocks[0] for region in op.regions]
    types = []
    for index, result in enumerate(op.results):
        first = dims_of(op.operands[index].type)
        what = f"of carry {index} before the loop and by its type"
        types.append(_joined(context, result.type, [first], what))
    cast_operands(op, types)
    for block in blocks:
        for argument, type_ in zip(block.arguments, types, strict=True):
            _set_type(argument, type_)
        infer(block)
    last = terminator(blocks[1])
    for index, (value, type_) in enumerate(zip(last.operands, types, strict=True)):
        what = f"of carry {index} after and before an iteration"
        _joined(context, type_, [dims_of(value.type)], what)
    cast_operands(last, types)
    for result, type_ in zip(op.results, types, strict=True):
        _set_type(result, type_)


def _branches(context: ShapeContext, infer: InferRegion) -> None:
    """The results of all branches are required to have the same dims."""
    op = context.op
    returns = []
    for region in op.regions:
        infer(region.blocks[0])
        returns.append(terminator(region.blocks[0]))
    types = []
    for index, result in enumerate(op.results):
        dims = [dims_of(returned.operands[index].type) for returned in returns]
        types.append(_joined(context, result.type, dims, f"of result {index} of the branches"))
    for returned in returns:
        cast_operands(returned, types)
    for result, type_ in zip(op.results, types, strict=True):
        _set_type(result, type_)


def _joined(
    context: ShapeContext, type_: ir.Type, alternatives: Sequence[Sequence[DimExpr] | None], what: str
) -> ir.Type:
    """The type whose dims are all of `alternatives`, and the static ones of `type_`."""
    if not isinstance(type_, ir.RankedTensorType):
        return type_
    known = [dims for dims in alternatives if dims is not None]
    stated = dims_of(type_)
    result = []
    for axis in range(type_.rank):
        dims = [alternative[axis] for alternative in known]
        if stated is not None:
            dims.insert(0, stated[axis])
        elif not type_.is_dynamic_dim(axis):
            dims.insert(0, DimExpr.constant(type_.get_dim_size(axis)))
        joined = dims[0]
        for dim in dims[1:]:
            joined = context.equal(joined, dim, f"dimension {axis} {what}")
        result.append(context.scope.simplify(joined))
    return tensor_type(result, type_.element_type)


def cast_operands(op: Any, types: Sequence[ir.Type]) -> None:
    """Gives the operands the types that say the same of their dims as theirs."""
    for index, type_ in enumerate(types):
        operand = op.operands[index]
        if operand.type != type_:
            with ir.InsertionPoint(op), op.location:
                op.operands[index] = CastOp(operand, type_).result


def _set_type(value: ir.Value, type_: ir.Type) -> None:
    if value.type != type_:
        value.set_type(type_)


# Op → how the dims of its regions and results are found; it infers the regions in between.
EDGES: dict[str, Callable[[ShapeContext, InferRegion], None]] = {
    "stablehlo.case": _branches,
    "stablehlo.if": _branches,
    "stablehlo.while": _while,
}
