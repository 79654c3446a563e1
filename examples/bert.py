"""BERT-base with symbolic batch and sequence length: compiled once, run at ten sizes, each compared with jax.jit.

    python examples/bert.py              # the whole model: 12 layers, 768 wide, 12 heads, vocabulary 30522
    python examples/bert.py --layers 2   # a smaller one, for a quick look
    python examples/bert.py --save bert.vmfb   # for examples/cpp

Weights are seeded at random: what is shown is compilation, numbers and speed, not language. Exits with status 1 when an
error is above 2e-3.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import nimble_mlir as nm
from nimble_mlir.driver import iree

WIDTH, HEADS, VOCABULARY, POSITIONS, TYPES = 768, 12, 30522, 512, 2
SIZES = [(1, 1), (1, 7), (1, 32), (1, 128), (1, 384), (2, 17), (2, 128), (3, 64), (4, 100), (4, 384)]
TOLERANCE = 2e-3

Params = dict[str, Any]


def make_params(layers: int, seed: int = 0) -> Params:
    """Weights as BERT initializes them: normal with standard deviation 0.02, biases 0, layer norm scales 1."""
    rng = np.random.default_rng(seed)

    # Each array becomes JAX's at once, so that the weights are in memory once.
    def table(rows: int, columns: int = WIDTH) -> jax.Array:
        return jnp.asarray(rng.normal(0, 0.02, (rows, columns)).astype(np.float32))

    def dense(inputs: int, outputs: int) -> Params:
        return {"w": table(inputs, outputs), "b": jnp.zeros(outputs)}

    def norm() -> Params:
        return {"scale": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}

    return {
        "words": table(VOCABULARY),
        "positions": table(POSITIONS),
        "types": table(TYPES),
        "norm": norm(),
        "layers": [
            {
                "query": dense(WIDTH, WIDTH),
                "key": dense(WIDTH, WIDTH),
                "value": dense(WIDTH, WIDTH),
                "output": dense(WIDTH, WIDTH),
                "norm1": norm(),
                "up": dense(WIDTH, 4 * WIDTH),
                "down": dense(4 * WIDTH, WIDTH),
                "norm2": norm(),
            }
            for _ in range(layers)
        ],
        "pooler": dense(WIDTH, WIDTH),
    }


def layer_norm(x: jax.Array, p: Params) -> jax.Array:
    """Over the last axis, epsilon 1e-12 as in BERT."""
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-12) * p["scale"] + p["bias"]


def linear(x: jax.Array, p: Params) -> jax.Array:
    """x @ w + b."""
    return x @ p["w"] + p["b"]


def attention(x: jax.Array, bias: jax.Array, p: Params) -> jax.Array:
    """Multi-head self-attention; `bias` is added to the scores."""
    batch, length, _ = x.shape

    def heads(part: Params) -> jax.Array:
        return linear(x, part).reshape(batch, length, HEADS, WIDTH // HEADS)

    scores = jnp.einsum("bqhd,bkhd->bhqk", heads(p["query"]), heads(p["key"])) / np.sqrt(WIDTH // HEADS)
    weights = jax.nn.softmax(scores + bias, axis=-1)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, heads(p["value"]))
    return linear(mixed.reshape(batch, length, WIDTH), p["output"])


def make_bert(params: Params) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """A function (ids, mask) → (hidden states of the last layer, pooled first token) that closes over its weights."""

    def bert(ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        length = ids.shape[1]
        x = params["words"][ids] + params["positions"][jnp.arange(length)] + params["types"][0]
        x = layer_norm(x, params["norm"])
        bias = jnp.where(mask[:, None, None, :] != 0, 0.0, -1e9)
        for p in params["layers"]:
            x = layer_norm(x + attention(x, bias, p), p["norm1"])
            hidden = jax.nn.gelu(linear(x, p["up"]), approximate=False)
            x = layer_norm(x + linear(hidden, p["down"]), p["norm2"])
        return x, jnp.tanh(linear(x[:, 0], params["pooler"]))

    return bert


def example_specs() -> tuple[Any, Any]:
    """ids and mask, int32[b, s], with a sequence length of at most 512."""
    b, s = nm.dims("b, s", constraints=[f"s <= {POSITIONS}"], likely={"b": 1, "s": [32, 128]})
    return nm.spec((b, s), jnp.int32), nm.spec((b, s), jnp.int32)


def make_batch(batch: int, length: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random token ids, and a mask that hides a random tail of each row but the first token."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCABULARY, (batch, length), dtype=np.int32)
    used = rng.integers(1, length + 1, batch)
    return ids, (np.arange(length)[None] < used[:, None]).astype(np.int32)


def milliseconds(call: Callable[[], Any], runs: int) -> float:
    """The median time of a call after one that is not counted."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--runs", type=int, default=5, help="timed runs a size")
    parser.add_argument("--save", metavar="FILE", help="write the module to a .vmfb and end, for examples/cpp")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    bert = make_bert(make_params(args.layers))
    start = time.perf_counter()
    compiled = nm.compile(bert, example_specs())
    console = Console()
    console.print(f"nimble_mlir compiled BERT ({args.layers} layers) once, in {time.perf_counter() - start:.1f} s")

    if args.save:
        compiled.save(args.save)
        console.print(f"saved as {args.save}")
        return 0

    title = "float32, median times"
    table = Table("batch", "length", "max error", "nimble ms", "jax.jit ms", "jax compile s", title=title)
    worst = 0.0
    for batch, length in SIZES:
        ids, mask = make_batch(batch, length)
        start = time.perf_counter()
        jitted = jax.jit(bert).lower(ids, mask).compile()
        jax_compile = time.perf_counter() - start
        expected = jax.block_until_ready(jitted(ids, mask))
        got = compiled(ids, mask)
        error = max(float(np.abs(g - np.asarray(e)).max()) for g, e in zip(got, expected, strict=True))
        worst = max(worst, error)
        ours = milliseconds(lambda ids=ids, mask=mask: compiled(ids, mask), args.runs)
        theirs = milliseconds(
            lambda jitted=jitted, ids=ids, mask=mask: jax.block_until_ready(jitted(ids, mask)), args.runs
        )
        table.add_row(str(batch), str(length), f"{error:.1e}", f"{ours:.1f}", f"{theirs:.1f}", f"{jax_compile:.2f}")
    console.print(table)
    console.print(
        f"The IREE compiler ran {iree.run_count()} time(s) for {len(SIZES)} sizes; largest error {worst:.1e}."
    )
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
