"""`nm.nonzero` and `nm.compress`: the elements that a mask selects, counted first and then written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from nimble_mlir.dialects import PARTS
from nimble_mlir.errors import CaptureError, ShapeError

from ..symbols import is_symbolic
from ..tracing import current
from ..with_shape import with_shape
from .define import Size, custom_call, define_size, no_tangents, zero_tangent
from .slices import sliced

__all__ = ["compress", "nonzero", "select", "selected"]

_count_p = Primitive("nimble_count")
_nonzero_p = Primitive("nimble_nonzero")
_compress_p = Primitive("nimble_compress")
_padded_p = Primitive("nimble_nonzero_padded")
_padded_p.multiple_results = True

_BATCHED = (
    "{} with another mask for each element of a batch (jax.vmap) gives rows of different sizes; use nm.Ragged or nm.map"
)


def nonzero(x: Any, *, bound: int | None = None) -> Any:
    """The indices of the elements that are not 0: a vector of integers for each dimension, in row-major order.

    As `jnp.nonzero`; under `nm.compile` their number is a symbolic size that the call defines. With `bound=`, they are
    written into an array of that size as they are counted, and a larger number is a ShapeError.
    """
    x = jnp.asarray(x)
    if x.ndim == 0:
        raise ShapeError("nm.nonzero needs an array of at least one dimension, got a scalar")
    mask = x if x.dtype == jnp.bool_ else x != 0
    positions = selected(mask.reshape(prod(x.shape)), "nm.nonzero", bound, x)
    found = []
    for size in reversed(x.shape[1:]):
        # At least 1: where a dimension is empty, nothing is found and nothing divided.
        extent = jnp.maximum(jnp.asarray(size, positions.dtype), 1)
        found.append(positions % extent)
        positions = positions // extent
    return (positions, *reversed(found))


def compress(condition: Any, x: Any, axis: int | None = None, *, bound: int | None = None) -> Any:
    """The slices of `x` along `axis` where `condition` is true; without `axis`, elements of the flattened array.

    `condition` is a vector as long as the axis; without `axis` it may also have the shape of `x`, as in `x[condition]`.
    Their number is a symbolic size under `nm.compile`: one for all selections by one mask. `bound=` as for `nonzero`.
    It can be differentiated, and batched over `x`. Raises ShapeError for sizes that differ.
    """
    x, mask = jnp.asarray(x), jnp.asarray(condition)
    source = mask
    mask = mask if mask.dtype == jnp.bool_ else mask != 0
    if axis is None:
        if mask.ndim not in (1, x.ndim):
            raise ShapeError(f"nm.compress needs a mask of rank 1 or {x.ndim}, got rank {mask.ndim}")
        x, mask, axis = x.reshape(prod(x.shape)), mask.reshape(prod(mask.shape)), 0
    if mask.ndim != 1:
        raise ShapeError(f"nm.compress along an axis needs a mask of rank 1, got rank {mask.ndim}")
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"nm.compress: axis {axis} is no axis of an array of rank {x.ndim}")
    along = axis % x.ndim
    if mask.shape != (x.shape[along],):
        mask = source = with_shape(mask, (x.shape[along],))
    if current() is None:
        return _taken(x, selected(mask, "nm.compress", bound), along)
    return select(x, mask, along, "nm.compress", bound, source)


def selected(mask: Any, what: str, bound: int | None = None, source: Any = None) -> Any:
    """The positions of a boolean vector that are true, as integers of JAX's default width.

    `source` is the value of the user's that it was made of: of one value, all selections have one size."""
    dtype = jax.dtypes.canonicalize_dtype(int)
    if current() is None:
        (positions,) = jnp.nonzero(mask)
        define_size(positions.shape[0], what, bound)
        return positions.astype(dtype)
    if bound is not None:
        return _within(mask, what, bound, source).astype(dtype)
    flags, offsets, size = _counted(mask, what, source)
    return _nonzero_p.bind(flags, offsets, *size.operands).astype(dtype)


def select(x: Any, mask: Any, axis: int, what: str, bound: int | None = None, source: Any = None) -> Any:
    """The slices of `x` along `axis` where a boolean vector is true, in a captured function; `source` as in `selected`."""
    if bound is not None:
        return _taken(x, _within(mask, what, bound, source), axis)
    flags, offsets, size = _counted(mask, what, source)
    return _compress_p.bind(x, flags, offsets, *size.operands, axis=axis)


def _within(mask: Any, what: str, bound: int, source: Any) -> Any:
    """In the upper-bound mode: the positions are written into an array of the bound as they are counted, and what is there
    is cut off it afterwards."""

    def make() -> Any:
        positions, count = _padded_p.bind(jnp.asarray(mask).astype(jnp.int8), bound=bound)
        return sliced(positions, 0, define_size(count, what, bound), 0)

    return _once(mask if source is None else source, bound, make)


def _counted(mask: Any, what: str, source: Any) -> tuple[Any, Any, Size]:
    def make() -> Any:
        flags = jnp.asarray(mask).astype(jnp.int8)
        offsets = _count_p.bind(flags)
        return flags, offsets, define_size(offsets[PARTS], what)

    return _once(mask if source is None else source, "count", make)


def _once(source: Any, key: Any, make: Callable[[], Any]) -> Any:
    tracing = current()
    assert tracing is not None
    return tracing.remember(source, key, make)


def _taken(x: Any, positions: Any, axis: int) -> Any:
    empty = not is_symbolic(x.shape[axis]) and x.shape[axis] == 0
    return x if empty else jnp.take(x, positions, axis=axis, mode="clip")


@_count_p.def_abstract_eval
def _count_aval(flags: Any) -> Any:
    return jax.core.ShapedArray((PARTS + 1,), jnp.int32)


@_nonzero_p.def_abstract_eval
def _nonzero_aval(flags: Any, offsets: Any, witness: Any, size: Any) -> Any:
    return jax.core.ShapedArray(witness.shape[:1], jnp.int32)


@_padded_p.def_abstract_eval
def _padded_aval(flags: Any, *, bound: int) -> Any:
    return [jax.core.ShapedArray((bound,), jnp.int32), jax.core.ShapedArray((), jnp.int32)]


@_compress_p.def_abstract_eval
def _compress_aval(x: Any, flags: Any, offsets: Any, witness: Any, size: Any, *, axis: int) -> Any:
    return jax.core.ShapedArray((*x.shape[:axis], witness.shape[0], *x.shape[axis + 1 :]), x.dtype)


def _lower(target: str) -> Any:
    def rule(ctx: Any, *operands: Any, axis: int | None = None, bound: int | None = None) -> Any:
        types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
        if len(operands) > 1:
            operands = (*operands[:-2], operands[-1])
        config = {} if axis is None else {"dimension": axis}
        return custom_call(target, types, list(operands), config).results

    return rule


def _jvp_compress(primals: Sequence[Any], tangents: Sequence[Any], *, axis: int) -> tuple[Any, Any]:
    result = _compress_p.bind(*primals, axis=axis)
    tangent = tangents[0]
    if isinstance(tangent, ad.Zero):
        return result, zero_tangent(result)
    return result, _compress_p.bind(tangent, *primals[1:], axis=axis)


def _transpose_compress(cotangent: Any, x: Any, *selection: Any, axis: int) -> list[Any]:
    positions = _nonzero_p.bind(*selection)
    index = (*(slice(None) for _ in range(axis)), positions)
    spread = jnp.zeros(x.aval.shape, cotangent.dtype).at[index].set(cotangent, mode="drop", unique_indices=True)
    return [spread, None, None, None, None]


def _batch_compress(args: Sequence[Any], axes: Sequence[Any], *, axis: int) -> tuple[Any, int]:
    if any(batched is not None for batched in axes[1:]):
        raise CaptureError(_BATCHED.format("nm.compress"))
    return _compress_p.bind(jnp.moveaxis(args[0], axes[0], 0), *args[1:], axis=axis + 1), 0


def _batch_count(args: Sequence[Any], axes: Sequence[Any]) -> Any:
    raise CaptureError(_BATCHED.format("nm.nonzero or nm.compress"))


for _primitive, _target in (
    (_count_p, "nimble.count"),
    (_nonzero_p, "nimble.nonzero"),
    (_compress_p, "nimble.compress"),
    (_padded_p, "nimble.nonzero_padded"),
):
    mlir.register_lowering(_primitive, _lower(_target))
    batching.primitive_batchers[_primitive] = _batch_count
batching.primitive_batchers[_compress_p] = _batch_compress
no_tangents(_count_p)
no_tangents(_nonzero_p)
no_tangents(_padded_p)
ad.primitive_jvps[_compress_p] = _jvp_compress
ad.primitive_transposes[_compress_p] = _transpose_compress
