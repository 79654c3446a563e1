"""`nm.while_loop`, `nm.fori_loop` and `nm.scan`: JAX's loops, with carries that may have another size in each iteration.

In: what JAX's own loops take. Out, run eagerly: the result of the loop in Python. Captured: JAX's own loop where all sizes
stay, otherwise the primitive of while_primitive.py, whose results have sizes that are symbols of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import CaptureError, ShapeError

from .bodies import as_arrays, specs_of, trace_body
from .checks import ensure
from .places import place_of
from .tensor_list import reserve
from .tracing import current
from .while_primitive import growing_while, varying_sizes

__all__ = ["fori_loop", "scan", "while_loop"]


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, *, max_trips: int | None = None
) -> Any:
    """As `lax.while_loop`; the sizes of the carry may change from one iteration to the next.

    Args:
      cond_fun: from the carry to a boolean scalar.
      body_fun: from the carry to the next one: of the same structure, ranks and dtypes.
      init_val: the first carry, a pytree of arrays and `nm.TensorList`s.
      max_trips: after so many iterations, a condition that still holds is a ShapeError that names the loop.

    Returns:
      The last carry; a size that changes is a symbol of its own, which later ops may use. Run outside of `nm.compile` it
      is a Python loop.

    Raises:
      CaptureError: a rank or dtype of the carry changes.
    """
    if max_trips is not None:
        return _bounded(cond_fun, body_fun, init_val, max_trips)
    if current() is None:
        value = _arrays(init_val)
        while cond_fun(value):
            value = body_fun(value)
        return value
    return _while(cond_fun, body_fun, init_val, "while_loop")


def _while(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, name: str) -> Any:
    leaves, tree = jax.tree_util.tree_flatten(reserve(init_val))
    sizes = varying_sizes(body_fun, tree, as_arrays(leaves), name)
    if not sizes.classes:
        return lax.while_loop(cond_fun, body_fun, init_val)
    return growing_while(cond_fun, sizes, name)


def _bounded(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, max_trips: int) -> Any:
    place = place_of(body_fun)
    _, value = while_loop(
        lambda carry: (carry[0] < max_trips) & cond_fun(carry[1]),
        lambda carry: (carry[0] + 1, body_fun(carry[1])),
        (jnp.int32(0), init_val),
    )
    message = f"nm.while_loop of {place} has not ended after {max_trips} iterations (max_trips)"
    return ensure(jnp.logical_not(cond_fun(value)), message, value)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """As `lax.fori_loop`: `body_fun(i, carry)` for i from `lower` up to `upper`, integers that may be computed; the sizes of
    the carry may change as in `nm.while_loop`. Raises CaptureError for bounds that are no integers."""
    low, high = jnp.asarray(lower), jnp.asarray(upper)
    dtype = jnp.result_type(low, high)
    if not jnp.issubdtype(dtype, jnp.integer) or low.ndim or high.ndim:
        raise CaptureError(f"fori_loop needs bounds that are integers, got {lower!r} and {upper!r}")
    low, high = low.astype(dtype), high.astype(dtype)
    if current() is None:
        value = _arrays(init_val)
        for index in range(int(low), int(high)):
            value = body_fun(jnp.asarray(index, dtype), value)
        return value
    leaves, tree = jax.tree_util.tree_flatten((low, reserve(init_val)))

    def step(carry: Any) -> Any:
        index, value = carry
        return index + 1, body_fun(index, value)

    sizes = varying_sizes(step, tree, as_arrays(leaves), "fori_loop")
    if not sizes.classes:
        return lax.fori_loop(low, high, body_fun, init_val)
    return growing_while(lambda carry: carry[0] < high, sizes, "fori_loop")[1]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple[Any, Any]:
    """As `lax.scan`, with a carry whose sizes may change from one step to the next.

    Args:
      f: from the carry and a row of `xs` to the next carry and a row of the results.
      init: the first carry, a pytree of arrays and `nm.TensorList`s.
      xs: a pytree of arrays [length, …], or None.
      length: the number of steps; needed where `xs` has no array.
      reverse: whether the last row comes first.
      unroll: as of `lax.scan`, which runs where no size changes.

    Returns:
      The last carry, and the rows stacked [length, …].

    Raises:
      CaptureError: a row of the results has a size that differs per step, `xs` have several lengths, or none is given.
    """
    given, length = length, _length(xs, length)
    if current() is None:
        return _eager_scan(f, init, xs, length, reverse)
    first = jax.tree_util.tree_map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), xs)
    trees = [jax.tree_util.tree_structure(init), jax.tree_util.tree_structure(first)]
    leaves = as_arrays(jax.tree_util.tree_leaves(init))
    body = trace_body(f, trees, [*specs_of(leaves), *jax.tree_util.tree_leaves(first)])
    after, made = jax.tree_util.tree_unflatten(body.tree, body.results)
    if [leaf.shape for leaf in leaves] == [leaf.shape for leaf in jax.tree_util.tree_leaves(after)]:
        return lax.scan(f, init, xs, given, reverse, unroll)
    rows = jax.tree_util.tree_map(lambda y: jnp.zeros((length, *y.shape), y.dtype), made)

    def step(carry: Any) -> Any:
        index, value, rows = carry
        at = length - 1 - index if reverse else index
        x = jax.tree_util.tree_map(lambda x: lax.dynamic_index_in_dim(x, at, keepdims=False), xs)
        value, y = f(value, x)
        for row, result in zip(jax.tree_util.tree_leaves(rows), jax.tree_util.tree_leaves(y), strict=True):
            if row.shape[1:] != result.shape:
                raise CaptureError(
                    f"nm.scan of {place_of(f)}: a result of the scan body has a size that differs per step, "
                    f"{result.shape} after {row.shape[1:]}; use nm.Ragged or nm.TensorList"
                )
        rows = jax.tree_util.tree_map(lambda row, y: lax.dynamic_update_index_in_dim(row, y, at, 0), rows, y)
        return index + 1, value, rows

    end = jnp.asarray(length, jnp.int32)
    _, value, rows = _while(lambda carry: carry[0] < end, step, (jnp.int32(0), init, rows), "scan")
    return value, rows


def _arrays(tree: Any) -> Any:
    """Numbers as arrays, which they are in JAX's loops from the first iteration on."""
    leaves, structure = jax.tree_util.tree_flatten(tree)
    return jax.tree_util.tree_unflatten(structure, as_arrays(leaves))


def _length(xs: Any, length: Any) -> Any:
    sizes = [x.shape[0] for x in jax.tree_util.tree_leaves(xs)]
    if length is None and not sizes:
        raise CaptureError("scan needs xs or a length")
    length = sizes[0] if length is None else length
    for size in sizes:
        if size != length:
            raise CaptureError(f"scan got xs of length {size}, but {length} is expected")
    return length


def _eager_scan(f: Callable[[Any, Any], Any], init: Any, xs: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    value, made = _arrays(init), []
    order = range(length)
    for index in reversed(order) if reverse else order:
        value, y = f(value, jax.tree_util.tree_map(lambda x: x[index], xs))  # noqa: B023 - called at once
        made.append(y)
    if reverse:
        made.reverse()
    if not made:
        shape = jax.eval_shape(
            f, init, jax.tree_util.tree_map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), xs)
        )
        return value, jax.tree_util.tree_map(lambda y: jnp.zeros((0, *y.shape), y.dtype), shape[1])
    first = [leaf.shape for leaf in jax.tree_util.tree_leaves(made[0])]
    for y in made:
        shapes = [leaf.shape for leaf in jax.tree_util.tree_leaves(y)]
        if shapes != first:
            raise ShapeError(
                f"nm.scan of {place_of(f)}: a result of the scan body has a size that differs per step, {shapes} after "
                f"{first}; use nm.Ragged or nm.TensorList"
            )
    return value, jax.tree_util.tree_map(lambda *rows: jnp.stack(rows), *made)
