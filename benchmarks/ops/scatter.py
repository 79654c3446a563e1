"""Scatters: updates at random positions of a vector, rows of a table, sums of segments.

python benchmarks/ops/scatter.py [--rounds 15] [--only NAME] [--cpu]
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from against_jax import Case, run

import nimble_mlir as nm


def main() -> None:
    n, s, d = nm.dims("n, s, d")
    vector = [nm.spec((n,), jnp.float32), nm.spec((s,), jnp.int32), nm.spec((s,), jnp.float32)]
    table = [nm.spec((n, d), jnp.float32), nm.spec((s,), jnp.int32), nm.spec((s, d), jnp.float32)]
    vectors = {f"{size:,}": _vector(size) for size in (1_000, 100_000, 1_000_000)}
    tables = {f"{r:,} of {c}": _table(r, c) for r, c in ((1_000, 64), (10_000, 512))}
    run(
        "scatters of float32, as many updates as elements, medians",
        [
            Case("add", lambda x, i, u: x.at[i].add(u), vector, vectors),
            Case("set", lambda x, i, u: x.at[i].set(u), vector, vectors),
            Case("max", lambda x, i, u: x.at[i].max(u), vector, vectors),
            Case("add rows", lambda x, i, u: x.at[i].add(u), table, tables),
            Case("set rows", lambda x, i, u: x.at[i].set(u), table, tables),
            Case("segment_sum", lambda _, i, u: jax.ops.segment_sum(u, i, num_segments=100), table, tables),
        ],
    )


def _vector(size: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, size)).astype(np.float32)
    return [values[0], rng.integers(0, size, size, np.int32), values[1]]


def _table(rows: int, columns: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, rows, columns)).astype(np.float32)
    return [values[0], rng.integers(0, rows, rows, np.int32), values[1]]


if __name__ == "__main__":
    main()
