"""Tree-LSTMs (300 → 150) over parse trees of any form, one tree or a batch, each compiled once.

    python examples/tree_lstm.py [--kinds binary ternary child-sum] [--save tree_lstm.vmfb]

- binary: words are the leaves of a constituency tree.
- ternary: the N-ary Tree-LSTM of Tai, Socher and Manning (2015), equations 9 to 14, N = 3: every node is a word with up to
  three parts in order, and each place has weights of its own.
- child-sum: theirs for dependency trees, equations 2 to 8: a word has any number of children, which stand in a list.

Trees and weights are random; trees have 19 words in the mean, as sentences of the SST. Results are compared with the same
function run eagerly in Python. Exits with status 1 when an error is above 1e-4.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

TOLERANCE = 1e-4
WORD, STATE = 300, 150
VECTOR = nm.spec((WORD,), jnp.float32)

State = tuple[jax.Array, jax.Array]  # h and c, float32[150] each
Params = dict[str, jax.Array]


@nm.adt
class Tree:
    """A parse tree whose leaves are word vectors."""

    Leaf = nm.constructor(word=VECTOR)
    Node = nm.constructor(left="Tree", right="Tree")


@nm.adt
class Ternary:
    """A word with three parts, each of which may be missing."""

    Word = nm.constructor(word=VECTOR, first="Ternary", second="Ternary", third="Ternary")
    Nothing = nm.constructor()


@nm.adt
class Dependency:
    """A word with a list of children: `Cons` holds the first of a list and the rest of it, `Nil` is an empty one."""

    Word = nm.constructor(word=VECTOR, children="Dependency")
    Nil = nm.constructor()
    Cons = nm.constructor(first="Dependency", rest="Dependency")


def random_matrix(rng: np.random.Generator, rows: int, gates: int) -> jax.Array:
    """Weights of gates side by side."""
    return jnp.asarray(rng.normal(size=(rows, gates * STATE)) / np.sqrt(rows), jnp.float32)


def state_of(i: jax.Array, o: jax.Array, u: jax.Array, kept: jax.Array | float = 0.0) -> State:
    """The state after the input and output gates and the candidate, with what the forget gates keep of the parts."""
    c = jax.nn.sigmoid(i) * jnp.tanh(u) + kept
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def make_params(seed: int = 0) -> Params:
    """Gates side by side: input, output and candidate of a leaf; input, output, candidate and two forget gates of a node."""
    rng = np.random.default_rng(seed)
    return {
        "leaf": random_matrix(rng, WORD, 3),
        "node": random_matrix(rng, 2 * STATE, 5),
        "bias": jnp.zeros(5 * STATE),
    }


def make_encoder(params: Params) -> Any:
    """The function from a `Tree` to the state of its root."""

    def leaf(word: jax.Array) -> State:
        return state_of(*jnp.split(word @ params["leaf"], 3))

    def node(left: Any, right: Any) -> State:
        (left_h, left_c), (right_h, right_c) = encode(left), encode(right)
        gates = jnp.concatenate([left_h, right_h]) @ params["node"] + params["bias"]
        i, o, u, f, g = jnp.split(gates, 5)
        return state_of(i, o, u, jax.nn.sigmoid(f) * left_c + jax.nn.sigmoid(g) * right_c)

    @nm.recursive
    def encode(tree: Any) -> State:
        return nm.match(tree, Leaf=leaf, Node=node)

    return encode


def make_ternary_encoder(seed: int = 0) -> Any:
    """The function from a `Ternary` to the state of its root."""
    rng = np.random.default_rng(seed)
    of_word = random_matrix(rng, WORD, 4)  # input, output, candidate, and forget of any part
    of_parts = random_matrix(rng, 3 * STATE, 6)  # three parts; input, output, candidate, and forget of each part
    bias = jnp.asarray(rng.normal(size=4 * STATE), jnp.float32)

    def node(word: jax.Array, *parts: Any) -> State:
        h, c = zip(*(encode(part) for part in parts), strict=True)
        of_all = word @ of_word + bias
        gates = jnp.concatenate(h) @ of_parts
        i, o, u = jnp.split(of_all[: 3 * STATE] + gates[: 3 * STATE], 3)
        forget = jax.nn.sigmoid(of_all[3 * STATE :] + gates[3 * STATE :].reshape(3, STATE))
        return state_of(i, o, u, (forget * jnp.stack(c)).sum(0))

    @nm.recursive
    def encode(tree: Any) -> State:
        return nm.match(tree, Word=node, Nothing=lambda: (jnp.zeros(STATE), jnp.zeros(STATE)))

    return encode


def make_child_sum_encoder(seed: int = 0) -> Any:
    """The function from a `Dependency` and zeros, float32[150], to the state of its root.

    Of a list it gives the sums over the children: of h, and of c as the forget gate lets it through, which depends on the
    word of the parent. So the parent hands down what the word adds to that gate; above the root it is zeros.
    """
    rng = np.random.default_rng(seed)
    of_word = random_matrix(rng, WORD, 4)  # input, output, candidate, forget
    of_children = random_matrix(rng, STATE, 3)  # input, output, candidate
    forget = random_matrix(rng, STATE, 1)
    bias = jnp.asarray(rng.normal(size=4 * STATE), jnp.float32)

    def word_node(word: jax.Array, children: Any) -> State:
        gates = word @ of_word + bias
        h, kept = encode(children, gates[3 * STATE :])
        return state_of(*jnp.split(gates[: 3 * STATE] + h @ of_children, 3), kept)

    def nil() -> State:
        return jnp.zeros(STATE), jnp.zeros(STATE)

    @nm.recursive
    def encode(tree: Any, above: jax.Array) -> State:
        def cons(first: Any, rest: Any) -> State:
            (h, c), (h_sum, kept) = encode(first, above), encode(rest, above)
            return h_sum + h, kept + jax.nn.sigmoid(above + h @ forget) * c

        return nm.match(tree, Word=word_node, Nil=nil, Cons=cons)

    return encode


def random_word(rng: np.random.Generator) -> np.ndarray:
    """A word vector."""
    return rng.normal(size=WORD).astype(np.float32)


def random_tree(rng: np.random.Generator, leaves: int) -> Any:
    """A tree of that many leaves, whose parts are joined in a random order."""
    parts: list[Any] = [Tree.Leaf(random_word(rng)) for _ in range(leaves)]
    while len(parts) > 1:
        at = int(rng.integers(len(parts) - 1))
        parts[at : at + 2] = [Tree.Node(parts[at], parts[at + 1])]
    return parts[0]


def random_children(rng: np.random.Generator, words: int, most: int) -> list[list[int]]:
    """The children of each word of a dependency tree: each but the first hangs on one before it that has room."""
    children: list[list[int]] = [[] for _ in range(words)]
    for word in range(1, words):
        room = [above for above in range(word) if len(children[above]) < most]
        children[room[int(rng.integers(len(room)))]].append(word)
    return children


def ternary_tree(rng: np.random.Generator, children: list[list[int]]) -> Any:
    """The tree with these children, at most 3 each, and random words."""
    made: dict[int, Any] = {}
    for word in reversed(range(len(children))):
        parts = [made[child] for child in children[word]]
        made[word] = Ternary.Word(random_word(rng), *parts, *(Ternary.Nothing() for _ in range(3 - len(parts))))
    return made[0]


def dependency_tree(rng: np.random.Generator, children: list[list[int]]) -> Any:
    """The tree with these children and random words."""
    made: dict[int, Any] = {}
    for word in reversed(range(len(children))):
        rest = Dependency.Nil()
        for child in reversed(children[word]):
            rest = Dependency.Cons(made[child], rest)
        made[word] = Dependency.Word(random_word(rng), rest)
    return made[0]


def sentence_lengths(rng: np.random.Generator, count: int) -> list[int]:
    """19 words in the mean, at least 2."""
    return [2 + int(rng.poisson(17)) for _ in range(count)]


def random_trees(rng: np.random.Generator, count: int) -> list[Any]:
    """Trees of the length of sentences."""
    return [random_tree(rng, words) for words in sentence_lengths(rng, count)]


class Kind(NamedTuple):
    """A Tree-LSTM: its trees, how a random one of so many words is made, the function, and its further arguments."""

    type: Any
    random: Callable[[np.random.Generator, int], Any]
    encoder: Callable[[], Any]
    further: tuple[np.ndarray, ...] = ()


KINDS = {
    "binary": Kind(Tree, random_tree, lambda: make_encoder(make_params())),
    "ternary": Kind(
        Ternary, lambda rng, words: ternary_tree(rng, random_children(rng, words, 3)), make_ternary_encoder
    ),
    "child-sum": Kind(
        Dependency,
        lambda rng, words: dependency_tree(rng, random_children(rng, words, words)),
        make_child_sum_encoder,
        (np.zeros(STATE, np.float32),),
    ),
}


def compiled(kind: Kind, encode: Any) -> nm.Module:
    """The function for batches of any size."""
    (b,) = nm.dims("b")
    return nm.compile(encode, (kind.type.spec(b), *(nm.spec(each.shape, each.dtype) for each in kind.further)))


def measured(kind: Kind, module: nm.Module, encode: Any, size: int, calls: int, rng: np.random.Generator) -> Any:
    """The largest error of a call, and the seconds that the others take for a word. Trees are packed before."""
    lengths = [sentence_lengths(rng, size) for _ in range(calls)]
    batches = [kind.type.batch([kind.random(rng, words) for words in each]) for each in lengths]
    want, got = encode(batches[0], *kind.further), module(batches[0], *kind.further)
    error = max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in zip(want, got, strict=True))
    packed = [[*jax.tree_util.tree_leaves(batch), *kind.further] for batch in batches]
    begin = time.perf_counter()
    for leaves in packed:
        module.call_flat(leaves)
    return error, (time.perf_counter() - begin) / sum(map(sum, lengths))


def main(arguments: list[str]) -> int:
    """Compiles, compares and times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 16], help="how many trees a call has")
    parser.add_argument("--calls", type=int, default=20, help="calls to time, each with other trees")
    parser.add_argument("--save", help="keeps the module of the last kind")
    options = parser.parse_args(arguments)
    worst = 0.0
    for name in options.kinds:
        kind, rng = KINDS[name], np.random.default_rng(0)
        encode = kind.encoder()
        begin = time.perf_counter()
        module = compiled(kind, encode)
        print(f"{name}: compiled in {time.perf_counter() - begin:.1f} s")
        for size in options.batches:
            error, seconds = measured(kind, module, encode, size, options.calls, rng)
            worst = max(worst, error)
            print(f"{name}, batch {size}: error {error:.1e}, {seconds * 1e6:.1f} µs a word", flush=True)
        if options.save:
            module.save(options.save)
    return int(not worst <= TOLERANCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
