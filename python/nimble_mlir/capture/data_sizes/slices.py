"""`nm.slice`, `nm.split` and `nm.concatenate`: parts of arrays between bounds that the function computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError, ShapeError

from ..checks import ensure
from .define import Size, define_size, zero_tangent

__all__ = ["concatenate", "slice_", "sliced", "split"]

_slice_p = Primitive("nimble_slice")


def slice_(x: Any, start: Any, stop: Any, axis: int = 0, *, bound: int | None = None) -> Any:
    """`x[start:stop]` along `axis` with bounds that are computed, taken as NumPy takes them: negative ones count from the
    end, those outside are moved inside. A size above `bound=` is a ShapeError."""
    x = jnp.asarray(x)
    axis = axis_of(x, axis, "nm.slice")
    size = jnp.asarray(x.shape[axis], jnp.int32)
    low, high = (_position(value, size) for value in (start, stop))
    return sliced(x, low, define_size(jnp.maximum(high - low, 0), "nm.slice", bound), axis)


def split(x: Any, lengths: Any, axis: int = 0) -> list[Any]:
    """The parts of `x` along `axis` with these lengths, one after the other: a list of arrays.

    `lengths` is a list of integers, or a vector of a fixed number of them. Raises ShapeError where one is negative or they
    do not sum up to the size of the axis.
    """
    x = jnp.asarray(x)
    axis = axis_of(x, axis, "nm.split")
    sizes = [define_size(length, "nm.split") for length in _each(lengths, "nm.split")]
    ends = [jnp.int32(0)]
    for size in sizes:
        ends.append(ends[-1] + jnp.asarray(size.dim, jnp.int32))
    message = f"nm.split: the lengths do not sum up to the size of axis {axis}"
    x = ensure(ends[-1] == jnp.asarray(x.shape[axis], jnp.int32), message, x)
    return [sliced(x, start, size, axis) for start, size in zip(ends, sizes, strict=False)]


def concatenate(arrays: Sequence[Any], lengths: Any = None, axis: int = 0) -> Any:
    """The first `lengths[i]` slices of each array along `axis`, one behind the other; all of them without `lengths`.

    Raises ShapeError where a length is negative or above the size of its array.
    """
    arrays = [jnp.asarray(array) for array in arrays]
    if lengths is None:
        return jnp.concatenate(arrays, axis)
    each = _each(lengths, "nm.concatenate")
    if len(each) != len(arrays):
        raise ShapeError(f"nm.concatenate needs a length for each array, got {len(each)} for {len(arrays)}")
    parts = []
    for array, length in zip(arrays, each, strict=True):
        along = axis_of(array, axis, "nm.concatenate")
        parts.append(sliced(array, 0, define_size(length, "nm.concatenate", array.shape[along]), along))
    return jnp.concatenate(parts, axis)


def axis_of(x: Any, axis: int, what: str) -> int:
    """The axis of an array as a number that is not negative."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{what}: axis {axis} is no axis of an array of rank {x.ndim}")
    return axis % x.ndim


def sliced(x: Any, start: Any, size: Size, axis: int) -> Any:
    """The `size` slices of `x` along `axis` from `start` on, which lie in `x`: that is checked as the function runs."""
    if size.witness is None and not isinstance(start, jax.core.Tracer):
        return lax.slice_in_dim(x, int(start), int(start) + size.dim, axis=axis)
    return _slice_p.bind(x, jnp.asarray(start, jnp.int32), *size.operands, axis=axis)


def _each(lengths: Any, what: str) -> list[Any]:
    if isinstance(lengths, Sequence):
        return list(lengths)
    if jnp.ndim(lengths) != 1 or not isinstance(lengths.shape[0], int):
        raise CaptureError(f"{what} needs lengths whose number is known: a list of them, or a vector of fixed size")
    return [lengths[index] for index in range(lengths.shape[0])]


def _position(value: Any, size: Any) -> Any:
    """A bound as NumPy takes it: from the end where it is negative, and nowhere outside."""
    value = jnp.asarray(value)
    if value.ndim or not jnp.issubdtype(value.dtype, jnp.integer):
        raise CaptureError(f"nm.slice needs bounds that are integers, got {value.dtype}[{value.ndim} dimensions]")
    value = value.astype(jnp.int32)
    return jnp.clip(jnp.where(value < 0, value + size, value), 0, size)


@_slice_p.def_abstract_eval
def _slice_aval(x: Any, start: Any, witness: Any, size: Any, *, axis: int) -> Any:
    return jax.core.ShapedArray((*x.shape[:axis], witness.shape[0], *x.shape[axis + 1 :]), x.dtype)


def _lower(ctx: Any, x: Any, start: Any, witness: Any, size: Any, *, axis: int) -> Any:
    i32 = ir.IntegerType.get_signless(32)
    one = ir.RankedTensorType.get([1], i32)

    def constant(value: int) -> Any:
        return stablehlo.constant(ir.DenseIntElementsAttr.get_splat(one, ir.IntegerAttr.get(i32, value)))

    def vector(scalar: Any) -> Any:
        return stablehlo.reshape(one, scalar)

    starts, limits = [], []
    for other in range(len(ctx.avals_in[0].shape)):
        if other == axis:
            starts.append(vector(start))
            limits.append(vector(stablehlo.add(start, size)))
        else:
            starts.append(constant(0))
            limits.append(vector(stablehlo.get_dimension_size(x, other)))
    operands = [stablehlo.concatenate(part, 0) for part in (starts, limits, [constant(1)] * len(starts))]
    type_ = mlir.aval_to_ir_type(ctx.module_context, ctx.avals_out[0])
    return stablehlo.RealDynamicSliceOp(type_, x, *operands).results


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, axis: int) -> tuple[Any, Any]:
    result = _slice_p.bind(*primals, axis=axis)
    if isinstance(tangents[0], ad.Zero):
        return result, zero_tangent(result)
    return result, _slice_p.bind(tangents[0], *primals[1:], axis=axis)


def _transpose(cotangent: Any, x: Any, start: Any, witness: Any, size: Any, *, axis: int) -> list[Any]:
    rows = start + jnp.arange(witness.shape[0], dtype=jnp.int32)
    index = (*(slice(None) for _ in range(axis)), rows)
    spread = jnp.zeros(x.aval.shape, cotangent.dtype).at[index].set(cotangent, mode="drop", unique_indices=True)
    return [spread, None, None, None]


def _batch(args: Sequence[Any], axes: Sequence[Any], *, axis: int) -> tuple[Any, int]:
    if any(batched is not None for batched in axes[1:]):
        raise CaptureError(
            "a slice with other bounds for each element of a batch (jax.vmap) has rows of different sizes; use nm.Ragged "
            "or nm.map"
        )
    return _slice_p.bind(jnp.moveaxis(args[0], axes[0], 0), *args[1:], axis=axis + 1), 0


mlir.register_lowering(_slice_p, _lower)
ad.primitive_jvps[_slice_p] = _jvp
ad.primitive_transposes[_slice_p] = _transpose
batching.primitive_batchers[_slice_p] = _batch
