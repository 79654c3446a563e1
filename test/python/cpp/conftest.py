"""The C++ library, built once a session by CMake, with IREE's C runtime where NIMBLE_IREE_RUNTIME_DIR says where it is.

NIMBLE_IREE_RUNTIME_DIR is the folder of IREERuntimeConfig.cmake of a build of IREE's runtime (docs/cpp.md).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HINT = "needs IREE's C runtime: set NIMBLE_IREE_RUNTIME_DIR to <build>/lib/cmake/IREE of one (docs/cpp.md)"


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder."""
    if shutil.which("cmake") is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("needs cmake and a C++ compiler")
    folder = tmp_path_factory.mktemp("cpp")
    runtime = os.environ.get("NIMBLE_IREE_RUNTIME_DIR")
    flags = [f"-DIREERuntime_DIR={runtime}"] if runtime else ["-DCMAKE_DISABLE_FIND_PACKAGE_IREERuntime=ON"]
    done = run("cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    if not runtime:
        # The line that says what is skipped, and how to provide what it needs.
        assert "Skipped: the C++ runtime's tests and examples/cpp need IREE's C runtime." in done.stdout
        assert "-DIREERuntime_DIR=<build>/lib/cmake/IREE" in " ".join(done.stdout.split())
    done = run("cmake", "--build", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def program(build: Path) -> Callable[[str], Path]:
    """The path of a program of test/cpp or examples/cpp; skips where it was not built."""

    def get(name: str) -> Path:
        found = next(
            (path for path in (build / "test/cpp" / name, build / "examples/cpp" / name) if path.exists()), None
        )
        if found is None:
            pytest.skip(HINT)
        return found

    return get
