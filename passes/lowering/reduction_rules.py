"""Lowering of reduce: one `linalg.generic` whose loops are the operands' dimensions, the reduced ones as reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import ir, tensor

from .arg_reductions import reduce_positions
from .arithmetic import widened
from .builders import LoweringContext, element_type_of
from .reduction_kernels import reduce_rows
from .registry import lowering
from .scalar_body import accumulator_type, scalar_body


@lowering("stablehlo.reduce")
def reduce(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Any computation of any number of operands; floats narrower than f32 accumulate in f32."""
    count = len(op.results)
    if count == 1 and ctx.has_kernels:
        reduced_rows = reduce_rows(ctx, op)
        if reduced_rows is not None:
            return [reduced_rows]
    if count == 2 and ctx.has_kernels:
        reduced_positions = reduce_positions(ctx, op)
        if reduced_positions is not None:
            return reduced_positions
    operands, inits = list(op.operands[:count]), list(op.operands[count:])
    reduced = [int(axis) for axis in op.attributes["dimensions"]]
    target = ctx.dims(op.results[0])
    elements = [element_type_of(value) for value in operands]
    wide = [accumulator_type(element) for element in elements]
    starts = [
        ctx.fill(target, widened_scalar(tensor.extract(init, []), type_))
        for init, type_ in zip(inits, wide, strict=True)
    ]

    def body(*arguments: ir.Value) -> Sequence[ir.Value]:
        values = [widened_scalar(value, type_) for value, type_ in zip(arguments[:count], wide, strict=True)]
        return scalar_body(op.regions[0], [*arguments[count:], *values], wide=True)

    results = ctx.reduction_over(operands, starts, reduced, body)
    return [
        value
        if type_ == element
        else ctx.elementwise([value], element, lambda scalar, t=type_, e=element: widened(scalar, t, e))
        for value, type_, element in zip(results, wide, elements, strict=True)
    ]


def widened_scalar(scalar: ir.Value, type_: ir.Type) -> ir.Value:
    """A float as the wider float type `type_`; any other scalar is as it is."""
    return scalar if scalar.type == type_ else widened(scalar, scalar.type, type_)
