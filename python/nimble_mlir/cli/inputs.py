"""The text of inputs on a command line: specs for a compile ("ids=b,s:i32") and values for a call ("1x8xi32=0").

In: text. Out: a name (None: by position) with a shape and a dtype, or an array. What is wrong is a click.BadParameter
that says what was expected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import ml_dtypes
import numpy as np

__all__ = ["InputSpec", "InputValue", "mlir_type", "parse_spec", "parse_value"]

# The element types of MLIR and of iree-run-module, by numpy's names.
_DTYPES = {
    "i1": "bool",
    **{f"i{width}": f"int{width}" for width in (4, 8, 16, 32, 64)},
    **{f"si{width}": f"int{width}" for width in (8, 16, 32, 64)},
    **{f"{prefix}{width}": f"uint{width}" for prefix in ("ui", "u") for width in (4, 8, 16, 32, 64)},
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "f64": "float64",
    "complex<f32>": "complex64",
    "complex<f64>": "complex128",
    "f8E4M3FN": "float8_e4m3fn",
    "f8E5M2": "float8_e5m2",
}
_NAMES = {name: short for short, name in reversed(_DTYPES.items())}
_SPEC_HELP = "[NAME=]SIZE,SIZE,…:DTYPE such as ids=b,s:i32, or NAME=@file.npy, or NAME=3 for a Python number"
_VALUE_HELP = "[NAME=]@file.npy or [NAME=]1x8xi32=0 (a shape, a dtype, one value or all of them)"
_NAMED = re.compile(r"(?P<name>[A-Za-z_][\w.]*(?:\[[^\]]*\])*)=(?P<rest>.*)", re.DOTALL)
_TYPED = re.compile(r"(?P<shape>(?:\d+x)*)(?P<dtype>[a-zA-Z]\w*(?:<f\d+>)?)(?:=(?P<values>.*))?", re.DOTALL)


@dataclass(frozen=True)
class InputSpec:
    """An example argument of a compile: dims as text and a dtype, or a value."""

    name: str | None
    dims: tuple[str, ...] = ()
    dtype: str = ""
    value: Any = None


@dataclass(frozen=True)
class InputValue:
    """An argument of a call."""

    name: str | None
    value: np.ndarray


def mlir_type(shape: tuple[int, ...], dtype: str) -> str:
    """ "3x32xf32" as iree-run-module writes it."""
    return "x".join([*map(str, shape), _NAMES.get(dtype, dtype)])


def parse_spec(text: str) -> InputSpec:
    """Reads what nimble-compile takes for --input."""
    match = _NAMED.fullmatch(text)
    name, rest = (match["name"], match["rest"]) if match is not None else (None, text)
    if rest.startswith("@"):
        return InputSpec(name, value=_load(rest[1:]))
    dims, colon, dtype = rest.rpartition(":")
    if colon:
        return InputSpec(name, _dims(dims), _dtype(dtype, text, _SPEC_HELP))
    for number in (int, float):
        try:
            return InputSpec(name, value=number(rest))
        except ValueError:
            continue
    raise click.BadParameter(f"'{text}' has no dtype; expected {_SPEC_HELP}")


def parse_value(text: str) -> InputValue:
    """Reads what nimble-run takes for --input."""
    match = _TYPED.fullmatch(text)
    named = None if match is not None and _is_dtype(match["dtype"]) else _NAMED.fullmatch(text)
    name, rest = (named["name"], named["rest"]) if named is not None else (None, text)
    if rest.startswith("@"):
        return InputValue(name, _load(rest[1:]))
    match = _TYPED.fullmatch(rest)
    if match is None:
        raise click.BadParameter(f"'{text}' is no input; expected {_VALUE_HELP}")
    shape = tuple(int(size) for size in match["shape"].split("x") if size)
    dtype = np.dtype(_numpy(_dtype(match["dtype"], text, _VALUE_HELP)))
    return InputValue(name, _filled(shape, dtype, match["values"], text))


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any], values: str | None, text: str) -> np.ndarray:
    words = re.split(r"[\s,\[\]]+", values.strip(" []")) if values is not None and values.strip(" []") else ["0"]
    try:
        elements = np.array([_number(word, dtype) for word in words], dtype)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"'{text}' has a value that is no {dtype.name}: {error}") from None
    size = int(np.prod(shape, dtype=np.int64))
    if elements.size not in (1, size):
        raise click.BadParameter(f"'{text}' has {elements.size} values; expected 1 or {size}")
    return np.broadcast_to(elements, size).reshape(shape) if elements.size == 1 else elements.reshape(shape)


def _number(word: str, dtype: np.dtype[Any]) -> complex | float | int:
    """The number that `word` says. Raises ValueError for one that is no element of such an array."""
    if dtype.kind == "c":
        return complex(word)
    return int(word) if dtype.kind in "iub" or "int" in dtype.name else float(word)


def _dims(text: str) -> tuple[str, ...]:
    """The sizes between commas, except those inside of parentheses: "b,max(s, 4)"."""
    parts, depth, current = [], 0, ""
    for char in text:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    parts.append(current)
    return tuple(part.strip() for part in parts if part.strip())


def _is_dtype(text: str) -> bool:
    return text in _DTYPES or text in _DTYPES.values()


def _dtype(text: str, whole: str, expected: str) -> str:
    if text in _DTYPES:
        return _DTYPES[text]
    try:
        return np.dtype(_numpy(text)).name
    except TypeError:
        known = ", ".join(("i1", "i8", "i32", "i64", "u8", "f16", "bf16", "f32", "f64"))
        raise click.BadParameter(
            f"'{whole}' has the unknown dtype '{text}' ({known}, or numpy's names); expected {expected}"
        ) from None


def _numpy(name: str) -> Any:
    return getattr(ml_dtypes, name, name)


def _load(path: str) -> np.ndarray:
    file, _, key = path.partition(":")
    try:
        found = np.load(Path(file), allow_pickle=False)
    except FileNotFoundError:
        raise click.BadParameter(f"'{file}' does not exist") from None
    except (OSError, ValueError, EOFError) as error:
        raise click.BadParameter(f"'{file}' is no .npy or .npz file: {error}") from None
    if isinstance(found, np.ndarray):
        return found
    with found:
        names = ", ".join(found.files)
        if not key and len(found.files) == 1:
            key = found.files[0]
        if key not in found.files:
            raise click.BadParameter(f"'{file}' holds the arrays {names}: name one, @{file}:{found.files[0]}")
        return found[key]
