"""Newton's iteration for any number of equations, with a stop that depends on the data.

    python examples/newton.py

Solves x + a * tanh(W @ x) = b: each iteration solves a linear system of as many unknowns as the call has, until the residual
is small. One module for all sizes. Exits with status 1 where a result or the number of iterations differs from JAX's.
"""

from __future__ import annotations

import argparse
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import nimble_mlir as nm


def solve(w: jax.Array, b: jax.Array, tolerance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`w` [n, n] and `b` [n] → the root [n], and after how many iterations its residual was at most `tolerance`."""

    def residual(x: jax.Array) -> jax.Array:
        return x + 0.5 * jnp.tanh(w @ x) - b

    def improved(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, steps = carry
        slope = 1 - jnp.square(jnp.tanh(w @ x))
        jacobian = jnp.eye(x.shape[0]) + 0.5 * slope[:, None] * w
        return x - jnp.linalg.solve(jacobian, residual(x)), steps + 1

    def goes_on(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        x, steps = carry
        return (jnp.max(jnp.abs(residual(x))) > tolerance) & (steps < 50)

    return jax.lax.while_loop(goes_on, improved, (jnp.zeros_like(b), jnp.int32(0)))


def square_root(a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Heron's method, Newton's for x² = a, and how many iterations it took."""

    def goes_on(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        return jnp.abs(carry[0] * carry[0] - a) > 1e-6 * a

    return jax.lax.while_loop(
        goes_on, lambda carry: (0.5 * (carry[0] + a / carry[0]), carry[1] + 1), (jnp.maximum(a, 1.0), jnp.int32(0))
    )


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 7, 20, 50])
    args = parser.parse_args()
    console = Console()
    (n,) = nm.dims("n")
    start = time.perf_counter()
    module = nm.compile(solve, (nm.spec((n, n), jnp.float32), nm.spec((n,), jnp.float32), nm.spec((), jnp.float32)))
    roots = nm.compile(square_root, (nm.spec((), jnp.float32),))
    console.print(f"compiled in {time.perf_counter() - start:.1f} s")
    table = Table("", "iterations", "max error", "nimble ms", "jax.jit ms", title="float32, the second of two calls")
    agree = True

    def compare(name: str, ours, theirs) -> bool:
        theirs()
        start = time.perf_counter()
        expected, steps = jax.block_until_ready(theirs())
        middle = time.perf_counter()
        ours()
        begin = time.perf_counter()
        got, count = ours()
        end = time.perf_counter()
        error = float(np.abs(got - np.asarray(expected)).max())
        table.add_row(
            name, str(int(count)), f"{error:.1e}", f"{(end - begin) * 1e3:.2f}", f"{(middle - start) * 1e3:.2f}"
        )
        return int(count) == int(steps) and error <= 1e-4 * max(1.0, float(np.abs(expected).max()))

    rng = np.random.default_rng(0)
    jitted, jitted_root = jax.jit(solve), jax.jit(square_root)
    for size in args.sizes:
        w = (rng.normal(size=(size, size)) / np.sqrt(size)).astype(np.float32)
        b = rng.normal(size=size).astype(np.float32)
        call = (w, b, np.float32(1e-4))
        same = compare(f"{size} equations", lambda call=call: module(*call), lambda call=call: jitted(*call))
        agree = agree and same
    for number in (2.0, 1e4):
        same = compare(
            f"square root of {number:g}",
            lambda number=number: roots(np.float32(number)),
            lambda number=number: jitted_root(np.float32(number)),
        )
        agree = agree and same
    console.print(table)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
