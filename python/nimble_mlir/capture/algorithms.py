"""What expand.py puts in an op's place: a function in JAX, and what it demands of the op's operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["MATRIX_DTYPES", "Algorithm"]

# The dtypes of matrices that algorithms are written for.
MATRIX_DTYPES = frozenset({"float32", "float64", "complex64", "complex128"})


@dataclass(frozen=True)
class Algorithm:
    """A function of the op's operands, and the letters of their last dimensions: equal letters are equal sizes.

    It has a result for each of the op's; `operands` is how many of the op's operands it takes, None for all: what
    follows them are the shapes of results. Where the sizes of result `shape` follow from the op's last operand alone,
    the function takes an array of that shape as its last argument.
    """

    function: Callable[..., Any]
    letters: tuple[str, ...]
    dtypes: frozenset[str] = MATRIX_DTYPES
    operands: int | None = None
    shape: int | None = None
