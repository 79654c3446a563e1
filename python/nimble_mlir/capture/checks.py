"""`ensure`: a condition that is checked as the compiled function runs, and at once where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import ShapeError

from .tracing import current

__all__ = ["ensure"]

_check_p = Primitive("nimble_check")
_check_p.multiple_results = True


def ensure(condition: Any, message: str, value: Any) -> Any:
    """`value`, after a check that the scalar `condition` is true; otherwise a ShapeError with `message`."""
    if current() is None:
        if not bool(condition):
            raise ShapeError(message)
        return value
    leaves, tree = jax.tree_util.tree_flatten(value)
    return jax.tree_util.tree_unflatten(tree, _check_p.bind(condition, *leaves, message=message))


@_check_p.def_abstract_eval
def _abstract_eval(condition: Any, *values: Any, message: str) -> Any:
    return list(values)


def _lower(ctx: Any, condition: Any, *values: Any, message: str) -> Any:
    call = stablehlo.CustomCallOp([], [condition], "shape_assertion", has_side_effect=True)
    call.attributes["error_message"] = ir.StringAttr.get(message)
    return values


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, message: str) -> tuple[Any, Any]:
    return _check_p.bind(*primals, message=message), list(tangents[1:])


def _batch(args: Sequence[Any], axes: Sequence[Any], *, message: str) -> tuple[Any, Any]:
    condition = args[0] if axes[0] is None else args[0].all()
    return _check_p.bind(condition, *args[1:], message=message), list(axes[1:])


mlir.register_lowering(_check_p, _lower)
ad.primitive_jvps[_check_p] = _jvp
batching.primitive_batchers[_check_p] = _batch
