"""A graph network whose every input is another graph: nodes and edges in any number, compiled once.

    python examples/graphs.py

Edges come as they are listed, some twice; the network takes each once, leaves out nodes without neighbours, and pools what
is left. Random weights, seeded; compared with NumPy for several graphs.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

WIDTH = 8


def network(nodes: jax.Array, edges: jax.Array, weights: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """`nodes` [n, 8], `edges` int32 [e, 2] from and to: the states of the nodes with neighbours, and their mean."""
    count = nodes.shape[0]
    pairs = nm.unique(edges[:, 0] * count + edges[:, 1])  # each edge once
    source, target = pairs // count, pairs % count
    degree = jnp.zeros(count, jnp.int32).at[target].add(1).at[source].add(1)
    state = nodes
    for weight in weights:
        messages = jax.ops.segment_sum(state[source], target, count) + jax.ops.segment_sum(state[target], source, count)
        state = jnp.tanh((state + messages / jnp.maximum(degree, 1)[:, None]) @ weight)
    connected = nm.compress(degree > 0, state, 0)
    return connected, connected.sum(0) / jnp.maximum(jnp.asarray(connected.shape[0]), 1)


def network_in_numpy(nodes: np.ndarray, edges: np.ndarray, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The same with an adjacency matrix."""
    adjacent = np.zeros((len(nodes), len(nodes)), np.float32)
    for source, target in set(map(tuple, edges.tolist())):
        adjacent[source, target] += 1
        adjacent[target, source] += 1
    degree = adjacent.sum(1)
    state = nodes
    for weight in weights:
        state = np.tanh((state + adjacent @ state / np.maximum(degree, 1)[:, None]) @ weight)
    connected = state[degree > 0]
    return connected, connected.sum(0) / max(len(connected), 1)


def main() -> None:
    """Compiles the network once and runs it on several graphs."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) / 3 for _ in range(3)]
    n, e = nm.dims("n, e")
    specs = (nm.spec((n, WIDTH), jnp.float32), nm.spec((e, 2), jnp.int32), [nm.spec((WIDTH, WIDTH), jnp.float32)] * 3)
    module = nm.compile(network, specs)
    for count, links in ((1, 1), (5, 3), (40, 60), (300, 1200)):
        nodes = rng.normal(size=(count, WIDTH)).astype(np.float32)
        edges = rng.integers(0, count, size=(links, 2)).astype(np.int32)
        edges = np.concatenate([edges, edges[: links // 2]])
        result = module(nodes, edges, weights)
        for got, expected in zip(result, network_in_numpy(nodes, edges, weights), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
        print(f"{count} nodes, {len(edges)} edges: {len(result[0])} nodes with neighbours, as in NumPy")


if __name__ == "__main__":
    main()
