"""House rules that hold for every source file: a docstring, one subject, nothing left to do."""

import ast
import re

import pytest
from project_files import ROOT

_FOLDERS = ("python", "dialects", "passes", "runtime", "test", "examples", "benchmarks")
_SOURCES = sorted(
    path
    for folder in _FOLDERS
    for pattern in ("*.py", "*.hpp", "*.cc")
    for path in (ROOT / folder).rglob(pattern)
    if "Output" not in path.parts
)
_MAX_LINES = 400
_UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


@pytest.mark.parametrize("path", _SOURCES, ids=[str(path.relative_to(ROOT)) for path in _SOURCES])
def test_source_file(path):
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= _MAX_LINES, f"{len(lines)} lines: split it by subject"
    unfinished = [
        f"{path}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if _UNFINISHED.search(line)
    ]
    assert not unfinished, "\n".join(unfinished)
    # A test folder's __init__.py only makes it a package.
    if path.suffix == ".py" and not (
        path.name == "__init__.py" and not text and "test" in path.relative_to(ROOT).parts
    ):
        assert ast.get_docstring(ast.parse(text)), "no module docstring"


@pytest.mark.parametrize(
    "path", [path for path in _SOURCES if path.name.startswith("test_")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_numbers_are_compared_by_the_tolerance_table(path):
    """`assert_agrees` of support/tolerances.py, not a bound of the test's own."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    own = [
        node.lineno for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "assert_allclose"
    ]
    assert not own, f"lines {own}: say which kind of computation it is"
