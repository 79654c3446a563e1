"""An LSTM encoder over sequences of any length, one and two layers of 300 → 512, each compiled once.

    python examples/lstm.py

Weights are seeded at random. Results and times are compared with jax.jit of the same function, which JAX compiles anew for
each length. Exits with status 1 when an error is above 1e-4.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import nimble_mlir as nm

TOLERANCE = 1e-4

Params = list[dict[str, Any]]


def make_params(layers: int, inputs: int, width: int, seed: int = 0) -> Params:
    """Weights of each layer, with the gates input, forget, cell and output side by side."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(rows, 4 * width)) / math.sqrt(rows), jnp.float32)

    sizes = [inputs, *[width] * (layers - 1)]
    return [{"x": matrix(size), "h": matrix(width), "bias": jnp.zeros(4 * width)} for size in sizes]


def layer(params: Any, xs: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """One layer over `xs` [length, batch, inputs]: all hidden states, the last one and the last cell state."""
    width = params["h"].shape[0]

    def step(carry: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        h, c = carry
        gates = x @ params["x"] + h @ params["h"] + params["bias"]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((xs.shape[1], width))
    (h, c), hs = jax.lax.scan(step, (zeros, zeros), xs)
    return hs, h, c


def encode(params: Params, xs: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """All layers; the states are the last layer's."""
    h = c = xs
    for each in params:
        xs, h, c = layer(each, xs)
    return xs, h, c


def milliseconds(call: Callable[[], Any], runs: int) -> float:
    """The median time of a call after one that is not counted."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def _waited(function: Callable[..., Any], *args: Any) -> Any:
    return jax.block_until_ready(function(*args))


def main() -> int:
    """Prints a table for each number of layers; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=300)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1, 7, 16, 64, 256])
    parser.add_argument("--runs", type=int, default=10, help="timed runs a length")
    args = parser.parse_args()
    console = Console()
    worst = 0.0
    for layers in (1, 2):
        params = make_params(layers, args.inputs, args.width)
        (s,) = nm.dims("s")
        start = time.perf_counter()
        module = nm.compile(lambda xs, p=params: encode(p, xs), (nm.spec((s, 1, args.inputs), jnp.float32),))
        console.print(
            f"{layers} layer(s), {args.inputs} → {args.width}: compiled in {time.perf_counter() - start:.1f} s"
        )
        jitted = jax.jit(lambda xs, p=params: encode(p, xs))
        table = Table("length", "max error", "nimble ms", "jax.jit ms", title="float32, batch 1, median times")
        rng = np.random.default_rng(1)
        for length in args.lengths:
            xs = rng.normal(size=(length, 1, args.inputs)).astype(np.float32)
            pairs = zip(module(xs), jitted(xs), strict=True)
            error = max(float(np.abs(got - np.asarray(expected)).max()) for got, expected in pairs)
            worst = max(worst, error)
            ours = milliseconds(partial(module, xs), args.runs)
            theirs = milliseconds(partial(_waited, jitted, xs), args.runs)
            table.add_row(str(length), f"{error:.1e}", f"{ours:.2f}", f"{theirs:.2f}")
        console.print(table)
    console.print(f"largest error {worst:.1e}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
