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

__all__ = ["BATCH_SIZES", "Case", "NotRunByJax", "function_and_specs", "harnesses", "prepare"]

# Groups of which only the first argument is batched: JAX lowers no convolution whose number of groups is symbolic, which is
# what `vmap` makes of one with as many kernels as images.
_FIRST_ONLY = frozenset({"conv_general_dilated"})
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
    specs = _specs(args)
    return Case(harness.fullname, harness, harness.dyn_fun, specs, ((args, expected),))


def _batched(harness: Any, rng: np.random.RandomState) -> Case:
    drawn = [_canonical(harness.dyn_args_maker(rng)) for _ in range(max(BATCH_SIZES))]
    if not jax.tree.leaves(drawn[0]):
        raise NotRunByJax("no array argument to batch")
    function, specs = _batched_function(harness, drawn[0])
    jax.eval_shape(function, *specs)
    calls = []
    for size in BATCH_SIZES:
        args = tuple(_stacked(same, size) if axis == 0 else same[0]
                     for axis, same in zip(_axes(harness, drawn[0]), zip(*drawn, strict=True), strict=True))  # fmt: skip
        calls.append((args, jax.block_until_ready(jax.jit(function)(*args))))
    return Case(harness.fullname, harness, function, specs, tuple(calls))


def function_and_specs(harness: Any, mode: str, rng: np.random.RandomState) -> tuple[Any, tuple[Any, ...]]:
    """What a walk compiles in `mode`, without running it."""
    args = _canonical(harness.dyn_args_maker(rng))
    return (harness.dyn_fun, _specs(args)) if mode == "static" else _batched_function(harness, args)


def _batched_function(harness: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    import nimble_mlir as nm

    axes = _axes(harness, args)
    batch = nm.dims("b")
    specs = [_specs(arg, batch if axis == 0 else ()) for axis, arg in zip(axes, args, strict=True)]
    return jax.vmap(harness.dyn_fun, axes), tuple(specs)


def _axes(harness: Any, args: tuple[Any, ...]) -> tuple[int | None, ...]:
    return tuple(None if i and harness.group_name in _FIRST_ONLY else 0 for i in range(len(args)))


def _specs(args: Any, batch: tuple[Any, ...] = ()) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*batch, *np.shape(leaf)), leaf.dtype), args)


def _canonical(args: Any) -> tuple[Any, ...]:
    """The arguments as JAX takes them: arrays, 64-bit types narrowed where x64 is off."""
    return tuple(jax.tree.map(_array, list(args)))


def _array(leaf: Any) -> Any:
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key):
        return leaf
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))


def _stacked(drawn: tuple[Any, ...], size: int) -> Any:
    return jax.tree.map(_stacked_leaves, *drawn[:size])


def _stacked_leaves(*leaves: Any) -> Any:
    return np.stack(leaves) if isinstance(leaves[0], np.ndarray) else jax.numpy.stack(leaves)
