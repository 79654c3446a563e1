"""What a call costs besides the work: a module that adds two float32[3, 4] arrays, against jax.jit and numpy.

python benchmarks/call_overhead.py [--rounds 400]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from measure import interleaved, show

import nimble_mlir as nm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400, help="rounds of 50 calls each")
    args = parser.parse_args()

    def add(x: jax.Array, y: jax.Array) -> jax.Array:
        return x + y

    (s,) = nm.dims("s")
    specs = (nm.spec((s, 4), jnp.float32), nm.spec((s, 4), jnp.float32))
    x, y = np.ones((3, 4), np.float32), np.ones((3, 4), np.float32)
    jax_x, jax_y = jnp.asarray(x), jnp.asarray(y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "add.vmfb"
        nm.compile(add, specs).save(path)
        chosen, task = nm.load(path), nm.load(path, device="local-task")
        jitted = jax.jit(add)
        medians = interleaved(
            {
                "nimble": lambda: chosen(x, y),
                "nimble, jax arrays": lambda: chosen(jax_x, jax_y),
                "nimble, device=local-task": lambda: task(x, y),
                "jax.jit, numpy arrays": lambda: jax.block_until_ready(jitted(x, y)),
                "jax.jit, jax arrays": lambda: jax.block_until_ready(jitted(jax_x, jax_y)),
                "numpy": lambda: x + y,
            },
            args.rounds,
            inner=50,
        )
    base = medians["jax.jit, numpy arrays"]
    rows = [[name, f"{median * 1e6:.1f}", f"{median / base:.2f}"] for name, median in medians.items()]
    show("x + y of two float32[3, 4], median of a call", ["", "µs", "to jax.jit"], rows)


if __name__ == "__main__":
    main()
