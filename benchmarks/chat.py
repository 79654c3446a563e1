"""A chat loop: calls that write one row into a key/value cache that stays on the device, whatever its capacity.

python benchmarks/chat.py [--calls 1000] [--rounds 5] [--device local-sync]

Each line is one capacity: microseconds a call of wall and of CPU time, the least of all rounds, which take the capacities in
turns, and the ratio to the first line. A call writes the keys and the values of a token into two caches, which are donated,
and reads them back; attention itself, whose work is that of the tokens so far, is left out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

CAPACITIES = (100, 1000, 100_000)
WIDTH = 64


def decode(cache: tuple[jax.Array, jax.Array], token: jax.Array, n: jax.Array) -> tuple[tuple, jax.Array]:
    """The caches float32[c, 64] with row n replaced, and what is read of it, float32[64]."""
    keys, values = (
        jax.lax.dynamic_update_slice(rows, (token * scale)[None], (n, 0))
        for rows, scale in zip(cache, (2, 3), strict=True)
    )
    return (keys, values), jnp.tanh(keys[n] + values[n])


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="local-sync")
    options = parser.parse_args()
    (c,) = nm.dims("c")
    rows = nm.spec((c, WIDTH), jnp.float32)
    compiled = nm.compile(
        decode, ((rows, rows), nm.spec((WIDTH,), jnp.float32), nm.spec((), jnp.int32)), donate_argnums=0
    )
    with tempfile.TemporaryDirectory() as folder:
        compiled.save(Path(folder) / "decode.vmfb")
        module = nm.load(Path(folder) / "decode.vmfb", device=options.device)
    tokens = np.random.default_rng(0).normal(size=(100, WIDTH)).astype(np.float32)
    best = np.full((len(CAPACITIES), 2), np.inf)
    for _ in range(options.rounds):
        for index, capacity in enumerate(CAPACITIES):
            zeros = np.zeros((capacity, WIDTH), np.float32)
            cache = (module.to_device(zeros), module.to_device(zeros))
            wall, cpu = time.perf_counter(), time.process_time()
            for call in range(options.calls):
                cache, seen = module(cache, tokens[call % 100], np.int32(call % 100))
            taken = np.array([time.perf_counter() - wall, time.process_time() - cpu]) / options.calls * 1e6
            best[index] = np.minimum(best[index], taken)
            np.testing.assert_allclose(np.asarray(seen), np.tanh(5 * tokens[(options.calls - 1) % 100]), atol=1e-5)
    for capacity, (wall, cpu) in zip(CAPACITIES, best, strict=True):
        ratios = "  ".join(f"{value:5.2f}" for value in (wall, cpu) / best[0])
        print(f"capacity {capacity:8,}   {wall:8.1f} us  CPU {cpu:8.1f} us   ratios {ratios}   wanted: <= 1.2")


if __name__ == "__main__":
    main()
