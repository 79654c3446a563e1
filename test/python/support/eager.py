"""Compiled functions against the same functions run eagerly, in Python: for what JAX itself cannot compile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

import nimble_mlir as nm

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
        assert jax.tree.structure(got) == jax.tree.structure(expected), where
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            assert np.shape(one) == np.shape(other), where
            assert np.asarray(one).dtype == np.asarray(other).dtype, where
            np.testing.assert_allclose(
                np.asarray(one, np.float64), np.asarray(other, np.float64), rtol=1e-4, atol=1e-4, err_msg=where
            )
    return module
