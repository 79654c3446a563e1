"""Attention over a batch of sequences of different lengths, without padding, compiled once.

    python examples/ragged_attention.py

Random weights, seeded. Compared with NumPy, sequence by sequence, for several batches.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

HEADS, SIZE = 4, 16
WIDTH = HEADS * SIZE


def layer(batch: nm.Ragged, weights: dict[str, jax.Array]) -> tuple[nm.Ragged, jax.Array]:
    """A batch of rows [length, 64] to the attended rows and the mean of each."""
    q, k, v = (
        batch.map_values(lambda x, w=weights[name]: (x @ w).reshape(x.shape[0], HEADS, SIZE))
        for name in ("q", "k", "v")
    )
    attended = nm.ragged_attention(q, k, v, causal=True)
    mixed = attended.map_values(lambda x: x.reshape(x.shape[0], WIDTH) @ weights["out"])
    return mixed, mixed.mean()


def layer_in_numpy(rows: list[np.ndarray], weights: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The same, row by row."""
    results = []
    for row in rows:
        q, k, v = ((row @ weights[name]).reshape(-1, HEADS, SIZE) for name in ("q", "k", "v"))
        scores = np.einsum("mhd,nhd->hmn", q, k) / np.sqrt(SIZE)
        scores = np.where(np.tri(len(row), dtype=bool), scores, -np.inf)
        powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-1e30))
        mixed = np.einsum("hmn,nhe->mhe", powers / powers.sum(-1, keepdims=True), v)
        results.append(mixed.reshape(-1, WIDTH) @ weights["out"])
    return results


def main() -> None:
    """Compiles the layer once and runs it on batches of several lengths."""
    rng = np.random.default_rng(0)
    names = ("q", "k", "v", "out")
    weights = {name: rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) / 8 for name in names}
    n, rows = nm.dims("n, rows")
    specs = dict.fromkeys(names, nm.spec((WIDTH, WIDTH), jnp.float32))
    module = nm.compile(layer, (nm.Ragged.spec((n, WIDTH), jnp.float32, rows), specs))
    for lengths in ([1], [3, 1, 7], [64, 2, 0, 33], [128, 5, 90, 1, 17, 200]):
        parts = [rng.normal(size=(length, WIDTH)).astype(np.float32) for length in lengths]
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        mixed, means = module(nm.Ragged(np.concatenate(parts), splits), weights)
        expected = layer_in_numpy(parts, weights)
        np.testing.assert_allclose(mixed.values, np.concatenate(expected), rtol=1e-3, atol=1e-4)
        for mean, row in zip(np.asarray(means), expected, strict=True):
            np.testing.assert_allclose(mean, row.mean(0) if len(row) else np.nan, rtol=1e-3, atol=1e-4)
        print(f"rows of lengths {lengths}: {len(np.asarray(mixed.values))} results, as in NumPy")


if __name__ == "__main__":
    main()
