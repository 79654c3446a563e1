"""Floor division and modulo of sizes, recognized in the selects that JAX writes for them.

JAX computes `a // b` and `a % b` of sizes by truncating division, remainder, signs and a select (jax.numpy.floor_divide,
jax.numpy.remainder). The operands are elements as `ShapeValues` knows them: expressions, conditions, terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.dims import Call, DimExpr, Proof, Scope, dim_max, dim_min, floordiv, mod
from nimble_mlir.mlir import ir

from .size_conditions import decide

__all__ = ["divided", "floor_divide", "sign"]

Element = Any

_NEGATIVE = DimExpr.constant(-1)
_ONE = DimExpr.constant(1)
_ZERO = DimExpr.constant(0)


def divided(scope: Scope, condition: Element, on_true: Element, on_false: Element) -> Element:
    """The quotient or remainder that `select(condition, on_true, on_false)` is, None where it is neither."""
    return _floor_select(scope, condition, on_true, on_false) or _mod_select(scope, condition, on_true, on_false)


def sign(scope: Scope, operand: DimExpr) -> DimExpr:
    """-1, 0 or 1."""
    return scope.simplify(dim_max(dim_min(operand, _ONE), _NEGATIVE))


def _quotient(scope: Scope, element: Element) -> tuple[DimExpr, DimExpr] | None:
    """(a, b) where the element is the truncated quotient of a by b."""
    if isinstance(element, tuple) and element[0] == "div" and all(isinstance(e, DimExpr) for e in element[1:]):
        return element[1], element[2]
    return None


def _floor_select(scope: Scope, condition: Element, on_true: Element, on_false: Element) -> Element:
    """`select(sign(a) != sign(b) && rem(a, b) != 0, div(a, b) - 1, div(a, b))` is floordiv(a, b)."""
    if isinstance(on_true, DimExpr) and isinstance(on_false, DimExpr):
        # a >= 0 and b >= 1: div is already the floor, and the signs differ only where a is 0, whose remainder is 0.
        return on_false if on_true == on_false - 1 and _zero_has_no_remainder(scope, condition) else None
    quotient = _quotient(scope, on_false)
    if quotient is None or on_true != ("sub", on_false, _ONE):
        return None
    lhs, rhs = quotient
    expected = {
        ("not", ("eq", sign(scope, lhs), sign(scope, rhs))),
        ("not", ("eq", ("rem", lhs, rhs), _ZERO)),
    }
    # A comparison of signs that was decided has become True: then only the rest of the condition is seen.
    undecided = {part for part in expected if decide(scope, part) is not True}
    if isinstance(condition, tuple) and condition[0] == "and" and {*condition[1:]} - {True} == undecided:
        return _positive_divisor(scope, floordiv, lhs, rhs)
    return None


def _zero_has_no_remainder(scope: Scope, condition: Element) -> bool:
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
        if any(scope.simplify(mod(dividend, rest.args[1])) == remainder for dividend in dividends):
            return True
    return False


def _mod_select(scope: Scope, condition: Element, on_true: Element, on_false: Element) -> Element:
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
    return _positive_divisor(scope, mod, on_false[1], on_false[2])


def _positive_divisor(scope: Scope, function: Callable[..., DimExpr], lhs: Element, rhs: Element) -> Element:
    if not (isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr)):
        return None
    if scope.at_least(rhs, _ONE) is not Proof.PROVED:
        return None
    return scope.simplify(function(lhs, rhs))


def floor_divide(scope: Scope, select: Any, element: Callable[[ir.Value], Element]) -> Element:
    """floordiv(a, b) where the ops that a select consists of are those of jax.numpy.floor_divide, whatever has become of
    the expressions for their values, which `element` gives."""
    condition, less, quotient = (_definition(operand) for operand in select.operands)
    names = [op.name if op is not None else "" for op in (condition, less, quotient)]
    if names != ["stablehlo.and", "stablehlo.subtract", "stablehlo.divide"]:
        return None
    operands = list(quotient.operands)
    differ, rest = (_definition(operand) for operand in condition.operands)
    if less.operands[0] != quotient.results[0] or element(less.operands[1]) != _ONE:
        return None
    if not (_is_unequal(differ) and _is_unequal(rest) and element(rest.operands[1]) == _ZERO):
        return None
    signs = [_definition(operand) for operand in differ.operands]
    remainder = _definition(rest.operands[0])
    if any(op is None or op.name != "stablehlo.sign" for op in signs) or remainder is None:
        return None
    if [op.operands[0] for op in signs] != operands or list(remainder.operands) != operands:
        return None
    return _positive_divisor(scope, floordiv, *(element(operand) for operand in operands))


def _definition(value: ir.Value) -> Any:
    return None if isinstance(value.owner, ir.Block) else value.owner


def _is_unequal(op: Any) -> bool:
    return op is not None and op.name == "stablehlo.compare" and "NE" in str(op.attributes["comparison_direction"])
