"""Selections: the k largest of vectors and rows, and the gradient of a pool of maxima.

python benchmarks/ops/top_k.py [--rounds 15] [--only NAME] [--cpu]
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from against_jax import Case, run
from jax import lax

import nimble_mlir as nm


def main() -> None:
    rng = np.random.default_rng(0)
    b, n = nm.dims("b, n", constraints=["n >= 1000"])
    vectors = {f"{size:,}": [rng.normal(size=size).astype(np.float32)] for size in (1_000, 100_000, 1_000_000)}
    logits = {"32 x 50,257": [rng.normal(size=(32, 50_257)).astype(np.float32)]}
    images = {"8 images": [rng.normal(size=(8, 56, 56, 64)).astype(np.float32)]}

    def pool(x: jax.Array) -> jax.Array:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID").sum()

    vector, rows = [nm.spec((n,), jnp.float32)], [nm.spec((b, n), jnp.float32)]
    run(
        "selections of float32, medians",
        [
            Case("top_k, k = 10", lambda x: lax.top_k(x, 10), vector, vectors),
            Case("top_k, k = 500", lambda x: lax.top_k(x, 500), vector, vectors),
            Case("top_k of logits, k = 50", lambda x: lax.top_k(x, 50), rows, logits),
            Case("argmax of logits", lambda x: x.argmax(1), rows, logits),
            Case("gradient of a pool", jax.grad(pool), [nm.spec((b, 56, 56, 64), jnp.float32)], images),
        ],
    )


if __name__ == "__main__":
    main()
