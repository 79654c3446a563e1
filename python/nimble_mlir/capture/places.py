"""Where a user's function stands, for messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["place_of"]


def place_of(function: Callable[..., Any]) -> str:
    """`file:line` of a function, or its name where it has no source."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return getattr(function, "__name__", type(function).__name__)
    return f"{code.co_filename}:{code.co_firstlineno}"
