"""Arrays to IREE buffer views and back, and the one place where the runtime converts dtypes.

In: an array, a device. Out: a HAL buffer view that shares the memory of the array where that is allowed (the function
does not write to the argument) and possible (64-byte aligned, dense, large enough to be worth it) and is a copy
otherwise; or a numpy array over a result buffer, which it keeps alive. Results never share memory with arguments or
with each other.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from iree.runtime import BufferUsage, HalBufferView, HalElementType, HalFence, MemoryType

from nimble_mlir.errors import LoadError
from nimble_mlir.runtime.device import Device
from nimble_mlir.runtime.staging import ALIGNMENT

__all__ = ["DType", "Shared", "dtype_of", "jax_module", "separate", "to_buffer_view", "to_jax", "to_numpy"]

_MIN_SHARED_BYTES = 32 * 1024  # below, a copy is quicker than importing memory (measured)
_HOST_VISIBLE = int(MemoryType.DEVICE_LOCAL) | int(MemoryType.HOST_VISIBLE)
_MAPPABLE = int(BufferUsage.DEFAULT) | int(BufferUsage.MAPPING)
_DEVICE_LOCAL = int(MemoryType.DEVICE_LOCAL)
_DEFAULT_USAGE = int(BufferUsage.DEFAULT)
_STAGING_MEMORY = int(MemoryType.HOST_LOCAL) | int(MemoryType.DEVICE_VISIBLE)
_STAGING_USAGE = int(BufferUsage.TRANSFER_TARGET) | int(BufferUsage.MAPPING_SCOPED)


class DType(NamedTuple):
    """How one dtype crosses: `raw` is a dtype of the same size that has the buffer protocol, None if `numpy` has it."""

    numpy: np.dtype[Any]
    element_type: int
    raw: np.dtype[Any] | None


_ELEMENT_TYPES: dict[str, Any] = {
    "bool": HalElementType.BOOL_8,
    "int8": HalElementType.SINT_8,
    "uint8": HalElementType.UINT_8,
    "int16": HalElementType.SINT_16,
    "uint16": HalElementType.UINT_16,
    "int32": HalElementType.SINT_32,
    "uint32": HalElementType.UINT_32,
    "int64": HalElementType.SINT_64,
    "uint64": HalElementType.UINT_64,
    "float16": HalElementType.FLOAT_16,
    "float32": HalElementType.FLOAT_32,
    "float64": HalElementType.FLOAT_64,
    "bfloat16": HalElementType.BFLOAT_16,
    "complex64": HalElementType.COMPLEX_64,
    "complex128": HalElementType.COMPLEX_128,
    # A module holds these as bytes, and so does numpy: one element a byte.
    **dict.fromkeys(
        """
        int2 uint2 int4 uint4 float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz
        float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu
        """.split(),
        HalElementType.INT_8,
    ),
}


def dtype_of(name: str) -> DType:
    """The dtype with this numpy or ml_dtypes name. Raises LoadError for one that IREE cannot pass."""
    element_type = _ELEMENT_TYPES.get(name)
    if element_type is None:
        raise LoadError(f"dtype {name} cannot be passed to the IREE runtime")
    numpy = np.dtype(getattr(ml_dtypes, name, None) or name)
    raw = np.dtype(f"u{numpy.itemsize}") if hasattr(ml_dtypes, name) else None
    return DType(numpy, int(element_type), raw)


def to_buffer_view(array: np.ndarray, dtype: DType, device: Device, read_only: bool, shared: list[Shared]) -> Any:
    """A buffer view with the contents of `array`, whose dtype is `dtype.numpy`; with `read_only` maybe its memory.

    The array may be read-only, of any strides and alignment. What is appended to `shared` must live until the invocation
    is over; then `separate` copies the results in that memory and gives it back.
    """
    dense = array.flags.c_contiguous
    if array.nbytes >= _MIN_SHARED_BYTES and device.shares_memory and (read_only or not dense):
        if dense and array.__array_interface__["data"][0] % ALIGNMENT == 0:
            return _shared_view(array, dtype, device, None, shared)
        memory = device.staging.take(array.nbytes)
        copy = memory[: array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(copy, array)
        return _shared_view(copy, dtype, device, memory, shared)
    if not dense:
        array = np.ascontiguousarray(array)
    if dtype.raw is not None:
        array = array.view(dtype.raw)
    return device.allocator.allocate_buffer_copy(
        _HOST_VISIBLE if device.shares_memory else _DEVICE_LOCAL,
        _MAPPABLE if device.shares_memory else _DEFAULT_USAGE,
        device.hal_device,
        array,
        dtype.element_type,
    )


class Shared(NamedTuple):
    """Memory that a call uses in place: its range of addresses, what keeps it, and the staging memory that it is part of."""

    start: int
    end: int
    kept: tuple[Any, ...]
    staging: np.ndarray | None

    @classmethod
    def of(cls, array: np.ndarray) -> Shared:
        """The memory of an array."""
        address = array.__array_interface__["data"][0]
        return cls(address, address + array.nbytes, (array,), None)


def _shared_view(
    array: np.ndarray, dtype: DType, device: Device, staging: np.ndarray | None, shared: list[Shared]
) -> Any:
    size, address = array.nbytes, array.__array_interface__["data"][0]
    # The binding asks for writable memory; read-only arrays (JAX's) and dtypes without buffer protocol come as plain
    # memory at the same address. The array itself is kept in `shared`.
    memory = (ctypes.c_char * size).from_address(address)
    buffer = device.allocator.import_host_allocation(memory, _HOST_VISIBLE, _MAPPABLE)
    shared.append(Shared(address, address + size, (buffer, array), staging))
    return HalBufferView(buffer, array.shape, dtype.element_type)


def to_numpy(view: Any, dtype: DType, device: Device) -> np.ndarray:
    """A writable array over the buffer of a result, without a copy where the device shares memory."""
    shape = view.shape
    if 0 in shape:
        return np.empty(shape, dtype.numpy)
    if device.shares_memory:
        return np.ndarray(shape, dtype.numpy, buffer=view.map())
    return _device_to_host(view, dtype.numpy, shape, device)


def _device_to_host(view: Any, dtype: np.dtype[Any], shape: Sequence[int], device: Device) -> np.ndarray:
    """A copy by way of a buffer that the host can map.

    Not `iree.runtime.DeviceArray.to_host`: IREE 3.13 imports the memory of a numpy array there, and Vulkan refuses it
    unless it begins at a page. test/python/models/test_vulkan.py fails when that is mended.
    """
    source = view.get_buffer()
    staging = device.allocator.allocate_buffer(_STAGING_MEMORY, _STAGING_USAGE, source.byte_length())
    semaphore = device.hal_device.create_semaphore(0)
    done = HalFence.create_at(semaphore, 1)
    device.hal_device.queue_copy(source, staging, HalFence.create_at(semaphore, 0), done)
    done.wait()
    return np.frombuffer(staging.map(), np.uint8, source.byte_length()).copy().view(dtype).reshape(shape)


def separate(results: list[np.ndarray], shared: Sequence[Shared], device: Device) -> None:
    """Replace results that lie in the memory of an argument or of another result by copies, and give back staging memory.

    IREE returns an argument that a function passes through as the same buffer, and one value returned twice as one.
    """
    ranges: list[tuple[int, int, int]] = [(memory.start, memory.end, -1) for memory in shared]
    for index, result in enumerate(results):
        if result.nbytes:
            start = result.__array_interface__["data"][0]
            ranges.append((start, start + result.nbytes, index))
    ranges.sort()
    reached = 0
    for start, end, index in ranges:
        if index >= 0 and start < reached:
            results[index] = results[index].copy()
        reached = max(reached, end)
    for memory in shared:
        if memory.staging is not None:
            device.staging.give_back(memory.staging)


def jax_module() -> Any:
    """The jax module if this process has imported it whole, else None: the runtime never imports it."""
    jax = sys.modules.get("jax")
    return jax if jax is not None and hasattr(jax, "Array") and hasattr(jax, "random") else None


def to_jax(array: np.ndarray, key_impl: str | None) -> Any:
    """A JAX array with these contents, on JAX's default device; with `key_impl` a key array."""
    jax = jax_module()
    result = jax.numpy.asarray(array)
    return result if key_impl is None else jax.random.wrap_key_data(result, impl=key_impl)
