"""The one place that converts between dtype names (numpy's and ml_dtypes') and MLIR element types."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes  # noqa: F401 - registers bfloat16, float8_*, int4 … with numpy

from nimble_mlir.mlir import ir

__all__ = ["dtype_name", "element_type"]


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
    "float6_e2m3fn": ir.Float6E2M3FNType.get,
    "float6_e3m2fn": ir.Float6E3M2FNType.get,
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
