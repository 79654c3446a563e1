"""Dims at the edges of control flow: what goes into a region, what comes out of it, and that both fit.

A carry has the same dims before and after each iteration, and all branches give results of the same dims: proved, or a
check; refuted is an error. `nimble.cast` joins types that say the same differently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nimble_mlir.dialects import CastOp, dims_of, tensor_type
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir

from .base import fail
from .defined_sizes import defined_sizes
from .regions import terminator
from .shape_functions import ShapeContext

__all__ = ["EDGES", "InferRegion", "cast_operands"]

InferRegion = Callable[[ir.Block], None]


def _while(context: ShapeContext, infer: InferRegion) -> None:
    """The block arguments get the dims of the first values; the body's results are required to have them, too.

    Not so a size that changes from iteration to iteration: the arguments and the results define a symbol for it.
    """
    op = context.op
    cond, body = (region.blocks[0] for region in op.regions)
    firsts = list(op.operands)
    carries = range(len(firsts))
    results = list(op.results)
    arrivals = [[defined_sizes(value) for value in values] for values in (cond.arguments, body.arguments, results)]
    varying = [arrivals[1][index].keys() for index in carries]
    if any(arrival[index].keys() != varying[index] for arrival in arrivals for index in carries):
        raise fail(op, "a carry that changes its size needs a symbol for it in the condition, the body and the result")
    types = []
    for index, result in enumerate(results):
        first = dims_of(firsts[index].type)
        what = f"of carry {index} before the loop and by its type"
        types.append(_joined(context, result.type, [first], what, varying[index]))
    cast_operands(op, types, varying)
    _require_shared(context, firsts, arrivals[1], "before the loop")
    for block, sizes in zip((cond, body), arrivals, strict=False):
        for argument, type_, defined in zip(block.arguments, types, sizes, strict=True):
            _set_type(argument, _with_sizes(type_, defined))
        infer(block)
    last = terminator(body)
    for index, (value, type_) in enumerate(zip(last.operands, types, strict=True)):
        what = f"of carry {index} after and before an iteration"
        _joined(context, type_, [dims_of(value.type)], what, varying[index])
    cast_operands(last, types, varying)
    _require_shared(context, list(last.operands), arrivals[1], "after an iteration")
    for result, type_, defined in zip(results, types, arrivals[2], strict=True):
        _set_type(result, _with_sizes(type_, defined))


def _branches(context: ShapeContext, infer: InferRegion) -> None:
    """The results of all branches are required to have the same dims, but for sizes that the result defines."""
    op = context.op
    returns = []
    for region in op.regions:
        infer(region.blocks[0])
        returns.append(terminator(region.blocks[0]))
    types = []
    arrivals = [defined_sizes(result) for result in op.results]
    for index, result in enumerate(op.results):
        dims = [dims_of(returned.operands[index].type) for returned in returns]
        what = f"of result {index} of the branches"
        types.append(_joined(context, result.type, dims, what, arrivals[index].keys()))
    for returned in returns:
        cast_operands(returned, types, arrivals)
        _require_shared(context, list(returned.operands), arrivals, "of a branch")
    for result, type_, defined in zip(op.results, types, arrivals, strict=True):
        _set_type(result, _with_sizes(type_, defined))


def _joined(
    context: ShapeContext,
    type_: ir.Type,
    alternatives: Sequence[Sequence[DimExpr] | None],
    what: str,
    varying: Collection[int] = (),
) -> ir.Type:
    """The type whose dims are all of `alternatives`, and the static ones of `type_`. What stands for the `varying` axes
    means nothing."""
    if not isinstance(type_, ir.RankedTensorType):
        return type_
    known = [dims for dims in alternatives if dims is not None]
    stated = dims_of(type_)
    result = []
    for axis in range(type_.rank):
        dims = [alternative[axis] for alternative in known]
        if axis in varying:
            result.append(dims[0])
            continue
        if stated is not None:
            dims.insert(0, stated[axis])
        elif not type_.is_dynamic_dim(axis):
            dims.insert(0, DimExpr.constant(type_.get_dim_size(axis)))
        joined = dims[0]
        for dim in dims[1:]:
            joined = context.equal(joined, dim, f"dimension {axis} {what}")
        result.append(context.scope.simplify(joined))
    return tensor_type(result, type_.element_type)


def _with_sizes(type_: ir.Type, sizes: Mapping[int, DimExpr]) -> ir.Type:
    """`type_` with other dims on the axes that `sizes` has."""
    if not sizes:
        return type_
    dims = [sizes.get(axis, dim) for axis, dim in enumerate(dims_of(type_) or ())]
    return tensor_type(dims, ir.RankedTensorType(type_).element_type)


def _require_shared(
    context: ShapeContext, values: Sequence[ir.Value], sizes: Sequence[Mapping[int, DimExpr]], when: str
) -> None:
    """What arrives under one symbol has one size."""
    firsts: dict[DimExpr, tuple[int, DimExpr]] = {}
    for index, defined in enumerate(sizes):
        dims = dims_of(values[index].type)
        for axis, symbol in sorted(defined.items()):
            if dims is None:
                continue
            other, size = firsts.setdefault(symbol, (index, dims[axis]))
            context.equal(size, dims[axis], f"the sizes '{symbol}' of values {other} and {index} {when}")


def cast_operands(op: Any, types: Sequence[ir.Type], varying: Sequence[Collection[int]] | None = None) -> None:
    """Gives the operands the types that say the same of their dims as theirs, but for the `varying` axes of each."""
    for index, type_ in enumerate(types):
        axes = () if varying is None else varying[index]
        operand = op.operands[index]
        dims = dims_of(operand.type)
        wanted = type_ if dims is None else _with_sizes(type_, {axis: dims[axis] for axis in axes})
        if operand.type != wanted:
            with ir.InsertionPoint(op), op.location:
                op.operands[index] = CastOp(operand, wanted).result


def _set_type(value: ir.Value, type_: ir.Type) -> None:
    if value.type != type_:
        value.set_type(type_)


# Op → how the dims of its regions and results are found; it infers the regions in between.
EDGES: dict[str, Callable[[ShapeContext, InferRegion], None]] = {
    "stablehlo.case": _branches,
    "stablehlo.if": _branches,
    "stablehlo.while": _while,
}
