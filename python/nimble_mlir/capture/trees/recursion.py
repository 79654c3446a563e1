"""`nm.recursive`: functions that call themselves on the parts of a value.

Run eagerly they go in Python, on a stack of this module's own: a call that is not known yet leaves the function, which runs
again from its beginning when the result is there. Captured they become loops over levels (levels.py).
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from nimble_mlir.errors import CaptureError

from .adt import Adt
from .layout import Batch
from .levels import by_levels, calls_of

__all__ = ["recursive"]


class _Needed(BaseException):
    """Leaves a function whose recursive call has no result yet; no `except Exception` of the user's holds it up."""


class _Frame:
    """A call under way: its arguments, and the results of the recursive calls it has made, in order."""

    def __init__(self, args: Any) -> None:
        self.args = args
        self.results: list[Any] = []
        self.made = 0
        self.wanted: Any = None


_frames: contextvars.ContextVar[tuple[Any, _Frame] | None] = contextvars.ContextVar("frames", default=None)


def recursive(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function that calls itself on parts of its first argument, a value of an `nm.adt`, or a list of such.

    Further arguments may go down to the parts. Under `nm.compile` it is computed level by level, all nodes of a level of all
    trees at once. Raises CaptureError for a first argument that is no such value, and for calls on anything but parts."""

    @functools.wraps(fn)
    def call(value: Any, *args: Any) -> Any:
        calls = calls_of(call)
        if calls is not None and isinstance(value, Adt):
            return calls.call(value, args)
        if isinstance(value, Batch):
            return _of_batch(fn, call, value, args)
        if not isinstance(value, Adt):
            raise CaptureError(
                f"nm.recursive '{fn.__name__}' needs a value of an nm.adt first, got {type(value).__name__}"
            )
        if value.constructor is None:
            results = by_levels(fn, call, type(value), value.__dict__["layout"], args)
            return jax.tree_util.tree_map(lambda rows: rows[0], results)
        under_way = _frames.get()
        if under_way is None or under_way[0] is not call:
            return _eager(fn, call, (value, *args))
        frame = under_way[1]
        frame.made += 1
        if frame.made <= len(frame.results):
            return frame.results[frame.made - 1]
        frame.wanted = (value, *args)
        raise _Needed

    return call


def _of_batch(fn: Callable[..., Any], call: Any, batch: Batch, args: Any) -> Any:
    if batch.layout is not None:
        return by_levels(fn, call, batch.type, batch.layout, args)
    results = [_eager(fn, call, (value, *args)) for value in batch]
    return jax.tree_util.tree_map(lambda *rows: jnp.stack(rows), *results)


def _eager(fn: Callable[..., Any], call: Any, args: Any) -> Any:
    """The result of the function, in constant Python stack."""
    stack = [_Frame(args)]
    while True:
        frame = stack[-1]
        frame.made = 0
        token = _frames.set((call, frame))
        try:
            result = fn(*frame.args)
        except _Needed:
            stack.append(_Frame(frame.wanted))
            continue
        finally:
            _frames.reset(token)
        stack.pop()
        if not stack:
            return result
        stack[-1].results.append(result)
