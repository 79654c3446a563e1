"""The one place that converts between dtype names (numpy's and ml_dtypes') and MLIR element types, and makes constants."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes  # noqa: F401 - registers bfloat16, float8_*, int4 … with numpy
import numpy as np

from nimble_mlir.mlir import ir

__all__ = ["INLINE_BYTES", "constant_attr", "dtype_name", "element_type"]

# Constants up to this size stand in the IR as they are, so that folders see them; larger ones are resources.
INLINE_BYTES = 256


def _integer(width: int) -> Callable[[], ir.Type]:
    return lambda: ir.IntegerType.get_signless(width)


def _unsigned(width: int) -> Callable[[], ir.Type]:
    return lambda: ir.IntegerType.get_unsigned(width)


_TYPES: dict[str, Callable[[], ir.Type]] = {
    "bool": _integer(1),
    **{f"int{width}": _integer(width) for width in (2, 4, 8, 16, 32, 64)},
    **{f"uint{width}": _unsigned(width) for width in (2, 4, 8, 16, 32, 64)},
    "float16": ir.F16Type.get,
    "bfloat16": ir.BF16Type.get,
    "float32": ir.F32Type.get,
    "float64": ir.F64Type.get,
    "complex64": lambda: ir.ComplexType.get(ir.F32Type.get()),
    "complex128": lambda: ir.ComplexType.get(ir.F64Type.get()),
    "float4_e2m1fn": ir.Float4E2M1FNType.get,
    "float8_e3m4": ir.Float8E3M4Type.get,
    "float8_e4m3": ir.Float8E4M3Type.get,
    "float8_e4m3b11fnuz": ir.Float8E4M3B11FNUZType.get,
    "float8_e4m3fn": ir.Float8E4M3FNType.get,
    "float8_e4m3fnuz": ir.Float8E4M3FNUZType.get,
    "float8_e5m2": ir.Float8E5M2Type.get,
    "float8_e5m2fnuz": ir.Float8E5M2FNUZType.get,
    "float8_e8m0fnu": ir.Float8E8M0FNUType.get,
}


def element_type(dtype: str) -> ir.Type:
    """The MLIR element type of a dtype name, in the current context; raises KeyError for an unknown name."""
    return _TYPES[dtype]()


def dtype_name(type_: ir.Type) -> str:
    """The dtype name of an MLIR element type, in its context; raises KeyError for a type that has none."""
    with type_.context:
        for name, make in _TYPES.items():
            if make() == type_:
                return name
    raise KeyError(str(type_))


def constant_attr(array: np.ndarray, name: str) -> ir.ElementsAttr:
    """The elements attribute of an array: inline where it is small or one value, otherwise the resource `name`.

    A resource holds the array's memory without a copy, so the array must not be changed until the module is compiled.
    """
    type_ = ir.RankedTensorType.get(array.shape, element_type(array.dtype.name))
    if array.dtype == np.bool_ or array.nbytes <= INLINE_BYTES:
        return _inline(array, type_)
    contiguous = np.ascontiguousarray(array)
    return ir.DenseResourceElementsAttr.get_from_buffer(memoryview(contiguous.view(np.uint8)), name, type_, 64, False)


def _inline(array: np.ndarray, type_: ir.RankedTensorType) -> ir.ElementsAttr:
    if array.dtype == np.bool_:
        packed = np.packbits(array, axis=None, bitorder="little")
        return ir.DenseElementsAttr.get(packed, type=type_.element_type, shape=list(array.shape))
    raw = np.ascontiguousarray(array)
    return ir.DenseElementsAttr.get(raw.view(_RAW.get(raw.dtype.itemsize, raw.dtype)) if raw.dtype.kind == "V" else raw, type=type_)


_RAW = {1: np.uint8, 2: np.uint16}
