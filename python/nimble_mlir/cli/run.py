"""`nimble-run`: one call of a .vmfb, with the inputs of iree-run-module; or a description of the file.

In: a file and values. Out: the results as text on stdout, or as .npz or .npy; with --describe the signature.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from nimble_mlir.dims.signature import EntryPoint, ResultSpec
from nimble_mlir.errors import NimbleError, ShapeError
from nimble_mlir.runtime import DeviceOptions, Entry, Module
from nimble_mlir.runtime.device import DRIVERS
from nimble_mlir.runtime.loader import open_module

from .console import Command, note
from .inputs import InputValue, mlir_type, parse_value

__all__ = ["arguments_of", "device_options", "find_entry", "main", "with_device"]

_EPILOG = "Exit codes: 0 it ran, 1 an error (one line on stderr), 2 a wrong command line, 130 interrupted."


def with_device(function: Any) -> Any:
    """The options that say where a module runs, for a command."""
    for option in (
        click.option("--threads", type=click.IntRange(1), help="Worker threads of local-task."),
        click.option("--device", type=click.Choice(DRIVERS), help="Where to run (default: what the file asks for)."),
        click.option("--entry", metavar="NAME", help="The entry point, where there are several."),
    ):
        function = option(function)
    return function


@click.command("nimble-run", cls=Command, epilog=_EPILOG)
@click.argument("module", type=click.Path(path_type=Path))
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]VALUE",
              help="An argument: ids=@ids.npy, 1x8xi32=0, 3xf32=1,2,3. Without NAME by position.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the results to FILE.npz, or the only one to FILE.npy, instead of stdout.")  # fmt: skip
@with_device
@click.option("--describe", is_flag=True, help="Print what the file holds and exit; needs no device.")
def main(
    module: Path,
    inputs: Sequence[str],
    output: Path | None,
    entry: str | None,
    device: str | None,
    threads: int | None,
    describe: bool,
) -> None:
    """Runs MODULE, a .vmfb of nimble-compile, once. Load only files that you trust: a .vmfb is native code."""
    if output is not None and output.suffix not in (".npz", ".npy"):
        raise click.BadParameter(f"'{output}' ends neither in .npz nor in .npy", param_hint="'--output'")
    values = [parse_value(text) for text in inputs]
    loaded = open_module(module, device=device_options(device, threads), absent_device_is_error=not describe)
    if describe:
        click.echo(_description(module, loaded))
        return
    called = find_entry(loaded, entry)
    results = called.call_flat(arguments_of(called.signature, values))
    if output is None:
        for number, (spec, array) in enumerate(zip(called.signature.results, results, strict=True)):
            click.echo(_result_text(number, spec, array))
        return
    _save(output, called.signature, results)
    note(f"nimble-run: wrote '{output}' ({len(results)} array{'s' * (len(results) != 1)})")


def device_options(device: str | None, threads: int | None) -> DeviceOptions | str | None:
    """The `device=` of `load`."""
    if threads is None:
        return device
    if device not in (None, "local-task"):
        raise click.UsageError(f"--threads is for the device local-task, not for {device}")
    return DeviceOptions(threads=threads)


def find_entry(module: Module, name: str | None) -> Entry:
    """The entry point of this name, or the only one. Raises NimbleError."""
    names = list(module.signature.entries)
    if name is None and len(names) > 1:
        raise NimbleError(f"the module has several entry points: choose one by --entry {'|'.join(names)}")
    return module.entry(names[0] if name is None else name)


def arguments_of(signature: EntryPoint, values: Sequence[InputValue]) -> list[np.ndarray]:
    """The flat list of arguments: named ones at their names, the others in order. Raises ShapeError."""
    names = signature.argument_names
    found: dict[str, np.ndarray] = {}
    for value in values:
        if value.name is None:
            continue
        if value.name not in names:
            raise ShapeError(f"no argument '{value.name}'; '{signature.name}' takes {_listed(names)}")
        if value.name in found:
            raise ShapeError(f"argument '{value.name}' is given twice")
        found[value.name] = value.value
    free = iter([name for name in names if name not in found])
    for value in values:
        if value.name is None:
            name = next(free, None)
            if name is None:
                raise ShapeError(f"{len(values)} inputs were given, but '{signature.name}' takes {_listed(names)}")
            found[name] = value.value
    missing = [argument for argument in signature.arguments if argument.name not in found]
    if missing:
        raise ShapeError(f"missing argument '{missing[0].name}' ({missing[0]}): give it as --input {missing[0].name}=…")
    return [_as_dtype(found[argument.name], argument.dtype) for argument in signature.arguments]


def _as_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    """A .npy file holds dtypes that numpy does not know (bfloat16) as bytes without a type: they get it back."""
    if array.dtype.kind != "V":
        return array
    import ml_dtypes

    wanted = np.dtype(getattr(ml_dtypes, dtype, dtype))
    return array.view(wanted) if array.dtype.itemsize == wanted.itemsize else array


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _result_text(number: int, spec: ResultSpec, array: np.ndarray) -> str:
    with np.printoptions(threshold=1000, linewidth=120):
        return f"result[{number}]{spec.path}: {mlir_type(array.shape, array.dtype.name)}\n{array}"


def _save(output: Path, signature: EntryPoint, results: Sequence[np.ndarray]) -> None:
    if output.suffix == ".npy":
        if len(results) != 1:
            raise NimbleError(f"'{output}' holds one array, but there are {len(results)} results: name it .npz")
        np.save(output, results[0])
        return
    keys = [spec.path or "result" for spec in signature.results]
    arrays: Any = {
        _key(path, number, keys): array for number, (path, array) in enumerate(zip(keys, results, strict=True))
    }
    np.savez(output, **arrays)


def _key(path: str, number: int, paths: Sequence[str]) -> str:
    """ "vector" for "['vector']", "0" for "[0]"; the number where two would have one name."""

    def plain(text: str) -> str:
        return text.strip("[]").replace("']['", ".").replace("']", "").replace("['", ".").strip("'").replace("][", ".")

    return plain(path) if [plain(each) for each in paths].count(plain(path)) == 1 else str(number)


def _description(path: Path, module: Module) -> str:
    lines = [str(module.signature).replace(f"module for {module.signature.target}", f"{path}: module", 1)]
    lines.append(f"targets: {', '.join(module.targets)}")
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    weights = sizes.get("weights.safetensors", 0)
    lines.append(f"size: {path.stat().st_size:,} bytes, of which weights {weights:,}")
    for name, size in sizes.items():
        lines.append(f"    {size:>12,}  {name}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
