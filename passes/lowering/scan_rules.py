"""Lowering of cumulative reductions to scans: windows that span a whole dimension and end (or start) at each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import ScanOp, YieldOp
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, tensor

from ..symbol_table import constant_index
from .arithmetic import widened
from .builders import LoweringContext, constant_of, element_type_of
from .padding_rules import pad_by_constants
from .reverse_rules import reversed_along
from .scalar_body import accumulator_type, body_matches, complex_parts, scalar_body
from .signedness import as_signless, is_unsigned, reinterpret, signless
from .slice_rules import extract_slice

__all__ = ["as_scan", "is_identity", "scan"]

# What jax.numpy.logaddexp, the body of lax.cumlogsumexp, consists of.
_LOG_ADD_EXP = (
    "maximum",
    "subtract",
    "compare",
    "add",
    "abs",
    "negate",
    "exponential",
    "log_plus_one",
    "add",
    "select",
)
_COMMUTATIVE = (*([name] for name in ("add", "multiply", "maximum", "minimum", "and", "or", "xor")), _LOG_ADD_EXP)


def as_scan(
    ctx: LoweringContext, op: Any, window: Sequence[DimExpr], low: Sequence[ir.Value], high: Sequence[ir.Value]
) -> ir.Value | None:
    """The result of a window reduction with steps of one as a scan; None where it is none.

    Element i of a forward scan is the reduction of its window in the window's order; a backward one is in the opposite
    order, which only computations that are known to be commutative and associative allow.
    """
    operand, result = op.operands[0], op.results[0]
    dims, target = ctx.dims(operand), ctx.dims(result)
    spanned = [axis for axis, size in enumerate(window) if size != 1]
    if len(spanned) != 1:
        return None
    (axis,) = spanned
    body, init = op.regions[0], op.operands[1]
    before, after = ([constant_of(amount) for amount in part] for part in (low, high))
    if not ctx.same(window[axis], dims[axis]) or not all(map(ctx.same, dims, target)):
        return None
    # With as many windows as elements, no padding on one side leaves n - 1 on the other.
    if any(before[i] != 0 or after[i] != 0 for i in range(len(dims)) if i != axis):
        return None
    if before[axis] != 0 and after[axis] != 0:
        return None
    reverse = after[axis] != 0
    identity = is_identity(body, init)
    if reverse and not identity and not any(body_matches(body, names) for names in _COMMUTATIVE):
        return None
    return ctx.cast(scan(ctx, operand, axis, body, None if identity else init, reverse=reverse), target)


def scan(
    ctx: LoweringContext, operand: ir.Value, axis: int, body: Any, init: ir.Value | None, *, reverse: bool = False
) -> ir.Value:
    """The inclusive scan of `operand` along `axis` by a body of two 0-d tensors, from the last element where `reverse`.

    The first element is `body(init, x)`, or x itself where there is no `init`.
    """
    if reverse:
        operand = reversed_along(ctx, operand, [axis])
    element = element_type_of(operand)
    wide = accumulator_type(element)
    value = as_signless(operand)
    front = [int(i == axis) for i in range(len(ctx.dims(value)))]
    if wide != element:
        value = ctx.elementwise([value], wide, lambda scalar: widened(scalar, element, wide))
    if init is not None:  # one more element in front, which the result goes without
        scalar = tensor.extract(init, [])
        start = widened(scalar, scalar.type, wide) if scalar.type != wide else scalar
        value = pad_by_constants(ctx, value, reinterpret(start, signless(wide)), front, [0] * len(front))
    dims = ctx.dims(value)
    plain = element_type_of(value)
    output = ctx.empty(dims, plain)
    carry = ctx.empty([dim for i, dim in enumerate(dims) if i != axis], plain)
    dimension = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis)
    op = ScanOp(value, output, carry, output.type, carry.type, dimension)
    block = op.operation.regions[0].blocks.append(plain, plain)
    with ir.InsertionPoint(block):
        typed = [reinterpret(argument, wide) for argument in block.arguments]
        YieldOp(reinterpret(scalar_body(body, typed, wide=True)[0], plain))
    result = op.operation.results[0]
    if init is not None:
        result = extract_slice(ctx, result, [constant_index(offset) for offset in front], ctx.dims(operand))
    if wide != element:
        result = ctx.elementwise([result], element, lambda scalar: widened(scalar, wide, element))
    type_ = ir.RankedTensorType(operand.type)
    result = reinterpret(result, ir.RankedTensorType.get(type_.shape, element, type_.encoding))
    return reversed_along(ctx, result, [axis]) if reverse else result


def is_identity(body: Any, init: ir.Value) -> bool:
    """Whether the constant `init` leaves every value as it is under `body`."""
    owner = init.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return False
    element = element_type_of(init)
    if isinstance(element, ir.ComplexType):
        parts = list(complex_parts(owner))
        units = {"add": [0.0, 0.0], "multiply": [1.0, 0.0]}
        return any(body_matches(body, [name]) and parts == unit for name, unit in units.items())
    number = owner.attributes["value"].get_splat_value().value
    if isinstance(element, ir.IntegerType):
        return _is_integer_identity(body, number, element)
    return any(
        body_matches(body, names) and number == unit
        for names, unit in (
            (["add"], 0.0),
            (["multiply"], 1.0),
            (["maximum"], float("-inf")),
            (["minimum"], float("inf")),
            (_LOG_ADD_EXP, float("-inf")),
        )
    )


def _is_integer_identity(body: Any, number: int, element: ir.IntegerType) -> bool:
    ones = (1 << element.width) - 1
    unsigned = is_unsigned(element) or element.width == 1
    least, largest = (0, ones) if unsigned else (1 << (element.width - 1), ones >> 1)
    units = {"add": 0, "or": 0, "xor": 0, "multiply": 1, "and": ones, "maximum": least, "minimum": largest}
    return any(body_matches(body, [name]) and number & ones == unit for name, unit in units.items())
