"""Per-example early exit: each example of a batch is refined as long as it needs, and no longer.

    python examples/early_exit.py

A state is refined by a small network until its budget is spent; what a step costs depends on the state. `nm.batch` drops an
example when it is done, and hard ones get a second network in the end that easy ones do without. One module for batches of
any size. Exits with status 1 where a result or a number of steps differs from that of a Python loop over the examples.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import nimble_mlir as nm

STEPS = (1, 2, 3, 5, 8, 12, 20, 32, 50, 100)


def network(width: int, seed: int) -> Callable[[jax.Array], jax.Array]:
    """A residual block of two layers: [width] → [width]."""
    rng = np.random.default_rng(seed)
    first, second = (rng.normal(size=(width, width), scale=width**-0.5).astype(np.float32) for _ in range(2))
    return lambda h: h + 0.1 * jnp.tanh(jnp.tanh(h @ first) @ second)


def make_refine(width: int) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of one example: a state [width] and its budget [] → the refined state, and the number of steps."""
    block, extra = network(width, 1), network(width, 2)

    def refine(x: jax.Array, budget: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(carry: Any) -> Any:
            h, left, steps = carry
            h = block(h)
            return h, left - 1 - 0.002 * jnp.tanh(h.mean()), steps + 1

        h, _, steps = jax.lax.while_loop(lambda carry: carry[1] > 0, step, (x, budget, jnp.int32(0)))
        return jax.lax.cond(steps > 30, extra, lambda h: h, h), steps

    return refine


def inputs(size: int, width: int, steps: tuple[int, ...] = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """`size` examples, of which one after the other takes the next of the numbers of `steps`."""
    x = np.random.default_rng(size).normal(size=(size, width)).astype(np.float32)
    return x, np.resize(np.array(steps, np.float32) - 0.5, size)


def compiled(fn: Callable[..., Any], width: int, device: str | None = "local-sync") -> nm.Module:
    """The module of a function of a batch; in the calling thread, which is the faster for little work at a time."""
    (b,) = nm.dims("b")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "early_exit.vmfb"
        nm.compile(fn, (nm.spec((b, width), jnp.float32), nm.spec((b,), jnp.float32))).save(path)
        return nm.load(path, device=device)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of the second of two calls, and its milliseconds."""
    call()
    start = time.perf_counter()
    result = jax.block_until_ready(call())
    return result, (time.perf_counter() - start) * 1e3


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 64])
    parser.add_argument("--width", type=int, default=256)
    args = parser.parse_args()
    console = Console()
    refine = make_refine(args.width)
    start = time.perf_counter()
    module = compiled(nm.batch(refine), args.width)
    console.print(f"compiled in {time.perf_counter() - start:.1f} s")
    one, vmapped = jax.jit(refine), jax.jit(jax.vmap(refine))
    table = Table(
        "batch", "steps", "max error", "nm.batch ms", "jit(vmap) ms", "Python loop ms", title="the second of two calls"
    )
    agree = True
    for size in args.batches:
        x, budget = inputs(size, args.width)
        (h, steps), ours = timed(lambda x=x, budget=budget: module(x, budget))
        _, theirs = timed(lambda x=x, budget=budget: vmapped(x, budget))
        rows, loop = timed(lambda x=x, budget=budget: [one(*row) for row in zip(x, budget, strict=True)])
        expected = np.stack([np.asarray(row[0]) for row in rows])
        error = float(np.abs(h - expected).max())
        same = steps.tolist() == [int(row[1]) for row in rows]
        agree = agree and same and error <= 1e-4 * float(np.abs(expected).max())
        table.add_row(
            str(size),
            f"{steps.sum()} of {steps.max() * size}",
            f"{error:.1e}",
            *(f"{value:.2f}" for value in (ours, theirs, loop)),
        )
    console.print(table)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
