"""Per-example early exit (examples/early_exit.py): `nm.batch` against `jax.vmap` of the same function, in JAX and compiled.

    python benchmarks/early_exit.py [--batches 10 64 256] [--steps 1 2 3 5 8 12 20 32 50 100] [--device local-sync]

The examples take the given numbers of steps, one after the other. `jax.vmap` makes all of them take the largest: "rows" is
how much less there is to do. What is compared takes turns; medians of the rounds.
"""

from __future__ import annotations

import argparse

import jax
import numpy as np
from measure import example, interleaved, show

import nimble_mlir as nm


def main() -> None:
    """Compiles the two modules and prints milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 64, 256])
    parser.add_argument("--steps", type=int, nargs="+", default=None)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="local-sync")
    args = parser.parse_args()
    early_exit = example("early_exit")
    counts = tuple(args.steps or early_exit.STEPS)
    refine = early_exit.make_refine(args.width)
    batched, vmapped = (early_exit.compiled(make(refine), args.width, args.device) for make in (nm.batch, jax.vmap))
    jitted = jax.jit(jax.vmap(refine))
    rows = []
    for size in args.batches:
        x, budget = early_exit.inputs(size, args.width, counts)
        expected = jitted(x, budget)
        for module in (batched, vmapped):
            got = module(x, budget)
            np.testing.assert_allclose(got[0], expected[0], rtol=1e-3, atol=1e-3)
            np.testing.assert_array_equal(got[1], expected[1])
        steps = np.asarray(expected[1])
        calls = {
            "batch": lambda x=x, budget=budget: batched(x, budget),
            "vmap": lambda x=x, budget=budget: vmapped(x, budget),
            "jax": lambda x=x, budget=budget: jax.block_until_ready(jitted(x, budget)),
        }
        seconds = interleaved(calls, args.rounds)
        rows.append(
            [
                str(size),
                f"{steps.max() * size / steps.sum():.2f}",
                *(f"{seconds[name] * 1e3:.2f}" for name in calls),
                *(f"{seconds[name] / seconds['batch']:.2f}" for name in ("vmap", "jax")),
            ]
        )
    show(
        f"steps {' '.join(map(str, counts))}, width {args.width}, {args.device}",
        ["batch", "rows", "nm.batch ms", "nimble vmap ms", "jax.jit(vmap) ms", "vmap / batch", "jax / batch"],
        rows,
    )


if __name__ == "__main__":
    main()
