"""`nimble-lower-lists`: lists become the tensors of their rows. In: stage stablehlo, calls inlined. Out: the same without
lists; what holds of their length is checked, and how much room a loop is to begin with is said of its first carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import ir

from . import stablehlo_ops as hlo
from .assertions import TARGET as ASSERTION
from .base import ModulePass, entry_functions
from .capacity import RESERVE
from .regions import everything

__all__ = ["LowerLists"]


@dataclass(frozen=True)
class LowerLists(ModulePass):
    """Replaces lists by tensors of their rows, which grow by concatenation.

      %list = "nimble.list_from"(%rows) : (tensor<?x4xf32>) -> !nimble.list<tensor<4xf32>, {bound = 9 : i64}>
      %longer = "nimble.list_append"(%list, %row) {what = "a list"}
      %more = "nimble.list_stack"(%longer)
    ==>
      %more = stablehlo.concatenate %rows, %row_as_rows, dim = 0 : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
      %ok = stablehlo.compare LE, %size_of_more, %nine
      stablehlo.custom_call @shape_assertion(%ok) {error_message = "a list has more than its bound of 9 rows"}
    """

    name: ClassVar[str] = "nimble-lower-lists"

    def run(self, module: ir.Module) -> None:
        """Never fails: `nimble-reserve-capacity` writes in place what it can."""
        for function in entry_functions(module):
            ops = [op for op in everything(function.operation) if op.name in _RULES]
            rows: dict[ir.Value, ir.Value] = {}  # of each list
            for op in ops:
                with ir.InsertionPoint(op), op.location:
                    value = _RULES[op.name](op, rows)
                if op.name in _TENSORS:
                    op.results[0].replace_all_uses_with(value)
                else:
                    rows[op.results[0]] = value
            for op in reversed(ops):
                op.erase()


Rows = dict[ir.Value, ir.Value]


def _from(op: Any, rows: Rows) -> ir.Value:
    return op.operands[0]


def _stack(op: Any, rows: Rows) -> ir.Value:
    return _as(op.results[0].type, rows[op.operands[0]])


def _append(op: Any, rows: Rows) -> ir.Value:
    row = op.operands[1]
    shape = list(ir.RankedTensorType(row.type).shape)
    if DYNAMIC in shape:
        sizes = [hlo.constant(1), *(hlo.dimension_size(row, axis) for axis in range(len(shape)))]
        return _longer(op, rows, hlo.dynamic_reshape(row, [1, *shape], sizes))
    return _longer(op, rows, hlo.reshape(row, [1, *shape]))


def _extend(op: Any, rows: Rows) -> ir.Value:
    return _longer(op, rows, op.operands[1])


def _longer(op: Any, rows: Rows, more: ir.Value) -> ir.Value:
    joined = hlo.concatenate([rows[op.operands[0]], more])
    bound = op.operands[0].type.numbers.get("bound")
    if bound is not None:
        fits = hlo.compare("LE", hlo.dimension_size(joined, 0), hlo.constant(bound))
        message = f"{op.attributes['what'].value} has more than its bound of {bound} rows"
        hlo.custom_call(
            ASSERTION,
            [],
            [fits],
            error_message=ir.StringAttr.get(message),
            has_side_effect=ir.BoolAttr.get(True),
        )
    return joined


def _reserve(op: Any, rows: Rows) -> ir.Value:
    value, limits = rows[op.operands[0]], op.operands[0].type.numbers
    if not limits:
        return value
    i64 = ir.IntegerType.get_signless(64)
    config = ir.DictAttr.get({name: ir.IntegerAttr.get(i64, number) for name, number in limits.items()})
    return hlo.custom_call(RESERVE, [value.type], [value], config).result


def _get(op: Any, rows: Rows) -> ir.Value:
    value, index = rows[op.operands[0]], op.operands[1]
    length, zero = hlo.dimension_size(value, 0), hlo.constant(0)
    index = hlo.select(hlo.compare("LT", index, zero), hlo.binary("add", index, length), index)
    shape = list(ir.RankedTensorType(op.results[0].type).shape)
    starts = [index, *[zero] * len(shape)]
    if DYNAMIC not in shape:
        return hlo.reshape(hlo.dynamic_slice(value, starts, [1, *shape]), shape)
    # It does not clamp by itself.
    one = hlo.constant(1)
    starts[0] = hlo.clamp(zero, index, hlo.binary("subtract", length, one))
    sizes = [hlo.dimension_size(value, axis + 1) for axis in range(len(shape))]
    row = hlo.real_dynamic_slice(value, [1, *shape], starts, [hlo.binary("add", starts[0], one), *sizes])
    return hlo.dynamic_reshape(row, shape, sizes)


def _length(op: Any, rows: Rows) -> ir.Value:
    return hlo.dimension_size(rows[op.operands[0]], 0)


def _as(type_: ir.Type, rows: ir.Value) -> ir.Value:
    """The rows as a tensor of another type, whose number of rows is said or is not."""
    if rows.type == type_:
        return rows
    return hlo.dynamic_reshape(rows, list(type_.shape), [hlo.dimension_size(rows, axis) for axis in range(type_.rank)])


_TENSORS = frozenset({"nimble.list_get", "nimble.list_length", "nimble.list_stack"})

# Op → the tensor that it is, or of the rows of the list that it is.
_RULES: dict[str, Callable[[Any, Rows], ir.Value]] = {
    "nimble.list_append": _append,
    "nimble.list_extend": _extend,
    "nimble.list_from": _from,
    "nimble.list_get": _get,
    "nimble.list_length": _length,
    "nimble.list_reserve": _reserve,
    "nimble.list_stack": _stack,
}
