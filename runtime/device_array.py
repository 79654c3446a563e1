"""Arrays that stay on a device between calls: `nm.Array`.

A call that is given one returns such arrays, and takes them without a copy. They do not change, so that several calls may
use one; an argument that the function was compiled to be donated (`donate_argnums`) is updated where it lies, and is gone.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from nimble_mlir.errors import NimbleError
from nimble_mlir.runtime.arrays import DType, dtype_of, to_buffer_view, to_numpy
from nimble_mlir.runtime.device import Device

__all__ = ["Array", "put"]

_lock = Lock()


class Array:
    """An array of a device's memory. `shape` is a tuple, `dtype` a numpy dtype.

    `np.asarray(x)` and `np.from_dlpack(x)` are views of it where the device shares memory with the host, else copies.
    """

    __slots__ = ("_device", "_donated_to", "_dtype", "_seen", "_view", "shape")

    def __init__(self, view: Any, dtype: DType, device: Device) -> None:
        self._view, self._dtype, self._device = view, dtype, device
        self.shape: tuple[int, ...] = tuple(view.shape)
        self._donated_to: str | None = None
        self._seen = False  # whether somebody may hold a view of the memory, which must not change then

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its elements."""
        return self._dtype.numpy

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def device(self) -> Device:
        """Where it lies."""
        return self._device

    @property
    def is_donated(self) -> bool:
        """Whether a call has taken it; its elements are gone then."""
        return self._donated_to is not None

    @property
    def is_seen(self) -> bool:
        """Whether somebody may hold a view of its memory."""
        return self._seen

    def check_usable(self, what: str) -> None:
        """Raises NimbleError for an array that is donated; `what` says what it was wanted for."""
        if self._donated_to is not None:
            raise NimbleError(
                f"{what}: this {self._text()} was donated to a call of '{self._donated_to}', which has updated it in place; "
                f"use the result of that call, or compile without donate_argnums"
            )

    def donate(self, entry: str, argument: str) -> None:
        """Marks it as taken by a call. Raises NimbleError where another call has it."""
        with _lock:
            self.check_usable(f"argument '{argument}'")
            self._donated_to = entry

    def release(self) -> None:
        """Lets go of the memory of a donated array."""
        self._view = None

    def view(self, dtype: DType, device: Device, update: bool, shared: list[Any]) -> Any:
        """The buffer view for a call on `device`; with `update` one that the call may write to.

        What is appended to `shared` is memory that results may not lie in (`arrays.separate`)."""
        same = self._device is device
        if same and (not update or (self._donated_to is not None and not self._seen and device.shares_memory)):
            return self._view
        return to_buffer_view(self._host(), dtype, device, not update, shared)

    def host_memory(self) -> np.ndarray:
        """Its elements as they lie, for the range of their addresses."""
        return self._host()

    def _host(self) -> np.ndarray:
        return to_numpy(self._view, self._dtype, self._device)

    def _readable(self, what: str) -> np.ndarray:
        with _lock:
            self.check_usable(what)
            self._seen = True
            return self._host()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self._readable("np.asarray")
        array.flags.writeable = False
        if (dtype is not None and dtype != array.dtype) or copy:
            if copy is False:
                raise ValueError(f"an array of {array.dtype} becomes one of {np.dtype(dtype)} by a copy only")
            return array.astype(array.dtype if dtype is None else dtype)
        return array

    def __dlpack__(self, **options: Any) -> Any:
        return self._readable("DLPack").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU: other devices hand out a copy

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without dimensions")
        return self.shape[0]

    def _text(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        gone = "" if self._donated_to is None else f", donated to '{self._donated_to}'"
        return f"Array({self._text()} on {self._device.options.driver}{gone})"


def put(value: Any, device: Device) -> Array:
    """A copy of an array in the memory of a device."""
    array = np.asarray(value)
    dtype = dtype_of(array.dtype.name)
    if not array.flags.c_contiguous:
        array = array.copy()
    return Array(to_buffer_view(array, dtype, device, False, []), dtype, device)
