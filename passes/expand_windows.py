"""`nimble-expand-windows`: window reductions whose window or padding is computed become an op with their computation inside.
In: stage stablehlo, before calls are inlined. Out: the same without `custom_call @stablehlo.dynamic_reduce_window`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import DYNAMIC, DynamicReduceWindowOp
from nimble_mlir.dims import Scope
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import ir

from .base import ModulePass, fail, functions
from .regions import copy_body, statements
from .shape_functions import custom_call_target
from .shape_values import ShapeValues

__all__ = ["ExpandWindows"]

_REDUCE_WINDOW = "stablehlo.dynamic_reduce_window"


@dataclass(frozen=True)
class ExpandWindows(ModulePass):
    """Inlines the computation of each window reduction that JAX emits as a custom call.

      %0 = stablehlo.custom_call @stablehlo.dynamic_reduce_window(%x, %init, %window, %strides, …, %padding)
             {called_computations = [@max]}
    ==>
      %0 = "nimble.dynamic_reduce_window"(%x, %init, %window, %strides, …, %padding) ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>): …
      })
    """

    name: ClassVar[str] = "nimble-expand-windows"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError where the computation of a window reduction is not in the module."""
        by_name = {function.name.value: function for function in functions(module)}
        for function in by_name.values():
            if not function.is_external:
                _expand_in(function, by_name)


def _expand_in(function: Any, by_name: dict[str, Any]) -> None:
    values = ShapeValues(Scope({}))
    for op in statements(function):
        values.visit(op)
        if custom_call_target(op) == _REDUCE_WINDOW:
            with ir.InsertionPoint(op), op.location:
                _expand_reduce_window(op, values, by_name)


def _expand_reduce_window(op: Any, values: ShapeValues, by_name: dict[str, Any]) -> None:
    count = len(op.results)
    operands = list(op.operands)
    types = [result.type for result in op.results]
    if len(set(types)) == 1:
        new = DynamicReduceWindowOp(
            operands[:count], operands[count : 2 * count], *operands[2 * count :], types
        ).operation
    else:
        new = _with_static_window(op, types, values)
    (reducer,) = (ir.FlatSymbolRefAttr(name).value for name in op.attributes["called_computations"])
    if reducer not in by_name:
        raise fail(op, f"custom call '{_REDUCE_WINDOW}' calls a function that this module does not have")
    copy_body(by_name[reducer], new.regions[0])
    for before, after in zip(op.results, new.results, strict=True):
        before.replace_all_uses_with(after)
    op.erase()


def _with_static_window(op: Any, types: Sequence[ir.Type], values: ShapeValues) -> Any:
    """A pad and a window reduction without padding: for operands of several types, of which a variadic operand of an op
    defined over IRDL must have one (torch-mlir 20261001)."""
    count = len(types)
    operands, inits, padding = list(op.operands[:count]), list(op.operands[count : 2 * count]), op.operands[-1]
    constants = [values.get(shape) for shape in list(op.operands)[2 * count : -1]]
    known = [[dim.constant_value for dim in contents or () if dim.is_constant] for contents in constants]
    if any(contents is None or len(contents) != len(k) for contents, k in zip(constants, known, strict=True)):
        raise fail(op, "a window of symbolic size over operands of several types is not supported", UnsupportedOpError)
    window, strides, bases, dilations = known
    interior = [base - 1 for base in bases]
    padded = [_pad(x, init, padding, range(len(window)), interior) for x, init in zip(operands, inits, strict=True)]
    attributes = {
        "window_dimensions": ir.DenseI64ArrayAttr.get(window),
        "window_strides": ir.DenseI64ArrayAttr.get(strides),
        "window_dilations": ir.DenseI64ArrayAttr.get(dilations),
    }
    return ir.Operation.create(
        "stablehlo.reduce_window", results=types, operands=[*padded, *inits], attributes=attributes, regions=1
    )


def _pad(
    operand: ir.Value, scalar: ir.Value, padding: ir.Value, axes: Sequence[int], interior: Sequence[int]
) -> ir.Value:
    """`stablehlo.dynamic_pad` of `axes` by the rows (low, high) of `padding`."""
    type_ = ir.RankedTensorType(operand.type)
    element = ir.RankedTensorType(padding.type).element_type
    count = len(axes)
    flat = _op("stablehlo.reshape", [ir.RankedTensorType.get([2 * count], element)], [padding])
    amounts = [_spread(flat, first, list(axes), type_.rank, element) for first in (0, 1)]
    vector = ir.RankedTensorType.get([type_.rank], element)
    between = _op("stablehlo.constant", [vector], [], value=_integers(vector, interior))
    padded = ir.RankedTensorType.get([DYNAMIC] * type_.rank, type_.element_type)
    return _op("stablehlo.dynamic_pad", [padded], [operand, scalar, *amounts, between])


def _spread(flat: ir.Value, first: int, axes: list[int], rank: int, element: ir.Type) -> ir.Value:
    """Elements `first`, `first + 2`, … of `flat` at the positions `axes` of a vector of zeros."""
    one = ir.RankedTensorType.get([1], element)
    parts = []
    for axis in range(rank):
        if axis not in axes:
            parts.append(_op("stablehlo.constant", [one], [], value=_integers(one, [0])))
            continue
        start = first + 2 * axes.index(axis)
        bounds = {"start_indices": start, "limit_indices": start + 1, "strides": 1}
        attributes = {name: ir.DenseI64ArrayAttr.get([value]) for name, value in bounds.items()}
        parts.append(_op("stablehlo.slice", [one], [flat], **attributes))
    dimension = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)
    return _op("stablehlo.concatenate", [ir.RankedTensorType.get([rank], element)], parts, dimension=dimension)


def _op(name: str, results: Sequence[ir.Type], operands: Sequence[ir.Value], **attributes: ir.Attribute) -> ir.Value:
    return ir.Operation.create(name, results=results, operands=operands, attributes=attributes).result


def _integers(type_: ir.RankedTensorType, values: Sequence[int]) -> ir.Attribute:
    return ir.DenseElementsAttr.get([ir.IntegerAttr.get(type_.element_type, value) for value in values], type_)
