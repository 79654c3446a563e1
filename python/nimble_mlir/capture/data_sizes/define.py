"""Sizes that integers of the program say: the primitive that all results of data-dependent size rest on.

In: an integer that a captured function computes. Out: a symbolic size of JAX's, fresh for each call, with which any JAX op
may go on. A size that Python knows (an int, a symbolic size, a concrete array) stays what it is.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError, ShapeError

from ..bodies import type_text
from ..symbols import is_symbolic
from ..tracing import current

__all__ = ["Size", "custom_call", "define_size", "no_tangents", "zero_tangent"]

_RAGGED = "{} defines a size of its own for each element of a batch (jax.vmap); use nm.Ragged or nm.map"

_size_p = Primitive("nimble_define_size")
_tie_p = Primitive("nimble_tie")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Size:
    """A size: `dim` is an int or JAX's symbolic size; `witness` is an array without elements that has it as its first
    size, None where Python knows the size."""

    dim: Any = field(metadata={"static": True})
    witness: Any = None

    @property
    def operands(self) -> tuple[Any, Any]:
        """What says the size to a primitive of ours: to JAX (`witness`), and in the IR (an integer)."""
        scalar = jnp.asarray(self.dim, jnp.int32)
        return jnp.zeros((self.dim, 0), jnp.int32) if self.witness is None else self.witness, scalar

    def tie(self, value: Any) -> Any:
        """`value`, for which the size is defined: what JAX computes again for gradients defines it again."""
        return value if self.witness is None else _tie_p.bind(value, self.witness)


def define_size(value: Any, what: str, bound: Any = None) -> Size:
    """The size that `value` says, which must not be negative, nor above `bound` (an int or a symbolic size).

    `what` names the function that the user called. Raises ShapeError at once where the value is known, CaptureError for
    what is no integer; otherwise the compiled module checks it.
    """
    if is_symbolic(value):
        return Size(value)
    if not isinstance(value, jax.core.Tracer):
        return Size(_known(value, what, bound))
    if value.ndim or not jnp.issubdtype(value.dtype, jnp.integer):
        raise CaptureError(f"{what} needs a size that is an integer, got {type_text(value)}")
    tracing = current()
    if tracing is None:
        raise CaptureError(f"{what} with a size that is traced needs nm.compile; jax.jit compiles fixed sizes only")
    if jnp.iinfo(value.dtype).max > jnp.iinfo(jnp.int32).max:
        # What does not fit in 32 bits is above, or below, every size.
        low = max(-1, jnp.iinfo(value.dtype).min)
        value = jnp.clip(value, low, jnp.iinfo(jnp.int32).max)
    value = value.astype(jnp.int32)
    bounds = [] if bound is None else [jnp.asarray(bound, jnp.int32)]
    symbol = tracing.fresh()
    witness = _size_p.bind(value, *bounds, shape=(symbol, 0), sizes=((str(symbol), ()),), what=what)
    return Size(symbol, witness)


def _known(value: Any, what: str, bound: Any) -> int:
    try:
        size = operator.index(value)
    except TypeError:
        found = type_text(value) if hasattr(value, "dtype") and hasattr(value, "shape") else repr(value)
        raise CaptureError(f"{what} needs a size that is an integer, got {found}") from None
    if size < 0:
        raise ShapeError(f"{what}: a size is negative: {size}")
    if isinstance(bound, int) and size > bound:
        raise ShapeError(f"{what}: the size {size} is above its bound of {bound}")
    return size


def custom_call(
    target: str, results: Sequence[Any], operands: Sequence[Any], config: Mapping[str, int | str], effect: bool = False
) -> Any:
    """A custom call of nimble's own with attributes, at the insertion point."""
    i32, i64 = (ir.IntegerType.get_signless(width) for width in (32, 64))
    attributes: dict[str, ir.Attribute] = {
        key: ir.StringAttr.get(value) if isinstance(value, str) else ir.IntegerAttr.get(i64, value)
        for key, value in config.items()
    }
    return stablehlo.CustomCallOp(
        results,
        operands,
        target,
        has_side_effect=effect,
        backend_config=ir.DictAttr.get(attributes),
        api_version=ir.IntegerAttr.get(i32, 4),
    )


def zero_tangent(value: Any) -> Any:
    """The tangent of a value that does not depend on what is differentiated."""
    return ad.Zero(jax.typeof(value).to_tangent_aval())


def no_tangents(primitive: Any) -> None:
    """Registers the derivative of a primitive whose results are integers: there is none."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        results = primitive.bind(*primals, **params)
        return results, jax.tree_util.tree_map(zero_tangent, results)

    ad.primitive_jvps[primitive] = jvp


@_size_p.def_abstract_eval
def _size_aval(value: Any, *bounds: Any, shape: tuple[Any, ...], **params: Any) -> Any:
    return jax.core.ShapedArray(shape, jnp.int32)


def _lower_size(ctx: Any, *operands: Any, shape: tuple[Any, ...], sizes: Any, what: str) -> Any:
    ((symbol, _),) = sizes
    scalar = ir.RankedTensorType.get([], ir.IntegerType.get_signless(32))
    custom_call("nimble.define_size", [scalar], operands, {"symbol": symbol, "what": what}, effect=True)
    without = mlir.lower_fun(lambda *_: jnp.zeros(shape, jnp.int32), multiple_results=False)
    return without(ctx, *operands)


def _batch_size(args: Sequence[Any], axes: Sequence[Any], *, what: str, **params: Any) -> Any:
    raise CaptureError(_RAGGED.format(what))


@_tie_p.def_abstract_eval
def _tie_aval(value: Any, witness: Any) -> Any:
    return value


def _batch_tie(args: Sequence[Any], axes: Sequence[Any]) -> tuple[Any, Any]:
    return _tie_p.bind(*args), axes[0]


def _jvp_tie(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    result = _tie_p.bind(*primals)
    tangent = tangents[0]
    return result, tangent if isinstance(tangent, ad.Zero) else _tie_p.bind(tangent, primals[1])


mlir.register_lowering(_size_p, _lower_size)
mlir.register_lowering(_tie_p, lambda ctx, value, witness: [value])
no_tangents(_size_p)
batching.primitive_batchers[_size_p] = _batch_size
batching.primitive_batchers[_tie_p] = _batch_tie
ad.primitive_jvps[_tie_p] = _jvp_tie
ad.primitive_transposes[_tie_p] = lambda cotangent, value, witness: [cotangent, None]
