"""A binary Tree-LSTM (300 → 150) over parse trees of any form, one tree or a batch, each compiled once.

    python examples/tree_lstm.py

Trees and weights are random; trees have 19 leaves in the mean, as sentences of the SST. Results are compared with the same
function run eagerly in Python. Exits with status 1 when an error is above 1e-4.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

TOLERANCE = 1e-4
WORD, STATE = 300, 150


@nm.adt
class Tree:
    """A parse tree whose leaves are word vectors."""

    Leaf = nm.constructor(word=nm.spec((WORD,), jnp.float32))
    Node = nm.constructor(left="Tree", right="Tree")


Params = dict[str, jax.Array]


def make_params(seed: int = 0) -> Params:
    """Gates side by side: input, output and candidate of a leaf; input, output, candidate and two forget gates of a node."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, gates: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(rows, gates * STATE)) / np.sqrt(rows), jnp.float32)

    return {"leaf": matrix(WORD, 3), "node": matrix(2 * STATE, 5), "bias": jnp.zeros(5 * STATE)}


def make_encoder(params: Params) -> Any:
    """The function from a tree to the states (h, c) of its root, float32[150] each."""

    def leaf(word: jax.Array) -> tuple[jax.Array, jax.Array]:
        i, o, u = jnp.split(word @ params["leaf"], 3)
        c = jax.nn.sigmoid(i) * jnp.tanh(u)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def node(left: Any, right: Any) -> tuple[jax.Array, jax.Array]:
        (left_h, left_c), (right_h, right_c) = encode(left), encode(right)
        gates = jnp.concatenate([left_h, right_h]) @ params["node"] + params["bias"]
        i, o, u, f, g = jnp.split(gates, 5)
        c = jax.nn.sigmoid(i) * jnp.tanh(u) + jax.nn.sigmoid(f) * left_c + jax.nn.sigmoid(g) * right_c
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    @nm.recursive
    def encode(tree: Any) -> tuple[jax.Array, jax.Array]:
        return nm.match(tree, Leaf=leaf, Node=node)

    return encode


def random_tree(rng: np.random.Generator, leaves: int) -> Any:
    """A tree of that many leaves, whose parts are joined in a random order."""
    parts: list[Any] = [Tree.Leaf(rng.normal(size=WORD).astype(np.float32)) for _ in range(leaves)]
    while len(parts) > 1:
        at = int(rng.integers(len(parts) - 1))
        parts[at : at + 2] = [Tree.Node(parts[at], parts[at + 1])]
    return parts[0]


def random_trees(rng: np.random.Generator, count: int) -> list[Any]:
    """Trees of 19 leaves in the mean, at least 2."""
    return [random_tree(rng, 2 + int(rng.poisson(17))) for _ in range(count)]


def main(arguments: list[str]) -> int:
    """Compiles, compares and times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 16], help="how many trees a call has")
    parser.add_argument("--calls", type=int, default=20, help="calls to time, each with other trees")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    encode = make_encoder(make_params())
    (b,) = nm.dims("b")
    module = nm.compile(encode, (Tree.spec(b),))
    worst = 0.0
    for size in options.batches:
        batches = [Tree.batch(random_trees(rng, size)) for _ in range(options.calls)]
        want, got = encode(batches[0]), module(batches[0])
        error = max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in zip(want, got, strict=True))
        worst = max(worst, error)
        packed = [jax.tree_util.tree_leaves(batch) for batch in batches]
        begin = time.perf_counter()
        for leaves in packed:
            module.call_flat(leaves)
        seconds = (time.perf_counter() - begin) / sum(len(leaves[3]) - 1 for leaves in packed)
        print(f"batch {size}: error {error:.1e}, {seconds * 1e6:.1f} µs a leaf")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
