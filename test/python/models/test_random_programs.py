"""Random programs over symbolic shapes: a few ops of a table applied to two matrices and to each other's results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.checker import CompiledProgram
from support.programs import TestProgram, f32

import nimble_mlir as nm

Array = Any

# Each takes a matrix and another one of any size, and returns a matrix.
OPS: dict[str, Callable[[Array, Array], Array]] = {
    "transpose": lambda x, y: x.T,
    "negative": lambda x, y: -x,
    "tanh": lambda x, y: jnp.tanh(x),
    "tail": lambda x, y: x[1:],
    "init": lambda x, y: x[:, :-1],
    "even": lambda x, y: x[::2],
    "last": lambda x, y: x[-1:],
    "half": lambda x, y: x[: x.shape[0] // 2 + 1],
    "flip": lambda x, y: x[::-1],
    "pad": lambda x, y: jnp.pad(x, ((1, 0), (0, 2))),
    "tile": lambda x, y: jnp.tile(x, (2, 1)),
    "repeat": lambda x, y: jnp.repeat(x, 2, axis=1),
    "row_sums": lambda x, y: x.sum(1, keepdims=True),
    "column_max": lambda x, y: x.max(0, keepdims=True),
    # Half the mean: of equal elements the whole would leave nothing but the rounding of either side.
    "center": lambda x, y: x - 0.5 * x.mean(1, keepdims=True),
    "softmax": lambda x, y: jax.nn.softmax(x, axis=1),
    "norm": lambda x, y: x / (1 + jnp.linalg.norm(x, axis=0, keepdims=True)),
    "flatten": lambda x, y: x.reshape(1, -1),
    "stack": lambda x, y: jnp.stack([x, x * 2], 1).reshape(-1, x.shape[1]),
    "double": lambda x, y: jnp.concatenate([x, x], 1),
    "rows": lambda x, y: x + jnp.arange(x.shape[0])[:, None],
    "where": lambda x, y: jnp.where(x > 0, x, 0.5),
    "gram": lambda x, y: x @ x.T,
    "weights": lambda x, y: jnp.tanh(x) @ (jnp.ones((x.shape[1], 3)) * 0.1),
    "outer": lambda x, y: x[:, 0][:, None] * y[:, 0][None],
    "cross": lambda x, y: x[:, :1] - y[:1],
    "take": lambda x, y: x[jnp.clip((y[:, 0] * 3).astype(jnp.int32), 0, x.shape[0] - 1)],
    "largest": lambda x, y: jax.nn.one_hot(x.argmax(1), x.shape[1]),
}

# Sizes stay at most 7 on their own; products of them must not grow without bound.
_MAX_ELEMENTS = 20_000
_step = st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 5), st.integers(0, 5))


def make(steps: list[tuple[str, int, int]]) -> Callable[[Array, Array], list[Array]]:
    """The program that applies `steps` (op, index of the first, index of the second operand among all values so far)."""

    def function(x: Array, y: Array) -> list[Array]:
        values = [x, y]
        for name, first, second in steps:
            values.append(OPS[name](values[first % len(values)], values[second % len(values)]))
        return values[2:]

    return function


def specs(s: Any, t: Any) -> tuple[Any, ...]:
    return nm.spec((s, t), f32), nm.spec((t, 3), f32)


@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_step, min_size=2, max_size=5))
def test_random_program_agrees_with_jax(
    steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    function = make(steps)
    bounds = ("s >= 2", "t >= 2", "s <= 7", "t <= 6")
    program = TestProgram("random_program", function, "s, t", specs, "model", constraints=bounds)
    try:
        largest = jax.eval_shape(function, *(jax.ShapeDtypeStruct(shape, f32) for shape in ((7, 6), (6, 3))))
        symbolic = program.example_args()
        jax.eval_shape(function, *symbolic)
    except Exception:  # JAX itself cannot trace it: a difference of symbols that may be negative
        return
    if max(leaf.size for leaf in jax.tree.leaves(largest)) > _MAX_ELEMENTS:
        return
    folder: Path = tmp_path_factory.mktemp("random")
    compiled = CompiledProgram(program, folder)
    for sizes in compiled.sizes(3):
        compiled.check(sizes)
