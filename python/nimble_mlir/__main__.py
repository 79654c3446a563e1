"""`python -m nimble_mlir --cmake-dir`: where the CMake package of the C++ library is, for `-Dnimble_mlir_DIR=`."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import nimble_mlir


def main() -> None:
    """Prints one path on stdout."""
    parser = argparse.ArgumentParser(prog="python -m nimble_mlir", description="Where the parts of nimble_mlir are.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--cmake-dir", action="store_true", help="the folder with nimble_mlirConfig.cmake")
    choice.add_argument("--include-dir", action="store_true", help="the folder with nimble/module.hpp")
    choice.add_argument("--version", action="version", version=nimble_mlir.__version__)
    given = parser.parse_args()
    spec = find_spec("nimble_mlir.runtime")
    assert spec is not None
    assert spec.origin is not None
    runtime = Path(spec.origin).parent
    print(runtime / "cmake" if given.cmake_dir else runtime / "include")


if __name__ == "__main__":
    main()
