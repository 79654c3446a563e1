"""Reductions, scans and convolutions at symbolic sizes, one module each, against jax.jit compiled for each size.

PYTHONPATH=benchmarks python benchmarks/ops/reductions.py [--rounds 30] [--only cumsum]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from measure import interleaved, show

import nimble_mlir as nm

Shape = tuple[int, ...]


def convolve(x: Any, w: Any) -> Any:
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")


# A function, its symbolic shapes as text, and the sizes of the symbols to run at.
CASES: dict[str, tuple[Callable[..., Any], list[str], list[Shape]]] = {
    "cumsum": (lambda x: jnp.cumsum(x, 1), ["b, s"], [(1, 1000), (1, 1_000_000), (64, 4096), (1000, 1000)]),
    "cumsum, axis 0": (lambda x: jnp.cumsum(x, 0), ["b, s"], [(1000, 64), (1000, 1000)]),
    "cumlogsumexp": (lambda x: lax.cumlogsumexp(x, 1), ["b, s"], [(64, 4096)]),
    "argmax": (lambda x: jnp.argmax(x, 1), ["b, s"], [(1, 1_000_000), (64, 4096), (1000, 1000)]),
    "argmax, axis 0": (lambda x: jnp.argmax(x, 0), ["b, s"], [(1000, 1000)]),
    "sum": (lambda x: x.sum(1), ["b, s"], [(1, 1_000_000), (1000, 1000)]),
    "conv2d 3x3": (convolve, ["b, h, w, 64", "3, 3, 64, 64"], [(1, 56, 56), (4, 28, 28)]),
    "conv2d 1x1": (convolve, ["b, h, w, 64", "1, 1, 64, 256"], [(1, 56, 56)]),
    "conv2d 7x7": (convolve, ["b, h, w, 3", "7, 7, 3, 64"], [(1, 112, 112)]),
    "conv2d 512": (convolve, ["b, h, w, 512", "3, 3, 512, 512"], [(1, 7, 7)]),
    "max_pool": (max_pool, ["b, h, w, 64"], [(1, 112, 112)]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    rows = []
    for name, (function, texts, sizes) in CASES.items():
        if args.only not in name:
            continue
        symbols = sorted(
            {part.strip() for part in texts[0].split(",") if not part.strip().isdigit()}, key=texts[0].find
        )
        scope = dict(zip(symbols, nm.dims(", ".join(symbols)), strict=True))
        shapes = [[part.strip() for part in text.split(",")] for text in texts]
        specs = [nm.spec([scope.get(part) or int(part) for part in shape], jnp.float32) for shape in shapes]
        module = nm.compile(function, tuple(specs))
        for size in sizes:
            concrete = dict(zip(symbols, size, strict=True))
            rng = np.random.default_rng(0)
            values = [rng.normal(size=[concrete.get(p) or int(p) for p in shape]).astype("f") for shape in shapes]
            on_device = [jnp.asarray(value) for value in values]
            jitted = jax.jit(function)
            medians = interleaved(
                {
                    "nimble": lambda m=module, v=values: m(*v),
                    "jax": lambda j=jitted, v=on_device: jax.block_until_ready(j(*v)),
                },
                args.rounds,
                pause=0.002,
            )
            ratio = medians["nimble"] / medians["jax"]
            row = [name, str(size), f"{medians['nimble'] * 1e6:.0f}", f"{medians['jax'] * 1e6:.0f}", f"{ratio:.2f}"]
            rows.append(row)
    show("median of a call, µs", ["", "sizes", "nimble", "jax.jit", "ratio"], rows)


if __name__ == "__main__":
    main()
