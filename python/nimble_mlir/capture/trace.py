"""Tracing: a JAX function and its specs into a traced jaxpr whose constants are arguments, and its lowering.

In: a function and pytrees of ShapeDtypeStructs (arrays are turned into them before: a committed array would add sharding
ops). Out: `Traced`, with StableHLO bytes and the hoisted constants.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend import core as jex_core
from jax.extend import source_info_util

from nimble_mlir.errors import CaptureError, NimbleError, UnsupportedOpError

from .defined_symbols import defined_symbols, size_argument
from .linalg.refusals import refusal
from .lowering import lower
from .stablehlo import to_portable_artifact
from .trace_errors import failure
from .tracing import Tracing, capturing

__all__ = ["Traced", "trace"]

_ONE_DEVICE = "it spans several devices, and a compiled module runs on one"
_CALLBACK_ADVICE = "a compiled module runs without Python; compute the value inside the function or pass it in"

# Primitives that a module without Python cannot run, with what to do instead.
_UNSUPPORTED: dict[str, str] = {
    "pure_callback": _CALLBACK_ADVICE,
    "io_callback": _CALLBACK_ADVICE,
    "debug_callback": "remove it, or return the value to look at it",
    "debug_print": "remove it, or return the value to look at it",
    "infeed": "pass the data as an argument",
    "outfeed": "return the data as a result",
    "run_state": "mutable references cannot leave the function; return the new value",
    **dict.fromkeys(
        ("shard_map", "pmap", "xla_pmap", "psum", "all_gather", "all_to_all", "ppermute", "axis_index"), _ONE_DEVICE
    ),
}

# What a reference that lives inside of the function leaves in its jaxpr: JAX's lowering turns it into values.
_INTERNAL_EFFECT = "InternalMutableArrayEffect"


@dataclass(frozen=True)
class Traced:
    """A lowered function: `artifact` is a StableHLO portable artifact whose `@main` takes the dimension variables,
    then `constants`, then the flat arguments, then `unused` ones; `out_info` is JAX's pytree of result ShapeDtypeStructs."""

    artifact: bytes
    constants: tuple[np.ndarray, ...]
    out_info: Any
    unused: int


def trace(
    fn: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    stablehlo_version: str,
    scope: Any | None = None,
    symbols: Collection[str] = (),
) -> Traced:
    """Traces and lowers `fn` for the CPU; `stablehlo_version` is the newest that the reader of the artifact knows.

    `scope` is JAX's of the symbolic sizes among the arguments, `symbols` are their names."""
    name = getattr(fn, "__name__", type(fn).__name__)
    at_definition = _called_where_defined(fn)
    try:
        traced, defined = at_definition(lambda: _trace_once(fn, args, kwargs, scope, frozenset(symbols)))
    except NimbleError:
        raise
    except Exception as error:  # whatever JAX or the user's function raises while it is traced
        raise CaptureError(failure("trace", name, error, _file_line(fn))) from error
    _check_supported(traced.jaxpr, _file_line(fn))
    constants, closed = _hoist_constants(traced.jaxpr)
    flat = [_spec(variable.aval) for variable in closed.jaxpr.invars]
    sizes = size_argument(defined, scope)
    flattened = jax.jit(_named(jex_core.jaxpr_as_fun(closed), name, len(sizes)), keep_unused=True)
    again = at_definition(lambda: flattened.trace(*flat, *sizes))
    try:
        lowered = at_definition(lambda: lower(again))
    except NimbleError:
        raise
    except Exception as error:  # JAX's lowering rules raise what they like for what they cannot lower
        raise CaptureError(failure("lower", name, error, _file_line(fn))) from error
    return Traced(
        to_portable_artifact(lowered.compiler_ir(), stablehlo_version), constants, traced.out_info, len(sizes)
    )


def _called_where_defined(fn: Callable[..., Any]) -> Callable[[Callable[[], Any]], Any]:
    """Calls what it is given, from a frame that says that it is where `fn` is defined.

    For what has no line in the function (its own result, constants) JAX takes that of the caller. That is no place in the
    program, and who compiles a function from another line is to get the same file.
    """
    call = lambda inner: inner()  # noqa: E731 - one line, so that its frame has the line that the code object begins at
    code = getattr(inspect.unwrap(fn), "__code__", None)
    if code is not None:
        place = {"co_filename": code.co_filename, "co_firstlineno": code.co_firstlineno}
        call.__code__ = call.__code__.replace(**place, co_name=code.co_name, co_qualname=code.co_qualname)
    return call


def _trace_once(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], scope: Any | None, names: frozenset[str]
) -> tuple[Any, list[str]]:
    """The traced function, and the symbols that it defines, each once."""
    defined: list[str] = []
    for anew in (False, True):
        with capturing(Tracing(scope, names, anew)):
            traced = jax.jit(fn, keep_unused=True).trace(*args, **kwargs)
        defined = defined_symbols(traced.jaxpr)
        if len(set(defined)) == len(defined):
            break
    return traced, defined


def _spec(aval: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=getattr(aval, "weak_type", False))


def _named(fn: Callable[..., Any], name: str, unused: int) -> Callable[..., Any]:
    """`fn` under `name`, with `unused` more arguments."""

    def call(*flat: Any) -> Any:
        return fn(*flat[: len(flat) - unused])

    call.__name__ = call.__qualname__ = name
    return call


def _hoist_constants(closed: Any) -> tuple[tuple[np.ndarray, ...], Any]:
    """Makes the constants of a closed jaxpr leading arguments: so weights are never copied into an MLIR context."""
    if not closed.consts:
        return (), closed
    return tuple(_array(const) for const in closed.consts), jex_core.ClosedJaxpr(_lift(closed.jaxpr), ())


def _lift(jaxpr: Any) -> Any:
    debug_info = jaxpr.debug_info.with_unknown_names()
    return jaxpr.replace(constvars=[], invars=[*jaxpr.constvars, *jaxpr.invars], debug_info=debug_info)


def _array(const: Any) -> np.ndarray:
    if jax.dtypes.issubdtype(const.dtype, jax.dtypes.prng_key):
        const = jax.random.key_data(const)
    # The program and the module use the elements where they lie: an array of numpy's may be written to later.
    return np.asarray(const) if isinstance(const, jax.Array) else np.array(const)


def _file_line(fn: Callable[..., Any]) -> str:
    """Where a function is defined: the place of what JAX knows no other of (a method of a library, say)."""
    code = getattr(inspect.unwrap(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else getattr(fn, "__name__", "the function")


def _check_supported(closed: Any, place: str) -> None:
    outside = {type(effect).__name__ for effect in closed.jaxpr.effects} - {_INTERNAL_EFFECT}
    for eqn, where in _equations(closed.jaxpr, place):
        name = eqn.primitive.name
        if name in _UNSUPPORTED:
            raise UnsupportedOpError(f"{where}: '{name}' is not supported: {_UNSUPPORTED[name]}")
        refused = refusal(eqn)
        if refused is not None:
            raise UnsupportedOpError(f"{where}: {refused}")
        if name == "sharding_constraint" and eqn.params["sharding"].num_devices > 1:
            raise UnsupportedOpError(
                f"{where}: a sharding over {eqn.params['sharding'].num_devices} devices is not supported; a compiled "
                "module runs on one device"
            )
        for effect in eqn.effects:
            if type(effect).__name__ in outside:
                raise UnsupportedOpError(
                    f"{where}: '{name}' has the side effect {type(effect).__name__}, which a compiled module cannot "
                    "have; take the value as an argument and return the new one"
                )


def _equations(jaxpr: Any, outer: str) -> Iterator[tuple[Any, str]]:
    """The equations at any depth, each with its place; inside of JAX's own functions that is where they are called."""
    for eqn in jaxpr.eqns:
        where = source_info_util.summarize(eqn.source_info) or outer
        yield eqn, where
        for inner in jex_core.jaxprs_in_params(eqn.params):
            yield from _equations(inner, where)
