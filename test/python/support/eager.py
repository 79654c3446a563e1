"""Compiled functions against the same functions run eagerly, in Python: for what JAX itself cannot compile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

import nimble_mlir as nm

from .tolerances import assert_agrees

__all__ = ["assert_as_eager"]


def assert_as_eager(fn: Callable[..., Any], specs: Sequence[Any], calls: Iterable[Sequence[Any]]) -> nm.Module:
    """Compiles `fn` once and compares values, shapes and dtypes at each of `calls`; returns the module."""
    module = nm.compile(fn, tuple(specs))
    for args in calls:
        given = [np.array(arg) for arg in args]
        got = module(*args)
        for arg, before in zip(args, given, strict=True):
            np.testing.assert_array_equal(arg, before, err_msg="an argument was written to")
        with jax.disable_jit():
            expected = fn(*args)
        where = f"{fn.__name__} at {[np.shape(arg) or arg for arg in args]}"
        try:
            assert_agrees(got, expected)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from None
    return module
