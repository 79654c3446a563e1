"""Programs that JAX exports, read from the export alone: compiled once, at several sizes, on the numbers of jax.jit."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from support.sampling import sampled
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.capture import capture

from .exported import EXPORTED

COMBINATIONS = 3


@pytest.mark.parametrize("name", sampled(EXPORTED, 2))
def test_agrees_with_jax_at_every_size(name: str) -> None:
    program = EXPORTED[name]
    args = program.example_args()
    platforms = ["cpu"] if len(name) % 2 else ["tpu", "cpu"]
    exported = jax.export.export(jax.jit(program.function), platforms=platforms)(*args)
    module = nm.compile_stablehlo(_stored(exported))
    (entry,) = capture({name: (program.function, args, {})}).entries.values()
    for sizes in program.sizes(entry, COMBINATIONS):
        inputs = program.inputs(entry, sizes)
        expected = tuple(map(np.asarray, jax.tree.leaves(jax.jit(program.function)(*inputs))))
        got = module(*jax.tree.leaves(inputs))
        try:
            assert_agrees(got if isinstance(got, tuple) else (got,), expected, program.kind)
        except AssertionError as error:
            raise AssertionError(f"{name} at {dict(sizes)}: {error}") from None


def _stored(exported: Any) -> Any:
    """What a file of the export gives back."""
    pytest.importorskip("flatbuffers", reason="jax.export stores with it")
    return jax.export.deserialize(exported.serialize())
