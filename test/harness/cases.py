"""One harness of `jax._src.internal_test_util.test_harnesses` as a case: its function, specs, inputs, and JAX's results.

Two modes. static: the harness's own shapes. batch: `jax.vmap` of the harness over a new leading axis of every array
argument, whose size is the symbol `b`; one module is called at each size of `BATCH_SIZES`.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

__all__ = ["BATCH_SIZES", "Case", "NotRunByJax", "harnesses", "prepare"]

# One, an even and an odd prime number.
BATCH_SIZES = (1, 2, 5)


class NotRunByJax(Exception):
    """JAX itself cannot run the harness on the CPU, batch it, or trace it with a symbolic batch."""


@dataclass(frozen=True)
class Case:
    """What a walk compiles and compares: `calls` are (arguments, JAX's results), one for each size."""

    name: str
    harness: Any
    function: Any
    specs: tuple[Any, ...]
    calls: tuple[tuple[tuple[Any, ...], Any], ...]


def harnesses() -> dict[str, Any]:
    """All harnesses of JAX by their full name; `jax_enable_x64` must be set before."""
    from jax._src.internal_test_util import test_harnesses

    return {harness.fullname: harness for harness in test_harnesses.all_harnesses}


def prepare(harness: Any, mode: str, seed: int) -> Case:
    """Draws inputs and runs JAX on them; raises NotRunByJax."""
    if not harness.filter("cpu"):
        raise NotRunByJax("JAX has marked it as not implemented on the CPU")
    rng = np.random.RandomState((zlib.crc32(harness.fullname.encode()) + seed) % (1 << 32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _static(harness, rng) if mode == "static" else _batched(harness, rng)
        except NotRunByJax:
            raise
        except Exception as error:  # of any kind: what JAX cannot run is no case
            raise NotRunByJax(f"{type(error).__name__}: {error}"[:300]) from error


def _static(harness: Any, rng: np.random.RandomState) -> Case:
    args = _canonical(harness.dyn_args_maker(rng))
    expected = jax.block_until_ready(jax.jit(harness.dyn_fun)(*args))
    specs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype), args)
    return Case(harness.fullname, harness, harness.dyn_fun, specs, ((args, expected),))


def _batched(harness: Any, rng: np.random.RandomState) -> Case:
    import nimble_mlir as nm

    drawn = [_canonical(harness.dyn_args_maker(rng)) for _ in range(max(BATCH_SIZES))]
    if not jax.tree.leaves(drawn[0]):
        raise NotRunByJax("no array argument to batch")
    function = jax.vmap(harness.dyn_fun)
    (b,) = nm.dims("b")
    specs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((b, *np.shape(leaf)), leaf.dtype), drawn[0])
    jax.eval_shape(function, *specs)
    calls = []
    for size in BATCH_SIZES:
        args = jax.tree.map(lambda *leaves: _stacked(leaves), *drawn[:size])
        calls.append((args, jax.block_until_ready(jax.jit(function)(*args))))
    return Case(harness.fullname, harness, function, specs, tuple(calls))


def _canonical(args: Any) -> tuple[Any, ...]:
    """The arguments as JAX takes them: arrays, 64-bit types narrowed where x64 is off."""
    return tuple(jax.tree.map(_array, list(args)))


def _array(leaf: Any) -> Any:
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key):
        return leaf
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))


def _stacked(leaves: tuple[Any, ...]) -> Any:
    return np.stack(leaves) if isinstance(leaves[0], np.ndarray) else jax.numpy.stack(leaves)
