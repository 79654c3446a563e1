"""Shape functions of ops whose results have the dims of their operands."""

from __future__ import annotations

from collections.abc import Sequence

from .registry import Dims, ShapeContext, shape_function

UNARY = """
    abs bitcast_convert cbrt ceil convert cosine count_leading_zeros exponential exponential_minus_one floor imag
    is_finite log log_plus_one logistic negate not popcnt real reduce_precision round_nearest_afz round_nearest_even rsqrt
    sign sine sqrt tan tanh
""".split()
BINARY = """
    add and atan2 compare complex divide maximum minimum multiply or power remainder shift_left shift_right_arithmetic
    shift_right_logical subtract xor
""".split()
CHLO_UNARY = """
    acos acosh asin asinh atan atanh bessel_i1e conj cosh digamma erf erf_inv erfc is_inf is_neg_inf is_pos_inf lgamma
    next_after sinh square tan
""".split()
CHLO_BINARY = "next_after polygamma zeta".split()


@shape_function(*(f"stablehlo.{name}" for name in UNARY + BINARY), "stablehlo.map")
@shape_function(*(f"custom_call:nimble.chlo.{name}" for name in sorted({*CHLO_UNARY, *CHLO_BINARY})))
def elementwise(ctx: ShapeContext) -> Sequence[Dims]:
    """All operands have the same dims, and so has the result."""
    if ctx.op.name == "stablehlo.bitcast_convert" and len(ctx.op.results[0].type.shape) != len(ctx.dims(0)):
        return [_bitcast_dims(ctx)]
    return [ctx.all_equal(range(len(ctx.op.operands)))]


def _bitcast_dims(ctx: ShapeContext) -> Dims:
    """A bitcast to a narrower type appends a dimension, to a wider one it drops the last."""
    result = ctx.op.results[0].type
    dims = ctx.dims(0)
    if result.rank < len(dims):
        return dims[:-1]
    from nimble_mlir.dims import DimExpr

    return (*dims, DimExpr.constant(result.shape[-1]))


@shape_function("stablehlo.select")
def select(ctx: ShapeContext) -> Sequence[Dims]:
    """The predicate is a scalar or has the operands' dims."""
    return [ctx.all_equal([1, 2] if not ctx.dims(0) else [1, 2, 0])]


@shape_function("stablehlo.clamp")
def clamp(ctx: ShapeContext) -> Sequence[Dims]:
    """The bounds (operands 0 and 2) are scalars or have the operand's dims."""
    return [ctx.all_equal([1, *(index for index in (0, 2) if ctx.dims(index))])]


@shape_function("stablehlo.optimization_barrier", "stablehlo.sort")
def each_operand(ctx: ShapeContext) -> Sequence[Dims]:
    """Result i has the dims of operand i; a sort's operands all have the same."""
    if ctx.op.name == "stablehlo.sort":
        common = ctx.all_equal(range(len(ctx.op.operands)))
        return [common] * len(ctx.op.results)
    return [ctx.dims(index) for index in range(len(ctx.op.operands))]


@shape_function("stablehlo.reverse", "stablehlo.cholesky", "nimble.cast")
def first_operand(ctx: ShapeContext) -> Sequence[Dims]:
    """The result has the dims of the first operand."""
    return [ctx.dims(0)]
