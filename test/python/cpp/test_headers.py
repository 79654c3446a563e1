"""The part of the C++ library that needs no IREE: its tests, its messages against Python's, damaged files, the package."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from project.project_files import pyproject

import nimble_mlir as nm
from cpp.conftest import ROOT, run
from nimble_mlir.dims import Constraint, DimExpr, SymbolInfo, UnsolvableError
from nimble_mlir.dims.signature import ArgumentSpec, CallTree, EntryPoint, ResultSpec, Signature
from nimble_mlir.dims.tree import Tree
from nimble_mlir.runtime.archive import check_archive
from nimble_mlir.runtime.loader import open_module

DIMS = ["a", "b", "s", "7", "2*s + 1", "b*s", "a + b", "s - b", "floordiv(s, 3)", "mod(s, 4) + 1", "max(a, b)",
        "min(a, 2*b)", "a^2", "3*a - 2"]  # fmt: skip
CONSTRAINTS = ["a <= s", "b*s <= 60", "a == 2*b", "s <= 12", "mod(s, 2) == 0", "a + b >= 4", "mod(s, b) == 0"]


def test_ctest(build):
    done = run("ctest", "--test-dir", build, "--output-on-failure")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 tests failed out of 3" in done.stdout


def random_entry(rng: random.Random) -> EntryPoint | None:
    """One whose symbols can be solved, None where the draw is no such one."""
    names = ["a", "b", "s"]
    infos = tuple(
        SymbolInfo(name, rng.choice([0, 1, 1, 2]), rng.choice([None, None, 9, 12]), rng.choice([1, 1, 1, 2]))
        for name in names
    )
    arguments = []
    for number in range(rng.randint(2, 4)):
        dims = tuple(DimExpr.parse(rng.choice(DIMS)) for _ in range(rng.randint(0, 3)))
        values: tuple[DimExpr, ...] = ()
        if rng.random() < 0.2:
            dims, values = rng.choice(
                [((), (DimExpr.parse("s"),)), ((DimExpr.constant(2),), (DimExpr.parse("a"), DimExpr.parse("b")))]
            )
        arguments.append(ArgumentSpec(f"x{number}", "int32" if values else "float32", dims, values=values))
    results = tuple(
        ResultSpec(f"[{i}]", "float32", tuple(DimExpr.parse(rng.choice([*DIMS, "_n"])) for _ in range(2)))
        for i in range(rng.randint(0, 2))
    )
    constraints = tuple(Constraint.parse(text) for text in rng.sample(CONSTRAINTS, rng.randint(0, 2)))
    leaf = Tree("leaf")
    try:
        entry = EntryPoint(
            "f", tuple(arguments), results, CallTree(tuple((a.name, leaf) for a in arguments)),
            Tree("tuple", children=(leaf,) * len(results)), infos, constraints,
        )  # fmt: skip
        assert entry.plan is not None
        assert set(entry.scope.symbols) == set(names)
    except (UnsolvableError, ValueError):
        return None
    return entry


def random_shapes(entry: EntryPoint, rng: random.Random) -> list[tuple[int, ...]]:
    """Shapes that fit, or that are off by a little."""
    values = {name: rng.randint(0, 14) for name in ("a", "b", "s")}
    shapes = []
    for argument in entry.arguments:
        sizes = []
        for dim in argument.dims:
            try:
                size = max(dim.evaluate(values), 0)
            except ZeroDivisionError:
                size = 1
            sizes.append(size if rng.random() < 0.9 else rng.randint(0, 9))
        if argument.values and rng.random() < 0.95:
            numbers = [value.evaluate(values) for value in argument.values]
            sizes = [*sizes, *reversed(numbers), 0] if sizes else numbers
        shapes.append(tuple(sizes) if rng.random() < 0.98 or argument.values else (*sizes, 1))
    return shapes


def answer(entry: EntryPoint, shapes: list[tuple[int, ...]]) -> str:
    """As test/cpp/cases.cpp writes it. Where Python gives a range, C++ says that only the run knows the size."""
    try:
        values = entry.solve(shapes)
        text = "".join(f"{name}={value} " for name, value in sorted(values.items()))
        made = entry.output_shapes(shapes)
        for result, shape in zip(entry.results, made, strict=True):
            for axis, (dim, size) in enumerate(zip(result.dims, shape, strict=True)):
                if isinstance(size, nm.SizeRange):
                    return (
                        f"ShapeError: result {result.path} axis {axis} is '{dim}', which depends on the values of the "
                        "arguments: run the module to know it"
                    )
        return text + "".join(f"({''.join(f'{size},' for size in shape)})" for shape in made)
    except nm.ShapeError as error:
        return f"ShapeError: {error}"


def test_messages_and_sizes_are_those_of_python(program, tmp_path):
    """Over random signatures: expressions, ranges, multiples, constraints, elements that are sizes; fitting and not."""
    rng = random.Random(0)
    cases, kinds = [], set()
    while len(cases) < 400:
        entry = random_entry(rng)
        if entry is None:
            continue
        calls = []
        for _ in range(20):
            shapes = random_shapes(entry, rng)
            expected = answer(entry, shapes)
            kinds.update([kind for kind in KINDS if kind in expected] if "Error" in expected else ["fits"])
            calls.append({"shapes": shapes, "answer": expected})
        cases.append({"signature": Signature({"f": entry}, "0.1.0", "3.13.0").to_json(), "calls": calls})
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(cases))
    done = run(program("cases"), path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "cases: 8000 checks, 0 failures\n"
    assert kinds >= {*KINDS, "fits"}, kinds


# A part of each message that the cases must have come by.
KINDS = ("has rank", "must be at least", "must be at most", "must be a multiple of", "it must be", "for a whole number",
         "does not hold for", "depends on the values", "(from '", "element", "says sizes")  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("files")
    weights = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    (b,) = nm.dims("b")
    spec = nm.spec((b, 64), jnp.float32)
    nm.compile({"f": (lambda x: jnp.tanh(x @ weights), (spec,)), "g": (lambda x: x + 1, (spec,))}).save(
        folder / "m.vmfb"
    )
    nm.compile(jnp.tanh, (spec,), target=["cuda", "llvm-cpu"]).save(folder / "two.vmfb")
    return SimpleNamespace(folder=folder, one=folder / "m.vmfb", two=folder / "two.vmfb")


def test_files(program, files):
    done = run(program("archive"), files.one, files.two)
    image = nm.load(files.two, device="local-sync")
    first, second = done.stdout.splitlines()
    assert first == f"ok 2 entry points, 1 weights, llvm-cpu:{files.one.stat().st_size}"
    assert second.startswith(f"ok 1 entry points, 0 weights, cuda:{files.two.stat().st_size} llvm-cpu:")
    assert image.targets == ("cuda", "llvm-cpu")


def test_damaged_files_are_refused_as_python_refuses_them(program, files):
    """Python and C++ agree on each altered file; where both take it, nothing that is read was altered."""
    rng = random.Random(1)
    data = files.one.read_bytes()
    paths = []
    for number in range(600):
        altered = bytearray(data)
        at = rng.randrange(len(data)) if rng.random() < 0.7 else rng.randrange(len(data) - 700, len(data))
        kind = rng.randrange(4)
        if kind == 0:
            altered[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            altered[at] = rng.randrange(256)
        elif kind == 2:
            del altered[at : at + rng.randint(1, 40)]
        else:
            del altered[at:]
        paths.append(files.folder / f"{number}.bin")
        paths[-1].write_bytes(altered)
    lines = run(program("archive"), *paths).stdout.splitlines()
    assert len(lines) == len(paths)
    refused = 0
    for path, line in zip(paths, lines, strict=True):
        try:
            check_archive(memoryview(path.read_bytes()), "bytes")
            by_python = False
        except nm.LoadError:
            by_python = True
        if line.startswith("ok"):
            # C++ may take what Python's zipfile refuses only where the bytes of all entries are as they were.
            assert line.startswith("ok 2 entry points, 1 weights, llvm-cpu:")
        elif not by_python:
            open_module(path.read_bytes())  # Python takes it, so it must be sound
        refused += not line.startswith("ok")
    assert refused > 400


def test_the_cmake_package_is_found(build, tmp_path):
    """From Python's installation and from CMake's, by a project of somebody else."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(user CXX)\n"
        f"find_package(nimble_mlir {pyproject()['project']['version']} REQUIRED CONFIG)\n"
        "add_executable(user user.cpp)\ntarget_link_libraries(user PRIVATE nimble_mlir::headers)\n"
    )
    (tmp_path / "user.cpp").write_text(
        '#include "nimble/signature.hpp"\nint main() { return nimble::DimExpr::parse("2*s").evaluate({{"s", 4}}) - 8; }\n'
    )
    where = subprocess.run(
        [sys.executable, "-m", "nimble_mlir", "--cmake-dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    prefix = tmp_path / "prefix"
    assert run("cmake", "--install", build, "--prefix", prefix).returncode == 0
    (installed,) = prefix.glob("lib*/cmake/nimble_mlir")
    for number, package in enumerate((where, installed)):
        folder = tmp_path / f"build{number}"
        done = run("cmake", "-S", tmp_path, "-B", folder, f"-Dnimble_mlir_DIR={package}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert run("cmake", "--build", folder).returncode == 0
        assert run(folder / "user").returncode == 0
    text = (ROOT / "runtime/cmake/nimble_mlirConfigVersion.cmake").read_text()
    assert f"set(PACKAGE_VERSION {nm.__version__})" in text
