"""The one module that talks to the IREE compiler, as a subprocess.

In: a file of MLIR bytecode at stage iree, flags. Out: a .vmfb file. A failure or crash is a CompileError with IREE's
message, the user's file:line where IREE gives one, and a reproducer; a timeout and Ctrl-C stop the compiler.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nimble_mlir.errors import CompileError

__all__ = ["compile_file", "compiler_path", "compiler_version", "run_count"]

_runs = 0
_ERROR = re.compile(r"^(?P<where>[^\s:]+:\d+:\d+): error: (?P<text>.*)$", re.MULTILINE)


def run_count() -> int:
    """How many times this process has run the IREE compiler."""
    return _runs


@cache
def compiler_path() -> Path:
    """The iree-compile binary of the installed iree-base-compiler; raises CompileError where there is none."""
    spec = importlib.util.find_spec("iree.compiler")
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        binary = Path(folder) / "_mlir_libs" / "iree-compile"
        if binary.exists():
            return binary
    raise CompileError("the IREE compiler is not installed; pip install 'iree-base-compiler==3.13.*'")


@cache
def compiler_version() -> str:
    """The version of iree-base-compiler, such as "3.13.0"; raises CompileError where it is not installed."""
    try:
        return importlib.metadata.version("iree-base-compiler")
    except importlib.metadata.PackageNotFoundError as error:
        raise CompileError("the IREE compiler is not installed; pip install 'iree-base-compiler==3.13.*'") from error


def compile_file(source: Path, flags: Sequence[str], output: Path, timeout: float | None = None) -> None:
    """Compiles `source` to `output`. On failure keeps a copy of `source` beside the system's temporary files and names
    the command that reproduces the failure."""
    global _runs  # noqa: PLW0603 - a count for the process, which examples print
    command = [str(compiler_path()), str(source), *flags, "-o", str(output)]
    _runs += 1
    # Where llvm-symbolizer is installed, LLVM would name the functions of a crash, which takes minutes.
    environment = {"LLVM_DISABLE_SYMBOLIZATION": "1", **os.environ}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            _, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise CompileError(
                f"the IREE compiler did not finish within {timeout:g} s; raise CompileOptions.timeout "
                f"({_reproducer(source, flags)})"
            ) from error
        finally:
            process.kill()  # on a timeout or Ctrl-C; one that has ended does not mind
    if process.returncode != 0:
        error = CompileError(f"{_failure(process.returncode, stderr)}\n{_reproducer(source, flags)}")
        error.diagnostics = stderr  # type: ignore[attr-defined]  # all that the compiler said
        raise error


def _failure(code: int, stderr: str) -> str:
    match = _ERROR.search(stderr)
    if match is not None:
        return f"{match['where']}: the IREE compiler failed: {match['text']}"
    lines = stderr.strip().splitlines()
    detail = f": {lines[0]}" if lines else ""
    if code < 0:
        return f"the IREE compiler crashed with {signal.Signals(-code).name}{detail}"
    return f"the IREE compiler failed with exit code {code}{detail}"


def _reproducer(source: Path, flags: Sequence[str]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="nimble-reproducer-"))
    copy = folder / source.name
    shutil.copyfile(source, copy)
    return f"to reproduce: {shlex.join([str(compiler_path()), str(copy), *flags, '-o', str(folder / 'out.vmfb')])}"
