"""Lowering of dot_general to named contractions: one batch, one row, one column and one reduction dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, linalg, stablehlo

from .builders import LoweringContext, element_type_of, product
from .registry import lowering
from .shape_rules import unrealized_cast


@lowering("stablehlo.dot_general")
def dot_general(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """`linalg.matmul` or `linalg.batch_matmul` over collapsed groups, with a zero fill as accumulator.

    Only a zero-filled accumulator reaches IREE's data tiling and microkernels, so nothing is accumulated into.
    """
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    batch = list(numbers.lhs_batching_dimensions), list(numbers.rhs_batching_dimensions)
    contract = list(numbers.lhs_contracting_dimensions), list(numbers.rhs_contracting_dimensions)
    lhs, rhs, result = op.operands[0], op.operands[1], op.results[0]
    swap = _read_columns_first(op, len(batch[0]))
    if swap:
        lhs, rhs, batch, contract = rhs, lhs, batch[::-1], contract[::-1]
    lhs_dims, rhs_dims = ctx.dims(lhs), ctx.dims(rhs)
    rows = [i for i in range(len(lhs_dims)) if i not in batch[0] + contract[0]]
    columns = [i for i in range(len(rhs_dims)) if i not in batch[1] + contract[1]]
    left = _grouped(ctx, lhs, batch[0], rows, contract[0])
    right = _grouped(ctx, rhs, batch[1], contract[1], columns)
    element = element_type_of(result)
    batch_dims = [lhs_dims[i] for i in batch[0]]
    row_dims, column_dims = [lhs_dims[i] for i in rows], [rhs_dims[i] for i in columns]
    flat = [*([product(batch_dims)] if batch_dims else []), product(row_dims), product(column_dims)]
    unsigned = isinstance(element, ir.IntegerType) and element.is_unsigned
    signless = ir.IntegerType.get_signless(element.width) if unsigned else element
    out = ctx.fill(flat, _zero(signless))
    operands = [_signless(left), _signless(right)]
    named = linalg.BatchMatmulOp if batch_dims else linalg.MatmulOp
    contraction = named([out.type], operands, [out])
    if unsigned:
        contraction.operation.attributes["cast"] = ir.Attribute.parse("#linalg.type_fn<cast_unsigned>")
    linalg.fill_builtin_region(contraction.operation)
    value = contraction.results[0]
    expanded = _ungrouped(ctx, value, [*([batch_dims] if batch_dims else []), row_dims, column_dims])
    if swap:
        count, first, second = len(batch_dims), len(row_dims), len(column_dims)
        axes = [*range(count), *range(count + first, count + first + second), *range(count, count + first)]
        expanded = ctx.transpose(expanded, axes)
    return [unrealized_cast(expanded, tensor_type(ctx.dims(expanded), element)) if unsigned else expanded]


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


def _grouped(
    ctx: LoweringContext, value: ir.Value, batch: list[int], first: list[int], second: list[int]
) -> ir.Value:
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
    return ctx.expand(value, _merge_units([bool(group) for group in groups]), target)


def _ungrouped(ctx: LoweringContext, value: ir.Value, parts: list[list[DimExpr]]) -> ir.Value:
    """Expands each flat dimension into its part; a flat dimension with an empty part has size 1 and goes."""
    kept = [bool(part) for part in parts]
    if not any(kept):
        return ctx.collapse(value, [])
    value = ctx.collapse(value, _merge_units(kept))
    groups: list[list[int]] = []
    dims: list[DimExpr] = []
    for part in parts:
        if part:
            groups.append(list(range(len(dims), len(dims) + len(part))))
            dims += part
    return ctx.expand(value, groups, dims)


def _merge_units(kept: list[bool]) -> list[list[int]]:
    """Groups of adjacent axes with one kept axis each; the others (of size 1) join a neighbour."""
    groups: list[list[int]] = []
    leading: list[int] = []
    for axis, keep in enumerate(kept):
        if keep:
            groups.append([*leading, axis])
            leading = []
        elif groups:
            groups[-1].append(axis)
        else:
            leading.append(axis)
    return groups


def _zero(element: ir.Type) -> ir.Value:
    if isinstance(element, ir.ComplexType):
        from nimble_mlir.mlir import complex as complex_dialect

        zero = ir.FloatAttr.get(element.element_type, 0.0)
        return complex_dialect.constant(element, ir.ArrayAttr.get([zero, zero]))
    return arith.constant(element, 0.0 if not isinstance(element, ir.IntegerType) else 0)


def _signless(value: ir.Value) -> ir.Value:
    type_ = ir.RankedTensorType(value.type)
    element = type_.element_type
    if isinstance(element, ir.IntegerType) and element.is_unsigned:
        signless = ir.RankedTensorType.get(type_.shape, ir.IntegerType.get_signless(element.width), type_.encoding)
        return unrealized_cast(value, signless)
    return value
