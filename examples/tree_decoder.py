"""A top-down tree decoder: from one state to a parse tree of any form, made by a recursive function, compiled once.

    python examples/tree_decoder.py

At each node the state decides whether it is a leaf, and which word stands there, or else what the states of its two parts
are. The compiled module runs the recursion on a stack of its own and returns the tree. Weights and first states are random
and seeded. Results are compared with the same function run eagerly in Python; exits with status 1 where a tree differs.
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
STATE, WORDS = 32, 200


@nm.adt
class Tree:
    """A parse tree whose leaves are words."""

    Leaf = nm.constructor(word=nm.spec((), jnp.int32), score=nm.spec((), jnp.float32))
    Node = nm.constructor(score=nm.spec((), jnp.float32), left="Tree", right="Tree")


Params = dict[str, jax.Array]


def make_params(seed: int = 0) -> Params:
    """A matrix for the state of each part, one for the words, and a vector that says how much a state wants parts."""
    rng = np.random.default_rng(seed)

    def matrix(columns: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(STATE, columns)) / np.sqrt(STATE), jnp.float32)

    return {"left": 1.6 * matrix(STATE), "right": 1.6 * matrix(STATE), "words": matrix(WORDS), "parts": matrix(1)[:, 0]}


def make_decoder(params: Params) -> Any:
    """The function from a state float32[32] and the levels that are left, int32, to a tree."""

    @nm.recursive
    def decode(state: jax.Array, levels: jax.Array) -> Any:
        score = state @ params["parts"]

        def leaf() -> Any:
            scores = jax.nn.log_softmax(state @ params["words"])
            return Tree.Leaf(jnp.argmax(scores).astype(jnp.int32), scores.max())

        def node() -> Any:
            parts = (decode(jnp.tanh(state @ params[side]), levels - 1) for side in ("left", "right"))
            return Tree.Node(score, *parts)

        return nm.cond((score < -0.2) | (levels == 0), leaf, node)

    return decode


def compared(got: Any, want: Any) -> tuple[int, bool]:
    """The number of nodes of a tree, and whether another one is the same."""
    stack, nodes, same = [(got, want)], 0, True
    while stack and same:
        left, right = stack.pop()
        nodes += 1
        same = left.constructor is right.constructor and abs(float(left.score) - float(right.score)) <= TOLERANCE
        if same and left.constructor is Tree.Leaf:
            same = int(left.word) == int(right.word)
        elif same:
            stack += [(left.left, right.left), (left.right, right.right)]
    return nodes, same


def main(arguments: list[str]) -> int:
    """Compiles, compares and times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trees", type=int, default=8)
    parser.add_argument("--levels", type=int, default=8, help="how many levels a tree has at most")
    options = parser.parse_args(arguments)
    decode = make_decoder(make_params())
    begin = time.perf_counter()
    module = nm.compile(decode, (nm.spec((STATE,), jnp.float32), nm.spec((), jnp.int32)))
    print(f"compiled in {time.perf_counter() - begin:.1f} s")
    rng = np.random.default_rng(1)
    all_same = True
    for _ in range(options.trees):
        state, levels = rng.normal(size=STATE).astype(np.float32), np.int32(options.levels)
        begin = time.perf_counter()
        tree = module(state, levels)
        milliseconds = (time.perf_counter() - begin) * 1e3
        nodes, same = compared(tree, decode(jnp.asarray(state), jnp.asarray(levels)))
        all_same = all_same and same
        print(f"{nodes} nodes, {milliseconds:.2f} ms: {'the same tree' if same else 'ANOTHER TREE'}")
    return int(not all_same)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
