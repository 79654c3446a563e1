"""Each program is compiled once a session, whatever the number of tests that run it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.checker import CompiledProgram
from support.programs import PROGRAMS

from models import (  # noqa: F401 - importing them registers their programs
    architectures,
    control_flow,
    convolutions,
    elementwise_ops,
    indexing_ops,
    linear_algebra,
    networks,
    randomness,
    reductions,
    shapes,
    tensor_ops,
    vision,
)

# What takes longest and has relatives that always run: only with -m exhaustive, so that CI stays below twenty minutes.
_ON_DEMAND = (
    "test_batch.py::test_nests",
    "test_batch.py::test_random_keys_and_dtypes",
    "test_data_sizes_functions.py::test_functions[abs-count_nonzero]",
    "test_data_sizes_functions.py::test_functions[repeat-var_of_rows]",
    "test_dtypes.py::test_ops_of_dtype[float8_e4m3b11fnuz-exact]",
    "test_dtypes.py::test_ops_of_dtype[int4-exact]",
    "test_exported.py::test_agrees_with_jax_at_every_size[bfgs]",
    "test_exported.py::test_agrees_with_jax_at_every_size[metropolis]",
    "test_exported.py::test_agrees_with_jax_at_every_size[principal_components]",
    "test_harnesses.py::test_cases_that_do_not_depend_on_x64_are_walked_once",
    "test_harnesses.py::test_sample_of_the_walk[True]",
    "test_large_sizes.py::test_agrees_with_jax_at_large_sizes[general_systems]",
    "test_programs.py::test_agrees_with_jax_at_every_size[bit_generators]",
    "test_programs.py::test_agrees_with_jax_at_every_size[diffusion_step]",
    "test_programs.py::test_agrees_with_jax_at_every_size[general_systems]",
    "test_programs.py::test_agrees_with_jax_at_every_size[mixture_of_experts]",
    "test_programs.py::test_agrees_with_jax_at_every_size[orthogonal_factors]",
    "test_programs.py::test_agrees_with_jax_at_every_size[random_bits]",
    "test_programs.py::test_agrees_with_jax_at_every_size[singular_values]",
    "test_programs.py::test_agrees_with_jax_at_every_size[sorts]",
    "test_programs.py::test_agrees_with_jax_at_every_size[spectra]",
    "test_programs.py::test_agrees_with_jax_at_every_size[transforms]",
    "test_programs.py::test_agrees_with_jax_at_every_size[triangular_systems]",
    "test_programs.py::test_agrees_with_jax_at_every_size[vision_transformer_reshape]",
    "test_recursion.py::test_a_chain_of_100_000_nodes",
    "test_scalar_functions.py::test_functions_of_random_bits[bfloat16]",
    "test_scalar_functions.py::test_functions_of_random_bits[float32]",
    "test_tree_results.py::test_agrees_with_recursion",
    "test_tree_results.py::test_several_values_at_once",
    "test_tree_results.py::test_the_arrays_are_those_of_a_packed_value",
    "test_trees.py::test_what_is_not_structural_runs_on_a_stack",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks them before the marks are asked for."""
    for item in items:
        if any(f"{item.path.name}::{item.name}".startswith(name) for name in _ON_DEMAND):
            item.add_marker(pytest.mark.exhaustive)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CompiledProgram]:
    """A program by name, compiled at its first use, once for all workers of this run."""
    folder: Path = tmp_path_factory.mktemp("programs")
    run = tmp_path_factory.getbasetemp()
    cache = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "compile-cache"
    modules: dict[str, CompiledProgram] = {}

    def get(name: str) -> CompiledProgram:
        if name not in modules:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("NIMBLE_CACHE", "on")
                patch.setenv("NIMBLE_CACHE_DIR", str(cache))
                modules[name] = CompiledProgram(PROGRAMS[name], folder)
        return modules[name]

    return get
