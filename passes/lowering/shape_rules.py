"""Lowering of ops that rearrange elements: reshape, broadcast, iota, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.dims import DimExpr, Proof
from nimble_mlir.mlir import arith, ir, tensor

from ..symbol_table import constant_index
from .arithmetic import widened
from .builders import (
    LoweringContext,
    dimension_map,
    element_type_of,
    extract,
    index_of,
    product,
)
from .registry import lowering
from .signedness import reinterpret, signless

Group = tuple[list[int], list[int]]


@lowering("nimble.reshape", "stablehlo.reshape")
def reshape(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Collapses and expands groups of dimensions whose products are proved equal; the rest is one group."""
    operand, result = op.operands[0], op.results[0]
    source, target = ctx.dims(operand), ctx.dims(result)
    if any(dim == 0 for dim in source):  # no elements: any other dims have the same product
        return [ctx.empty(target, element_type_of(operand))]
    groups = reassociate(ctx, source, target)
    if groups is None:
        return [ctx.reshape_by_size(operand, target)]
    middle = [_group_dim(source, target, group) for group in groups]
    collapsed = ctx.collapse(operand, [group[0] for group in groups])
    return [ctx.cast(ctx.expand(ctx.cast(collapsed, middle), [group[1] for group in groups], target), target)]


def _group_dim(source: Sequence[DimExpr], target: Sequence[DimExpr], group: Group) -> DimExpr:
    """The dim between collapse and expansion: static only where both sides are."""
    before, after = product([source[i] for i in group[0]]), product([target[i] for i in group[1]])
    return before if len(group[1]) > 1 and any(not target[i].is_constant for i in group[1]) else after


def reassociate(ctx: LoweringContext, source: Sequence[DimExpr], target: Sequence[DimExpr]) -> list[Group] | None:
    """The finest grouping of adjacent dimensions with equal products; None where collapse and expand cannot say it."""
    groups: list[Group] = []
    i, j = 0, 0
    while i < len(source) and j < len(target):
        step = _next_group(ctx, source, target, i, j)
        if step is None:
            groups.append((list(range(i, len(source))), list(range(j, len(target)))))
            i, j = len(source), len(target)
            break
        groups.append((list(range(i, step[0])), list(range(j, step[1]))))
        i, j = step
    if not groups:
        ones = (*source, *target)
        return [] if all(dim == 1 for dim in ones) else None
    groups[-1][0].extend(range(i, len(source)))
    groups[-1][1].extend(range(j, len(target)))
    for before, after in groups:
        # A static size cannot expand into a dynamic one, nor dynamic ones collapse into a static one.
        dynamic_before = any(not source[axis].is_constant for axis in before)
        dynamic_after = any(not target[axis].is_constant for axis in after)
        if dynamic_before != dynamic_after:
            return None
    return groups


def _next_group(
    ctx: LoweringContext, source: Sequence[DimExpr], target: Sequence[DimExpr], i: int, j: int
) -> tuple[int, int] | None:
    for length in range(2, len(source) - i + len(target) - j + 1):
        for taken in range(1, length):
            x, y = i + taken, j + length - taken
            if x > len(source) or y > len(target):
                continue
            if ctx.same(product(source[i:x]), product(target[j:y])):
                return x, y
    return None


@lowering("nimble.broadcast_in_dim", "stablehlo.broadcast_in_dim")
def broadcast_in_dim(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """An affine map where each dimension is known to stay or to expand; a select of the index where it is not."""
    operand, result = op.operands[0], op.results[0]
    dimensions = list(op.attributes["broadcast_dimensions"])
    source, target = ctx.dims(operand), ctx.dims(result)
    rank = len(target)
    if dimensions == list(range(rank)) and all(ctx.same(a, b) for a, b in zip(source, target, strict=True)):
        return [ctx.cast(operand, target)]
    axes: list[int | None] = []
    undecided: list[int] = []
    for i, axis in enumerate(dimensions):
        if ctx.same(source[i], target[axis]):
            axes.append(axis)
        elif source[i] == 1:
            axes.append(None)
        else:
            axes.append(axis)
            if ctx.scope.equal(source[i], DimExpr.constant(1)) is not Proof.REFUTED:
                undecided.append(i)
    type_ = tensor_type(target, element_type_of(operand))
    if not undecided:
        return [ctx.generic([operand], [dimension_map(rank, axes)], type_, lambda scalar: scalar)]
    expands = {i: arith.cmpi(0, ctx.sizes.value(source[i]), constant_index(1)) for i in undecided}

    def body() -> ir.Value:
        indices = []
        for i, axis in enumerate(axes):
            index = constant_index(0) if axis is None else index_of(axis)
            indices.append(arith.select(expands[i], constant_index(0), index) if i in expands else index)
        return extract(operand, indices)

    return [ctx.generic([], [], type_, body)]


@lowering("stablehlo.transpose")
def transpose(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """`linalg.transpose`; a transpose of a transpose is one."""
    return [ctx.transpose(op.operands[0], [int(axis) for axis in op.attributes["permutation"]])]


@lowering("nimble.iota", "stablehlo.iota")
def iota(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
    """Each element is its index in one dimension; of static size upstream's, but for what it casts to bfloat16."""
    result = op.results[0]
    element = element_type_of(result)
    if op.name == "stablehlo.iota" and not isinstance(element, ir.BF16Type):
        return None
    axis = op.attributes["iota_dimension"].value

    def body() -> ir.Value:
        return index_to_element(index_of(axis), element)

    return [ctx.generic([], [], result.type, body)]


def index_to_element(index: ir.Value, element: ir.Type) -> ir.Value:
    """An index as an element of an integer, float or complex type."""
    if isinstance(element, ir.IntegerType):
        return reinterpret(arith.index_cast(signless(element), index), element)
    if isinstance(element, ir.ComplexType):
        from nimble_mlir.mlir import complex as complex_dialect

        real = index_to_element(index, element.element_type)
        zero = arith.constant(element.element_type, 0.0)
        return complex_dialect.create_(element, real, zero)
    integer = arith.index_cast(ir.IntegerType.get_signless(64), index)
    return widened(integer, integer.type, element)


@lowering("stablehlo.optimization_barrier")
def optimization_barrier(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Its operands: what JAX keeps apart to compute it twice (`jax.checkpoint`) costs time here and spares nothing."""
    return [ctx.cast(value, ctx.dims(result)) for value, result in zip(op.operands, op.results, strict=True)]


@lowering("stablehlo.concatenate")
def concatenate(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """`tensor.concat`."""
    result = op.results[0]
    axis = op.attributes["dimension"].value
    dims = ctx.dims(result)
    # The other dims are equal, proved or checked, and tensor.concat wants them spelled alike.
    operands = []
    for operand in op.operands:
        own = ctx.dims(operand)
        operands.append(ctx.cast(operand, [own[i] if i == axis else dims[i] for i in range(len(dims))]))
    if len(operands) == 1:
        return [ctx.cast(operands[0], dims)]
    return [tensor.ConcatOp(result.type, axis, operands).result]
