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
