"""Compiled modules for the runtime's tests: hand-written MLIR with hand-written signatures, compiled once a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from runtime_programs import PROGRAMS, Program

from nimble_mlir.dims import Constraint, DimExpr, SymbolInfo
from nimble_mlir.dims.signature import REFLECTION_KEY, ArgumentSpec, CallTree, EntryPoint, ResultSpec, Signature
from nimble_mlir.dims.tree import LEAF, Tree
from nimble_mlir.runtime import Module, load

IREE_VERSION = "3.13.0"
_FLAGS = [
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-opt-strip-assertions=false",
    "--iree-input-demote-f64-to-f32=false",
]


def dims(*texts: object) -> tuple[DimExpr, ...]:
    return tuple(DimExpr.parse(str(text)) for text in texts)


def make_entry(
    name: str,
    arguments: Mapping[str, tuple],
    results: list[tuple],
    *,
    in_tree: CallTree | None = None,
    out_tree: Tree | None = None,
    symbols: tuple[SymbolInfo, ...] = (),
    constraints: tuple[str, ...] = (),
    function: str = "",
) -> EntryPoint:
    """Arguments and results as (dtype, dims, kind, key_impl), the last two optional."""
    return EntryPoint(
        name,
        tuple(ArgumentSpec(arg, spec[0], dims(*spec[1]), *spec[2:]) for arg, spec in arguments.items()),
        tuple(ResultSpec(f"[{i}]", spec[0], dims(*spec[1]), *spec[2:]) for i, spec in enumerate(results)),
        in_tree or CallTree.of_arrays(*arguments),
        out_tree or (LEAF if len(results) == 1 else Tree("tuple", children=(LEAF,) * len(results))),
        symbols,
        tuple(Constraint.parse(text) for text in constraints),
        f"{name}.py:1",
        function,
    )


def attribute(signature: Signature, name: str) -> str:
    """The attribute of the function of entry `name`, as MLIR text."""
    text = signature.entry_json(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'iree.reflection = {{"{REFLECTION_KEY}" = "{text}"}}'


def compile_mlir(text: str, output: Path, flags: Sequence[str] = ()) -> Path:
    compiler = Path(sys.executable).with_name("iree-compile")
    source = output.with_suffix(".mlir")
    source.write_text(text)
    done = subprocess.run(
        [compiler, *_FLAGS, *flags, source, "-o", output], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(done.stderr[:3000])
    return output


def build(program: Program, folder: Path, name: str, flags: Sequence[str] = (), **versions: str) -> Path:
    entries = {entry["name"]: make_entry(**entry) for entry in program.entries}
    signature = Signature(entries, "0.1.0", **{"iree_version": IREE_VERSION, "driver": "local-sync", **versions})
    attributes = {f"@{entry}@": attribute(signature, entry) for entry in entries}
    text = program.mlir
    for mark, value in attributes.items():
        text = text.replace(mark, value)
    return compile_mlir(text, folder / f"{name}.vmfb", flags)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vmfb")


@pytest.fixture(scope="session")
def vmfb(folder: Path) -> Callable[[str], Path]:
    """The path of a compiled program."""

    def get(name: str) -> Path:
        path = folder / f"{name}.vmfb"
        return path if path.exists() else build(PROGRAMS[name], folder, name)

    return get


@pytest.fixture(scope="session")
def module(vmfb: Callable[[str], Path]) -> Callable[[str], Module]:
    """A loaded program, shared by the tests."""
    loaded: dict[str, Module] = {}

    def get(name: str) -> Module:
        if name not in loaded:
            loaded[name] = load(vmfb(name))
        return loaded[name]

    return get


@pytest.fixture
def private_bytes() -> Callable[[], int]:
    """Memory that only this process uses, in bytes."""

    def read() -> int:
        if not os.path.exists("/proc/self/smaps_rollup"):
            pytest.skip("needs /proc/self/smaps_rollup")
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024

    return read
