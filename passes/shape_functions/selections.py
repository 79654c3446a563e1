"""Shape functions of ops whose sizes depend on data: an operand is the symbol that a count has defined."""

from __future__ import annotations

from collections.abc import Sequence

from nimble_mlir.dialects import PARTS
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir

from .registry import Dims, Mode, ShapeContext, shape_function


@shape_function("custom_call:nimble.count")
def count(ctx: ShapeContext) -> Sequence[Dims]:
    """How many flags are set before each part, and of all."""
    return [(DimExpr.constant(PARTS + 1),)]


@shape_function("custom_call:nimble.nonzero", mode=Mode.DATA_DEPENDENT)
def nonzero(ctx: ShapeContext) -> Sequence[Dims]:
    """As many positions as flags are set: the value of the last operand."""
    return [(_selected(ctx, 0),)]


@shape_function("custom_call:nimble.nonzero_padded", mode=Mode.UPPER_BOUND)
def nonzero_padded(ctx: ShapeContext) -> Sequence[Dims]:
    """The bound, which the type of the result says, and the true number."""
    return [ctx.result_dims(), ()]


@shape_function("custom_call:nimble.compress", mode=Mode.DATA_DEPENDENT)
def compress(ctx: ShapeContext) -> Sequence[Dims]:
    """The operand's dims, with as many along `dimension` as flags are set."""
    axis = ir.IntegerAttr(ir.DictAttr(ctx.op.attributes["backend_config"])["dimension"]).value
    dims = list(ctx.dims(0))
    ctx.equal(dims[axis], ctx.dims(1)[0], f"dimension {axis} of the operand and the number of flags")
    dims[axis] = _selected(ctx, 1)
    return [tuple(dims)]


def _selected(ctx: ShapeContext, flags: int) -> DimExpr:
    """The number of flags that are set; it is known to be no larger than that of all."""
    (size,) = ctx.sizes(len(ctx.op.operands) - 1)
    ctx.at_least(ctx.dims(flags)[0], size, "at least as many flags as are set")
    return size
