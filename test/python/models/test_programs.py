"""Every program, compiled once, at many sizes: the numbers of jax.jit, and the same sizes from all that state them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.checker import CompiledProgram
from support.programs import PROGRAMS

# Smallest, largest, random ones, each symbol alone at its largest; eight of them are random for the models that stand for
# all. Of larger models and of tables of ops, which XLA compiles again for each size, there are fewer.
MODELS = (
    "mlp",
    "vision_transformer_convolution",
    "decoder_layer",
    "lstm_step",
    "retrieval",
    "masked_mean_pooling",
    "nested_structures",
    "products_of_symbols",
)
OF_MODELS = 13
FEWER = 3
ON_DEMAND = 24


def check(program: CompiledProgram, count: int, seed: int) -> None:
    assert program.compiler_runs <= 1  # none where another worker has compiled it
    sizes = program.sizes(count, seed)
    assert len(sizes) == count
    for combination in sizes:
        program.check(combination)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.exhaustive if program.on_demand else ())
        for name, program in PROGRAMS.items()
    ],
)
def test_agrees_with_jax_at_every_size(name: str, compiled: Callable[[str], CompiledProgram]) -> None:
    program = compiled(name)
    check(program, OF_MODELS if name in MODELS else FEWER, 0)
    # What is compared with JAX runs on one of these by its size: models run on both.
    for driver in ("local-sync", "local-task") if name in MODELS else ():
        for combination in program.sizes(FEWER):
            program.check_on(driver, combination)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_jax_at_many_more(name: str, compiled: Callable[[str], CompiledProgram]) -> None:
    program = compiled(name)
    check(program, min(ON_DEMAND, len(program.sizes(ON_DEMAND, 1))), 1)
