"""Trees made in C++ (nimble/tree.hpp): the same arrays as Python's, and the same numbers of a module that gets them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cpp.conftest import ROOT, run
from nimble_mlir.errors import ShapeError

UNARY, BINARY = ("neg", "abs", "half"), ("+", "-", "*", "min")


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """examples/expressions.py."""
    spec = importlib.util.spec_from_file_location("expressions", ROOT / "examples/expressions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prefix(expression: Any) -> str:
    """As examples/cpp/expressions.hpp reads it."""
    words, waiting = [], [expression]
    while waiting:
        e = waiting.pop()
        waiting += [getattr(e, name) for name in reversed(e.constructor.children)]
        match e.constructor.name:
            case "Const":
                words.append(f"{e.value:.9g}")
            case "Var":
                words.append(f"x{e.index}")
            case "Unary":
                words.append(UNARY[e.op])
            case "Binary":
                words.append(BINARY[e.op])
            case _:
                words.append("if")
    return " ".join(words)


@pytest.mark.parametrize(("trees", "nodes"), [(1, 1), (1, 30), (7, 25), (40, 60), (100, 400)])
def test_arrays_are_those_of_python(program: Any, example: ModuleType, tmp_path: Path, trees: int, nodes: int) -> None:
    """From one leaf to many groups of trees."""
    rng = np.random.default_rng(trees)
    expressions = [example.random_expression(rng, int(rng.integers(1, nodes + 1)), 5) for _ in range(trees)]
    if trees > 1:
        expressions[1] = example.chain(rng, 1000, 5)
    (tmp_path / "expressions.txt").write_text("\n".join(map(prefix, expressions)))
    done = run(program("trees"), tmp_path / "expressions.txt", tmp_path / "array")
    want = example.Expr.pack(expressions)
    assert done.stdout == f"{len(want)} arrays\n", done.stdout + done.stderr
    for number, array in enumerate(want):
        got = np.load(tmp_path / f"array{number}.npy")
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)


def test_messages_are_those_of_python(example: ModuleType) -> None:
    """test/cpp/trees.cpp expects these texts, of the type there."""
    leaf = example.Expr.Const(1)
    with pytest.raises(ShapeError) as error:
        example.Expr.pack([example.Expr.Binary(0, leaf, leaf)])
    source = (ROOT / "test/cpp/trees.cpp").read_text()
    assert str(error.value).replace("Expr.Binary", "Tree.Node") in source
    with pytest.raises(ShapeError) as error:
        example.Expr.pack([leaf, leaf])
    assert str(error.value).replace("Expr.Const", "Tree.Nil") in source
    with pytest.raises(ShapeError) as error:
        example.Expr.pack([])
    assert str(error.value).replace("Expr", "Tree") in source


def test_the_example_prints_the_numbers_of_python(program: Any, example: ModuleType, tmp_path: Path) -> None:
    tree, path = program("tree"), tmp_path / "expressions.vmfb"
    done = run(sys.executable, ROOT / "examples/expressions.py", "--batches", 1, "--depth", 10, "--save", path)
    assert done.returncode == 0, done.stdout + done.stderr
    rng = np.random.default_rng(5)
    variables = rng.normal(size=5).astype(np.float32)
    expressions = [example.random_expression(rng, nodes, 5) for nodes in (1, 2, 9, 40)]
    texts = [prefix(e) for e in expressions]
    done = run(tree, path, " ".join(f"{x:.9g}" for x in variables), *texts)
    assert done.returncode == 0, done.stderr
    got = [line.rpartition(" = ") for line in done.stdout.splitlines()]
    assert [text for text, _, _ in got] == texts
    want = example.evaluate(example.Expr.batch(expressions), jnp.asarray(variables))
    np.testing.assert_array_equal(np.array([number for _, _, number in got], np.float32), want)
    for text, message in [
        ("+ 1", "'+ 1' lacks an operand"),
        ("1 2", "'1 2' is more than one expression"),
        ("/ 1 2", "'/' is no operator, number or variable"),
    ]:
        done = run(tree, path, "1", text)
        assert (done.returncode, done.stderr) == (1, f"tree: {message}\n")
