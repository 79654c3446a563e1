"""Recognizes `a // b` and `a % b` of sizes, which JAX computes by truncating division, remainder, signs and a select
(jax.numpy.floor_divide, jax.numpy.remainder).

In: a select, and the elements of its operands. Out: the floor or the modulus as a dim expression, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nimble_mlir.dims import Call, DimExpr, Proof, Scope, dim_max, dim_min, floordiv, mod
from nimble_mlir.mlir import ir

if TYPE_CHECKING:
    from .shape_values import Element, ShapeValues

__all__ = ["floor_divide", "floor_select", "mod_select", "sign"]

_NEGATIVE = DimExpr.constant(-1)
_ONE = DimExpr.constant(1)
_ZERO = DimExpr.constant(0)


def sign(scope: Scope, operand: DimExpr) -> DimExpr:
    """-1, 0 or 1."""
    return scope.simplify(dim_max(dim_min(operand, _ONE), _NEGATIVE))


def floor_divide(values: ShapeValues, select: Any) -> Element:
    """floordiv(a, b) where the ops that a select consists of are those of jax.numpy.floor_divide, whatever has become of
    the expressions for their values."""
    condition, less, quotient = (_definition(operand) for operand in select.operands)
    names = [op.name if op is not None else "" for op in (condition, less, quotient)]
    if names != ["stablehlo.and", "stablehlo.subtract", "stablehlo.divide"]:
        return None
    operands = list(quotient.operands)
    differ, rest = (_definition(operand) for operand in condition.operands)
    if less.operands[0] != quotient.results[0] or values.element(less.operands[1]) != _ONE:
        return None
    if not (_is_unequal(differ) and _is_unequal(rest) and values.element(rest.operands[1]) == _ZERO):
        return None
    signs = [_definition(operand) for operand in differ.operands]
    remainder = _definition(rest.operands[0])
    if any(sign is None or sign.name != "stablehlo.sign" for sign in signs) or remainder is None:
        return None
    if [sign.operands[0] for sign in signs] != operands or list(remainder.operands) != operands:
        return None
    return _positive_divisor(values, floordiv, *(values.element(operand) for operand in operands))


def _definition(value: ir.Value) -> Any:
    return None if isinstance(value.owner, ir.Block) else value.owner


def _is_unequal(op: Any) -> bool:
    return op is not None and op.name == "stablehlo.compare" and "NE" in str(op.attributes["comparison_direction"])


def _quotient(values: ShapeValues, element: Element) -> tuple[DimExpr, DimExpr] | None:
    """(a, b) where the element is the truncated quotient of a by b."""
    if isinstance(element, tuple) and element[0] == "div" and all(isinstance(e, DimExpr) for e in element[1:]):
        return element[1], element[2]
    return None


def floor_select(values: ShapeValues, condition: Element, on_true: Element, on_false: Element) -> Element:
    """`select(sign(a) != sign(b) && rem(a, b) != 0, div(a, b) - 1, div(a, b))` is floordiv(a, b)."""
    if isinstance(on_true, DimExpr) and isinstance(on_false, DimExpr):
        # a >= 0 and b >= 1: div is already the floor, and the signs differ only where a is 0, whose remainder is 0.
        return on_false if on_true == on_false - 1 and _zero_has_no_remainder(values, condition) else None
    quotient = _quotient(values, on_false)
    if quotient is None or on_true != ("sub", on_false, _ONE):
        return None
    lhs, rhs = quotient
    expected = {
        ("not", ("eq", sign(values.scope, lhs), sign(values.scope, rhs))),
        ("not", ("eq", ("rem", lhs, rhs), _ZERO)),
    }
    # A comparison of signs that was decided has become True: then only the rest of the condition is seen.
    undecided = {part for part in expected if values.decide(part) is not True}
    if isinstance(condition, tuple) and condition[0] == "and" and {*condition[1:]} - {True} == undecided:
        return _positive_divisor(values, floordiv, lhs, rhs)
    return None


def _zero_has_no_remainder(values: ShapeValues, condition: Element) -> bool:
    """Whether a condition is `min(a, 1) != 1 && mod(a, b) != 0`, which no a >= 0 satisfies."""
    if not (isinstance(condition, tuple) and condition[0] == "and" and len(condition) == 3):
        return False
    sides = []
    for part in condition[1:]:
        if not (isinstance(part, tuple) and part[0] == "not" and part[1][0] == "eq"):
            return False
        sides.append(part[1][1:])
    for (low, one), (remainder, zero) in (sides, sides[::-1]):
        if (one, zero) != (_ONE, _ZERO) or not (isinstance(low, DimExpr) and isinstance(remainder, DimExpr)):
            continue
        sign, rest = low.as_atom(), remainder.as_atom()
        if not (isinstance(sign, Call) and isinstance(rest, Call) and (sign.op, rest.op) == ("min", "mod")):
            continue
        # The remainder may have been simplified: mod(s - 2, 2) is mod(s, 2).
        dividends = [argument for argument in sign.args if argument != _ONE]
        if any(values.scope.simplify(mod(dividend, rest.args[1])) == remainder for dividend in dividends):
            return True
    return False


def mod_select(values: ShapeValues, condition: Element, on_true: Element, on_false: Element) -> Element:
    """`select((rem < 0) != (b < 0) && rem != 0, rem + b, rem)` with rem = rem(a, b) and b >= 1 is mod(a, b)."""
    if not (isinstance(on_false, tuple) and on_false[0] == "rem" and on_true == ("add", on_false, on_false[2])):
        return None
    negative = ("ge", _NEGATIVE, on_false)
    differs = ("not", ("eq", on_false, _ZERO))
    if not (isinstance(condition, tuple) and condition[0] == "and" and differs in condition[1:]):
        return None
    # With b >= 1 the comparison of signs has been decided to be `rem < 0` itself, or `(rem < 0) != false`.
    signs = {negative, ("not", ("eq", negative, False)), ("not", ("eq", False, negative))}
    if not signs & set(condition[1:]):
        return None
    return _positive_divisor(values, mod, on_false[1], on_false[2])


def _positive_divisor(values: ShapeValues, function: Callable[..., DimExpr], lhs: Element, rhs: Element) -> Element:
    if not (isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr)):
        return None
    if values.scope.at_least(rhs, _ONE) is not Proof.PROVED:
        return None
    return values.scope.simplify(function(lhs, rhs))
