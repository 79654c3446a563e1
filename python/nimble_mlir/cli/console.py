"""What the commands have in common: data on stdout, everything else on stderr, one line an error, exit codes.

Exit codes: 0, it worked; 1, a NimbleError or a file that cannot be read or written; 2, a wrong command line (click's own);
130, interrupted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nimble_mlir.errors import NimbleError

__all__ = ["Command", "note", "progress"]


class Command(click.Command):
    """A command whose errors are one line on stderr that begins with its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"], "max_content_width": 120})
        super().__init__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error of nimble_mlir or of the file system ends the process with 1."""
        try:
            return super().invoke(ctx)
        except NimbleError as error:
            text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        except OSError as error:
            if isinstance(error, BrokenPipeError):  # whoever reads stdout has had enough
                sys.stderr.close()
                sys.exit(1)
            text = f"cannot use '{error.filename}': {error.strerror}" if error.filename else str(error)
        except KeyboardInterrupt:
            note(f"{self.name}: interrupted")
            sys.exit(130)
        note(f"{self.name}: error: {text}")
        sys.exit(1)


def note(text: str) -> None:
    """A line on stderr."""
    click.echo(text, err=True)


@contextmanager
def progress(name: str) -> Iterator[Callable[[str, float], None]]:
    """A function that is told steps ("stage: pass", share done): a bar on a terminal, else a line a stage."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description:<28}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=1.0)
            yield lambda step, done: bar.update(task, description=step.partition(":")[0], completed=done)
        return
    started, last = time.perf_counter(), ""

    def line(step: str, done: float) -> None:
        nonlocal last
        stage = step.partition(":")[0]
        if stage != last:
            last = stage
            note(f"{name}: {done:4.0%} {time.perf_counter() - started:6.1f} s  {stage}")

    yield line
