"""What nimble-compile compiles: a Python function by name, a StableHLO file, or a serialized `jax.export` file.

In: the text of SOURCE and of the inputs. Out: a `Program` at stage stablehlo.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

import nimble_mlir as nm
from nimble_mlir.api import read_stablehlo
from nimble_mlir.errors import CaptureError, CompileError, NimbleError
from nimble_mlir.passes.program import Program

from .inputs import InputSpec

__all__ = ["read_program"]

_MLIR_SUFFIXES = (".mlir", ".mlirbc", ".bc", ".vhlo", ".stablehlo")
_BYTECODE_MAGIC = b"ML\xefR"


def read_program(
    source: str,
    inputs: Sequence[InputSpec],
    constraints: Sequence[str],
    likely: Mapping[str, list[int]],
    target: str,
) -> Program:
    """Raises a NimbleError, or click.UsageError where the inputs do not go with the kind of source."""
    path = Path(source)
    if not path.is_file():
        return _capture(source, inputs, constraints, likely)
    if inputs or constraints or likely:
        raise click.UsageError(f"--input, --constraint and --likely are for Python functions; '{source}' has its sizes")
    data = path.read_bytes()
    if path.suffix in _MLIR_SUFFIXES or data.startswith(_BYTECODE_MAGIC):
        return read_stablehlo(data, target)
    from nimble_mlir.capture.foreign import deserialize_export

    exported = deserialize_export(data)
    if exported is None:
        raise CompileError(
            f"'{source}' is neither StableHLO ({', '.join(_MLIR_SUFFIXES)}) nor what jax.export.Exported.serialize() "
            f"gives; a Python function is named as package.module:function"
        )
    return read_stablehlo(exported, target)


def _capture(
    source: str, inputs: Sequence[InputSpec], constraints: Sequence[str], likely: Mapping[str, list[int]]
) -> Program:
    from nimble_mlir.capture import capture

    function = _find(source)
    args, kwargs = _by_position(function, *_arguments(inputs, constraints, likely))
    name = getattr(function, "__name__", "main")
    return capture({name if name.isidentifier() else "main": (function, args, kwargs)})


def _find(source: str) -> Callable[..., Any]:
    """The object that "package.module:name" or "file.py:name" names; raises CaptureError."""
    where, colon, name = source.rpartition(":")
    if not colon or not where or not name:
        raise CaptureError(
            f"'{source}' is no file and names no function; expected FILE.mlir, or package.module:function"
        )
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise CaptureError(f"'{where}' does not exist; expected FILE.py:function, or package.module:function")
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        assert spec is not None
        loader = spec.loader
        assert loader is not None
        module = importlib.util.module_from_spec(spec)
        load: Callable[[], Any] = lambda: loader.exec_module(module) or module  # noqa: E731
    else:
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
        load = lambda: importlib.import_module(where)  # noqa: E731
    try:
        found = load()
    except NimbleError:
        raise
    except Exception as error:  # the user's module may fail in any way
        raise CaptureError(f"'{where}' cannot be imported: {type(error).__name__}: {error}") from error
    try:
        function = attrgetter(name)(found)
    except AttributeError:
        raise CaptureError(f"'{where}' has no '{name}'; expected {where}:function") from None
    if not callable(function):
        raise CaptureError(f"'{source}' is a {type(function).__name__}; expected a function")
    return function


def _arguments(
    inputs: Sequence[InputSpec], constraints: Sequence[str], likely: Mapping[str, list[int]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Example arguments: those without a name by position, the others by keyword; paths make dicts and lists."""
    names: dict[str, None] = {}
    for each in inputs:
        for dim in each.dims:
            if not dim.isdigit():
                names.update(dict.fromkeys(sorted(_symbols(dim, each))))
    symbols = dict(zip(names, nm.dims(", ".join(names), list(constraints), likely), strict=True)) if names else {}
    if not names and (constraints or likely):
        raise CaptureError("--constraint and --likely are about symbols, but no --input has a size that is one")
    positional, keyword = [], {}
    for each in inputs:
        value = (
            each.value if each.value is not None else nm.spec([_size(dim, symbols) for dim in each.dims], each.dtype)
        )
        if each.name is None:
            positional.append(value)
        else:
            _put(keyword, each.name, value)
    return tuple(positional), keyword


def _by_position(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Named arguments as positional ones where the function takes them so: the module is called like the function."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return args, kwargs
    for parameter in parameters[len(args) :]:
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name not in kwargs:
            break
        args = (*args, kwargs.pop(parameter.name))
    return args, kwargs


def _symbols(dim: str, spec: InputSpec) -> frozenset[str]:
    from nimble_mlir.dims import DimExpr

    try:
        return DimExpr.parse(dim).symbols
    except ValueError as error:
        raise CaptureError(f"--input {spec.name or ''}: {error}") from None


def _size(dim: str, symbols: Mapping[str, Any]) -> Any:
    if dim.isdigit():
        return int(dim)
    from nimble_mlir.capture.symbols import expression_of

    return expression_of(dim, next(iter(symbols.values())))


def _put(into: dict[str, Any], path: str, value: Any) -> None:
    """into["params"]["w"] = value for the path "params['w']"."""
    name, *keys = path.replace("]", "").split("[")
    steps: list[Any] = [int(key) if key.isdigit() else key.strip("'\"") for key in keys]
    place: Any = into
    key: Any = name
    for step in steps:
        empty: Any = [] if isinstance(step, int) else {}
        place = _at(place, key, empty)
        key = step
    _at(place, key, value)


def _at(place: Any, key: Any, value: Any) -> Any:
    """What stands at `key`, put there if nothing does."""
    if isinstance(place, dict):
        return place.setdefault(key, value)
    if key > len(place):
        raise CaptureError(f"element {key} of a list is given, but element {len(place)} is not")
    if key == len(place):
        place.append(value)
    return place[key]
