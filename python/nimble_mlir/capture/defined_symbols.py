"""The symbols that a jaxpr defines: sizes that only the run of the function knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
from jax.extend import core as jex_core
from jax.extend import source_info_util

from nimble_mlir.errors import CaptureError

from .symbols import is_symbolic, to_expr
from .tracing import Tracing

__all__ = ["defined_symbols", "size_argument"]

# Parameters of nimble's primitives that name symbols: sizes of results, sizes within jaxprs, and sizes within jaxprs that
# are lowered to functions of their own, which nothing around them sees.
_DEFINITIONS = ("sizes", "inner_sizes", "own_sizes")


def defined_symbols(closed: Any) -> list[str]:
    """The symbols that the equations define, at any depth, as often as they do."""
    return list(_defined(closed.jaxpr))


def _defined(jaxpr: Any) -> list[str]:
    found: list[str] = []
    for eqn in jaxpr.eqns:
        found += [symbol for key in _DEFINITIONS for symbol, _ in _sizes(eqn, key)]
        inside = [symbol for inner in jex_core.jaxprs_in_params(eqn.params) for symbol in _defined(inner)]
        if inside and eqn.primitive.name == "scan":
            _check_results(eqn, frozenset(inside))
        found += inside
    return found


def _sizes(eqn: Any, key: str) -> Sequence[Any]:
    return eqn.params.get(key, ()) if eqn.primitive.name.startswith("nimble_") else ()


def _check_results(eqn: Any, inside: frozenset[str]) -> None:
    """JAX stacks what the steps of a scan give as if it had one size."""
    for variable in eqn.outvars:
        for dim in variable.aval.shape:
            if is_symbolic(dim) and not inside.isdisjoint(to_expr(dim).symbols):
                where = source_info_util.summarize(eqn.source_info)
                raise CaptureError(
                    f"{where}: a result of the scan body has a size that differs per step; use nm.Ragged or nm.TensorList"
                )


def size_argument(symbols: Sequence[str], scope: Any | None) -> list[jax.ShapeDtypeStruct]:
    """An argument without elements that has all `symbols` in its shape, so that JAX lowers them as it does those of
    arguments; none where there are no symbols."""
    if not symbols:
        return []
    scope = Tracing(scope, frozenset()).scope
    shape = jax.export.symbolic_shape(", ".join(dict.fromkeys(symbols)), scope=scope)
    return [jax.ShapeDtypeStruct((*shape, 0), jnp.float32)]
