"""What the benchmarks share: interleaved timing, the memory of a process tree, tables, and the BERT of examples/."""

from __future__ import annotations

import importlib.util
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20


def example(name: str) -> ModuleType:
    """The module examples/<name>.py."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def interleaved(
    calls: Mapping[str, Callable[[], Any]],
    rounds: int,
    inner: int = 1,
    pause: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each call. The calls take turns, so that what else the machine does hits all alike.

    `inner` calls are timed together: more than one where a call is of the order of the clock's resolution. `pause` seconds
    before each turn let the worker threads of the one before stop spinning.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():  # not counted
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(pause)
            start = clock()
            for _ in range(inner):
                call()
            times[name].append((clock() - start) / inner)
    return {name: statistics.median(values) for name, values in times.items()}


def tree_pss() -> int:
    """Proportional set size of this process and its children, in bytes: shared pages count once."""
    total = 0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def anonymous() -> int:
    """Memory that is this process's own, in bytes: what is mapped from a file does not count."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/self/smaps_rollup has no line 'Anonymous'")


class Peak:
    """The largest value of `read` within a `with` block, sampled every `interval` seconds."""

    def __init__(self, read: Callable[[], int], interval: float = 0.05) -> None:
        self._read = read
        self._interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.before = 0
        self.value = 0

    def _sample(self) -> None:
        while not self._done.wait(self._interval):
            self.value = max(self.value, self._read())

    def __enter__(self) -> Peak:
        self.before = self.value = self._read()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self.value = max(self.value, self._read())


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; numbers stand on the right."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
