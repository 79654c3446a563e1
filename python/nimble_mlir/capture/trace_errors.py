"""What a CaptureError says where JAX cannot trace or lower a function: the user's line, JAX's reason, and what to do."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import jax

__all__ = ["failure"]

# How a symbol that the function defines is called (Tracing.fresh), and what to do where JAX's control flow has one that
# does not stay: part of JAX's message → advice.
_DEFINED = re.compile(r"\b_n\d+\b")
_OF_SIZES = {
    "carry input": "A result of the scan body has a size that differs per step; use nm.Ragged or nm.TensorList. "
    "A carry whose size changes needs nm.scan, nm.while_loop or nm.fori_loop.",
    "branches must have equal output types": "Results whose size differs by branch need nm.cond or nm.switch.",
}

# Functions of JAX's that ask for the number of a size, by their names in a traceback, and what takes symbolic sizes.
_NEED_NUMBERS = {
    "searchsorted": "jnp.searchsorted (also in jnp.digitize and jnp.interp) takes no symbolic size: use nm.searchsorted.",
    "_conv": "jnp.convolve and jnp.correlate take no symbolic size: use lax.conv_general_dilated.",
}
_NUMBER = (
    "A symbolic size is no Python number: len(x), int(x.shape[0]) and range(x.shape[0]) need one; jnp.arange(x.shape[0]), "
    "lax.fori_loop and arithmetic with x.shape[0] do not."
)
_CONSTANT = re.compile(
    "used in a context that requires a constant|'_DimExpr' object cannot be interpreted as an integer"
)

# Files that are not the user's: of JAX, of this package, of Python.
_LIBRARIES = (f"{Path(jax.__file__).parent}/", f"{Path(__file__).parents[1]}/")
_STANDARD = f"{Path(traceback.__file__).parent}/"


def failure(step: str, name: str, error: Exception, place: str) -> str:
    """The message for what JAX raised in a `step` ("trace", "lower") of the function `name`, which stands at `place`."""
    text = str(error).strip() or type(error).__name__
    if _CONSTANT.search(text):
        text = f"{_first(text)}\n{_needs_number(error)}"
    elif isinstance(error, jax.errors.InconclusiveDimensionOperation):
        text = f"{_first(text)}\n{_inconclusive(error)}"
    elif "associative scan over axis of non-constant size" in text:
        text = f"{text.partition('.')[0]}.\nUse nm.associative_scan, which takes symbolic sizes."
    elif isinstance(error, TypeError) and _DEFINED.search(text):
        text += "".join(f"\n{advice}" for part, advice in _OF_SIZES.items() if part in text)
    where = next(_user_lines(error), place)
    return f"{where}: JAX cannot {step} '{name}' with these example arguments: {type(error).__name__}: {text}"


def _first(text: str) -> str:
    return text.partition("This error arises")[0].strip()


def _needs_number(error: Exception) -> str:
    functions = _functions(error)
    return next((advice for function, advice in _NEED_NUMBERS.items() if function in functions), _NUMBER)


def _inconclusive(error: Exception) -> str:
    """What to do where JAX cannot compare sizes."""
    if "_scan_impl" in _functions(error):
        compared = str(error).partition("is inconclusive")[0]
        if not re.search(r"\bfloordiv\(|\bmod\(", compared):
            return (
                "lax.scan needs a length that is at least 1: state it, as in nm.dims('t', constraints=['t >= 2']) for a "
                "scan of x[1:]."
            )
        # Of lax.scan with unroll=, and of lax.map with batch_size=, which makes one.
        return (
            "lax.map with batch_size and lax.scan with unroll need a length that is known to be a multiple: use nm.map, or "
            "state it, as in nm.dims('s', constraints=['mod(s, 4) == 0'])."
        )
    return (
        "State what holds: nm.dims(…, constraints=[…]). What is decided as the module runs compares values: "
        "jnp.asarray(x.shape[0]) > 1."
    )


def _functions(error: Exception) -> set[str]:
    return {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)}


def _user_lines(error: BaseException | None) -> Iterator[str]:
    """`file:line` of the user's lines on the way to the error, innermost first. What JAX raises when it lowers has them in
    the error's cause, if at all."""
    while error is not None:
        frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        yield from (f"{file}:{line}" for file, line in reversed(frames) if _is_users(file))
        error = error.__cause__


def _is_users(file: str) -> bool:
    standard = file.startswith(_STANDARD) and "site-packages" not in file
    return not (standard or file.startswith((*_LIBRARIES, "<frozen ")))
