"""`nm.arange`, `nm.zeros`, `nm.full`, `nm.reshape` and `nm.repeat` with sizes that the function computes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
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

from ..bodies import type_text
from ..checks import ensure
from ..symbols import is_symbolic
from ..with_shape import with_shape
from .define import define_size, zero_tangent
from .slices import axis_of

__all__ = ["arange", "full", "repeat", "reshape", "zeros"]

_reshape_p = Primitive("nimble_reshape")


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, bound: int | None = None) -> Any:
    """As `jnp.arange`, with integers that are computed: empty where there is nothing between start and stop. A step of 0,
    or a size above `bound=`, is a ShapeError."""
    if stop is None:
        start, stop = 0, start
    given = (start, stop, step)
    if not isinstance(step, jax.core.Tracer) and step == 0:
        raise ShapeError("nm.arange: the step is 0")
    if not any(isinstance(value, jax.core.Tracer) for value in given):
        result = jnp.arange(start, stop, step, dtype)
        define_size(result.shape[0], "nm.arange", bound)
        return result
    values = [jnp.asarray(value) for value in given]
    for value in values:
        if value.ndim or not jnp.issubdtype(value.dtype, jnp.integer):
            raise CaptureError(f"nm.arange with traced bounds needs integers, got {type_text(value)}")
    common = jnp.result_type(*given)
    low, high, by = (value.astype(common) for value in values)
    if isinstance(step, jax.core.Tracer):
        low = ensure(by != 0, "nm.arange: the step is 0", low)
    # The difference divided by the step and rounded up, also where both are negative.
    count = jnp.maximum(-((low - high) // by), 0)
    size = define_size(count, "nm.arange", bound)
    dtype = common if dtype is None else jax.dtypes.canonicalize_dtype(dtype)
    return size.tie(low.astype(dtype) + lax.iota(dtype, size.dim) * by.astype(dtype))


def full(shape: Any, value: Any, dtype: Any = None, *, bound: int | None = None) -> Any:
    """An array of `value` whose sizes are computed. Raises ShapeError for a negative one, and above `bound=`."""
    return _filled(shape, value, dtype, "nm.full", bound)


def zeros(shape: Any, dtype: Any = None, *, bound: int | None = None) -> Any:
    """An array of zeros (float32 by default) whose sizes are computed. Raises ShapeError as `full`."""
    return _filled(shape, 0, jnp.float32 if dtype is None else dtype, "nm.zeros", bound)


def _filled(shape: Any, value: Any, dtype: Any, what: str, bound: int | None) -> Any:
    sizes = [define_size(size, what, bound) for size in _entries(shape)]
    result = jnp.full([size.dim for size in sizes], value, dtype)
    for size in sizes:
        result = size.tie(result)
    return result


def _entries(shape: Any) -> list[Any]:
    if isinstance(shape, Sequence):
        return list(shape)
    if jnp.ndim(shape) == 0:
        return [shape]
    return [shape[index] for index in range(shape.shape[0])]


def reshape(x: Any, shape: Any, *, bound: int | None = None) -> Any:
    """`x` with sizes that are computed, of which one may be -1. Raises ShapeError where the number of elements differs,
    for a negative size, and above `bound=`."""
    x, entries = jnp.asarray(x), _entries(shape)
    free = [
        index
        for index, entry in enumerate(entries)
        if not isinstance(entry, jax.core.Tracer) and not is_symbolic(entry) and entry == -1
    ]
    if len(free) > 1:
        raise ShapeError(f"nm.reshape can find one size only, but {len(free)} are -1")
    sizes = [None if index in free else define_size(entry, "nm.reshape", bound) for index, entry in enumerate(entries)]
    known = [size for size in sizes if size is not None]
    if all(size.witness is None for size in known):
        return _reshaped(x, [-1 if size is None else size.dim for size in sizes])
    if free:
        # Where the others are empty, the one that is left is 0, too: as many elements, and nothing divided by 0.
        others = prod((jnp.asarray(size.dim, jnp.int32) for size in known), start=jnp.int32(1))
        total = jnp.asarray(prod(x.shape), jnp.int32)
        sizes[free[0]] = define_size(total // jnp.maximum(others, 1), "nm.reshape", bound)
    found = [size for size in sizes if size is not None]
    result = _reshape_p.bind(
        x, *(jnp.asarray(size.dim, jnp.int32) for size in found), shape=tuple(size.dim for size in found)
    )
    for size in found:
        result = size.tie(result)
    return result


def _reshaped(x: Any, shape: Sequence[Any]) -> Any:
    try:
        return x.reshape(shape)
    except (TypeError, ZeroDivisionError) as error:
        raise ShapeError(f"nm.reshape: {x.shape} has not as many elements as {tuple(shape)}") from error


def repeat(x: Any, counts: Any, axis: int | None = None, *, bound: int | None = None) -> Any:
    """Each element along `axis` (of the flattened array without it) as often as `counts` says: an integer for all, or one
    for each. Raises ShapeError for negative counts, and where the sum is above `bound=`."""
    x, counts = jnp.asarray(x), jnp.asarray(counts)
    if not jnp.issubdtype(counts.dtype, jnp.integer) or counts.ndim > 1:
        raise CaptureError(f"nm.repeat needs counts that are integers, one or a vector, got {type_text(counts)}")
    if axis is None:
        x, axis = x.reshape(prod(x.shape)), 0
    axis = axis_of(x, axis, "nm.repeat")
    length = x.shape[axis]
    if counts.ndim == 0 or counts.shape == (1,):
        count = define_size(counts.reshape(()), "nm.repeat")
        size = define_size(jnp.asarray(length, jnp.int32) * jnp.asarray(count.dim, jnp.int32), "nm.repeat", bound)
        every = jnp.maximum(jnp.asarray(count.dim, jnp.int32), 1)
        positions = size.tie(count.tie(lax.iota(jnp.int32, size.dim) // every))
    else:
        positions = repeated(with_shape(counts, (length,)), "nm.repeat", bound)
    return jnp.take(x, positions, axis=axis, mode="clip")


def repeated(counts: Any, what: str, bound: int | None = None) -> Any:
    """Each position of `counts` as often as it says, as int32."""
    counts = ensure((counts >= 0).all(), f"{what}: a count is negative", counts.astype(jnp.int32))
    ends = jnp.cumsum(counts, dtype=jnp.int32)
    total = counts.sum(dtype=jnp.int32)
    size = define_size(total, what, bound)
    # How many positions begin at each element of the result; a position without elements begins where the next one does.
    begins = jnp.zeros((size.dim,), jnp.int32).at[ends - counts].add(1, mode="drop")
    return size.tie(jnp.cumsum(begins, dtype=jnp.int32) - 1)


@_reshape_p.def_abstract_eval
def _reshape_aval(x: Any, *sizes: Any, shape: tuple[Any, ...]) -> Any:
    return jax.core.ShapedArray(shape, x.dtype)


def _lower(ctx: Any, x: Any, *sizes: Any, shape: tuple[Any, ...]) -> Any:
    one = ir.RankedTensorType.get([1], ir.IntegerType.get_signless(32))
    extents = stablehlo.concatenate([stablehlo.reshape(one, size) for size in sizes], 0)
    type_ = mlir.aval_to_ir_type(ctx.module_context, ctx.avals_out[0])
    return stablehlo.DynamicReshapeOp(type_, x, extents).results


def _bind(x: Any, shape: Sequence[Any]) -> Any:
    return _reshape_p.bind(x, *(jnp.asarray(dim, jnp.int32) for dim in shape), shape=tuple(shape))


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, shape: tuple[Any, ...]) -> tuple[Any, Any]:
    result = _reshape_p.bind(*primals, shape=shape)
    if isinstance(tangents[0], ad.Zero):
        return result, zero_tangent(result)
    return result, _reshape_p.bind(tangents[0], *primals[1:], shape=shape)


def _transpose(cotangent: Any, x: Any, *sizes: Any, shape: tuple[Any, ...]) -> list[Any]:
    return [_bind(cotangent, x.aval.shape), *(None for _ in sizes)]


def _batch(args: Sequence[Any], axes: Sequence[Any], *, shape: tuple[Any, ...]) -> tuple[Any, int]:
    x = jnp.moveaxis(args[0], axes[0], 0)
    return _bind(x, (x.shape[0], *shape)), 0


mlir.register_lowering(_reshape_p, _lower)
ad.primitive_jvps[_reshape_p] = _jvp
ad.primitive_transposes[_reshape_p] = _transpose
batching.primitive_batchers[_reshape_p] = _batch
