"""What the benchmarks of single ops share: one compiled module with symbolic sizes against jax.jit at each size."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import interleaved, show

import nimble_mlir as nm


@dataclass(frozen=True)
class Case:
    """A function, its symbolic specs, and the arguments of each size by a name; `others` are rivals of the same call.

    Both compilers get jax arrays: what is measured is the op, not the copies of its arguments."""

    name: str
    function: Callable[..., Any]
    specs: Sequence[Any]
    sizes: Mapping[str, Sequence[np.ndarray]]
    others: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


def run(title: str, cases: Sequence[Case]) -> None:
    """Prints medians in milliseconds, and ratios of times: below 1, nimble is faster."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rivals = sorted({name for case in cases for name in case.others})
    rows = []
    for case in cases:
        module = nm.compile(case.function, tuple(case.specs))
        jitted = jax.jit(case.function)
        for size, arguments in case.sizes.items():
            medians = _medians(case, module, jitted, arguments, rounds)
            ours, theirs = medians["nimble"], medians["jax.jit"]
            row = [case.name, size, f"{ours * 1e3:.3f}", f"{theirs * 1e3:.3f}", f"{ours / theirs:.2f}"]
            for rival in rivals:
                time = medians.get(rival)
                row += [f"{time * 1e3:.3f}", f"{ours / time:.2f}"] if time is not None else ["", ""]
            rows.append(row)
    columns = ["", "size", "nimble ms", "jax.jit ms", "to jax.jit"]
    show(title, [*columns, *[text for rival in rivals for text in (f"{rival} ms", f"to {rival}")]], rows)


def _medians(case: Case, module: Any, jitted: Any, arguments: Sequence[np.ndarray], rounds: int) -> dict[str, float]:
    on_device = [jnp.asarray(argument) for argument in arguments]
    calls: dict[str, Callable[[], Any]] = {
        "nimble": lambda: module(*on_device),
        "jax.jit": lambda: jax.block_until_ready(jitted(*on_device)),
        **{name: (lambda other=other: other(*arguments)) for name, other in case.others.items()},
    }
    return interleaved(calls, rounds)
