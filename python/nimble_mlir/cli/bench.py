"""`nimble-bench`: how long calls of a .vmfb take at each of many sizes, as trtexec does for one.

In: a file, sizes. Out: a table on stdout (or CSV, JSON), and bars with --plot. Inputs are random; times are wall time of
whole calls from Python, checks and copies included.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from nimble_mlir.dims.signature import EntryPoint
from nimble_mlir.errors import NimbleError
from nimble_mlir.runtime import Entry
from nimble_mlir.runtime.arrays import dtype_of
from nimble_mlir.runtime.loader import open_module

from .console import Command, note, progress
from .inputs import InputValue, parse_value
from .run import device_options, find_entry, with_device

__all__ = ["main"]

_EPILOG = "Exit codes: 0 it ran, 1 an error (one line on stderr), 2 a wrong command line, 130 interrupted."
_BAR = 50


@dataclass(frozen=True)
class Row:
    """The times of the calls at one combination of sizes, in microseconds."""

    sizes: dict[str, int]
    calls: int
    median_us: float
    min_us: float
    p95_us: float


@click.command("nimble-bench", cls=Command, epilog=_EPILOG)
@click.argument("module", type=click.Path(path_type=Path))
@click.option("--sizes", multiple=True, metavar="SYMBOL=RANGE,…",
              help="b=1,s=32:512:32 (start:stop:step, stop included; all combinations).")  # fmt: skip
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE",
              help="A fixed argument, as for nimble-run, instead of random numbers.")  # fmt: skip
@with_device
@click.option("--seconds", type=click.FloatRange(0.0), default=1.0, show_default=True, help="Time for each size.")
@click.option("--calls", type=click.IntRange(1), help="Calls for each size, instead of --seconds.")
@click.option("--warmup", type=click.IntRange(0), default=2, show_default=True, help="Calls before those that count.")
@click.option("--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True,
              help="How to print the times.")  # fmt: skip
@click.option("--plot", is_flag=True, help="Draw the medians as bars below the table.")
def main(
    module: Path,
    sizes: Sequence[str],
    inputs: Sequence[str],
    entry: str | None,
    device: str | None,
    threads: int | None,
    seconds: float,
    calls: int | None,
    warmup: int,
    format_: str,
    plot: bool,
) -> None:
    """Times calls of MODULE, a .vmfb of nimble-compile, at the given sizes."""
    fixed = [parse_value(text) for text in inputs]
    ranges = _ranges(sizes)
    loaded = open_module(module, device=device_options(device, threads))
    called = find_entry(loaded, entry)
    combinations = _combinations(called.signature, ranges)
    rows = []
    with progress("nimble-bench") as on_step:
        for number, combination in enumerate(combinations):
            on_step(_text(combination) or "static", number / len(combinations))
            rows.append(_measure(called, combination, fixed, seconds, calls, warmup))
    _PRINT[format_](rows, list(called.signature.scope.symbols))
    if plot:
        _plot(rows)
    note(f"nimble-bench: '{called.signature.name}' on {loaded.device.options.driver}, target {loaded.signature.target}")


def _measure(
    entry: Entry, sizes: Mapping[str, int], fixed: Sequence[InputValue], seconds: float, calls: int | None, warmup: int
) -> Row:
    arguments = _arguments(entry.signature, sizes, fixed)
    for _ in range(warmup):
        entry.call_flat(arguments)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < calls if calls is not None else not times or time.perf_counter() < end:
        started = time.perf_counter()
        entry.call_flat(arguments)
        times.append((time.perf_counter() - started) * 1e6)
    times.sort()
    p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
    return Row(dict(sizes), len(times), statistics.median(times), times[0], p95)


def _arguments(signature: EntryPoint, sizes: Mapping[str, int], fixed: Sequence[InputValue]) -> list[np.ndarray]:
    """Floats are normal, integers 0 or 1 (which are indices everywhere), booleans either."""
    rng = np.random.default_rng(0)
    given = {value.name: value.value for value in fixed}
    unknown = sorted(str(name) for name in given if name not in signature.argument_names)
    if unknown:
        names = ", ".join(map(repr, signature.argument_names))
        raise NimbleError(f"--input: no argument '{unknown[0]}'; '{signature.name}' takes {names}")
    found = []
    for argument in signature.arguments:
        if argument.name in given:
            found.append(given[argument.name])
            continue
        shape = tuple(dim.evaluate(sizes) for dim in argument.dims)
        dtype: Any = dtype_of(argument.dtype).numpy
        if argument.values:
            array = np.array([value.evaluate(sizes) for value in argument.values], dtype).reshape(shape)
        elif dtype.kind in "iub":
            array = rng.integers(0, 2, shape).astype(dtype)
        else:
            array = rng.normal(size=shape).astype(dtype)
        found.append(array)
    return found


def _ranges(texts: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for part in [part for text in texts for part in text.split(",") if part]:
        name, equals, range_ = part.partition("=")
        try:
            numbers = [int(number) for number in range_.split(":")]
            values = _values(*numbers)
        except (ValueError, TypeError):
            values = []
        if not equals or not values:
            raise click.BadParameter(f"'{part}' is not SYMBOL=N or SYMBOL=START:STOP:STEP", param_hint="'--sizes'")
        found.setdefault(name, []).extend(values)
    return found


def _values(start: int, stop: int | None = None, step: int = 1) -> list[int]:
    return [start] if stop is None else list(range(start, stop + 1, step))


def _combinations(signature: EntryPoint, ranges: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """All combinations that the constraints admit. Raises NimbleError for symbols that are missing or unknown."""
    symbols = {name for argument in signature.arguments for dim in (*argument.dims, *argument.values)
               for name in dim.symbols}  # fmt: skip
    for name in ranges:
        if name not in symbols:
            raise NimbleError(
                f"--sizes: no symbol '{name}'; '{signature.name}' has {', '.join(sorted(symbols)) or 'none'}"
            )
    missing = [name for name in signature.scope.symbols if name in symbols and name not in ranges]
    if missing:
        raise NimbleError(f"--sizes says nothing of '{missing[0]}': give --sizes {','.join(f'{n}=N' for n in missing)}")
    found = []
    for values in product(*ranges.values()):
        combination = dict(zip(ranges, values, strict=True))
        for name, value in combination.items():
            problem = signature.scope.info(name).problem(value)
            if problem is not None:
                raise NimbleError(f"--sizes: '{name}' = {value} must be {problem}")
        if all(constraint.holds(combination) for constraint in signature.scope.constraints):
            found.append(combination)
    if not found:
        listed = ", ".join(map(str, signature.scope.constraints))
        raise NimbleError(f"--sizes: no combination satisfies {listed}")
    return found


def _text(sizes: Mapping[str, int]) -> str:
    return " ".join(f"{name}={value}" for name, value in sizes.items())


def _print_table(rows: Sequence[Row], symbols: Sequence[str]) -> None:
    names = [name for name in symbols if name in rows[0].sizes]
    table = Table(box=None, pad_edge=False)
    for name in (*names, "calls", "median µs", "min µs", "p95 µs"):
        table.add_column(name, justify="right")
    for row in rows:
        times = (f"{value:,.1f}" for value in (row.median_us, row.min_us, row.p95_us))
        table.add_row(*(str(row.sizes[name]) for name in names), f"{row.calls:,}", *times)
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120).print(table)


def _print_csv(rows: Sequence[Row], symbols: Sequence[str]) -> None:
    names = [name for name in symbols if name in rows[0].sizes]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*names, "calls", "median_us", "min_us", "p95_us"])
    for row in rows:
        writer.writerow([*(row.sizes[name] for name in names), row.calls, row.median_us, row.min_us, row.p95_us])


def _print_json(rows: Sequence[Row], symbols: Sequence[str]) -> None:
    click.echo(json.dumps([asdict(row) for row in rows], indent=1))


_PRINT = {"table": _print_table, "csv": _print_csv, "json": _print_json}


def _plot(rows: Sequence[Row]) -> None:
    """A bar a row, as long as its median; eighths of a character."""
    longest = max(row.median_us for row in rows)
    width = max(len(_text(row.sizes)) for row in rows)
    for row, length in _lengths(rows, longest):
        whole, eighths = divmod(length, 8)
        click.echo(f"{_text(row.sizes):>{width}} {'█' * whole}{' ▏▎▍▌▋▊▉'[eighths].strip()} {row.median_us:,.1f} µs")


def _lengths(rows: Sequence[Row], longest: float) -> Iterator[tuple[Row, int]]:
    for row in rows:
        yield row, round(_BAR * 8 * row.median_us / longest)


if __name__ == "__main__":
    main()
