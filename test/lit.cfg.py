"""lit: the .mlir tests under test/dialects, test/passes and test/tools. Run `lit -v test` from the repository's root.

FileCheck is LLVM's where one is installed (Debian: llvm-19-tools), otherwise PyPI's `filecheck`, which checks less.
"""

import glob
import os
import shutil
import sys
from pathlib import Path

import lit.formats
import lit.util

SOURCE = Path(__file__).resolve().parent


def find_filecheck() -> str:
    """LLVM's FileCheck under any of its names, else PyPI's."""
    names = ["FileCheck", *(f"FileCheck-{version}" for version in range(30, 16, -1))]
    found = next(filter(None, map(shutil.which, names)), None)
    installed = sorted(glob.glob("/usr/lib/llvm-*/bin/FileCheck"), reverse=True)
    beside_python = Path(sys.executable).with_name("filecheck")
    fallback = str(beside_python) if beside_python.exists() else shutil.which("filecheck")
    return found or next(iter(installed), None) or fallback or "FileCheck"


def find_nimble_opt() -> str:
    """The installed nimble-opt, or the module run by this Python."""
    beside_python = Path(sys.executable).with_name("nimble-opt")
    if beside_python.exists():
        return str(beside_python)
    return shutil.which("nimble-opt") or f"{sys.executable} -m nimble_mlir.cli.opt"


config.name = "nimble_mlir"  # noqa: F821 - lit defines `config`
config.test_format = lit.formats.ShTest(execute_external=False)  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.excludes = ["python", "cpp"]  # noqa: F821
config.test_source_root = str(SOURCE)  # noqa: F821
config.test_exec_root = str(SOURCE.parent / "build" / "lit")  # noqa: F821
config.environment["PATH"] = os.environ.get("PATH", "")  # noqa: F821
config.substitutions += [  # noqa: F821
    ("%nimble-opt", find_nimble_opt()),
    (r"\bFileCheck\b", f"{find_filecheck()} --enable-var-scope"),
]
