"""What tests in Python need to know about lit files: their RUN lines, modules and FileCheck prefixes, and how to run one.

A RUN line of test/passes is one nimble-opt, maybe piped into one FileCheck; `run_line` runs nimble-opt in this process.
"""

import re
import runpy
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace

from nimble_mlir.cli import opt
from nimble_mlir.passes.registry import PASSES

TEST = Path(__file__).resolve().parents[2]

_PREFIXES = re.compile(r"--?check-prefix(?:es)?[= ]([\w,-]+)")


@dataclass(frozen=True)
class LitFile:
    """One .mlir test."""

    path: Path

    @property
    def id(self) -> str:
        return str(self.path.relative_to(TEST).with_suffix(""))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def run_lines(self) -> list[str]:
        return re.findall(r"^// RUN: (.*)$", self.text, re.MULTILINE)

    @cached_property
    def prefixes(self) -> set[str]:
        """The FileCheck prefixes of the RUN lines."""
        found: set[str] = set()
        for command in (part for line in self.run_lines for part in re.split(r"\||&&", line) if "FileCheck" in part):
            given = _PREFIXES.findall(command)
            found.update(*(names.split(",") for names in given) if given else [["CHECK"]])
        return found

    @property
    def modules(self) -> list[str]:
        """The modules between `// -----`, in order."""
        return [chunk.decode() for chunk in opt._chunks(self.text.encode(), split=True)]

    def passes(self, line: str) -> list[str]:
        """The passes of a RUN line in order, as pipeline elements."""
        flags = [
            flag.removeprefix("--") for flag in shlex.split(line.partition("|")[0]) if flag.startswith("--nimble-")
        ]
        parts = [flag.partition("=") for flag in flags]
        return [f"{name}{{{options}}}" if has_options else name for name, has_options, options in parts]


def lit_files(*folders: str) -> list[LitFile]:
    """The lit files below folders of test/."""
    paths = [path for folder in folders for path in (TEST / folder).rglob("*.mlir")]
    return [LitFile(path) for path in sorted(paths)]


def files_of_pass(name: str) -> list[LitFile]:
    """The lit files of a pass: `x.mlir` and `x_*.mlir` for passes/x.py; tables of rules have a folder, too."""
    file = PASSES[name].partition(":")[0]
    found = [one for one in lit_files("passes") if one.path.parent == TEST / "passes" and owner(one) == file]
    folder = {"infer_dims": "shape_functions", "legalize_to_linalg": "lowering"}.get(file)
    return found + (lit_files(f"passes/{folder}") if folder is not None else [])


def owner(file: LitFile) -> str | None:
    """The file in passes/ whose pass a lit file of test/passes tests."""
    known = [value.partition(":")[0] for value in PASSES.values()]
    matching = [name for name in known if file.path.stem == name or file.path.stem.startswith(f"{name}_")]
    return max(matching, key=len, default=None)


@cache
def filecheck() -> list[str]:
    """The FileCheck that lit uses."""
    config = SimpleNamespace(environment={}, substitutions=[])
    names = runpy.run_path(str(TEST / "lit.cfg.py"), {"config": config})
    return shlex.split(names["find_filecheck"]())


def run_line(file: LitFile, line: str, read_output: Callable[[], bytes]) -> bool:
    """Whether a RUN line passes; `read_output` gives what was written to stdout since it was last called."""
    commands = [shlex.split(command.replace("%s", str(file.path))) for command in line.split("|")]
    assert commands[0][0] == "%nimble-opt", line
    read_output()
    try:
        opt.main.main(commands[0][1:], standalone_mode=False)
    except SystemExit as error:
        if error.code:
            return False
    output = read_output()
    if len(commands) == 1:
        return True
    assert commands[1][0] == "FileCheck", line
    command = [*filecheck(), "--enable-var-scope", *commands[1][1:]]
    return subprocess.run(command, input=output, capture_output=True, check=False).returncode == 0
