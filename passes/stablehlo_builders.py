"""StableHLO as a pass writes it before dims are known: integers, loops that count, branches, and rows of tensors.

A row is what a tensor has at one index of its first dimension. All build at the insertion point; integers are tensor<i32>.
Result types leave open what the op's operands say: `nimble-infer-dims` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import ir, stablehlo

__all__ = [
    "binary",
    "broadcast_rows",
    "case",
    "compare",
    "concatenate",
    "convert",
    "counted_loop",
    "custom_call",
    "entry",
    "gather_rows",
    "integer",
    "integer_type",
    "repeat_row",
    "replace_tuple",
    "row_at",
    "rows_type",
    "scatter_rows",
    "select",
    "size_of",
    "slice_rows",
    "tuple_elements",
    "tuple_of",
    "write_rows",
]

Size = int | ir.Value

_BROADCASTS = ("stablehlo.broadcast_in_dim", "stablehlo.dynamic_broadcast_in_dim")


def _op(
    name: str, types: Sequence[ir.Type], operands: Sequence[ir.Value], regions: int = 0, **attributes: ir.Attribute
):
    return ir.Operation.create(
        f"stablehlo.{name}", results=list(types), operands=list(operands), attributes=attributes, regions=regions
    )


def _i64s(values: Sequence[int]) -> ir.Attribute:
    return ir.DenseI64ArrayAttr.get(list(values))


def _i64(value: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def integer_type() -> ir.RankedTensorType:
    """tensor<i32>."""
    return ir.RankedTensorType.get([], ir.IntegerType.get_signless(32))


def rows_type(row: ir.Type, *leading: int) -> ir.RankedTensorType:
    """The type of a tensor with rows of the type `row`: their number is not known without `leading` sizes."""
    type_ = ir.RankedTensorType(row)
    return ir.RankedTensorType.get([*(leading or (DYNAMIC,)), *type_.shape], type_.element_type)


def integer(value: int) -> ir.Value:
    """A constant."""
    type_ = integer_type()
    splat = ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(type_.element_type, value))
    return _op("constant", [type_], [], value=splat).result


def binary(name: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """An elementwise op of two values of one type."""
    return _op(name, [lhs.type], [lhs, rhs]).result


def compare(direction: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """A comparison of signed integers: EQ, LT, …"""
    type_ = ir.RankedTensorType.get([], ir.IntegerType.get_signless(1))
    attributes = {
        "comparison_direction": stablehlo.ComparisonDirectionAttr.get(direction),
        "compare_type": stablehlo.ComparisonTypeAttr.get("SIGNED"),
    }
    return _op("compare", [type_], [lhs, rhs], **attributes).result


def select(condition: ir.Value, if_true: ir.Value, if_false: ir.Value) -> ir.Value:
    """One of two values of one type."""
    return _op("select", [if_true.type], [condition, if_true, if_false]).result


def convert(value: ir.Value, type_: ir.Type) -> ir.Value:
    """`value` with the elements of another type."""
    return value if value.type == type_ else _op("convert", [type_], [value]).result


def size_of(tensor: ir.Value, axis: int) -> Size:
    """The size of a dimension: an int where the type says it."""
    type_ = ir.RankedTensorType(tensor.type)
    if not type_.is_dynamic_dim(axis):
        return type_.get_dim_size(axis)
    return _op("get_dimension_size", [integer_type()], [tensor], dimension=_i64(axis)).result


def _as_value(size: Size) -> ir.Value:
    return integer(size) if isinstance(size, int) else size


def _vector(sizes: Sequence[Size]) -> ir.Value:
    """A vector of integers."""
    element = ir.IntegerType.get_signless(32)
    type_ = ir.RankedTensorType.get([len(sizes)], element)
    if all(isinstance(size, int) for size in sizes):
        values = [ir.IntegerAttr.get(element, size) for size in sizes]
        return _op("constant", [type_], [], value=ir.DenseElementsAttr.get(values, type_)).result
    one = ir.RankedTensorType.get([1], element)
    parts = [_op("reshape", [one], [_as_value(size)]).result for size in sizes]
    return _op("concatenate", [type_], parts, dimension=_i64(0)).result


def _row_sizes(rows: ir.Value) -> list[Size]:
    return [size_of(rows, axis) for axis in range(1, ir.RankedTensorType(rows.type).rank)]


def broadcast_rows(row: ir.Value, count: Size) -> ir.Value:
    """`count` times the same row."""
    rank = ir.RankedTensorType(row.type).rank
    shape = _vector([count, *(size_of(row, axis) for axis in range(rank))])
    type_, axes = rows_type(row.type), list(range(1, rank + 1))
    owner = row.owner
    if (
        not isinstance(owner, ir.Block)
        and owner.name in _BROADCASTS
        and not ir.RankedTensorType(owner.operands[0].type).rank
    ):
        row, axes = owner.operands[0], []  # one element is broadcast once
    return _op("dynamic_broadcast_in_dim", [type_], [row, shape], broadcast_dimensions=_i64s(axes)).result


def repeat_row(rows: ir.Value, count: int) -> ir.Value:
    """`count` times the only row of a tensor."""
    rank = ir.RankedTensorType(rows.type).rank
    shape = _vector([count, *_row_sizes(rows)])
    return _op("dynamic_broadcast_in_dim", [rows.type], [rows, shape], broadcast_dimensions=_i64s(range(rank))).result


def row_at(tensor: ir.Value, *indices: ir.Value, type_: ir.Type | None = None) -> ir.Value:
    """The part of size 1 at these leading indices, which keeps its dimensions; its type may leave the first one open."""
    source = ir.RankedTensorType(tensor.type)
    rest = list(source.shape)[len(indices) :]
    if type_ is None:
        type_ = ir.RankedTensorType.get([1] * len(indices) + rest, source.element_type)
    if DYNAMIC not in rest:
        zeros = [integer(0)] * len(rest)
        sizes = _i64s([1] * len(indices) + rest)
        return _op("dynamic_slice", [type_], [tensor, *indices, *zeros], slice_sizes=sizes).result
    sizes = [size_of(tensor, axis) for axis in range(len(indices), source.rank)]
    start = _vector([*indices, *[0] * len(rest)])
    limit = _vector([*(binary("add", index, integer(1)) for index in indices), *sizes])
    return _op("real_dynamic_slice", [type_], [tensor, start, limit, _vector([1] * source.rank)]).result


def entry(tensor: ir.Value, *indices: ir.Value) -> ir.Value:
    """An element."""
    scalar = ir.RankedTensorType.get([], ir.RankedTensorType(tensor.type).element_type)
    return _op("reshape", [scalar], [row_at(tensor, *indices)]).result


def slice_rows(tensor: ir.Value, start: ir.Value, count: ir.Value, type_: ir.Type) -> ir.Value:
    """`count` rows from `start` on, which lie in the tensor."""
    rest = _row_sizes(tensor)
    first, limit = _vector([start, *[0] * len(rest)]), _vector([binary("add", start, count), *rest])
    return _op("real_dynamic_slice", [type_], [tensor, first, limit, _vector([1] * (1 + len(rest)))]).result


def write_rows(tensor: ir.Value, rows: ir.Value, start: ir.Value) -> ir.Value:
    """The tensor with `rows` in the place of those from `start` on."""
    zeros = [integer(0)] * (ir.RankedTensorType(tensor.type).rank - 1)
    return _op("dynamic_update_slice", [tensor.type], [tensor, rows, start, *zeros]).result


def _column(indices: ir.Value) -> ir.Value:
    """A vector of indices as a matrix of one column."""
    type_ = ir.RankedTensorType.get([DYNAMIC, 1], ir.RankedTensorType(indices.type).element_type)
    shape = _vector([size_of(indices, 0), 1])
    return _op("dynamic_broadcast_in_dim", [type_], [indices, shape], broadcast_dimensions=_i64s([0])).result


def gather_rows(tensor: ir.Value, indices: ir.Value, type_: ir.Type | None = None) -> ir.Value:
    """The rows at these indices."""
    source = ir.RankedTensorType(tensor.type)
    type_ = rows_type(ir.RankedTensorType.get(list(source.shape)[1:], source.element_type)) if type_ is None else type_
    axes = list(range(1, source.rank))
    attributes = {"dimension_numbers": stablehlo.GatherDimensionNumbers.get(axes, [0], [], [], [0], 1)}
    rest = list(source.shape)[1:]
    if DYNAMIC in rest:
        sizes = _vector([1, *_row_sizes(tensor)])
        return _op("dynamic_gather", [type_], [tensor, _column(indices), sizes], **attributes).result
    return _op("gather", [type_], [tensor, _column(indices)], slice_sizes=_i64s([1, *rest]), **attributes).result


def scatter_rows(tensor: ir.Value, indices: ir.Value, rows: ir.Value) -> ir.Value:
    """The tensor with `rows` at these indices."""
    type_ = ir.RankedTensorType(tensor.type)
    numbers = stablehlo.ScatterDimensionNumbers.get(list(range(1, type_.rank)), [0], [], [], [0], 1)
    operands = [tensor, _column(indices), rows]
    made = _op("scatter", [type_], operands, regions=1, scatter_dimension_numbers=numbers)
    scalar = ir.RankedTensorType.get([], type_.element_type)
    block = made.regions[0].blocks.append(scalar, scalar)
    with ir.InsertionPoint(block):
        _op("return", [], [block.arguments[1]])
    return made.result


def concatenate(parts: Sequence[ir.Value], type_: ir.Type) -> ir.Value:
    """The rows of all parts."""
    if len(parts) == 1:
        return parts[0]
    return _op("concatenate", [type_], parts, dimension=_i64(0)).result


def counted_loop(
    count: ir.Value, carries: Sequence[ir.Value], body: Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value]]
) -> list[ir.Value]:
    """The carries after `count` iterations; the body gets the number of the iteration and the carries."""
    types = [integer_type(), *(carry.type for carry in carries)]
    made = _op("while", types, [integer(0), *carries], regions=2)
    condition, block = (region.blocks.append(*types) for region in made.regions)
    with ir.InsertionPoint(condition):
        _op("return", [], [compare("LT", condition.arguments[0], count)])
    with ir.InsertionPoint(block):
        number, *inside = block.arguments
        results = body(number, inside)
        _op("return", [], [binary("add", number, integer(1)), *results])
    return list(made.results)[1:]


def case(
    index: ir.Value, branches: Sequence[Callable[[], Sequence[ir.Value]]], types: Sequence[ir.Type]
) -> list[ir.Value]:
    """What the branch with this number gives."""
    made = _op("case", types, [index], regions=len(branches))
    for region, branch in zip(made.regions, branches, strict=True):
        with ir.InsertionPoint(region.blocks.append()):
            _op("return", [], branch())
    return list(made.results)


def custom_call(
    target: str, type_: ir.Type, operands: Sequence[ir.Value], effect: bool = False, **config: str
) -> ir.Value:
    """A custom call of nimble's own, with texts as its attributes."""
    attributes: dict[str, ir.Attribute] = {
        "call_target_name": ir.StringAttr.get(target),
        "api_version": ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        "has_side_effect": ir.BoolAttr.get(effect),
        "backend_config": ir.DictAttr.get({key: ir.StringAttr.get(value) for key, value in config.items()}),
    }
    return _op("custom_call", [type_], operands, **attributes).result


def tuple_of(values: Sequence[ir.Value]) -> ir.Value:
    """A tuple of values."""
    return _op("tuple", [ir.TupleType.get_tuple([value.type for value in values])], values).result


def tuple_elements(value: ir.Value) -> list[ir.Value]:
    """What is in a tuple: where it is made, or taken from it."""
    owner = value.owner
    if not isinstance(owner, ir.Block) and owner.name == "stablehlo.tuple":
        return list(owner.operands)
    type_ = ir.TupleType(value.type)
    i32 = ir.IntegerType.get_signless(32)
    return [
        _op("get_tuple_element", [type_.get_type(index)], [value], index=ir.IntegerAttr.get(i32, index)).result
        for index in range(type_.num_types)
    ]


def replace_tuple(value: ir.Value, elements: Sequence[ir.Value]) -> None:
    """What reads an element of a tuple reads that of `elements`, which may be taken from it; else it gets another tuple."""
    taken = [element.owner for element in elements]
    for use in list(value.uses):
        user = use.owner.operation
        if user in taken:
            continue
        if user.name == "stablehlo.get_tuple_element":
            user.results[0].replace_all_uses_with(elements[user.attributes["index"].value])
            user.erase()
        else:
            with ir.InsertionPoint(user), user.location:
                user.operands[use.operand_number] = tuple_of(elements)
