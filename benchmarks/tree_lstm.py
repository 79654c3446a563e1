"""Binary Tree-LSTM 300 → 150 over random parse trees (19 leaves in the mean), batch 1 and 16: one module against PyTorch's
recursion, DyNet with autobatching and the usual way in JAX (levels padded to powers of two, jitted).

python benchmarks/tree_lstm.py [--rounds 20]

The peers take turns in one run, over the same trees; JAX has compiled each shape before the clock starts. Times are of whole
calls: "nimble" begins with Python objects, as PyTorch and DyNet do, "packed" with their arrays (docs/abi.md), as JAX does.
PyTorch and DyNet (PyPI: torch, dynet38) take part where they are installed. Each uses 2 threads, but "local-sync" and DyNet,
which use one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measure import example, interleaved, show

import nimble_mlir as nm

trees = example("tree_lstm")
Weights = dict[str, np.ndarray]
Call = Callable[[Sequence[Any]], np.ndarray]


def torch_recursion(weights: Weights) -> Call | None:
    """The recursion as one writes it in PyTorch; None without torch."""
    # Else its threads spin for a fifth of a second, into the turn of whoever comes next.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(2)
    leaf, node, bias = (torch.tensor(weights[name]) for name in ("leaf", "node", "bias"))

    def encode(tree: Any) -> tuple[Any, Any]:
        if tree.constructor is trees.Tree.Leaf:
            i, o, u = (torch.from_numpy(tree.word) @ leaf).chunk(3)
            c = torch.sigmoid(i) * torch.tanh(u)
        else:
            (left_h, left_c), (right_h, right_c) = encode(tree.left), encode(tree.right)
            i, o, u, f, g = (torch.cat([left_h, right_h]) @ node + bias).chunk(5)
            c = torch.sigmoid(i) * torch.tanh(u) + torch.sigmoid(f) * left_c + torch.sigmoid(g) * right_c
        return torch.sigmoid(o) * torch.tanh(c), c

    def call(values: Sequence[Any]) -> np.ndarray:
        with torch.no_grad():
            return torch.stack([encode(tree)[0] for tree in values]).numpy()

    return call


def dynet_autobatch(weights: Weights) -> Call | None:
    """The recursion in DyNet, which batches what it can of all trees; None without it."""
    try:
        import dynet_config

        dynet_config.set(mem=256, autobatch=1)
        import dynet
    except ImportError:
        return None
    model = dynet.ParameterCollection()
    leaf, node = (model.parameters_from_numpy(weights[name].T.copy()) for name in ("leaf", "node"))
    bias = model.parameters_from_numpy(weights["bias"])
    width = trees.STATE

    def gates(vector: Any, count: int) -> list[Any]:
        return [dynet.pick_range(vector, i * width, (i + 1) * width) for i in range(count)]

    def encode(tree: Any) -> tuple[Any, Any]:
        if tree.constructor is trees.Tree.Leaf:
            i, o, u = gates(leaf * dynet.inputTensor(tree.word), 3)
            c = dynet.cmult(dynet.logistic(i), dynet.tanh(u))
        else:
            (left_h, left_c), (right_h, right_c) = encode(tree.left), encode(tree.right)
            i, o, u, f, g = gates(dynet.affine_transform([bias, node, dynet.concatenate([left_h, right_h])]), 5)
            c = dynet.cmult(dynet.logistic(i), dynet.tanh(u))
            c = c + dynet.cmult(dynet.logistic(f), left_c) + dynet.cmult(dynet.logistic(g), right_c)
        return dynet.cmult(dynet.logistic(o), dynet.tanh(c)), c

    def call(values: Sequence[Any]) -> np.ndarray:
        dynet.renew_cg()
        states = [encode(tree)[0] for tree in values]
        dynet.forward(states)
        return np.stack([state.npvalue() for state in states])

    return call


def padded_levels(weights: Weights) -> Callable[[list[np.ndarray]], Callable[[], np.ndarray]]:
    """The usual way in JAX: the arrays of a batch padded to powers of two, and a scan over levels of one width."""
    leaf_weights, node_weights, bias = (jnp.asarray(weights[name]) for name in ("leaf", "node", "bias"))

    @jax.jit
    def encode(roots: Any, words: Any, left: Any, right: Any) -> Any:
        i, o, u = jnp.split(words @ leaf_weights, 3, axis=-1)
        c = jax.nn.sigmoid(i) * jnp.tanh(u)
        room = left.size
        h, c = (jnp.concatenate([x, jnp.zeros((room, trees.STATE))]) for x in (jax.nn.sigmoid(o) * jnp.tanh(c), c))

        def level(states: Any, x: Any) -> Any:
            (h, c), (start, left, right) = states, x
            gates = jnp.concatenate([h[left], h[right]], axis=-1) @ node_weights + bias
            i, o, u, f, g = jnp.split(gates, 5, axis=-1)
            new_c = jax.nn.sigmoid(i) * jnp.tanh(u) + jax.nn.sigmoid(f) * c[left] + jax.nn.sigmoid(g) * c[right]
            new_h = jax.nn.sigmoid(o) * jnp.tanh(new_c)
            update = jax.lax.dynamic_update_slice
            return (update(h, new_h, (start, 0)), update(c, new_c, (start, 0))), None

        starts = len(words) + jnp.arange(left.shape[0]) * left.shape[1]
        (h, _), _ = jax.lax.scan(level, (h, c), (starts, left, right))
        return h[roots]

    def prepared(arrays: list[np.ndarray]) -> Callable[[], np.ndarray]:
        roots, blocks, _, words, left, right = arrays
        inner = blocks[1:, 1]
        leaves, width = _power(len(words) - 1), _power(int(inner[:, 2].max(initial=1)))
        place = np.zeros(blocks[:, :, 2].sum(), np.int32)
        place[: len(words) - 1] = np.arange(len(words) - 1)
        columns = np.zeros((2, _power(len(inner)), width), np.int32)
        for level, (first, row, count) in enumerate(inner):
            place[first : first + count] = leaves + level * width + np.arange(count)
            columns[:, level, :count] = place[np.stack([left, right])[:, row : row + count]]
        padded = np.zeros((leaves, words.shape[1]), np.float32)
        padded[: len(words) - 1] = words[:-1]
        ready = place[roots], padded, *columns
        return lambda: np.asarray(encode(*ready))

    return prepared


def _power(size: int) -> int:
    return 1 << (max(size, 1) - 1).bit_length()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--calls", type=int, default=10, help="batches of other trees in a turn")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    params = trees.make_params()
    weights = {name: np.asarray(value) for name, value in params.items()}
    (b,) = nm.dims("b")
    module = nm.compile(trees.make_encoder(params), (trees.Tree.spec(b),))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree_lstm.vmfb"
        module.save(path)
        in_calling_thread = nm.load(path, device="local-sync")
    in_torch, in_dynet, in_jax = torch_recursion(weights), dynet_autobatch(weights), padded_levels(weights)
    rng = np.random.default_rng(0)
    rows = []
    for size in options.batches:
        values = [trees.random_trees(rng, size) for _ in range(options.calls)]
        packed = [trees.Tree.pack(each) for each in values]
        prepared = [in_jax(arrays) for arrays in packed]
        calls: dict[str, Callable[[], list[np.ndarray]]] = {
            "nimble": lambda v=values: [module.call_flat(trees.Tree.pack(each))[0] for each in v],
            "local-sync": lambda v=values: [in_calling_thread.call_flat(trees.Tree.pack(each))[0] for each in v],
            "packed": lambda p=packed: [module.call_flat(arrays)[0] for arrays in p],
            "packed, local-sync": lambda p=packed: [in_calling_thread.call_flat(arrays)[0] for arrays in p],
            "jax": lambda p=prepared: [call() for call in p],
        }
        for name, peer in (("torch", in_torch), ("dynet", in_dynet)):
            if peer is not None:
                calls[name] = lambda v=values, peer=peer: [peer(each) for each in v]
        expected = calls["jax"]()
        error = max(
            float(np.abs(got - want).max())
            for name, call in calls.items()
            if name != "dynet"  # dynet38 2.2 with autobatching: some of its first results in a process are wrong
            for got, want in zip(call(), expected, strict=True)
        )
        leaves = sum(len(arrays[3]) - 1 for arrays in packed)
        medians = {
            name: seconds / leaves * 1e6 for name, seconds in interleaved(calls, options.rounds, pause=0.005).items()
        }
        best = min(medians["packed"], medians["packed, local-sync"])
        for name in ("nimble", "local-sync", "packed", "packed, local-sync", "jax", "torch", "dynet"):
            found = medians.get(name)
            rows.append([str(size), name, *(["-", "-"] if found is None else [f"{found:.1f}", f"{found / best:.2f}"])])
        rows.append([str(size), "largest error", f"{error:.0e}", ""])
    show("binary Tree-LSTM 300 → 150: µs a leaf, medians", ["batch", "", "µs", "to the best of packed"], rows)


if __name__ == "__main__":
    main()
