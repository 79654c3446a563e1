"""Gathers: elements of a vector, rows of a table, elements along an axis, a slice from a computed start.

python benchmarks/ops/gather.py [--rounds 15] [--only NAME] [--cpu]
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from against_jax import Case, run
from jax import lax

import nimble_mlir as nm


def main() -> None:
    rng = np.random.default_rng(0)
    n, s, d = nm.dims("n, s, d", constraints=["n >= 100"])

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def indices(high: int, *shape: int) -> np.ndarray:
        return rng.integers(0, high, shape, np.int32)

    table = nm.spec((n, d), jnp.float32)
    start = nm.spec((), jnp.int32)
    tables = {"1,000 of 64": (1_000, 64), "30,000 of 768": (30_000, 768)}
    run(
        "gathers of float32, medians",
        [
            Case(
                "elements",
                lambda x, i: x[i],
                [nm.spec((n,), jnp.float32), nm.spec((s,), jnp.int32)],
                {f"{size:,}": [floats(size), indices(size, size)] for size in (1_000, 100_000, 1_000_000)},
            ),
            Case(
                "rows",
                lambda x, i: x[i],
                [table, nm.spec((s,), jnp.int32)],
                {name: [floats(*shape), indices(shape[0], 2_000)] for name, shape in tables.items()},
            ),
            Case(
                "along the last axis",
                lambda x, i: jnp.take_along_axis(x, i, axis=1),
                [table, nm.spec((n, s), jnp.int32)],
                {"1,000 of 500": [floats(1_000, 500), indices(500, 1_000, 300)]},
            ),
            Case(
                "dynamic_slice",
                lambda x, i: lax.dynamic_slice(x, (i, 0), (100, x.shape[1])),
                [table, start],
                {name: [floats(*shape), np.int32(300)] for name, shape in tables.items()},
            ),
            Case(
                "dynamic_update_slice",
                lambda x, i: lax.dynamic_update_slice(x, x[:100], (i, 0)),
                [table, start],
                {name: [floats(*shape), np.int32(300)] for name, shape in tables.items()},
            ),
        ],
    )


if __name__ == "__main__":
    main()
