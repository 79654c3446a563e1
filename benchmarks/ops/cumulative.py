"""Cumulative sums, products, maxima and log-sum-exps, along rows and along the first dimension.

python benchmarks/ops/cumulative.py [--rounds 15] [--only cumsum] [--cpu]
"""

from __future__ import annotations

import jax.numpy as jnp
from against_jax import Case, floats, run
from jax import lax

import nimble_mlir as nm

ROWS = [(1, 1000), (1, 1_000_000), (8, 100_000), (64, 4096), (1000, 1000), (100_000, 8)]
COLUMNS = [(1000, 64), (1000, 1000)]


def main() -> None:
    b, s = nm.dims("b, s")
    matrix = [nm.spec((b, s), jnp.float32)]
    rows, columns = ({f"{m:,} x {n:,}": [floats(m, n)] for m, n in sizes} for sizes in (ROWS, COLUMNS))
    few = {size: rows[size] for size in ("1 x 1,000,000", "64 x 4,096")}
    run(
        "cumulative reductions of float32, medians",
        [
            Case("cumsum", lambda x: jnp.cumsum(x, 1), matrix, rows),
            Case("cumsum, axis 0", lambda x: jnp.cumsum(x, 0), matrix, columns),
            Case("cumsum, reversed", lambda x: lax.cumsum(x, 1, reverse=True), matrix, few),
            Case("cumprod", lambda x: jnp.cumprod(x, 1), matrix, few),
            Case("cummax", lambda x: lax.cummax(x, 1), matrix, few),
            Case("cumlogsumexp", lambda x: lax.cumlogsumexp(x, 1), matrix, few),
        ],
    )


if __name__ == "__main__":
    main()
