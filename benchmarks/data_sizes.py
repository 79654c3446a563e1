"""Sizes that depend on data: selections against NumPy, unique against our own sort, ragged attention against padding.

python benchmarks/data_sizes.py [--rounds 15] [--only NAME]

Each line gives the medians of both, taken in turns, and the median of their ratios, in wall time and in CPU time of all
threads (which other programs disturb less). Two threads: start it with `taskset -c 0,1` where there are more cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

SIZE = 1_000_000
HEADS, WIDTH = 8, 64
LENGTHS = [1, 33, 64, 97, 128, 161, 192, 225, 256, 289, 320, 353, 384, 417, 480, 512]


def compare(name: str, ours: Callable[[], Any], other: Callable[[], Any], wanted: str, rounds: int) -> None:
    """Prints the medians in milliseconds."""
    for call in (ours, other):
        call()
    taken = np.empty((rounds, 2, 2))  # of a round and a call: wall and CPU time
    for round_ in range(rounds):
        for index, call in enumerate((ours, other)):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            taken[round_, index] = time.perf_counter() - wall, time.process_time() - cpu
    (mine, _), (theirs, _) = np.median(taken, axis=0) * 1e3
    wall, cpu = np.median(taken[:, 0] / taken[:, 1], axis=0)
    print(f"{name:40} {mine:9.2f} ms  {theirs:9.2f} ms  {wall:6.2f}  CPU {cpu:6.2f}   wanted: {wanted}")


def selections(rounds: int) -> None:
    """nonzero and compress of a million elements against NumPy's `x[mask]`."""
    (s,) = nm.dims("s")
    mask_spec, x_spec = nm.spec((s,), jnp.bool_), nm.spec((s,), jnp.float32)
    nonzero = nm.compile(lambda mask: nm.nonzero(mask)[0], (mask_spec,))
    compress = nm.compile(nm.compress, (mask_spec, x_spec))
    rng = np.random.default_rng(0)
    x = rng.normal(size=SIZE).astype(np.float32)
    for share in (0.01, 0.5, 0.99):
        mask = rng.random(SIZE) < share
        compare(f"nonzero, {share:.0%} set", lambda m=mask: nonzero(m), lambda m=mask: x[m], "<= 3", rounds)
        compare(f"compress, {share:.0%} set", lambda m=mask: compress(m, x), lambda m=mask: x[m], "<= 3", rounds)


def unique(rounds: int) -> None:
    """unique of a million elements against sort."""
    (s,) = nm.dims("s")
    spec = nm.spec((s,), jnp.float32)
    found, ordered = nm.compile(nm.unique, (spec,)), nm.compile(jnp.sort, (spec,))
    rng = np.random.default_rng(0)
    for distinct in (1000, SIZE):
        x = rng.integers(0, distinct, SIZE).astype(np.float32)
        compare(f"unique of {distinct:,} values / sort", lambda x=x: found(x), lambda x=x: ordered(x), "<= 1.3", rounds)


def attention(rounds: int) -> None:
    """16 rows of lengths 1 to 512 against the padded and masked form in jax.jit."""
    n, rows = nm.dims("n, rows")
    spec = nm.Ragged.spec((n, HEADS, WIDTH), jnp.float32, rows)
    module = nm.compile(lambda q, k, v: nm.ragged_attention(q, k, v).values, (spec, spec, spec))
    rng = np.random.default_rng(0)
    splits = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int32)
    q, k, v = (nm.Ragged(rng.normal(size=(splits[-1], HEADS, WIDTH)).astype(np.float32), splits) for _ in range(3))

    @jax.jit
    def padded(q: jax.Array, k: jax.Array, v: jax.Array, kept: jax.Array) -> jax.Array:
        scores = jnp.einsum("bmhd,bnhd->bhmn", q, k) / np.sqrt(WIDTH)
        weights = jax.nn.softmax(jnp.where(kept[:, None, None], scores, -jnp.inf), axis=-1)
        return jnp.einsum("bhmn,bnhd->bmhd", weights, v)

    wide = [part.to_padded() for part in (q, k, v)]
    arrays, kept = [array for array, _ in wide], wide[0][1]
    expected = padded(*arrays, kept)
    np.testing.assert_allclose(module(q, k, v), expected[kept], rtol=1e-3, atol=1e-4)
    compare(
        "ragged attention / padded in jax.jit",
        lambda: module(q, k, v),
        lambda: padded(*arrays, kept).block_until_ready(),
        "< 1",
        rounds,
    )


def main() -> None:
    """Runs what is asked for."""
    parts = {"selections": selections, "unique": unique, "attention": attention}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=sorted(parts))
    options = parser.parse_args()
    for name, part in parts.items():
        if options.only in (None, name):
            part(options.rounds)


if __name__ == "__main__":
    main()
