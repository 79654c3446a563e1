"""Calls on local-task with pauses between, waiting as the runtime does (runtime/waiting.py) and as IREE does alone.

python benchmarks/waiting.py [--calls 60]

Twelve products of 8 rows and a matrix of 768 by 768, on all processors. Both ways take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from measure import show

import nimble_mlir as nm
from nimble_mlir.runtime.device import get_device
from nimble_mlir.runtime.waiting import at_once, waiting_for_workers


def milliseconds(module: nm.Module, x: np.ndarray, pause: float, calls: int) -> list[float]:
    """The times of calls, the shortest first."""
    times = []
    for _ in range(calls):
        time.sleep(pause)
        start = time.perf_counter()
        module(x)
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=60, help="calls of each row and turn")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    weights = [jnp.asarray(rng.normal(size=(768, 768)) / 28, jnp.float32) for _ in range(12)]

    def layers(x: jax.Array) -> jax.Array:
        for weight in weights:
            x = jax.nn.gelu(x @ weight)
        return x

    (s,) = nm.dims("s")
    module = nm.compile(layers, (nm.spec((s, 768), jnp.float32),))
    x = np.ones((8, 768), np.float32)
    rows = []
    for pause in (0.0, 0.005, 0.02):
        found: dict[str, list[float]] = {"nimble": [], "IREE alone": []}
        for _ in range(4):
            for name, how in (("nimble", waiting_for_workers), ("IREE alone", at_once)):
                get_device().run = how
                found[name] += milliseconds(module, x, pause, args.calls)
        for name, times in found.items():
            times.sort()
            tail = times[len(times) * 9 // 10]
            rows.append(
                [f"{pause * 1e3:.0f}", name, f"{statistics.median(times):.2f}", f"{tail:.2f}", f"{times[-1]:.2f}"]
            )
    show("ms a call on local-task", ["pause, ms", "waits as", "median", "90 %", "worst"], rows)


if __name__ == "__main__":
    main()
