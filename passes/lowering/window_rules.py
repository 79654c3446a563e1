"""Lowering of reduce_window: a scan where the window spans a whole dimension, otherwise one `linalg.generic` whose
reduction loops run over the window of a padded operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import DYNAMIC, tensor_type
from nimble_mlir.dims import DimExpr, Proof, dim_max
from nimble_mlir.mlir import arith, ir, tensor

from ..symbol_table import constant_index
from .builders import LoweringContext, constant_of, element_type_of
from .padding_rules import pad_by_constants, pad_by_values
from .registry import lowering
from .scalar_body import body_matches, scalar_body
from .scan_rules import as_scan, is_identity
from .slice_rules import extract_slice

_ZERO = DimExpr.constant(0)
_NE = 1  # arith.cmpi predicate


@lowering("stablehlo.reduce_window", "nimble.reduce_window")
def reduce_window(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Window i starts at i * stride of the padded (and base-dilated) operands, and its elements are a dilation apart."""
    count = len(op.results)
    operands, inits = list(op.operands[:count]), list(op.operands[count : 2 * count])
    rank = len(ctx.dims(operands[0]))
    window, low, high = _window_of(ctx, op, rank)
    strides, bases, dilations = (
        window_attribute(op, name, rank) for name in ("window_strides", "base_dilations", "window_dilations")
    )
    target = ctx.dims(op.results[0])
    if count == 1 and all(step == 1 for step in (*strides, *bases, *dilations)):
        scanned = as_scan(ctx, op, window, low, high)
        if scanned is not None:
            return [scanned]
    scalars = [tensor.extract(init, []) for init in inits]
    starts = [ctx.fill(target, scalar) for scalar in scalars]
    if any(dim == 0 for dim in target):
        return starts
    wanted = window_span(ctx, target, window, strides, dilations)
    padded = [
        _padded(ctx, value, scalar, low, high, [base - 1 for base in bases], wanted)
        for value, scalar in zip(operands, scalars, strict=True)
    ]
    # Only axes with a window of more than one element get a reduction loop.
    windowed = [axis for axis in range(rank) if window[axis] != 1]
    loops = rank + len(windowed)
    position = {axis: rank + i for i, axis in enumerate(windowed)}
    exprs = []
    for axis in range(rank):
        expr: Any = ir.AffineDimExpr.get(axis) * strides[axis]
        if axis in position:
            expr = expr + ir.AffineDimExpr.get(position[axis]) * dilations[axis]
        exprs.append(expr)
    input_map = ir.AffineMap.get(loops, 0, exprs)
    # Its sizes are the bounds of the reduction loops; its elements are never read.
    extent = ctx.empty([window[axis] for axis in windowed], element_type_of(operands[0]))
    extent_map = ir.AffineMap.get(loops, 0, [ir.AffineDimExpr.get(position[axis]) for axis in windowed])

    inputs, maps = [*padded, extent], [*[input_map] * count, extent_map]
    if not _ignores_padding(op, inits):
        mask = _inside(ctx, operands[0], low, high, bases, wanted)
        if mask is not None:
            inputs, maps = [*inputs, mask], [*maps, input_map]

    def body(*arguments: ir.Value) -> Sequence[ir.Value]:
        elements, accumulated = arguments[:count], arguments[len(inputs) :]
        results = scalar_body(op.regions[0], [*accumulated, *elements])
        if len(inputs) == count + 1:
            return results
        inside = arith.cmpi(_NE, arguments[count + 1], arith.constant(arguments[count + 1].type, 0))
        return [arith.select(inside, new, old) for new, old in zip(results, accumulated, strict=True)]

    return ctx.reduction(inputs, maps, starts, len(windowed), body)


def _ignores_padding(op: Any, inits: Sequence[ir.Value]) -> bool:
    """Whether more elements of the initial value leave the result of a window as it is."""
    if len(inits) != 1:
        return False
    idempotent = any(body_matches(op.regions[0], [name]) for name in ("maximum", "minimum", "and", "or"))
    return idempotent or is_identity(op.regions[0], inits[0])


def _inside(
    ctx: LoweringContext,
    operand: ir.Value,
    low: Sequence[ir.Value],
    high: Sequence[ir.Value],
    bases: Sequence[int],
    wanted: Sequence[DimExpr],
) -> ir.Value | None:
    """Which elements of the padded operand are its own, None where all are. XLA passes over the others, so an initial
    value that is no identity counts once a window, and not once for each element of the padding."""
    if all(base == 1 for base in bases) and all(constant_of(amount) == 0 for amount in (*low, *high)):
        return None
    byte = ir.IntegerType.get_signless(8)
    ours = ctx.fill(ctx.dims(operand), arith.constant(byte, 1))
    return _padded(ctx, ours, arith.constant(byte, 0), low, high, [base - 1 for base in bases], wanted)


def _window_of(ctx: LoweringContext, op: Any, rank: int) -> tuple[list[DimExpr], list[ir.Value], list[ir.Value]]:
    """The window's dims, and its low and high padding."""
    if op.name == "nimble.reduce_window":
        return list(ctx.dims(op.opview.window)), list(op.opview.low), list(op.opview.high)
    window = [DimExpr.constant(size) for size in window_attribute(op, "window_dimensions", rank)]
    low, high = ([constant_index(amount) for amount in part] for part in window_padding(op, rank))
    return window, low, high


def _padded(
    ctx: LoweringContext,
    value: ir.Value,
    scalar: ir.Value,
    low: Sequence[ir.Value],
    high: Sequence[ir.Value],
    interior: Sequence[int],
    wanted: Sequence[DimExpr],
) -> ir.Value:
    amounts = [[constant_of(amount) for amount in part] for part in (low, high)]
    if any(amount is None for part in amounts for amount in part):
        return pad_by_values(ctx, value, scalar, low, [constant_index(between) for between in interior], wanted)
    padded = pad_by_constants(ctx, value, scalar, *amounts, interior)  # type: ignore[arg-type]  # None was excluded above
    return trim(ctx, padded, scalar, wanted)


def window_span(
    ctx: LoweringContext,
    target: Sequence[DimExpr],
    window: Sequence[DimExpr],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[DimExpr]:
    """How many elements all windows of each dimension reach over."""
    return [
        ctx.scope.simplify(dim_max((size - 1) * stride, _ZERO) + (extent - 1) * dilation + 1)
        for size, extent, stride, dilation in zip(target, window, strides, dilations, strict=True)
    ]


def trim(ctx: LoweringContext, value: ir.Value, scalar: ir.Value, wanted: Sequence[DimExpr]) -> ir.Value:
    """`value` with the dims `wanted`, so that its sizes follow from the loops': without the elements behind the last
    window, and with elements `scalar` behind its own where there may be no window at all."""
    dims = ctx.dims(value)
    if all(ctx.same(have, want) for have, want in zip(dims, wanted, strict=True)):
        return value
    missing = [ctx.scope.simplify(dim_max(want - have, _ZERO)) for have, want in zip(dims, wanted, strict=True)]
    if any(ctx.scope.equal(amount, _ZERO) is not Proof.PROVED for amount in missing):
        longer = [ctx.scope.simplify(have + more) for have, more in zip(dims, missing, strict=True)]
        value = _extended(ctx, value, scalar, missing, longer)
    return extract_slice(ctx, value, [constant_index(0)] * len(dims), wanted)


def _extended(
    ctx: LoweringContext, value: ir.Value, scalar: ir.Value, amounts: Sequence[DimExpr], dims: Sequence[DimExpr]
) -> ir.Value:
    """`value` with `amounts` of elements `scalar` behind it."""
    rank = len(amounts)
    zeros = [0] * rank
    if isinstance(element_type_of(value), ir.ComplexType):
        nothing = [constant_index(0)] * rank
        return pad_by_values(ctx, value, scalar, nothing, nothing, dims)
    static = ir.DenseI64ArrayAttr.get([a.constant_value if a.is_constant else DYNAMIC for a in amounts])
    type_ = tensor_type(dims, element_type_of(value))
    op = tensor.PadOp(type_, value, [], ctx.sizes.sizes(amounts), ir.DenseI64ArrayAttr.get(zeros), static)
    block = op.operation.regions[0].blocks.append(*[ir.IndexType.get()] * rank)
    with ir.InsertionPoint(block):
        tensor.YieldOp(scalar)
    return op.result


def window_attribute(op: Any, name: str, rank: int) -> list[int]:
    """A per-dimension attribute of a window, ones where it is absent."""
    return [int(v) for v in op.attributes[name]] if name in op.attributes else [1] * rank


def window_padding(op: Any, rank: int) -> tuple[list[int], list[int]]:
    """Low and high padding of each dimension of a window, zeros where it is absent."""
    if "padding" not in op.attributes:
        return [0] * rank, [0] * rank
    attribute = op.attributes["padding"]
    flat = [attribute.get_splat_value().value] * (2 * rank) if attribute.is_splat else [int(v) for v in attribute]
    return flat[0::2], flat[1::2]
