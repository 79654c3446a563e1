"""`nm.with_shape`: a JAX primitive that states the dims of a value, checked at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import ShapeError

from .symbols import is_symbolic, to_expr

__all__ = ["TARGET", "with_shape"]

TARGET = "nimble.with_shape"

_with_shape_p = Primitive("nimble_with_shape")


def with_shape(x: Any, shape: Sequence[Any]) -> jax.Array:
    """See `nimble_mlir.with_shape`."""
    x = jnp.asarray(x)
    shape = tuple(shape)
    if len(shape) != x.ndim:
        raise ShapeError(f"with_shape: the value has rank {x.ndim}, but {len(shape)} sizes are stated")
    differing = [axis for axis in range(x.ndim) if to_expr(x.shape[axis]) != to_expr(shape[axis])]
    if not differing:
        return x
    for axis in differing:
        if not is_symbolic(x.shape[axis]) and not is_symbolic(shape[axis]):
            raise ShapeError(f"with_shape: axis {axis} of the value is {x.shape[axis]}, but {shape[axis]} is stated")
    return _bind(x, shape)


def _bind(x: Any, shape: tuple[Any, ...]) -> jax.Array:
    return _with_shape_p.bind(x, *(jnp.asarray(dim, jnp.int32) for dim in shape), shape=shape)


@_with_shape_p.def_abstract_eval
def _abstract_eval(x: Any, *sizes: Any, shape: tuple[Any, ...]) -> Any:
    return jax.core.ShapedArray(shape, x.dtype, weak_type=x.weak_type)


def _lower(ctx: Any, x: Any, *sizes: Any, shape: tuple[Any, ...]) -> Any:
    return stablehlo.CustomCallOp(
        [mlir.aval_to_ir_type(ctx.module_context, ctx.avals_out[0])], [x, *sizes], TARGET
    ).results


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, shape: tuple[Any, ...]) -> tuple[Any, Any]:
    out = _bind(primals[0], shape)
    return out, _bind(ad.instantiate_zeros(tangents[0]), shape)


def _transpose(cotangent: Any, x: Any, *sizes: Any, shape: tuple[Any, ...]) -> list[Any]:
    return [with_shape(cotangent, x.aval.shape), *(None for _ in sizes)]


def _batch(args: Sequence[Any], axes: Sequence[Any], *, shape: tuple[Any, ...]) -> tuple[Any, int]:
    x = jnp.moveaxis(args[0], axes[0], 0)
    return _bind(x, (x.shape[0], *shape)), 0


mlir.register_lowering(_with_shape_p, _lower)
ad.primitive_jvps[_with_shape_p] = _jvp
ad.primitive_transposes[_with_shape_p] = _transpose
batching.primitive_batchers[_with_shape_p] = _batch
