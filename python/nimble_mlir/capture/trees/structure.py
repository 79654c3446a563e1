"""Whether recursion is structural: calls on the parts only, all made at once, with arguments that depend on no call.

Then all nodes of a level are computed at once (levels.py); other recursion runs on a stack (stack.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.core
from jax.extend import core as jex_core
from jax.extend.core import Primitive

from nimble_mlir.errors import CaptureError

__all__ = ["NotStructuralError", "check_calls", "marked"]


class NotStructuralError(CaptureError):
    """The recursion cannot go by levels; the message says why."""


_mark_p = Primitive("nimble_mark")
_mark_p.multiple_results = True


@_mark_p.def_abstract_eval
def _abstract_eval(*args: Any, specs: Any) -> Any:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in specs]


def marked(args: Sequence[Any], specs: Sequence[Any]) -> list[Any]:
    """Stands for a call's results, of these specs, in a trace that `check_calls` reads."""
    return _mark_p.bind(*args, specs=tuple((spec.shape, spec.dtype) for spec in specs))


def check_calls(function: Callable[..., Any], specs: Sequence[Any], where: str) -> None:
    """Raises NotStructuralError for a call in a branch or loop, and for one that depends on what another one gave."""
    jaxpr = jax.make_jaxpr(function)(*specs).jaxpr
    depends: set[Any] = set()
    for equation in jaxpr.eqns:
        reads = any(not isinstance(atom, jex_core.Literal) and atom in depends for atom in equation.invars)
        if equation.primitive is _mark_p and reads:
            raise NotStructuralError(f"{where} calls the function on what another call gave")
        if equation.primitive is _mark_p or reads:
            depends.update(equation.outvars)
        if any(_has_mark(inner) for inner in jex_core.jaxprs_in_params(equation.params)):
            raise NotStructuralError(f"{where} calls the function within '{equation.primitive}'")


def _has_mark(jaxpr: Any) -> bool:
    return any(
        equation.primitive is _mark_p or any(map(_has_mark, jex_core.jaxprs_in_params(equation.params)))
        for equation in jaxpr.eqns
    )
