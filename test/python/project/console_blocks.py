"""```console blocks of a page: commands after `$ ` (continued after `> `) with the output that stands below them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    text: str
    output: str
    line: int


def commands(path: Path) -> Iterator[Command]:
    """Those of all blocks of a page, in order."""
    page = path.read_text()
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(1)) + 1
        lines = block[1].splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        assert starts[:1] == [0], f"{path}:{first}: a console block begins with '$ '"
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            body = lines[start:end]
            rest = 1
            while rest < len(body) and (body[rest] == ">" or body[rest].startswith("> ")):
                rest += 1
            text = "\n".join([body[0][2:], *(line[2:] for line in body[1:rest])])
            yield Command(text, "\n".join(body[rest:]), first + start)


def run(command: Command, folder: Path) -> str:
    """What it prints, on both streams, in a shell whose `python` and `nimble-*` are those of this environment."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    done = subprocess.run(
        ["bash", "-c", command.text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout
