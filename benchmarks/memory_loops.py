"""The memory of loops that grow: the peak of a call against its trip count, and what ten thousand calls leave.

    python benchmarks/memory_loops.py [--trips 1000 10000 20000 100000] [--calls 10000]

A loop appends rows of 1,024 float32 (4 KiB) and the list is the result, so what a call needs at least is once the list. In
the last column the list is begun without a count of the iterations, so it doubles its room.
"""

from __future__ import annotations

import argparse
import gc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measure import MIB, Peak, anonymous, show

import nimble_mlir as nm

_WIDTH = 1024


def counted(trips: jax.Array) -> jax.Array:
    """`trips` rows [trips, 1024], by a loop that counts."""
    empty = nm.TensorList.empty((_WIDTH,), jnp.float32)
    return nm.fori_loop(0, trips, lambda i, rows: rows.append(jnp.full((_WIDTH,), i, jnp.float32)), empty).stack()


def uncounted(trips: jax.Array) -> jax.Array:
    """The same rows, by a loop that asks in each iteration whether to go on."""

    def step(carry: Any) -> Any:
        rows, value = carry
        return rows.append(jnp.full((_WIDTH,), value)), value + 1

    start = (nm.TensorList.empty((_WIDTH,), jnp.float32), jnp.float32(0))
    rows, _ = nm.while_loop(lambda carry: carry[1] < trips, step, start)
    return rows.stack()


def check(rows: np.ndarray, trips: int) -> None:
    """The rows are those that were appended."""
    assert rows.shape == (trips, _WIDTH)
    assert np.array_equal(rows[:, 0], np.arange(trips, dtype=np.float32))
    assert np.array_equal(rows[:, -1], rows[:, 0])


def main() -> None:
    """Compiles, checks and prints MiB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, nargs="+", default=[1_000, 10_000, 20_000, 100_000])
    parser.add_argument("--calls", type=int, default=10_000)
    args = parser.parse_args()
    modules = [nm.compile(fn, (nm.spec((), jnp.int32),)) for fn in (counted, uncounted)]
    rows = []
    for trips in args.trips:
        size = trips * _WIDTH * 4
        line = [f"{trips:,}", f"{size / MIB:.0f}"]
        for module in modules:
            module(np.int32(10))
            gc.collect()
            with Peak(anonymous, interval=0.002) as peak:
                result = module(np.int32(trips))
            check(result, trips)
            del result
            line += [f"{(peak.value - peak.before) / MIB:.0f}", f"{(peak.value - peak.before) / size:.2f}"]
        rows.append(line)
    show("peak of a call", ["iterations", "list, MiB", "counted, MiB", "ratio", "uncounted, MiB", "ratio"], rows)
    sizes = np.random.default_rng(0).integers(0, 100, args.calls)
    held = []
    for number, trips in enumerate(sizes):
        result = modules[number % 2](np.int32(trips))
        assert result.shape == (trips, _WIDTH)
        del result
        if number + 1 in (args.calls // 10, args.calls):
            gc.collect()
            held.append(anonymous())
    few, many = (value / MIB for value in held)
    print(f"after {args.calls // 10:,} calls of 0 to 99 iterations {few:.1f} MiB, after {args.calls:,} {many:.1f} MiB")


if __name__ == "__main__":
    main()
