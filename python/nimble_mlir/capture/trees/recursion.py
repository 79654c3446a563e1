"""`nm.recursive`: functions that call themselves.

Run eagerly they go in Python, on a stack of this module's own: a call that is not known yet leaves the function, which runs
again from its beginning when the result is there. Captured they are recursion in the dialect where they go to the parts of
a value (levels.py), else a loop over steps of a machine with a stack (stack.py).
"""

from __future__ import annotations

import contextvars
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp

from nimble_mlir.errors import CaptureError

from ..places import place_of
from ..tracing import current
from .adt import Adt, Part, is_value
from .layout import Batch
from .levels import by_levels, calls_of
from .stack import by_stack, under_way
from .structure import NotStructuralError

_log = logging.getLogger("nimble_mlir.capture")

__all__ = ["recursive"]


class _Needed(BaseException):
    """Leaves a function whose recursive call has no result yet; no `except Exception` of the user's holds it up."""


class _Frame:
    """A call under way: its arguments, and the results of the recursive calls it has made, in order."""

    def __init__(self, fn: Callable[..., Any], args: Any) -> None:
        self.fn, self.args = fn, args
        self.results: list[Any] = []
        self.made = 0
        self.wanted: tuple[Callable[..., Any], Any] | None = None


_frames: contextvars.ContextVar[_Frame | None] = contextvars.ContextVar("frames", default=None)


def recursive(fn: Callable[..., Any] | None = None, *, max_depth: int = 10_000_000) -> Any:
    """Marks a function that calls itself: on the parts of a value of an `nm.adt`, or on anything that it computes.

    Args:
      fn: the function. Its first argument may also be a batch of values (`Tree.batch`), which gives the stacked results.
      max_depth: calls that nest deeper are a ShapeError as the compiled function runs.

    Returns:
      The function, to be called in its own body, too. Run eagerly it is plain recursion without Python's limit of depth.
      Under `nm.compile`, calls on the parts of the first argument are computed level by level, all nodes of a level of all
      trees at once. Other recursion (numbers, calls in branches or on what other calls gave, parts of parts, functions that
      call each other) runs on a stack, one call after the other.

    Raises:
      CaptureError: results of several forms, or arguments whose shapes never repeat.
    """
    if fn is None:
        return functools.partial(recursive, max_depth=max_depth)

    @functools.wraps(fn)
    def call(*args: Any) -> Any:
        functions = under_way()
        if functions is not None:
            return functions.call(fn, call, args)
        first = args[0] if args else None
        calls = calls_of(call)
        if calls is not None and isinstance(first, Adt):
            return calls.call(first, args[1:])
        if isinstance(first, Batch):
            return _of_batch(fn, call, first, args[1:], max_depth)
        if _is_captured(fn, args):
            return _of_one(fn, call, args, max_depth)
        waiting = _frames.get()
        if waiting is None:
            return _eager(fn, call, args)
        waiting.made += 1
        if waiting.made <= len(waiting.results):
            return waiting.results[waiting.made - 1]
        waiting.wanted = (fn, args)
        raise _Needed

    return call


def _is_captured(fn: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Whether what is known of the arguments depends on the run."""
    values = jax.tree_util.tree_leaves(args, is_leaf=is_value)
    trees = [value for value in values if isinstance(value, Adt)]
    if any(isinstance(tree.constructor, Part) for tree in trees):
        raise NotStructuralError(f"{place_of(fn)}: another recursive function is called on a part")
    if any(tree.constructor is None for tree in trees):
        return True
    traced = any(isinstance(value, jax.core.Tracer) for value in values)
    if traced and not trees and current() is None:
        raise CaptureError(
            f"nm.recursive '{fn.__name__}' is called with values that jax traces, as in lax.cond or jax.jit; choose by "
            "nm.cond, nm.switch or nm.match, or compile it with nm.compile"
        )
    return traced and not trees


def _of_one(fn: Callable[..., Any], call: Any, args: Sequence[Any], max_depth: int) -> Any:
    first = args[0]
    if isinstance(first, Adt):
        results = _by_levels(fn, call, type(first), first.__dict__["layout"], args[1:])
        if results is not None:
            return jax.tree_util.tree_map(lambda rows: rows[0], results)
    return by_stack(fn, call, args, max_depth)


def _by_levels(fn: Callable[..., Any], call: Any, type_: Any, layout: Any, args: Sequence[Any]) -> Any:
    """The results of all roots; None where the recursion has to go by a stack."""
    try:
        if any(isinstance(leaf, Adt) for leaf in jax.tree_util.tree_leaves(args, is_leaf=is_value)):
            raise NotStructuralError(f"{place_of(fn)}: several trees at once")
        return by_levels(fn, call, type_, layout, args)
    except NotStructuralError as reason:
        _log.debug("nm.recursive runs on a stack: %s", reason)
        return None


def _of_batch(fn: Callable[..., Any], call: Any, batch: Any, args: Any, max_depth: int) -> Any:
    if batch.layout is None:
        results = [_eager(fn, call, (value, *args)) for value in batch]
        return jax.tree_util.tree_map(lambda *rows: jnp.stack(rows), *results)
    results = _by_levels(fn, call, batch.type, batch.layout, args)
    if results is not None:
        return results
    roots, *rest = batch.layout

    def of_root(root: Any) -> Any:
        one = batch.type.__new__(batch.type)
        one.__dict__.update(constructor=None, layout=[root[None], *rest])
        result = by_stack(fn, call, (one, *args), max_depth)
        if any(map(is_value, jax.tree_util.tree_leaves(result, is_leaf=is_value))):
            raise CaptureError(
                f"{place_of(fn)}: of a batch, a compiled recursion returns arrays; call it with one value at a time for "
                "values of an nm.adt"
            )
        return result

    return jax.lax.map(of_root, roots)


def _eager(fn: Callable[..., Any], call: Any, args: Any) -> Any:
    """The result of the function, in constant Python stack."""
    stack = [_Frame(fn, args)]
    while True:
        frame = stack[-1]
        frame.made = 0
        token = _frames.set(frame)
        try:
            result = frame.fn(*frame.args)
        except _Needed:
            assert frame.wanted is not None
            stack.append(_Frame(*frame.wanted))
            continue
        finally:
            _frames.reset(token)
        stack.pop()
        if not stack:
            return result
        stack[-1].results.append(result)
