"""The project's files: where each package lies in the tree, its modules, and what a module imports."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

# Import name of a package → its folder, as [tool.scikit-build.wheel.packages] has them.
PACKAGES = {
    "nimble_mlir": ROOT / "python" / "nimble_mlir",
    "nimble_mlir.dialects": ROOT / "dialects",
    "nimble_mlir.passes": ROOT / "passes",
    "nimble_mlir.runtime": ROOT / "runtime",
}


def pyproject() -> dict[str, Any]:
    """The contents of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def package_files() -> dict[str, Path]:
    """Every file of the package: its path below `nimble_mlir/` as installed → its path in the tree."""
    found = {}
    for package, folder in PACKAGES.items():
        below = Path(*package.split(".")[1:])
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found[str(below / path.relative_to(folder))] = path
    return found


def modules() -> dict[str, Path]:
    """Every module of the package by import name, such as "nimble_mlir.passes.base"."""
    found = {}
    for installed, path in package_files().items():
        if path.suffix == ".py":
            parts = ["nimble_mlir", *Path(installed).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, path: Path) -> Iterator[tuple[str, int]]:
    """The full names that a module imports anywhere in it, with their lines: "a.b" for `import a.b`, "a.b" and "a.b.c"
    for `from a.b import c`, relative ones resolved. What only type checkers read (TYPE_CHECKING) counts too."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                above = parents[: len(parents) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base, node.lineno
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno


def run_python(code: str, *args: str, cwd: Path) -> str:
    """What `code` prints, run by this Python in a process of its own outside of the tree."""
    command = [sys.executable, "-c", code, *args]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
