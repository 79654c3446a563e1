"""Small integers that the host knows: sizes, loop counters, and arithmetic on them, as scalars instead of tensors.

In: ops at stage shapes, in program order. Out: for a tensor of at most `MAX_ELEMENTS` integers or booleans (rank 0 or 1)
that follows from sizes, counters and constants, its elements as signless scalars. What uses such a tensor on the host (a
condition, a bound, the start of a slice) then waits for no device. One table, op name → rule; what has no rule, and what
follows from constants alone, but for scalars, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from nimble_mlir.mlir import arith, ir, tensor

from .constants import is_narrow
from .lowering.signedness import is_unsigned, reinterpret, signless

__all__ = ["HOST_RULES", "MAX_ELEMENTS", "HostValues", "as_tensor", "is_host_type"]

MAX_ELEMENTS = 16

Scalars = list[ir.Value]


class HostValues:
    """The tensors of one function whose elements the host knows; `visit` each op in order."""

    def __init__(self) -> None:
        self._scalars: dict[ir.Value, Scalars] = {}

    def set(self, value: ir.Value, scalars: Sequence[ir.Value]) -> None:
        """States the elements of a value, such as a loop's counter."""
        self._scalars[value] = list(scalars)

    def get(self, value: ir.Value) -> Scalars | None:
        """The elements of `value` as signless scalars (made at the insertion point for constants), None if unknown."""
        known = self._scalars.get(value)
        if known is not None:
            return [reinterpret(scalar, signless(scalar.type)) for scalar in known]
        owner = value.owner
        if isinstance(owner, ir.Block):
            return None
        if owner.name == "stablehlo.constant":
            return _constants(value)
        if owner.name not in _REARRANGEMENTS or _count(value.type) is None:
            return None
        operands = self._all(owner)
        return None if operands is None else HOST_RULES[owner.name](owner, operands)

    def _all(self, op: Any) -> list[Scalars] | None:
        """What the host knows of all operands, None where it does not know one of them."""
        operands = [self.get(operand) for operand in op.operands]
        known = [scalars for scalars in operands if scalars is not None]
        return known if len(known) == len(operands) else None

    def knows(self, value: ir.Value) -> bool:
        """Whether `get` gives the elements of a value that is no constant."""
        return value in self._scalars

    def visit(self, op: Any) -> None:
        """Replaces `op` by arithmetic on the host where it is such."""
        if op.name == "tensor.extract":
            self._extract(op)
            return
        rule = HOST_RULES.get(op.name)
        if rule is None or _count(op.results[0].type) is None:
            return
        if op.name == "tensor.from_elements":
            if not isinstance(op.results[0].type.element_type, ir.IndexType):
                self._scalars[op.results[0]] = list(op.operands)
            return
        # A scalar of constants alone is one, too: what it is combined with may follow from a counter.
        if op.results[0].type.rank and not any(operand in self._scalars for operand in op.operands):
            return
        with ir.InsertionPoint(op), op.location:
            operands = self._all(op)
            if operands is None:
                return
            scalars = rule(op, operands)
            if scalars is None:
                return
            replacement = as_tensor(scalars, op.results[0].type)
        op.results[0].replace_all_uses_with(replacement)
        self._scalars[replacement] = scalars
        op.erase()

    def _extract(self, op: Any) -> None:
        with ir.InsertionPoint(op), op.location:
            known = self.get(op.operands[0])
        if known is None:
            return
        index = 0
        if len(op.operands) > 1:
            owner = op.operands[1].owner
            if isinstance(owner, ir.Block) or owner.name != "arith.constant":
                return
            index = ir.IntegerAttr(owner.attributes["value"]).value
        with ir.InsertionPoint(op), op.location:
            scalar = reinterpret(known[index], op.results[0].type)
        op.results[0].replace_all_uses_with(scalar)
        op.erase()


def as_tensor(scalars: Sequence[ir.Value], type_: ir.RankedTensorType) -> ir.Value:
    """A tensor of `type_` with the elements `scalars`."""
    element = type_.element_type
    if isinstance(element, ir.IntegerType) and element.width == 1:
        # IREE 3.13 widens the result of tensor.from_elements to bytes, but not its operands.
        byte = ir.IntegerType.get_signless(8)
        widened = [arith.extui(byte, scalar) for scalar in scalars]
        bytes_ = tensor.from_elements(ir.RankedTensorType.get(type_.shape, byte, type_.encoding), widened)
        return arith.trunci(type_, bytes_)
    return tensor.from_elements(type_, [reinterpret(scalar, element) for scalar in scalars])


def is_host_type(type_: ir.Type) -> bool:
    """Whether the host can compute with tensors of a type: few integers or booleans."""
    return _count(type_) is not None


def _count(type_: ir.Type) -> int | None:
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape or type_.rank > 1:
        return None
    count, element = prod(type_.shape), type_.element_type
    whole = isinstance(element, ir.IntegerType) and not is_narrow(element)
    return count if whole and count <= MAX_ELEMENTS else None


def _constants(value: ir.Value) -> Scalars | None:
    attribute = value.owner.attributes["value"]
    if not isinstance(attribute, ir.DenseIntElementsAttr) or _count(value.type) is None:
        return None
    count = prod(value.type.shape)
    elements = [attribute.get_splat_value().value] * count if attribute.is_splat else list(attribute)
    type_ = signless(value.type.element_type)
    return [arith.constant(type_, _signed(int(element), type_.width)) for element in elements]


def _signed(value: int, width: int) -> int:
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


Rule = Callable[[Any, list[Scalars]], Scalars | None]


def _elementwise(function: Callable[..., ir.Value | None]) -> Rule:
    """`function(op, unsigned, *scalars)` on each element; a scalar operand of select or clamp is used for all."""

    def rule(op: Any, operands: list[Scalars]) -> Scalars | None:
        count = _count(op.results[0].type) or 0
        unsigned = is_unsigned(op.operands[-1].type.element_type)
        spread = [scalars * count if len(scalars) == 1 else scalars for scalars in operands]
        result = [function(op, unsigned, *scalars) for scalars in zip(*spread, strict=True)]
        return None if any(scalar is None for scalar in result) else [s for s in result if s is not None]

    return rule


def _plain(signed: Callable[..., ir.Value], unsigned: Callable[..., ir.Value] | None = None) -> Rule:
    return _elementwise(lambda op, is_u, *scalars: (unsigned if is_u and unsigned else signed)(*scalars))


def _boolean(op: Any) -> bool:
    return op.results[0].type.element_type.width == 1


def _arithmetic(signed: Callable[..., ir.Value], unsigned: Callable[..., ir.Value], booleans: Any = None) -> Rule:
    """As `_plain`, for ops that mean something else (or nothing) on booleans."""

    def function(op: Any, is_u: bool, *scalars: ir.Value) -> ir.Value | None:
        if _boolean(op):
            return booleans(*scalars) if booleans is not None else None
        return (unsigned if is_u else signed)(*scalars)

    return _elementwise(function)


_EQ, _SLT = 0, 2  # arith.cmpi predicates
_PREDICATES = {"EQ": 0, "NE": 1, "LT": 2, "LE": 3, "GT": 4, "GE": 5}


def _compare(op: Any, unsigned: bool, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    direction = str(op.attributes["comparison_direction"]).split()[-1].rstrip(">")
    predicate = _PREDICATES[direction]
    without_sign = unsigned or lhs.type.width == 1
    return arith.cmpi(predicate + 4 if predicate >= 2 and without_sign else predicate, lhs, rhs)


def _of(type_: ir.Type, value: int) -> ir.Value:
    return arith.constant(type_, value)


def _divide(op: Any, unsigned: bool, lhs: ir.Value, rhs: ir.Value) -> ir.Value | None:
    """Truncating, with what StableHLO says of a divisor 0 (all bits set) and of the smallest number by -1 (itself)."""
    if _boolean(op):
        return None
    by_zero = arith.cmpi(_EQ, rhs, _of(rhs.type, 0))
    safe = arith.select(by_zero, _of(rhs.type, 1), rhs)
    if unsigned:
        return arith.select(by_zero, _of(rhs.type, -1), arith.divui(lhs, safe))
    by_minus_one = arith.cmpi(_EQ, rhs, _of(rhs.type, -1))
    safe = arith.select(by_minus_one, _of(rhs.type, 1), safe)
    negated = arith.subi(_of(lhs.type, 0), lhs)
    quotient = arith.select(by_minus_one, negated, arith.divsi(lhs, safe))
    return arith.select(by_zero, _of(rhs.type, -1), quotient)


def _remainder(op: Any, unsigned: bool, lhs: ir.Value, rhs: ir.Value) -> ir.Value | None:
    if _boolean(op):
        return None
    by_zero = arith.cmpi(_EQ, rhs, _of(rhs.type, 0))
    if unsigned:
        return arith.select(by_zero, lhs, arith.remui(lhs, arith.select(by_zero, _of(rhs.type, 1), rhs)))
    by_minus_one = arith.cmpi(_EQ, rhs, _of(rhs.type, -1))
    safe = arith.select(arith.ori(by_zero, by_minus_one), _of(rhs.type, 1), rhs)
    return arith.select(by_zero, lhs, arith.remsi(lhs, safe))


def _negate(op: Any, unsigned: bool, value: ir.Value) -> ir.Value:
    return arith.subi(_of(value.type, 0), value)


def _sign(op: Any, unsigned: bool, value: ir.Value) -> ir.Value:
    negative, one = _of(value.type, -1), _of(value.type, 1)
    return arith.maxsi(arith.minsi(value, one), negative) if not unsigned else arith.minui(value, one)


def _abs(op: Any, unsigned: bool, value: ir.Value) -> ir.Value:
    zero = _of(value.type, 0)
    return arith.select(arith.cmpi(_SLT, value, zero), arith.subi(zero, value), value)


def _not(op: Any, unsigned: bool, value: ir.Value) -> ir.Value:
    return arith.xori(value, _of(value.type, -1))


def _select(op: Any, unsigned: bool, condition: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    return arith.select(condition, on_true, on_false)


def _clamp(op: Any, unsigned: bool, low: ir.Value, value: ir.Value, high: ir.Value) -> ir.Value:
    if unsigned:
        return arith.minui(arith.maxui(value, low), high)
    return arith.minsi(arith.maxsi(value, low), high)


def _convert(op: Any, unsigned: bool, value: ir.Value) -> ir.Value:
    target = signless(op.results[0].type.element_type)
    width = value.type.width
    if target.width == 1:
        return arith.cmpi(1, value, _of(value.type, 0))  # arith.cmpi ne
    if target.width == width:
        return value
    if target.width < width:
        return arith.trunci(target, value)
    return arith.extui(target, value) if unsigned or width == 1 else arith.extsi(target, value)


def _concatenate(op: Any, operands: list[Scalars]) -> Scalars:
    return [scalar for scalars in operands for scalar in scalars]


def _same(op: Any, operands: list[Scalars]) -> Scalars:
    return operands[0]


def _broadcast(op: Any, operands: list[Scalars]) -> Scalars | None:
    count = _count(op.results[0].type) or 0
    return operands[0] * count if len(operands[0]) == 1 else operands[0]


def _slice(op: Any, operands: list[Scalars]) -> Scalars:
    bounds = [list(op.attributes[key])[0] for key in ("start_indices", "limit_indices", "strides")]
    return operands[0][slice(*bounds)]


HOST_RULES: dict[str, Rule] = {
    "stablehlo.abs": _elementwise(_abs),
    "stablehlo.add": _arithmetic(arith.addi, arith.addi, arith.ori),
    "stablehlo.and": _plain(arith.andi),
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.clamp": _elementwise(_clamp),
    "stablehlo.compare": _elementwise(_compare),
    "stablehlo.concatenate": _concatenate,
    "stablehlo.convert": _elementwise(_convert),
    "stablehlo.divide": _elementwise(_divide),
    "stablehlo.maximum": _arithmetic(arith.maxsi, arith.maxui, arith.ori),
    "stablehlo.minimum": _arithmetic(arith.minsi, arith.minui, arith.andi),
    "stablehlo.multiply": _arithmetic(arith.muli, arith.muli, arith.andi),
    "stablehlo.negate": _elementwise(_negate),
    "stablehlo.not": _elementwise(_not),
    "stablehlo.or": _plain(arith.ori),
    "stablehlo.remainder": _elementwise(_remainder),
    "stablehlo.reshape": _same,
    "stablehlo.select": _elementwise(_select),
    "stablehlo.sign": _elementwise(_sign),
    "stablehlo.slice": _slice,
    "stablehlo.subtract": _arithmetic(arith.subi, arith.subi),
    "stablehlo.xor": _plain(arith.xori),
    "tensor.from_elements": _same,
}

# What vectors of indices are put together with, also from constants.
_REARRANGEMENTS = frozenset(
    ["stablehlo.broadcast_in_dim", "stablehlo.concatenate", "stablehlo.reshape", "stablehlo.slice"]
)
