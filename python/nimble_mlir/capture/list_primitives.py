"""What `nm.TensorList` does, as primitives: in a captured function they become ops of the dialect (dialects/lists.py).

In and out: the rows of a list as one array, since JAX knows no lists. Each function computes with JAX alone where nothing is
captured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .checks import ensure
from .data_sizes.define import custom_call, no_tangents, zero_tangent
from .symbols import is_symbolic
from .tracing import current

__all__ = ["Limits", "appended", "extended", "length_of", "reserved", "row_of"]

# How many rows there are at most, and for how many a loop begins with room.
Limits = tuple[int | None, int | None]

_append_p = Primitive("nimble_list_append")
_extend_p = Primitive("nimble_list_extend")
_get_p = Primitive("nimble_list_get")
_length_p = Primitive("nimble_list_length")
_reserve_p = Primitive("nimble_list_reserve")


def appended(rows: Any, row: Any, limits: Limits, what: str) -> Any:
    """The rows of the list with one more; `what` names the list in the error where these are too many."""
    if current() is None:
        return extended(rows, row[None], limits, what)
    return _append_p.bind(rows, row, limits=limits, what=what)


def extended(rows: Any, more: Any, limits: Limits, what: str) -> Any:
    """The rows of the list with others behind its own."""
    if current() is not None:
        return _extend_p.bind(rows, more, limits=limits, what=what)
    joined, bound = jnp.concatenate([rows, more]), limits[0]
    if bound is None:
        return joined
    return ensure(joined.shape[0] <= bound, f"{what} has more than its bound of {bound} rows", joined)


def row_of(rows: Any, index: Any, limits: Limits) -> Any:
    """A row; a negative index counts from the end, and one outside is clamped."""
    return _row(rows, index) if current() is None else _get_p.bind(rows, index, limits=limits)


def length_of(rows: Any, limits: Limits) -> Any:
    """The number of rows, an int32 scalar."""
    if current() is None or not is_symbolic(rows.shape[0]):
        return jnp.asarray(rows.shape[0], jnp.int32)
    return _length_p.bind(rows, limits=limits)


def reserved(rows: Any, limits: Limits) -> Any:
    """The rows of a list with which a loop begins."""
    return _reserve_p.bind(rows, limits=limits)


def _row(rows: Any, index: Any) -> Any:
    size = jnp.asarray(rows.shape[0], jnp.int32)
    return lax.dynamic_index_in_dim(rows, jnp.where(index < 0, index + size, index), keepdims=False)


@_append_p.def_abstract_eval
def _append_aval(rows: Any, row: Any, **params: Any) -> Any:
    return jax.core.ShapedArray((rows.shape[0] + 1, *rows.shape[1:]), rows.dtype)


@_extend_p.def_abstract_eval
def _extend_aval(rows: Any, more: Any, **params: Any) -> Any:
    return jax.core.ShapedArray((rows.shape[0] + more.shape[0], *rows.shape[1:]), rows.dtype)


@_get_p.def_abstract_eval
def _get_aval(rows: Any, index: Any, **params: Any) -> Any:
    return jax.core.ShapedArray(rows.shape[1:], rows.dtype)


@_length_p.def_abstract_eval
def _length_aval(rows: Any, **params: Any) -> Any:
    return jax.core.ShapedArray((), jnp.int32)


@_reserve_p.def_abstract_eval
def _reserve_aval(rows: Any, **params: Any) -> Any:
    return jax.core.ShapedArray(rows.shape, rows.dtype, weak_type=rows.weak_type)


def _lower(target: str) -> Any:
    def rule(ctx: Any, *operands: Any, limits: Limits, what: str | None = None) -> Any:
        bound, capacity = limits
        said = {"bound": bound, "capacity": capacity, "what": what}
        config = {name: value for name, value in said.items() if value is not None}
        types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
        return custom_call(target, types, operands, config).results

    return rule


def _jvp_append(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    result = _append_p.bind(*primals, **params)
    return result, _joined_tangents(result, tangents[0], tangents[1], lambda row: row[None])


def _jvp_extend(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    result = _extend_p.bind(*primals, **params)
    return result, _joined_tangents(result, tangents[0], tangents[1], lambda rows: rows)


def _joined_tangents(result: Any, rows: Any, more: Any, as_rows: Any) -> Any:
    if isinstance(rows, ad.Zero) and isinstance(more, ad.Zero):
        return zero_tangent(result)
    return jnp.concatenate([ad.instantiate_zeros(rows), as_rows(ad.instantiate_zeros(more))])


def _jvp_get(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    result, tangent = _get_p.bind(*primals, **params), tangents[0]
    return result, zero_tangent(result) if isinstance(tangent, ad.Zero) else _row(tangent, primals[1])


def _jvp_reserve(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    return _reserve_p.bind(*primals, **params), tangents[0]


def _second(value: Any, axis: int | None, size: Any) -> Any:
    """The rows of a list for each element of a batch, as the rows of one list: with the batch along their first axis."""
    if axis is not None:
        return jnp.moveaxis(value, axis, 1)
    return jnp.broadcast_to(value[:, None], (value.shape[0], size, *value.shape[1:]))


def _size(args: Sequence[Any], axes: Sequence[Any]) -> Any:
    return next(arg.shape[axis] for arg, axis in zip(args, axes, strict=True) if axis is not None)


def _batch_append(args: Sequence[Any], axes: Sequence[Any], **params: Any) -> tuple[Any, int]:
    rows, row = args
    size = _size(args, axes)
    row = jnp.broadcast_to(row, (size, *row.shape)) if axes[1] is None else jnp.moveaxis(row, axes[1], 0)
    return _append_p.bind(_second(rows, axes[0], size), row, **params), 1


def _batch_extend(args: Sequence[Any], axes: Sequence[Any], **params: Any) -> tuple[Any, int]:
    size = _size(args, axes)
    rows, more = (_second(value, axis, size) for value, axis in zip(args, axes, strict=True))
    return _extend_p.bind(rows, more, **params), 1


def _batch_get(args: Sequence[Any], axes: Sequence[Any], **params: Any) -> tuple[Any, int]:
    if axes[1] is not None:
        return jax.vmap(_row, tuple(axes))(*args), 0
    return _get_p.bind(jnp.moveaxis(args[0], axes[0], 1), args[1], **params), 0


def _batch_length(args: Sequence[Any], axes: Sequence[Any], **params: Any) -> tuple[Any, None]:
    return _length_p.bind(jnp.moveaxis(args[0], axes[0], 1), **params), None


def _batch_reserve(args: Sequence[Any], axes: Sequence[Any], **params: Any) -> tuple[Any, int]:
    return _reserve_p.bind(jnp.moveaxis(args[0], axes[0], 1), **params), 1


_RULES = {
    _append_p: (_jvp_append, _batch_append),
    _extend_p: (_jvp_extend, _batch_extend),
    _get_p: (_jvp_get, _batch_get),
    _length_p: (None, _batch_length),
    _reserve_p: (_jvp_reserve, _batch_reserve),
}
no_tangents(_length_p)
for _primitive, (_jvp, _batch) in _RULES.items():
    mlir.register_lowering(_primitive, _lower(_primitive.name.replace("_", ".", 1)))
    batching.primitive_batchers[_primitive] = _batch
    if _jvp is not None:
        ad.primitive_jvps[_primitive] = _jvp
