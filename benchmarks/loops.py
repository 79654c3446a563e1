"""What an iteration of a loop costs: loops whose work is next to nothing, against jax.jit. One run, everything in turns.

python benchmarks/loops.py [--trips 2000] [--rounds 30]

"on the host" are the same loops where the compiler keeps them out of kernels: an iteration is a command buffer.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from measure import interleaved, show

import nimble_mlir as nm
from nimble_mlir.passes import loops_to_kernels


def elementwise(x: jax.Array, n: jax.Array) -> jax.Array:
    """One elementwise op on the carry."""
    return lax.fori_loop(0, n, lambda i, c: c * 0.5 + 1.0, x)


def growing_rows(x: jax.Array, n: jax.Array) -> jax.Array:
    """A scan that stacks what it computes."""
    return lax.scan(lambda c, i: (c * 0.5 + 1.0, c), x, jnp.arange(2000))[1][-1] + n


def until_small(x: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A condition on data: at most n iterations."""
    return lax.while_loop(
        lambda c: (jnp.max(jnp.abs(c[0])) > 1e-30) & (c[1] < n), lambda c: (c[0] * 0.999 + 1e-3, c[1] + 1), (x, 0)
    )


def host_scalars(x: jax.Array, n: jax.Array) -> jax.Array:
    """Integers alone: a linear congruential generator, until it has run n times."""
    return lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, (c[1] * 1103515245 + 12345) % 65536), (0, 7))[1]


# name, function, its x, whether its symbolic size is that of x
LOOPS: list[tuple[str, Callable[..., Any], int, bool]] = [
    ("elementwise, 64 x float32", elementwise, 64, False),
    ("elementwise, s = 64", elementwise, 64, True),
    ("scan that stacks 64 x float32", growing_rows, 64, False),
    ("until a condition on 64 x float32", until_small, 64, False),
    ("integers of the host", host_scalars, 1, False),
]


# What a patched pass makes must not come from the cache.
os.environ["NIMBLE_CACHE"] = "off"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    (s,) = nm.dims("s")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, function, size, symbolic in LOOPS:
            specs = (nm.spec((s if symbolic else size,), jnp.float32), nm.spec((), jnp.int32))
            path, host = Path(folder) / "kernel.vmfb", Path(folder) / "host.vmfb"
            nm.compile(function, specs).save(path)
            convert = loops_to_kernels.LoopsToKernels.run
            loops_to_kernels.LoopsToKernels.run = lambda self, module: None  # type: ignore[method-assign]
            try:
                nm.compile(function, specs).save(host)
            finally:
                loops_to_kernels.LoopsToKernels.run = convert  # type: ignore[method-assign]
            ours, theirs = (nm.load(each, device="local-sync") for each in (path, host))
            jitted = jax.jit(function)
            call = (np.ones(size, np.float32), np.int32(args.trips))
            medians = interleaved(
                {
                    "nimble": lambda ours=ours, call=call: ours(*call),
                    "host": lambda theirs=theirs, call=call: theirs(*call),
                    "jax": lambda jitted=jitted, call=call: jax.block_until_ready(jitted(*call)),
                },
                args.rounds,
            )
            each = {key: value / args.trips * 1e6 for key, value in medians.items()}
            rows.append(
                [
                    name,
                    *(f"{each[key]:.3f}" for key in ("nimble", "host", "jax")),
                    f"{each['nimble'] / each['jax']:.2f}",
                ]
            )
    show(
        f"µs an iteration, median of calls of {args.trips} on local-sync",
        ["", "nimble", "on the host", "jax.jit", "nimble/jax"],
        rows,
    )


if __name__ == "__main__":
    main()
