"""A step of an attention loop whose list grows (append a row, read rows 0..i), by the room that the list has.

    python benchmarks/growing_attention.py [--capacities 256 100000] [--from 128] [--to 256] [--width 64]

A step is right and cheap only where the row is written in place: were the buffer copied, a step would cost as much as the
buffer is large. The time of a step is the difference of two calls, with --to and with --from steps, over the steps between
them, so the lists are as long whatever their room; what is done once a call does not count. CPU time, median of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measure import show

import nimble_mlir as nm


def attend(capacity: int, seed: jax.Array, steps: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`seed` [d] → the last of `steps` rows [d], each of which attends to all before it; and their number."""

    def step(carry: Any) -> Any:
        rows, last = carry
        rows = rows.append(last)
        seen = rows.stack()
        return rows, jnp.tanh(jax.nn.softmax(seen @ last) @ seen + seed)

    empty = nm.TensorList.empty(seed.shape, seed.dtype, capacity=capacity)
    rows, last = nm.while_loop(lambda carry: carry[0].length < steps, step, (empty, seed))
    return last, rows.length


def expected(seed: np.ndarray, steps: int) -> np.ndarray:
    """The same in NumPy."""
    rows, last = np.zeros((steps, seed.size), np.float32), seed
    for count in range(1, steps + 1):
        rows[count - 1] = last
        seen = rows[:count]
        weights = np.exp(seen @ last - (seen @ last).max())
        last = np.tanh(weights @ seen / weights.sum() + seed)
    return last


def compiled(capacity: int, width: int) -> nm.Module:
    """The loop with room for `capacity` rows, on one thread."""

    def run(seed: jax.Array, steps: jax.Array) -> Any:
        return attend(capacity, seed, steps)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attend.vmfb"
        nm.compile(run, (nm.spec((width,), jnp.float32), nm.spec((), jnp.int32))).save(path)
        return nm.load(path, device="local-sync")


def main() -> None:
    """Compiles one module for each capacity and prints microseconds a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capacities", type=int, nargs="+", default=[256, 100_000])
    parser.add_argument("--from", dest="few", type=int, default=128)
    parser.add_argument("--to", dest="many", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    seed = np.random.default_rng(0).normal(size=args.width).astype(np.float32)
    modules = {}
    for capacity in args.capacities:
        modules[capacity] = compiled(capacity, args.width)
        for steps in (args.few, args.many):
            last, count = modules[capacity](seed, np.int32(steps))
            assert count == steps
            np.testing.assert_allclose(last, expected(seed, steps), rtol=2e-5, atol=2e-5)
    seconds: dict[int, list[float]] = {capacity: [] for capacity in modules}
    for _ in range(args.rounds):
        for capacity, module in modules.items():
            times = []
            for steps in (args.few, args.many):
                start = time.process_time()
                module(seed, np.int32(steps))
                times.append(time.process_time() - start)
            seconds[capacity].append((times[1] - times[0]) / (args.many - args.few))
    medians = {capacity: statistics.median(values) for capacity, values in seconds.items()}
    first = next(iter(medians.values()))
    show(
        f"a step at {args.few} to {args.many} rows of {args.width}",
        ["room for", "us a step", "ratio"],
        [[f"{capacity:,}", f"{value * 1e6:.1f}", f"{value / first:.2f}"] for capacity, value in medians.items()],
    )
    sys.exit(0 if max(medians.values()) <= 1.2 * min(medians.values()) else 1)


if __name__ == "__main__":
    main()
