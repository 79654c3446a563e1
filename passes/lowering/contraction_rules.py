"""Lowering of dot_general to named contractions: one batch, one row, one column and one reduction dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, linalg, stablehlo

from .arithmetic import computed_type, converted, summed_type, zero
from .builders import LoweringContext, element_type_of, merge_units, product
from .fusion import apart, epilogue_reads_slice
from .registry import lowering
from .signedness import as_signless, is_unsigned, reinterpret, signless
from .vector_products import vector_product


@lowering("stablehlo.dot_general")
def dot_general(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """`linalg.matmul` or `linalg.batch_matmul` over collapsed groups, with a zero fill as accumulator.

    Only a zero-filled accumulator reaches IREE's data tiling and microkernels, so nothing is accumulated into.
    """
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    batch = list(numbers.lhs_batching_dimensions), list(numbers.rhs_batching_dimensions)
    # In the order of the left operand, which then needs no transpose for it; often the right one needs none either.
    pairs = sorted(zip(numbers.lhs_contracting_dimensions, numbers.rhs_contracting_dimensions, strict=True))
    contract = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    lhs, rhs, result = op.operands[0], op.operands[1], op.results[0]
    swap = _read_columns_first(op, len(batch[0]))
    if swap:
        lhs, rhs = rhs, lhs
        batch, contract = (batch[1], batch[0]), (contract[1], contract[0])
    lhs_dims, rhs_dims = ctx.dims(lhs), ctx.dims(rhs)
    rows = [i for i in range(len(lhs_dims)) if i not in batch[0] + contract[0]]
    columns = [i for i in range(len(rhs_dims)) if i not in batch[1] + contract[1]]
    element = element_type_of(result)
    if element != ir.IntegerType.get_signless(1):  # and and or
        element = summed_type(element)
        lhs, rhs = (converted(ctx, operand, computed_type(element_type_of(operand))) for operand in (lhs, rhs))
    lhs, rhs, unsigned = _extended(ctx, lhs, rhs, element)
    batch_dims = [lhs_dims[i] for i in batch[0]]
    row_dims, column_dims = [lhs_dims[i] for i in rows], [rhs_dims[i] for i in columns]
    flat = [*([product(batch_dims)] if batch_dims else []), product(row_dims), product(column_dims)]
    value = _of_vector(ctx, lhs, rhs, (batch, contract, (rows, columns)), flat)
    if value is None:
        left = _grouped(ctx, lhs, batch[0], rows, contract[0])
        right = _grouped(ctx, rhs, batch[1], contract[1], columns)
        if batch[0] or any(not lhs_dims[i].is_constant for i in contract[0]):
            left, right = apart(ctx, left), apart(ctx, right)
        value = _named(ctx, left, right, flat, element, unsigned=unsigned)
    if epilogue_reads_slice(op):
        value = apart(ctx, value)
    expanded = _ungrouped(ctx, value, [*([batch_dims] if batch_dims else []), row_dims, column_dims])
    if swap:
        count, first, second = len(batch_dims), len(row_dims), len(column_dims)
        axes = [*range(count), *range(count + first, count + first + second), *range(count, count + first)]
        expanded = ctx.transpose(expanded, axes)
    expanded = converted(ctx, expanded, element_type_of(result))
    return [reinterpret(ctx.cast(expanded, ctx.dims(result)), result.type)]


Axes = tuple[list[int], list[int]]  # of the left operand, of the right one


def _of_vector(
    ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, axes: tuple[Axes, Axes, Axes], flat: Sequence[DimExpr]
) -> ir.Value | None:
    """The product as `vector_product` where one operand has one row (or column) in each batch, with the dims `flat`."""
    batch, contract, free = axes
    if len(contract[0]) != 1:
        return None
    for number, (row, matrix) in enumerate(((lhs, rhs), (rhs, lhs))):
        if flat[number - 2] != 1:
            continue
        grouped = _grouped(ctx, row, batch[number], free[number], contract[number])
        rows = ctx.collapse(grouped, [[0, 1], [2]]) if batch[0] else grouped
        other = 1 - number
        value = vector_product(ctx, rows, matrix, batch[other], contract[other][0], free[other])
        if value is None:
            continue
        if not batch[0]:
            value = ctx.collapse(value, [[0, 1]])
        unit = len(flat) - 2 + number
        groups = merge_units([axis != unit for axis in range(len(flat))])
        return ctx.expand(value, groups, flat)
    return None


def _named(
    ctx: LoweringContext, left: ir.Value, right: ir.Value, flat: Sequence[DimExpr], element: ir.Type, *, unsigned: bool
) -> ir.Value:
    out = ctx.fill(flat, zero(signless(element)))
    named = linalg.BatchMatmulOp if len(flat) == 3 else linalg.MatmulOp
    contraction = named([out.type], [left, right], [out])
    if unsigned:
        contraction.operation.attributes["cast"] = ir.Attribute.parse("#linalg.type_fn<cast_unsigned>")
    linalg.fill_builtin_region(contraction.operation)
    return contraction.results[0]


def _extended(ctx: LoweringContext, lhs: ir.Value, rhs: ir.Value, element: ir.Type) -> tuple[ir.Value, ir.Value, bool]:
    """The operands as signless, and whether the contraction extends them by zeros.

    A named op extends both operands in one way, so operands of different types are extended before it.
    """
    left, right = element_type_of(lhs), element_type_of(rhs)
    by_named_op = isinstance(left, ir.IntegerType) == isinstance(element, ir.IntegerType)
    if left != right or not by_named_op or (isinstance(element, ir.ComplexType) and left != element):
        return as_signless(converted(ctx, lhs, element)), as_signless(converted(ctx, rhs, element)), False
    return as_signless(lhs), as_signless(rhs), is_unsigned(left)


def _read_columns_first(op: Any, batch: int) -> bool:
    """Whether the only use of a product is a transpose that puts a dimension of the right operand before those of the
    left one: then the product of the swapped operands needs less of a transpose (einsum writes attention so)."""
    uses = list(op.results[0].uses)
    if len(uses) != 1 or uses[0].owner.operation.name != "stablehlo.transpose":
        return False
    free = [axis for axis in uses[0].owner.operation.attributes["permutation"] if axis >= batch]
    columns = len(ir.RankedTensorType(op.operands[1].type).shape) - batch - _contracted(op)
    first_column = len(free) - columns
    return 0 < columns < len(free) and batch + first_column == free[0]


def _contracted(op: Any) -> int:
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    return len(numbers.rhs_contracting_dimensions)


def _grouped(ctx: LoweringContext, value: ir.Value, batch: list[int], first: list[int], second: list[int]) -> ir.Value:
    """`value` with its dimensions in the order batch, first, second, each group collapsed to one (or expanded to 1)."""
    value = ctx.transpose(value, [*batch, *first, *second])
    sizes = [*([len(batch)] if batch else []), len(first), len(second)]
    groups: list[list[int]] = []
    position = 0
    for size in sizes:
        groups.append(list(range(position, position + size)))
        position += size
    filled = [group for group in groups if group]
    dims = ctx.dims(value)
    value = ctx.collapse(value, filled) if filled else value
    if len(filled) == len(groups):
        return value
    collapsed = iter([product([dims[i] for i in group]) for group in filled])
    target = [next(collapsed) if group else DimExpr.constant(1) for group in groups]
    return ctx.expand(value, merge_units([bool(group) for group in groups]), target)


def _ungrouped(ctx: LoweringContext, value: ir.Value, parts: list[list[DimExpr]]) -> ir.Value:
    """Expands each flat dimension into its part; a flat dimension with an empty part has size 1 and goes."""
    kept = [bool(part) for part in parts]
    if not any(kept):
        return ctx.collapse(value, [])
    value = ctx.collapse(value, merge_units(kept))
    groups: list[list[int]] = []
    dims: list[DimExpr] = []
    for part in parts:
        if part:
            groups.append(list(range(len(dims), len(dims) + len(part))))
            dims += part
    return ctx.expand(value, groups, dims)
