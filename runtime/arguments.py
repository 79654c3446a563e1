"""Values given to a call, checked against the signature before anything runs.

In: one value of any kind and the spec of the argument. Out: a numpy array of exactly the argument's dtype and rank, or
a ShapeError that names the argument. Only Python numbers, lists of them, and 0-d arrays given for a Python number are
converted, and only to a dtype that can hold every value of that kind of number.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from nimble_mlir.dims.signature import ArgumentSpec, rank_message
from nimble_mlir.dims.solve import with_values
from nimble_mlir.errors import CaptureError, ShapeError
from nimble_mlir.runtime.arrays import dtype_of, jax_module
from nimble_mlir.runtime.device_array import Array

__all__ = ["Argument"]

TRACER_MESSAGE = (
    "a compiled nimble module cannot be called under a JAX trace (jit, grad, vmap); call it outside, or compile the "
    "outer function with nimble_mlir.compile"
)
_INT, _FLOAT, _COMPLEX = 1, 2, 3


class Argument:
    """One `ArgumentSpec`, prepared so that a call does as little as possible."""

    __slots__ = ("donated", "dtype", "kind_of_number", "numpy_dtype", "rank", "read_only", "says_sizes", "spec")

    def __init__(self, spec: ArgumentSpec) -> None:
        self.spec = spec
        self.dtype = dtype_of(spec.dtype)
        self.numpy_dtype = self.dtype.numpy
        self.rank = len(spec.dims)
        self.read_only = spec.read_only
        self.donated = spec.donated
        self.says_sizes = bool(spec.values)
        self.kind_of_number = _kind_of_number(self.numpy_dtype)

    def convert(self, value: Any) -> tuple[np.ndarray, bool]:
        """The array for `value`, and whether that is a JAX array. Raises ShapeError, or CaptureError for tracers."""
        array, is_jax, weak = self._as_array(value)
        if array.dtype != self.numpy_dtype:
            if self.spec.kind == "scalar" and array.ndim == 0:
                weak = True
            if not weak or not self._holds(array):
                raise ShapeError(
                    f"argument '{self.spec.name}' has dtype {array.dtype}, but {self.spec.dtype} is expected"
                )
            self._check_rank(array.ndim)
            array = self._cast(array)
        self._check_rank(array.ndim)
        return array, is_jax

    def check_held(self, array: Array) -> None:
        """Raises ShapeError for a device's array of another dtype or rank, NimbleError for one that is donated."""
        array.check_usable(f"argument '{self.spec.name}'")
        if array.dtype != self.numpy_dtype:
            raise ShapeError(f"argument '{self.spec.name}' has dtype {array.dtype}, but {self.spec.dtype} is expected")
        self._check_rank(array.ndim)

    def sizes(self, array: np.ndarray | Array) -> tuple[int, ...]:
        """What a `Plan` takes for a converted array: its shape, with its elements where they are sizes."""
        return with_values(array.shape, np.asarray(array).ravel().tolist()) if self.says_sizes else array.shape

    def check_struct(self, value: Any) -> tuple[int, ...]:
        """The `sizes` of an array, or the shape of anything with `shape` and `dtype`, after the same checks."""
        if self.says_sizes and (hasattr(value, "__array__") or not hasattr(value, "shape")):
            return self.sizes(self.convert(value)[0])
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if not isinstance(shape, tuple) or dtype is None:
            return self.convert(value)[0].shape
        if self.spec.kind == "key" and str(dtype).startswith("key<"):
            data_dims = self.spec.dims[len(shape) :]
            shape += tuple(dim.constant_value for dim in data_dims if dim.is_constant)
        elif dtype != self.numpy_dtype:
            raise ShapeError(f"argument '{self.spec.name}' has dtype {dtype}, but {self.spec.dtype} is expected")
        self._check_rank(len(shape))
        return shape

    def _check_rank(self, rank: int) -> None:
        if rank != self.rank:
            raise ShapeError(rank_message(self.spec, rank))

    def _as_array(self, value: Any) -> tuple[np.ndarray, bool, bool]:
        """(array, it came as a JAX array, its dtype is only what numpy made of Python numbers)."""
        if isinstance(value, np.ndarray | np.generic):
            return np.asarray(value), False, False
        jax = jax_module()
        if jax is not None:
            if isinstance(value, jax.core.Tracer):
                raise CaptureError(TRACER_MESSAGE)
            if isinstance(value, jax.Array):
                return self._from_jax(jax, value), True, False
        if isinstance(value, bool | int | float | complex):
            array = np.asarray(value)
            if array.dtype.hasobject:  # an int of more than 64 bits
                raise ShapeError(f"argument '{self.spec.name}' is {value}, which {self.spec.dtype} cannot hold")
            return array, False, True
        if isinstance(value, list | tuple):
            return self._numpy(value, np.asarray, "numbers in equal rows"), False, True
        if hasattr(value, "__array__"):
            return self._numpy(value, np.asarray, "an array"), False, False
        if hasattr(value, "__dlpack__"):
            return self._numpy(value, np.from_dlpack, "an array on the CPU"), False, False
        raise ShapeError(f"argument '{self.spec.name}': expected {self.spec}, got {_type(value)}")

    def _numpy(self, value: Any, convert: Any, wanted: str) -> np.ndarray:
        try:
            array = convert(value)
        except Exception as error:  # whatever the foreign type raises
            raise ShapeError(
                f"argument '{self.spec.name}': expected {self.spec}, got a {_type(value)} that is not {wanted}: {error}"
            ) from error
        if array.dtype.hasobject or (array.dtype.kind in "USVMm" and not hasattr(ml_dtypes, array.dtype.name)):
            raise ShapeError(f"argument '{self.spec.name}': expected {self.spec}, got a {_type(value)} of other things")
        return array

    def _from_jax(self, jax: Any, value: Any) -> np.ndarray:
        if not jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return np.asarray(value)
        if self.spec.kind != "key":
            raise ShapeError(f"argument '{self.spec.name}' has dtype {value.dtype}, but {self.spec.dtype} is expected")
        implementation = str(jax.random.key_impl(value))
        if self.spec.key_impl is not None and implementation != self.spec.key_impl:
            raise ShapeError(
                f"argument '{self.spec.name}' is a key of '{implementation}', but '{self.spec.key_impl}' is expected"
            )
        return np.asarray(jax.random.key_data(value))

    def _holds(self, array: np.ndarray) -> bool:
        """Whether Python would convert numbers of this kind silently: int to float to complex, never back."""
        if not array.size:
            return True
        given = _kind_of_number(array.dtype)
        return given is not None and self.kind_of_number is not None and given <= self.kind_of_number

    def _cast(self, array: np.ndarray) -> np.ndarray:
        if self.kind_of_number == _INT and array.size:
            limits = ml_dtypes.iinfo(self.numpy_dtype)
            low, high = int(array.min()), int(array.max())
            if low < int(limits.min) or high > int(limits.max):
                out = low if low < int(limits.min) else high
                raise ShapeError(f"argument '{self.spec.name}' is {out}, which {self.spec.dtype} cannot hold")
        return array.astype(self.numpy_dtype)


def _kind_of_number(dtype: np.dtype[Any]) -> int | None:
    if dtype.kind in "iu" or dtype.name in ("int2", "uint2", "int4", "uint4"):
        return _INT
    if dtype.kind == "f" or dtype.name.startswith(("bfloat", "float")):
        return _FLOAT
    return _COMPLEX if dtype.kind == "c" else None


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__
