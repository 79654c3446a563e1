"""Sorts of random floats: jnp.sort and jnp.argsort against jax.jit and numpy's stable sort.

python benchmarks/ops/sort.py [--rounds 15] [--only NAME] [--cpu]
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from against_jax import Case, run

import nimble_mlir as nm


def main() -> None:
    rng = np.random.default_rng(0)
    b, n = nm.dims("b, n")
    vectors = {f"{size:,}": [rng.normal(size=size).astype(np.float32)] for size in (1_000, 100_000, 1_000_000)}
    rows = {f"{r} x {c}": [rng.normal(size=(r, c)).astype(np.float32)] for r, c in ((10_000, 16), (256, 4096))}
    run(
        "sorts of float32, medians",
        [
            Case("sort", jnp.sort, [nm.spec((n,), jnp.float32)], vectors, {"numpy": _sort}),
            Case("argsort", jnp.argsort, [nm.spec((n,), jnp.float32)], vectors, {"numpy": _argsort}),
            Case("sort of rows", jnp.sort, [nm.spec((b, n), jnp.float32)], rows, {"numpy": _sort}),
        ],
    )


def _sort(x: np.ndarray) -> np.ndarray:
    return np.sort(x, kind="stable")


def _argsort(x: np.ndarray) -> np.ndarray:
    return np.argsort(x, kind="stable")


if __name__ == "__main__":
    main()
