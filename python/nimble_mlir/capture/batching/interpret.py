"""The interpreter of `nm.batch`: a jaxpr of one example, run over all examples of a batch at once.

In: a jaxpr and its arguments, each the same for all examples or `Varying`, an array with the examples along its first axis.
Out: its results, in the same two forms. What depends on no varying value is bound as it stands; an ordinary primitive is
batched as `jax.vmap` does it; loops and branches have rules of their own (loops.py, branches.py), which register here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core as jex_core
from jax.extend import source_info_util

from nimble_mlir.errors import CaptureError

from .rows import spread
from .uniformity import defines_sizes, inlined

__all__ = [
    "Batch",
    "Varying",
    "flags_of",
    "interpret",
    "rule",
    "spread_all",
    "unwrapped",
    "values_of",
    "vmapped",
    "wrapped",
]


@dataclass(frozen=True)
class Varying:
    """A value that differs per example: an array whose first axis is the batch."""

    value: Any


@dataclass(frozen=True)
class Batch:
    """The examples that run together: their number, an int or a symbolic size, and whether they are in a loop or branch."""

    size: Any
    inside: bool = False

    def part(self, size: Any) -> Batch:
        """Some of the examples, in a loop or branch."""
        return replace(self, size=size, inside=True)


# From the equation, its arguments, the batch and which results are used (the others may be None), to the results.
Rule = Callable[[Any, list[Any], Batch, list[bool]], list[Any]]
_rules: dict[Any, Rule] = {}


def rule(primitive: Any) -> Callable[[Rule], Rule]:
    """Registers how a primitive with a varying argument runs."""

    def register(function: Rule) -> Rule:
        _rules[primitive] = function
        return function

    return register


def interpret(closed: Any, args: Sequence[Any], batch: Batch) -> list[Any]:
    """The results of a closed jaxpr for all examples of `batch`."""
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))
    needed = {atom for eqn in jaxpr.eqns for atom in eqn.invars if not isinstance(atom, jex_core.Literal)}
    needed.update(atom for atom in jaxpr.outvars if not isinstance(atom, jex_core.Literal))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, jex_core.Literal) else values[atom]

    for eqn in jaxpr.eqns:
        used = [variable in needed for variable in eqn.outvars]
        results = _run(eqn, [read(atom) for atom in eqn.invars], batch, used)
        values.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def flags_of(args: Sequence[Any]) -> list[bool]:
    """Which of the arguments vary."""
    return [isinstance(arg, Varying) for arg in args]


def values_of(args: Sequence[Any]) -> list[Any]:
    """The arrays of the arguments."""
    return [arg.value if isinstance(arg, Varying) else arg for arg in args]


def wrapped(arrays: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    """Arrays as arguments, of which the flagged ones vary."""
    return [Varying(array) if flag else array for array, flag in zip(arrays, flags, strict=True)]


def unwrapped(args: Sequence[Any], flags: Sequence[bool], size: Any) -> list[Any]:
    """The arrays of the arguments, the flagged ones with the examples along their first axis."""
    return [
        arg.value if isinstance(arg, Varying) else spread(jnp.asarray(arg), size) if flag else arg
        for arg, flag in zip(args, flags, strict=True)
    ]


def spread_all(args: Sequence[Any], size: Any) -> list[Any]:
    """The arrays of the arguments, with the examples along the first axis of each."""
    return unwrapped(args, [True] * len(args), size)


def _run(eqn: Any, args: list[Any], batch: Batch, used: list[bool]) -> list[Any]:
    varies = any(flags_of(args))
    if defines_sizes(eqn) and (varies or batch.inside):
        raise CaptureError(
            f"{source_info_util.summarize(eqn.source_info)}: a size that data defines ('{_name(eqn)}') cannot differ per "
            "example or stand in a loop or branch of a function that nm.batch batches; compute it outside of the function, "
            "or use nm.Ragged or nm.map"
        )
    if any(hasattr(variable.aval, "inner_aval") for variable in eqn.outvars):
        raise CaptureError(
            f"{source_info_util.summarize(eqn.source_info)}: nm.batch cannot batch the mutable reference that is made here; "
            "carry the value through the loop"
        )
    if not varies:
        return _bind(eqn, args)
    closed, found = inlined(eqn), _rules.get(eqn.primitive)
    if closed is None and found is None:
        return vmapped(eqn, args, batch)
    info = eqn.source_info
    names = source_info_util.current_name_stack() + info.name_stack
    with source_info_util.user_context(info.traceback, name_stack=names):
        return interpret(closed, args, batch) if found is None else found(eqn, args, batch, used)


def vmapped(eqn: Any, args: Sequence[Any], batch: Batch) -> list[Any]:
    """The results of an equation as `jax.vmap` batches it, all of them varying."""
    axes = [0 if flag else None for flag in flags_of(args)]
    try:
        results = jax.vmap(lambda *values: _bind(eqn, values), in_axes=axes, axis_size=batch.size)(*values_of(args))
    except CaptureError as error:  # of a primitive of our own, which does not know where it stands
        raise CaptureError(f"{source_info_util.summarize(eqn.source_info)}: {error}") from error
    return [Varying(result) for result in results]


def _bind(eqn: Any, args: Sequence[Any]) -> list[Any]:
    """The results of an equation, with its place and the configuration that it was traced under."""
    values = {atom: arg for atom, arg in zip(eqn.invars, args, strict=True) if not isinstance(atom, jex_core.Literal)}
    info = jex_core.DebugInfo("nm.batch", eqn.primitive.name, None, None)
    alone = jex_core.Jaxpr((), list(values), eqn.outvars, [eqn], eqn.effects, info)
    return jex_core.jaxpr_as_fun(jex_core.ClosedJaxpr(alone, ()))(*values.values())


def _name(eqn: Any) -> str:
    what = eqn.params.get("what")
    return what if isinstance(what, str) else eqn.primitive.name.replace("nimble_", "nm.")
