"""The pass reference, made from the registry: `python -m nimble_mlir.cli.passdoc docs/passes.md` writes it.

In: the docstrings and options of the registered passes, and the default pipeline. Out: Markdown.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import MISSING, fields
from pathlib import Path

from nimble_mlir.passes.base import ModulePass
from nimble_mlir.passes.pipeline import DEFAULT_PIPELINE
from nimble_mlir.passes.registry import PASSES, pass_class

__all__ = ["main", "reference"]

_HEAD = """\
# Passes

<!-- Made by `python -m nimble_mlir.cli.passdoc docs/passes.md` from the docstrings; a test holds it up to date. -->

`nimble-opt --pass-pipeline='builtin.module(…)'` and `nimble-opt --<pass>` run these and the passes of upstream MLIR and
StableHLO. The default pipeline, which `nm.compile` runs and `nimble-opt --to-stage=<stage>` runs up to a stage:
"""


def reference() -> str:
    """The whole document."""
    rows = ["| stage | passes that lead to it |", "| --- | --- |"]
    rows += [f"| {stage} | {', '.join(f'`{name}`' for name in text.split(','))} |" for stage, text in DEFAULT_PIPELINE]
    sections = [_section(name, pass_class(name)) for name in PASSES]
    return "\n".join([_HEAD, *rows, "", *sections])


def _section(name: str, cls: type[ModulePass]) -> str:
    file = PASSES[name].partition(":")[0]
    summary, _, rest = inspect.cleandoc(cls.__doc__ or "").partition("\n")
    lines = [f"## {name}", "", summary, "", *_body(rest), *_options(cls)]
    raises = inspect.cleandoc(cls.run.__doc__ or "")
    if raises:
        lines += [raises, ""]
    lines += [f"Source: `passes/{file}.py`, tests: `test/passes/{file}.mlir`.", ""]
    return "\n".join(lines)


def _body(text: str) -> list[str]:
    """Paragraphs stay; the example, which is indented or holds the arrow, becomes a block of code."""
    lines = text.strip("\n").splitlines()
    arrow = next((i for i, line in enumerate(lines) if line.strip().startswith("==>")), None)
    if arrow is None:
        return [*lines, ""]
    start = arrow
    while start > 0 and lines[start - 1].strip():
        start -= 1
    example = inspect.cleandoc("\n".join(["", *lines[start:]])).splitlines()
    return [*lines[:start], "```mlir", *example, "```", ""]


def _options(cls: type[ModulePass]) -> list[str]:
    rows = []
    for option in fields(cls):
        default = "" if option.default is MISSING else f", default `{option.default}`"
        rows.append(f"Option `{option.name.replace('_', '-')}` ({option.type}){default}.")
    return [*rows, ""] if rows else []


def main(arguments: list[str]) -> None:
    """Writes the reference to the file named, or to stdout."""
    if arguments:
        Path(arguments[0]).write_text(reference(), encoding="utf-8")
    else:
        sys.stdout.write(reference())


if __name__ == "__main__":
    main(sys.argv[1:])
