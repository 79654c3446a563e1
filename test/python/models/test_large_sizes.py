"""Networks, contractions and reductions at sizes of several hundred, in a row and twice: what tiles, vectors, the sharing
among threads and the reuse of buffers do there, small sizes do not show."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from support.checker import CompiledProgram
from support.programs import PROGRAMS
from support.sampling import sampled

# A prime number, one that vectors divide, one beyond it.
LARGE = (257, 384, 385)

# Programs whose result is not determined closely enough where much is summed up.
EXCLUDED = {
    "computations_of_windows",  # XLA splits them into parts, each of which starts from the initial value, no identity
    "computations_of_reductions",  # the same, of a computation that is not associative
    "einsums",  # sums everything to one number, near 0 beside its terms
}

NAMES = [
    name
    for name, program in PROGRAMS.items()
    if program.kind in ("model", "contraction", "reduction") and name not in EXCLUDED and not program.on_demand
]


@pytest.mark.parametrize("name", sampled(NAMES, 5))
def test_agrees_with_jax_at_large_sizes(name: str, compiled: Callable[[str], CompiledProgram]) -> None:
    program = compiled(name)
    chosen = random.Random(name).sample(fitting := large_sizes(program.entry), min(2, len(fitting)))
    for seed in (0, 1):
        for combination in chosen:
            program.check(combination, seed)


def large_sizes(entry: Any) -> list[dict[str, int]]:
    """One symbol large, the others at their smallest, as far as the bounds and constraints allow."""
    smallest = {info.name: info.min for info in entry.symbols}
    found = [
        {**smallest, info.name: size}
        for info in entry.symbols
        for size in LARGE
        if (info.max is None or size <= info.max) and size % info.multiple_of == 0
    ]
    return [sizes for sizes in found if all(constraint.holds(sizes) for constraint in entry.constraints)]
