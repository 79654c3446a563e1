"""One compilation serves every size: with the IREE compiler taken away, the module runs on, in this process and from its
file in a process that has neither compiler, MLIR nor JAX."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from support.checker import CompiledProgram
from support.programs import PROGRAMS
from support.tolerances import assert_agrees

from nimble_mlir.driver import iree

# One with weights in the file, one with computed positions, one with nested structures.
NAMES = ("residual_convolutions", "rotary_attention", "products_of_symbols")


def _no_compiler(*args: object, **kwargs: object) -> None:
    raise AssertionError("the IREE compiler was called after the module had been compiled")


@pytest.mark.parametrize("name", NAMES)
def test_every_size_runs_without_the_compiler(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = iree.run_count()
    program = CompiledProgram(PROGRAMS[name], tmp_path)
    assert iree.run_count() == before + 1
    monkeypatch.setattr(iree, "compile_file", _no_compiler)
    monkeypatch.setattr(iree.subprocess, "Popen", _no_compiler)
    for sizes in program.sizes(8, seed=2):
        program.check(sizes)
    assert iree.run_count() == before + 1


_SCRIPT = """
import importlib.abc, pickle, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jax", "jaxlib", "torch_mlir") or name.startswith("iree.compiler"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Block())
import nimble_mlir
module = nimble_mlir.load(sys.argv[1])
with open(sys.argv[2], "rb") as file:
    calls = pickle.load(file)
with open(sys.argv[3], "wb") as file:
    pickle.dump([module(*args) for args in calls], file)
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_file_runs_where_nothing_can_compile(name: str, compiled, tmp_path: Path) -> None:
    program = compiled(name)
    sizes = program.sizes(4, seed=3)
    calls = [program.program.inputs(program.entry, combination) for combination in sizes]
    given, returned = tmp_path / "calls.pickle", tmp_path / "results.pickle"
    given.write_bytes(pickle.dumps(calls))
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(program.path), str(given), str(returned)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    function = jax.jit(program.program.function)
    for args, results in zip(calls, pickle.loads(returned.read_bytes()), strict=True):
        expected = jax.tree.map(np.asarray, function(*args))
        assert_agrees(results, expected, program.program.kind)
