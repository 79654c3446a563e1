"""`nm.batch`: a function of one example as a function of a batch of them, where each does only its own work."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import jax.numpy as jnp

from nimble_mlir.errors import CaptureError, ShapeError

from ..bodies import as_arrays, specs_of, trace_body
from ..places import place_of
from ..specs import argument_names
from ..symbols import is_symbolic, to_expr
from ..tracing import current
from ..with_shape import with_shape
from .interpret import Batch, interpret, spread_all, wrapped
from .rows import blank
from .uniformity import diverges

__all__ = ["batch"]


def batch(fn: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
    """As `jax.vmap(fn, in_axes)`, for functions whose examples part ways: each does only its own work.

    Of `lax.cond` and `lax.switch` a branch runs for the examples that take it; from `lax.while_loop` (and `fori_loop` with
    bounds that are computed) an example is dropped when it is done, where `jax.vmap` runs all branches for all examples and
    all examples to the end. Loops and branches may be nested, and stand within `scan`, `jit`, `jax.checkpoint` and functions
    with derivatives of their own.

    Args:
      fn: a function of one example, from pytrees of arrays to a pytree of arrays.
      in_axes: which axis of each argument is the batch, None for an argument that is the same for all examples: an integer
        for all, or a tuple with an entry for each argument, which may be a prefix of its pytree. Keyword arguments are
        batched along their first axis.

    Returns:
      A function of the batch, whose results have the batch as their first axis. Under `nm.compile` the size of the batch may
      be a symbol, also one that data defines, and then 0; run eagerly it is a Python loop over the examples; traced by JAX
      alone (`jax.jit`) it is `jax.vmap`.

    Raises:
      CaptureError: `in_axes` does not fit the arguments or has no batch, or the function defines sizes that differ per
        example.
      ShapeError: the sizes of the batch differ, or it is empty.
    """
    if not callable(fn):
        raise CaptureError(f"nm.batch needs a function, got {type(fn).__name__}")

    @functools.wraps(fn)
    def batched(*args: Any, **kwargs: Any) -> Any:
        given = _given(fn, in_axes, args, kwargs)
        if current() is not None:
            return _captured(fn, given)
        if any(isinstance(value, jax.core.Tracer) for value in given.values):
            axes = jax.tree_util.tree_unflatten(given.tree, [0 if flag else None for flag in given.flags])
            values = jax.tree_util.tree_unflatten(given.tree, given.values)
            return jax.vmap(lambda call: fn(*call[0], **call[1]), in_axes=(axes,))(values)
        return _one_by_one(fn, given)

    return batched


@dataclass(frozen=True)
class _Given:
    """The arguments, flat: `values`, of which the flagged ones have the batch, of `size`, along their first axis."""

    tree: Any
    values: list[Any]
    flags: list[bool]
    size: Any


def _given(fn: Callable[..., Any], in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Given:
    where = f"nm.batch of {place_of(fn)}"
    names = argument_names(fn, len(args), ())
    paths, tree = jax.tree_util.tree_flatten_with_path((args, kwargs))
    labels = [
        (names[path[1].idx] if path[0].idx == 0 else path[1].key) + jax.tree_util.keystr(path[2:]) for path, _ in paths
    ]
    axes = [*_axes(where, names, in_axes, args), *[0] * len(jax.tree_util.tree_leaves(kwargs))]
    values, flags, sizes = [], [], []
    for label, axis, value in zip(labels, axes, map(jnp.asarray, (leaf for _, leaf in paths)), strict=True):
        flags.append(axis is not None)
        if axis is None:
            values.append(value)
            continue
        if not -value.ndim <= axis < value.ndim:
            raise CaptureError(
                f"{where}: argument '{label}' has rank {value.ndim}, but in_axes takes its axis {axis} for the batch"
            )
        values.append(jnp.moveaxis(value, axis, 0) if axis % value.ndim else value)
        sizes.append((label, axis, value.shape[axis]))
    if not sizes:
        raise CaptureError(
            f"{where}: no argument is batched; in_axes must be an axis, not None, for at least one array"
        )
    size = _size(where, sizes)
    values = [
        with_shape(value, (size, *value.shape[1:])) if flag and is_symbolic(size) else value
        for value, flag in zip(values, flags, strict=True)
    ]
    return _Given(tree, values, flags, size)


def _axes(where: str, names: Sequence[str], in_axes: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The axis of each leaf of the positional arguments."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not isinstance(in_axes, tuple):
        in_axes = (in_axes,) * len(args)
    if len(in_axes) != len(args):
        raise CaptureError(
            f"{where}: in_axes has {len(in_axes)} entries, but there are {len(args)} positional arguments"
        )
    found: list[int | None] = []
    for name, axes, arg in zip(names, in_axes, args, strict=True):
        try:
            spread = jax.tree.broadcast(axes, arg, is_leaf=lambda leaf: leaf is None)
        except ValueError as error:
            structure = jax.tree_util.tree_structure(arg)
            raise CaptureError(
                f"{where}: in_axes of argument '{name}' is {axes!r}, which is no prefix of its structure {structure}"
            ) from error
        leaves = jax.tree_util.tree_leaves(spread, is_leaf=lambda leaf: leaf is None)
        for leaf in leaves:
            if leaf is not None and (not isinstance(leaf, int) or isinstance(leaf, bool)):
                raise CaptureError(f"{where}: in_axes of argument '{name}' must be integers or None, got {leaf!r}")
        found += leaves
    return found


def _size(where: str, sizes: Sequence[tuple[str, int, Any]]) -> Any:
    """The size of the batch: a number, where an argument has one."""
    label, axis, size = next((entry for entry in sizes if not is_symbolic(entry[2])), sizes[0])
    for other, along, found in sizes:
        difference = to_expr(found) - to_expr(size)
        if difference.is_constant and difference != to_expr(0):
            raise ShapeError(
                f"{where}: argument '{other}' has {found} examples along axis {along}, but argument '{label}' has {size} "
                f"along axis {axis}"
            )
    if not is_symbolic(size) and size == 0:
        raise ShapeError(f"{where}: argument '{label}' has no example along axis {axis}; a batch has at least one")
    return size


def _one_by_one(fn: Callable[..., Any], given: _Given) -> Any:
    """The results of the examples, one after the other, stacked."""
    made = []
    for index in range(given.size):
        leaves = [value[index] if flag else value for value, flag in zip(given.values, given.flags, strict=True)]
        args, kwargs = jax.tree_util.tree_unflatten(given.tree, leaves)
        made.append(fn(*args, **kwargs))
    return jax.tree_util.tree_map(lambda *rows: jnp.stack(as_arrays(rows)), *made)


def _captured(fn: Callable[..., Any], given: _Given) -> Any:
    """The function as it is traced for one example, interpreted for all of them."""
    shapes = [value.shape[flag:] for value, flag in zip(given.values, given.flags, strict=True)]
    body = trace_body(lambda call: fn(*call[0], **call[1]), [given.tree], specs_of(given.values, shapes))

    def run(values: Sequence[Any]) -> list[Any]:
        args = [*body.consts, *wrapped(values, given.flags)]
        return spread_all(interpret(body.jaxpr, args, Batch(given.size)), given.size)

    if _may_be_empty(given.size) and diverges(body.jaxpr.jaxpr):
        # What the parts of the batch demand of their sizes is not asked of a batch that has none.
        empty = [blank(aval, given.size) for aval in body.results]
        results = jax.lax.cond(jnp.asarray(given.size) > 0, run, lambda values: empty, given.values)
    else:
        results = run(given.values)
    return jax.tree_util.tree_unflatten(body.tree, results)


def _may_be_empty(size: Any) -> bool:
    """Whether the size of a batch is one that data defines; JAX takes all sizes of arguments to be at least 1."""
    tracing = current()
    assert tracing is not None
    return is_symbolic(size) and not to_expr(size).symbols <= tracing.names
