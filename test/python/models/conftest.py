"""Each program is compiled once a session, whatever the number of tests that run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.checker import CompiledProgram
from support.programs import PROGRAMS

from models import networks, shapes, tensor_ops  # noqa: F401 - importing them registers their programs


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CompiledProgram]:
    """A program by name, compiled at its first use."""
    folder: Path = tmp_path_factory.mktemp("programs")
    modules: dict[str, CompiledProgram] = {}

    def get(name: str) -> CompiledProgram:
        if name not in modules:
            modules[name] = CompiledProgram(PROGRAMS[name], folder)
        return modules[name]

    return get
