"""nimble_mlir: JAX functions whose sizes, control flow and data change from call to call, compiled once.

    import jax.numpy as jnp
    import nimble_mlir as nm

    b, s = nm.dims("b, s", constraints=["s <= 512"])
    m = nm.compile(lambda x: jnp.tanh(x).sum(axis=1), (nm.spec((b, s), jnp.float32),))

Importing this package imports neither jax nor IREE: both load when they are first needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nimble_mlir import dims as _dims_module  # noqa: F401 - loaded here, so that the name below is the function
from nimble_mlir.errors import (
    CaptureError,
    CompileError,
    LoadError,
    NimbleError,
    ShapeError,
    UnsupportedOpError,
)
from nimble_mlir.log import configure as _configure_log

if TYPE_CHECKING:
    from nimble_mlir.api import compile, compile_stablehlo
    from nimble_mlir.capture import (
        TensorList,
        adt,
        associative_scan,
        batch,
        cond,
        constructor,
        fori_loop,
        match,
        recursive,
        scan,
        searchsorted,
        switch,
        while_loop,
    )
    from nimble_mlir.capture import map_ as map
    from nimble_mlir.driver import cache
    from nimble_mlir.driver.options import CompileOptions
    from nimble_mlir.runtime import Array, DeviceInfo, DeviceOptions, Module, devices, load

__version__ = "0.1.0"

_configure_log()

__all__ = [
    "Array",
    "CaptureError",
    "CompileError",
    "CompileOptions",
    "DeviceInfo",
    "DeviceOptions",
    "LoadError",
    "Module",
    "NimbleError",
    "Ragged",
    "ShapeError",
    "SizeRange",
    "TensorList",
    "UnsupportedOpError",
    "adt",
    "arange",
    "associative_scan",
    "batch",
    "cache",
    "compile",
    "compile_stablehlo",
    "compress",
    "concatenate",
    "cond",
    "constructor",
    "devices",
    "dims",
    "fori_loop",
    "full",
    "load",
    "map",
    "match",
    "non_max_suppression",
    "nonzero",
    "ragged_attention",
    "recursive",
    "repeat",
    "reshape",
    "scan",
    "searchsorted",
    "slice",
    "spec",
    "split",
    "switch",
    "top_k",
    "unique",
    "while_loop",
    "with_shape",
    "zeros",
]

_CAPTURE, _RUNTIME = "nimble_mlir.capture", "nimble_mlir.runtime"

# Public name → its module, and its name there where that is another ("*": the module itself).
_LAZY = {
    "CompileOptions": "nimble_mlir.driver.options",
    "DeviceInfo": _RUNTIME,
    "DeviceOptions": _RUNTIME,
    "Array": _RUNTIME,
    "Module": _RUNTIME,
    "Ragged": _CAPTURE,
    "SizeRange": "nimble_mlir.dims",
    "TensorList": _CAPTURE,
    "adt": _CAPTURE,
    "arange": _CAPTURE,
    "associative_scan": _CAPTURE,
    "batch": _CAPTURE,
    "cache": "nimble_mlir.driver.cache:*",
    "compile": "nimble_mlir.api",
    "compile_stablehlo": "nimble_mlir.api",
    "compress": _CAPTURE,
    "concatenate": _CAPTURE,
    "cond": _CAPTURE,
    "constructor": _CAPTURE,
    "devices": _RUNTIME,
    "fori_loop": _CAPTURE,
    "full": _CAPTURE,
    "load": _RUNTIME,
    "map": f"{_CAPTURE}:map_",
    "match": _CAPTURE,
    "non_max_suppression": _CAPTURE,
    "nonzero": _CAPTURE,
    "ragged_attention": _CAPTURE,
    "recursive": _CAPTURE,
    "repeat": _CAPTURE,
    "reshape": _CAPTURE,
    "scan": _CAPTURE,
    "searchsorted": _CAPTURE,
    "slice": f"{_CAPTURE}:slice_",
    "split": _CAPTURE,
    "switch": _CAPTURE,
    "top_k": _CAPTURE,
    "unique": _CAPTURE,
    "while_loop": _CAPTURE,
    "zeros": _CAPTURE,
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, _, other = _LAZY[name].partition(":")
        found = import_module(module)
        value = found if other == "*" else getattr(found, other or name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nimble_mlir' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def dims(
    names: str,
    constraints: Sequence[str] = (),
    likely: Mapping[str, int | Sequence[int]] | None = None,
) -> tuple[Any, ...]:
    """Symbolic sizes for example arguments: `b, s = nm.dims("b, s", constraints=["s <= 512"])`.

    Args:
      names: the symbols, separated by commas, as `jax.export.symbolic_shape` takes them.
      constraints: relations such as "s <= 512", "mod(s, 8) == 0", "b*s <= 4096"; a call that breaks one is a ShapeError.
      likely: sizes that are common, by symbol: they steer optimization and restrict nothing.

    Returns:
      `jax.export` symbolic dimensions of one scope, at least 1 each. Raises CaptureError for malformed text.
    """
    from nimble_mlir.capture import make_dims

    return make_dims(names, constraints, likely)


def spec(shape: Sequence[Any], dtype: Any) -> Any:
    """The spec of an array argument: `nm.spec((b, s, 768), jnp.float32)`, a `jax.ShapeDtypeStruct`."""
    from nimble_mlir.capture import make_spec

    return make_spec(shape, dtype)


def with_shape(x: Any, shape: Sequence[Any]) -> Any:
    """States that the JAX value `x` has the sizes `shape`: it joins sizes that JAX takes to be different.

    Proved sizes cost nothing; others are checked at each call of the compiled module, with a ShapeError. Run eagerly it
    returns `x`, or raises ShapeError where a size differs. It can be differentiated and batched.
    """
    from nimble_mlir.capture import with_shape as stated

    return stated(x, shape)
