"""Reductions: sums, extremes, softmax and the like of rows, long and short, many and one, and along the first dimension.

python benchmarks/ops/reductions.py [--rounds 15] [--only softmax] [--cpu]
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from against_jax import Case, floats, run
from jax import lax

import nimble_mlir as nm

ROWS = [(1, 1_000_000), (1, 1000), (8, 100_000), (64, 4096), (1000, 1000), (100_000, 8)]
COLUMNS = [(1000, 1000), (100_000, 8)]


def max_pool(x: jax.Array) -> jax.Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")


def main() -> None:
    b, s, h, w = nm.dims("b, s, h, w")
    matrix = [nm.spec((b, s), jnp.float32)]
    rows, columns = ({f"{m:,} x {n:,}": [floats(m, n)] for m, n in sizes} for sizes in (ROWS, COLUMNS))
    run(
        "reductions of float32, medians",
        [
            Case("sum", lambda x: x.sum(1), matrix, rows),
            Case("max", lambda x: x.max(1), matrix, rows),
            Case("argmax", lambda x: x.argmax(1), matrix, rows),
            Case("softmax", lambda x: jax.nn.softmax(x, 1), matrix, rows),
            Case("logsumexp", lambda x: jax.nn.logsumexp(x, 1), matrix, rows),
            Case("var", lambda x: x.var(1), matrix, rows),
            Case("sum of all", lambda x: x.sum(), matrix, columns),
            Case("sum, axis 0", lambda x: x.sum(0), matrix, columns),
            Case("argmax, axis 0", lambda x: x.argmax(0), matrix, columns),
            Case("max_pool", max_pool, [nm.spec((b, h, w, 64), jnp.float32)], {"112 x 112": [floats(1, 112, 112, 64)]}),
        ],
    )


if __name__ == "__main__":
    main()
