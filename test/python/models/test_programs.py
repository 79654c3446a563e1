"""Every program, compiled once, at many sizes: the numbers of jax.jit, and the same sizes from all that state them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.checker import CompiledProgram
from support.programs import PROGRAMS

# Smallest, largest, each symbol alone at its largest, and random ones, odd before even.
COMBINATIONS = 6


@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_jax_at_every_size(name: str, compiled: Callable[[str], CompiledProgram]) -> None:
    program = compiled(name)
    assert program.compiler_runs <= 1  # none where another worker has compiled it
    sizes = program.sizes(COMBINATIONS)
    assert len(sizes) == COMBINATIONS
    for combination in sizes:
        program.check(combination)
