"""The examples of sizes that depend on data run, and say that they agree with NumPy."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tolerances import assert_agrees

import nimble_mlir as nm

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["detector", "graphs", "ragged_attention", "segmentation"])
def test_example(name, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4
    assert all(line.endswith(("as in NumPy", "as in Python")) for line in lines)


@pytest.fixture(scope="module")
def graphs():
    """The example's network, compiled once, and the same in NumPy; three layers of weights."""
    example = runpy.run_path(str(EXAMPLES / "graphs.py"))
    width = example["WIDTH"]
    n, e = nm.dims("n, e")
    specs = (nm.spec((n, width), jnp.float32), nm.spec((e, 2), jnp.int32), [nm.spec((width, width), jnp.float32)] * 3)
    weights = [np.random.default_rng(i).normal(size=(width, width)).astype(np.float32) / 3 for i in range(3)]
    return nm.compile(example["network"], specs), example["network_in_numpy"], weights


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 30))
def test_random_graphs(graphs, data, count):
    module, in_numpy, weights = graphs
    node = st.integers(0, count - 1)
    edges = np.array(data.draw(st.lists(st.tuples(node, node), min_size=1, max_size=60)), np.int32)
    nodes = np.random.default_rng(count).normal(size=(count, len(weights[0]))).astype(np.float32)
    connected, mean = in_numpy(nodes, edges, weights)
    assert_agrees(module(nodes, edges, weights), (connected.astype(np.float32), mean.astype(np.float32)))
