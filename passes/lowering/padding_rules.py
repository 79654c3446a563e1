"""Lowering of pads: cropping is `tensor.extract_slice`, padding `tensor.pad`; interior padding reads element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.dims import DimExpr, Proof, dim_max
from nimble_mlir.mlir import arith, ir, tensor

from ..symbol_table import constant_index
from .builders import LoweringContext, constant_of, element_type_of, extract, index_of
from .registry import lowering
from .slice_rules import extract_slice

_EQ, _ULT = 0, 6  # arith.cmpi predicates


@lowering("nimble.pad", "stablehlo.pad")
def pad(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Where the amounts are constants, well-known ops; a select between operand and padding value where they are not."""
    operand, result = op.operands[0], op.results[0]
    rank = len(ctx.dims(operand))
    if op.name == "nimble.pad":
        amounts = [list(op.operands[2 + i * rank : 2 + (i + 1) * rank]) for i in range(3)]
    else:
        names = ("edge_padding_low", "edge_padding_high", "interior_padding")
        amounts = [[constant_index(int(v)) for v in op.attributes[name]] for name in names]
    low, _, interior = amounts
    scalar = tensor.extract(op.operands[1], [])
    constants = [[constant_of(value) for value in part] for part in amounts]
    if rank == 0:
        return [operand]
    if any(value is None for part in constants for value in part):
        return [pad_by_values(ctx, operand, scalar, low, interior, ctx.dims(result))]
    padded = pad_by_constants(ctx, operand, scalar, *constants)  # type: ignore[arg-type]  # None was excluded above
    return [ctx.cast(padded, ctx.dims(result))]


def pad_by_constants(
    ctx: LoweringContext,
    value: ir.Value,
    scalar: ir.Value,
    low: Sequence[int],
    high: Sequence[int],
    interior: Sequence[int] | None = None,
) -> ir.Value:
    """`value` with `low` and `high` elements `scalar` around it (fewer elements where negative) and `interior` between."""
    zero = DimExpr.constant(0)
    between = list(interior) if interior is not None else [0] * len(low)
    cropped = [dim + min(a, 0) + min(b, 0) for dim, a, b in zip(ctx.dims(value), low, high, strict=True)]
    if not any((*low, *high, *between)):
        return value
    if (
        any(between)
        or any(ctx.scope.at_least(dim, zero) is not Proof.PROVED for dim in cropped)
        or isinstance(element_type_of(value), ir.ComplexType)
    ):
        # Also complex numbers: IREE 3.13 crashes (movePaddingToFillOrGenericOp) on a pad with a complex constant.
        dims = [
            ctx.scope.simplify(dim + a + b + dim_max(dim - 1, zero) * gap)
            for dim, a, b, gap in zip(ctx.dims(value), low, high, between, strict=True)
        ]
        starts, gaps = ([constant_index(v) for v in part] for part in (low, between))
        return pad_by_values(ctx, value, scalar, starts, gaps, dims)
    value = extract_slice(ctx, value, [constant_index(max(-a, 0)) for a in low], cropped)
    low, high = [max(a, 0) for a in low], [max(b, 0) for b in high]
    if not any((*low, *high)):
        return value
    type_ = tensor_type([dim + a + b for dim, a, b in zip(cropped, low, high, strict=True)], element_type_of(value))
    op = tensor.PadOp(type_, value, [], [], ir.DenseI64ArrayAttr.get(low), ir.DenseI64ArrayAttr.get(high))
    block = op.operation.regions[0].blocks.append(*[ir.IndexType.get()] * len(low))
    with ir.InsertionPoint(block):
        tensor.YieldOp(scalar)
    return op.result


def pad_by_values(
    ctx: LoweringContext,
    operand: ir.Value,
    scalar: ir.Value,
    low: Sequence[ir.Value],
    interior: Sequence[ir.Value],
    target: Sequence[DimExpr],
) -> ir.Value:
    """The dims `target` of a padded operand: each element reads the operand, or is `scalar` where it lies in the padding."""
    source = ctx.dims(operand)
    sizes = ctx.sizes.values(source)
    spacing = [None if constant_of(v) == 0 else arith.addi(v, constant_index(1)) for v in interior]

    def body() -> ir.Value:
        inside = None
        indices = []
        for axis, size in enumerate(sizes):
            index = arith.subi(index_of(axis), low[axis])
            step = spacing[axis]
            exact = None
            if step is not None:
                quotient = arith.floordivsi(index, step)
                exact = arith.cmpi(_EQ, arith.muli(quotient, step), index)
                index = quotient
            # One unsigned comparison holds for 0 <= index < size.
            here = arith.cmpi(_ULT, index, size)
            for condition in (here, exact):
                if condition is not None:
                    inside = condition if inside is None else arith.andi(inside, condition)
            last = arith.maxsi(arith.subi(size, constant_index(1)), constant_index(0))
            indices.append(arith.maxsi(arith.minsi(index, last), constant_index(0)))
        return arith.select(inside, extract(operand, indices), scalar)

    return ctx.generic([], [], tensor_type(target, element_type_of(operand)), body)
