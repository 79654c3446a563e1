"""`nimble-fold-constants`: arithmetic on scalar constants. In: stage stablehlo, calls inlined. Out: the same, where what
follows from scalar constants alone is one. IREE would otherwise run each such scalar as a kernel while it compiles, and its
readers would load it from memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nimble_mlir.dialects.dtypes import dtype_name
from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions
from .constants import is_narrow
from .regions import statements

__all__ = ["FoldConstants"]


@dataclass(frozen=True)
class FoldConstants(ModulePass):
    """Computes ops on scalar constants whose result is the same on every machine.

    Those are the operations that IEEE 754 defines to the last bit, and integers, which wrap around. JAX emits them for what
    a program computes from its own numbers, such as the divisor of a variance.

      %0 = stablehlo.convert %zero : (tensor<i32>) -> tensor<f32>
      %1 = stablehlo.subtract %thirty_two, %0 : tensor<f32>
    ==>
      %1 = stablehlo.constant dense<3.200000e+01> : tensor<f32>
    """

    name: ClassVar[str] = "nimble-fold-constants"

    def run(self, module: ir.Module) -> None:
        """Never fails: what has no rule, or no such result, stays."""
        for function in entry_functions(module):
            known: dict[ir.Value, np.ndarray] = {}
            for op in statements(function):
                if op.name == "stablehlo.constant":
                    value = _element(op)
                    if value is not None:
                        known[op.results[0]] = value
                elif op.name in _RULES:
                    _fold(op, known)


def _fold(op: Any, known: dict[ir.Value, np.ndarray]) -> None:
    result = op.results[0]
    operands = [known[operand] for operand in op.operands if operand in known]
    if len(operands) < len(op.operands) or not _is_scalar(result.type):
        return
    dtype = np.dtype(dtype_name(result.type.element_type))
    with np.errstate(all="ignore"):
        value = _RULES[op.name](op, dtype, operands)
    if value is None or not _is_portable(value):
        return
    with ir.InsertionPoint(op), op.location:
        attribute = _attribute(value, result.type)
        constant = ir.Operation.create("stablehlo.constant", results=[result.type], attributes={"value": attribute})
    known[constant.results[0]] = value
    result.replace_all_uses_with(constant.results[0])
    op.erase()


def _is_scalar(type_: ir.Type) -> bool:
    """Whether it is a tensor of rank 0 whose element the bindings read and numpy computes with as MLIR does."""
    if not isinstance(type_, ir.RankedTensorType) or type_.rank:
        return False
    element = type_.element_type
    return isinstance(element, ir.IntegerType | ir.FloatType) and not is_narrow(element)


def _element(op: Any) -> np.ndarray | None:
    """The element of a scalar constant as an array of one element."""
    type_ = op.results[0].type
    if not _is_scalar(type_):
        return None
    value = op.attributes["value"].get_splat_value().value
    if isinstance(type_.element_type, ir.FloatType):
        return np.array([value]).astype(dtype_name(type_.element_type))
    bits = np.array([value & ((1 << 64) - 1)], np.uint64)  # the sign of what is read depends on the type
    return bits.astype(dtype_name(type_.element_type))


def _attribute(value: np.ndarray, type_: ir.Type) -> ir.Attribute:
    element = type_.element_type
    if isinstance(element, ir.FloatType):
        return ir.DenseElementsAttr.get_splat(type_, ir.FloatAttr.get(element, float(value[0])))
    number = int(value[0])
    if number >> (element.width - 1) > 0 and element.width > 1:  # the bindings take what fits a signed integer
        number -= 1 << element.width
    return ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(element, number))


def _is_portable(value: np.ndarray) -> bool:
    """Not so NaNs, whose bits nothing fixes, and subnormal numbers, which count as zeros at run time."""
    if not _is_float(value.dtype):
        return True
    number = abs(float(value[0]))
    return number == 0 or number >= _SMALLEST_NORMAL[value.dtype.name]


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind not in "biu"


_SMALLEST_NORMAL = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}

Rule = Callable[[Any, np.dtype, list[np.ndarray]], np.ndarray | None]


def _plain(function: Callable[..., np.ndarray]) -> Rule:
    """NumPy's function of that meaning; booleans, of which StableHLO's arithmetic is a logic of its own, are left."""
    return lambda op, dtype, operands: None if dtype == np.bool_ else function(*operands).astype(dtype)


def _float_only(function: Callable[..., np.ndarray]) -> Rule:
    return lambda op, dtype, operands: function(*operands).astype(dtype) if _is_float(dtype) else None


def _extremum(function: Callable[..., np.ndarray]) -> Rule:
    """As `_plain`, but not of two zeros, whose signs machines treat differently."""
    plain = _plain(function)
    return lambda op, dtype, operands: None if _is_float(dtype) and not any(operands) else plain(op, dtype, operands)


def _convert(op: Any, dtype: np.dtype, operands: list[np.ndarray]) -> np.ndarray | None:
    (value,) = operands
    if _is_float(value.dtype) and not _is_float(dtype) and dtype != np.bool_:
        limits = np.iinfo(dtype)
        if not limits.min < float(value[0]) < limits.max:  # NaN neither
            return None
    return value.astype(dtype)


_COMPARISONS = {
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}


def _compare(op: Any, dtype: np.dtype, operands: list[np.ndarray]) -> np.ndarray | None:
    if "compare_type" in op.attributes and "TOTALORDER" in str(op.attributes["compare_type"]):
        return None
    direction = str(op.attributes["comparison_direction"]).split()[-1].rstrip(">")
    return _COMPARISONS[direction](*operands)


def _select(op: Any, dtype: np.dtype, operands: list[np.ndarray]) -> np.ndarray:
    chosen, yes, no = operands
    return yes if chosen[0] else no


_RULES: dict[str, Rule] = {
    "stablehlo.abs": _plain(np.abs),
    "stablehlo.add": _plain(np.add),
    "stablehlo.compare": _compare,
    "stablehlo.convert": _convert,
    "stablehlo.divide": _float_only(np.divide),
    "stablehlo.maximum": _extremum(np.maximum),
    "stablehlo.minimum": _extremum(np.minimum),
    "stablehlo.multiply": _plain(np.multiply),
    "stablehlo.negate": _plain(np.negative),
    "stablehlo.select": _select,
    "stablehlo.sqrt": _float_only(np.sqrt),
    "stablehlo.subtract": _plain(np.subtract),
}
