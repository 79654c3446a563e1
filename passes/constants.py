"""The large constants of a program: arrays by key, each held once, and their extraction from StableHLO.

A constant of up to `INLINE_BYTES` stays in the IR, where folders see it; so does one that repeats a single element. The
others become `nimble.constant` ops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nimble_mlir.dialects import ConstantOp
from nimble_mlir.dialects.dtypes import dtype_name
from nimble_mlir.mlir import ir

from .regions import everything

__all__ = ["INLINE_BYTES", "ConstantPool", "bits_of_elements", "extract_constants", "is_narrow"]

INLINE_BYTES = 1024

# The bits of a byte that are an element's.
_PARTS_OF_BYTES = {
    **dict.fromkeys(("int2", "uint2"), 0x3),
    **dict.fromkeys(("int4", "uint4", "float4_e2m1fn"), 0xF),
    **dict.fromkeys(("float6_e2m3fn", "float6_e3m2fn"), 0x3F),
}


class ConstantPool(Mapping[str, np.ndarray]):
    """Arrays by key; equal arrays get one key. The arrays are not copied and must not be changed."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._keys: dict[tuple[Any, ...], list[str]] = {}

    def add(self, array: np.ndarray) -> str:
        """The key of `array`, a new one unless an equal array (dtype, shape and bits) is there."""
        array = np.ascontiguousarray(array)
        if array.dtype.name in _PARTS_OF_BYTES:  # what stands above an element's bits is nothing of it
            array = (array.view(np.uint8) & np.uint8(_PARTS_OF_BYTES[array.dtype.name])).view(array.dtype)
        raw = _bytes(array)
        candidates = self._keys.setdefault((array.dtype.name, array.shape, raw[:64].tobytes(), raw[-64:].tobytes()), [])
        for key in candidates:
            if np.array_equal(_bytes(self._arrays[key]), raw):
                return key
        key = f"constant{len(self._arrays)}"
        self._arrays[key] = array
        candidates.append(key)
        return key

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


def extract_constants(module: ir.Module, pool: ConstantPool) -> None:
    """Replaces the large `stablehlo.constant` ops of all functions by `nimble.constant` ops."""
    for op in [op for op in everything(module.operation) if op.name == "stablehlo.constant"]:
        # The bindings (torch-mlir 20261001) raise where they meet a dense attribute of complex numbers; such a constant
        # stays in the IR. Those that a JAX function closes over come from capture, not from here.
        if isinstance(ir.RankedTensorType(op.results[0].type).element_type, ir.ComplexType):
            continue
        value = op.attributes["value"]
        if not isinstance(value, ir.DenseElementsAttr) or value.is_splat:
            continue
        array = _to_array(value)
        if array is None or array.nbytes <= INLINE_BYTES:
            continue
        with ir.InsertionPoint(op), op.location:
            constant = ConstantOp(op.results[0].type, ir.StringAttr.get(pool.add(array)))
        op.results[0].replace_all_uses_with(constant.result)
        op.erase()


def _to_array(value: ir.DenseElementsAttr) -> np.ndarray | None:
    """The elements as an array; None for element types that numpy has no buffer format for here."""
    type_ = ir.RankedTensorType(value.type)
    element = type_.element_type
    if is_narrow(element):
        return bits_of_elements(value, element).view(dtype_name(element)).reshape(type_.shape)
    try:
        array = np.array(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.name == dtype_name(element) else None


def is_narrow(element: ir.Type) -> bool:
    """Whether it is an integer of fewer than 8 bits, but no boolean, or a float of at most 8: no size is one of these."""
    if isinstance(element, ir.IntegerType):
        return 1 < element.width < 8
    return isinstance(element, ir.FloatType) and element.width <= 8


def bits_of_elements(value: Any, element: ir.Type) -> np.ndarray:
    """The elements of a constant of integers of fewer than 8 bits or floats of at most 8: a byte each, in one dimension,
    and one element where it is a splat. From its text: the bindings (torch-mlir 20261001) cannot read such elements."""
    text = str(value).rpartition(" : ")[0]
    text = text.removeprefix("dense<").removesuffix(">") if "<" in text else text
    low = np.uint8((1 << element.width) - 1)
    if text.startswith('"'):  # of many elements MLIR prints the bytes
        return np.frombuffer(bytes.fromhex(text.strip('"').removeprefix("0x")), np.uint8) & low
    elements = re.findall(r"[^\s,\[\]]+", text)
    if isinstance(element, ir.IntegerType):
        return np.array([int(number) & int(low) for number in elements], np.uint8)
    dtype = np.dtype(dtype_name(element))
    bits = [
        int(number, 16) if number.startswith("0x") else int(np.array(float(number)).astype(dtype).view(np.uint8))
        for number in elements
    ]
    return np.array(bits, np.uint8)
