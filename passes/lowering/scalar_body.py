"""The body of a reduction, window or comparison: StableHLO on 0-d tensors into arith on scalars.

In: a region whose block arguments are 0-d tensors, and scalars for them. Out: the scalars that it returns, computed at the
insertion point. One table, op name → arith; an op that it lacks is an UnsupportedOpError.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nimble_mlir.errors import NimbleError, UnsupportedOpError
from nimble_mlir.mlir import arith, ir, tensor
from nimble_mlir.mlir import complex as complex_dialect

from ..base import fail
from .builders import element_type_of
from .conversion_rules import converted_scalar
from .scalar_rules import SCALAR_RULES
from .signedness import is_unsigned, reinterpret, signless

__all__ = [
    "SCALAR_OPS",
    "accumulator_type",
    "body_matches",
    "complex_parts",
    "ordered_bits",
    "outer_scalars",
    "scalar_body",
    "scalar_op",
]


def scalar_body(
    region: Any,
    scalars: Sequence[ir.Value],
    outside: Mapping[ir.Value, ir.Value] | None = None,
    *,
    wide: bool = False,
) -> list[ir.Value]:
    """Emits the region's computation on `scalars` (of the block arguments' element types) and returns its results.

    `outside` has the scalars of 0-d tensors from outside of the region, which are read in place where it has not. Where
    `wide`, floats narrower than f32 are f32 throughout, as the scalars are; those of 8 bits are rounded to their format
    after each op, as XLA does: IREE 3.13 cannot compute with them in a reduction ("'vector.mask' op").
    """
    block = region.blocks[0]
    values: dict[ir.Value, ir.Value] = {**(outside or {}), **dict(zip(block.arguments, scalars, strict=True))}
    results: list[ir.Value] = []
    for op in block.operations:
        operation = op.operation
        # A value from outside of the region is a 0-d tensor.
        operands = [values[v] if v in values else tensor.extract(v, []) for v in operation.operands]
        if wide:
            operands = [_in_f32(operand) for operand in operands]
        if operation.name in ("stablehlo.return", "func.return"):
            results = operands
            continue
        if operation.results[0].type.rank != 0:
            raise _not_supported(operation)
        value = scalar_op(operation, operands)
        if wide and _is_narrow(element_type_of(operation.results[0]), 8) and not _is_narrow(value.type):
            value = arith.truncf(element_type_of(operation.results[0]), value)
        values[operation.results[0]] = _in_f32(value) if wide else value
    return results


def scalar_op(op: Any, scalars: Sequence[ir.Value]) -> ir.Value:
    """What an elementwise op gives for `scalars`, all of StableHLO's types."""
    rule = SCALAR_OPS.get(op.name, _from_table if op.name in SCALAR_RULES else None)
    if rule is None:
        raise _not_supported(op)
    return rule(op, scalars)


def _not_supported(op: Any) -> NimbleError:
    return fail(op, f"'{op.name}' in the body of a reduction is not supported", UnsupportedOpError)


def accumulator_type(element: ir.Type) -> ir.Type:
    """In which type a long reduction is accumulated: f32 for narrower floats, as XLA does on the CPU."""
    return ir.F32Type.get() if _is_narrow(element) else element


def body_matches(region: Any, names: Sequence[str]) -> bool:
    """Whether the body of a reduction of one operand is these ops of StableHLO in this order, the first on both of its
    arguments, and returns the last one's result."""
    block = region.blocks[0]
    operations = [op.operation for op in block.operations]
    if [op.name for op in operations[:-1]] != [f"stablehlo.{name}" for name in names]:
        return False
    both = set(operations[0].operands) == set(block.arguments) and len(block.arguments) == 2
    return both and list(operations[-1].operands) == list(operations[-2].results)


def _is_narrow(element: ir.Type, width: int = 16) -> bool:
    return isinstance(element, ir.FloatType) and element.width <= width


def _in_f32(scalar: ir.Value) -> ir.Value:
    return arith.extf(ir.F32Type.get(), scalar) if _is_narrow(scalar.type) else scalar


def _signed_as(value: ir.Value, element: ir.Type) -> ir.Value:
    """An integer with the sign of `element`; any other value is as it is, of whatever width."""
    return reinterpret(value, element) if isinstance(element, ir.IntegerType) else value


def outer_scalars(region: Any) -> dict[ir.Value, ir.Value]:
    """The scalars of the 0-d tensors from outside that a region reads, extracted at the insertion point."""
    block = region.blocks[0]
    inside = {*block.arguments, *(result for op in block.operations for result in op.operation.results)}
    used = [value for op in block.operations for value in op.operation.operands if value not in inside]
    return {value: tensor.extract(value, []) for value in dict.fromkeys(used)}


def _from_table(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    """An op of the table of scalar rules, whose scalars are signless."""
    plain = [reinterpret(operand, signless(operand.type)) for operand in operands]
    return _signed_as(SCALAR_RULES[op.name].build(op, plain), element_type_of(op.results[0]))


def _constant(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    element = element_type_of(op.results[0])
    if isinstance(element, ir.ComplexType):
        parts = [arith.constant(element.element_type, part) for part in complex_parts(op)]
        return complex_dialect.create_(element, *parts)
    value = op.attributes["value"].get_splat_value().value
    return reinterpret(arith.constant(signless(element), value), element)


def complex_parts(op: Any) -> tuple[float, float]:
    """The parts of a complex constant, from its text `dense<(1.0,2.0)>`: the bindings cannot read it (LLVM 24 git)."""
    found = re.search(r"dense<\(([^,]+),([^)]+)\)>", str(op))
    assert found is not None, op
    wide = element_type_of(op.results[0]).element_type.width == 64
    return _number(found[1], wide), _number(found[2], wide)


def _number(text: str, wide: bool) -> float:
    """A float as MLIR prints it: infinities, NaN and the like are bits in hexadecimal."""
    if not text.strip().startswith("0x"):
        return float(text)
    packed = int(text, 16).to_bytes(8 if wide else 4, "little")
    return struct.unpack("<d" if wide else "<f", packed)[0]


def _convert(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    source, target = element_type_of(op.operands[0]), element_type_of(op.results[0])
    plain = reinterpret(operands[0], signless(source))
    kind = source if isinstance(source, ir.IntegerType) else plain.type  # a narrow float may be wide here
    return plain if kind == target else reinterpret(converted_scalar(plain, kind, target), target)


def _bitcast(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    source, target = element_type_of(op.operands[0]), element_type_of(op.results[0])
    plain = reinterpret(operands[0], signless(operands[0].type))
    if _is_narrow(source) and plain.type != source:
        plain = arith.truncf(source, plain)
    bits = plain if plain.type == signless(target) else arith.bitcast(signless(target), plain)
    return reinterpret(bits, target)


def _clamp(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    low, value, high = operands
    element = element_type_of(op.operands[1])
    below = _LEAST(op, [_GREATEST(op, [low, value]), high]) if not isinstance(element, ir.ComplexType) else None
    if below is None:
        raise fail(op, f"'{op.name}' on {element} in the body of a reduction is not supported", UnsupportedOpError)
    return below


def _of(
    floats: Callable[..., ir.Value] | None,
    signed: Callable[..., ir.Value] | None,
    unsigned: Callable[..., ir.Value] | None = None,
    booleans: Callable[..., ir.Value] | None = None,
    complexes: Callable[..., ir.Value] | None = None,
) -> Callable[[Any, Sequence[ir.Value]], ir.Value]:
    """A rule by kind of element; `unsigned` and `booleans` are as `signed` where they are not given."""

    def rule(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
        element = element_type_of(op.results[0])
        if isinstance(element, ir.ComplexType):
            function = complexes
        elif not isinstance(element, ir.IntegerType):
            function = floats
        elif element.width == 1:
            function = booleans or signed
        else:
            function = (unsigned or signed) if is_unsigned(element) else signed
        if function is None:
            raise fail(op, f"'{op.name}' on {element} in the body of a reduction is not supported", UnsupportedOpError)
        plain = [reinterpret(operand, signless(operand.type)) for operand in operands]
        return _signed_as(function(*plain), element)

    return rule


_PREDICATES = {"EQ": 0, "NE": 1, "LT": 2, "LE": 3, "GT": 4, "GE": 5}
_FLOAT_PREDICATES = {"EQ": 1, "NE": 13, "LT": 4, "LE": 5, "GT": 2, "GE": 3}  # ordered; NE is unordered


def _compare(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    direction = str(op.attributes["comparison_direction"]).split()[-1].rstrip(">")
    element = operands[0].type
    lhs, rhs = (reinterpret(operand, signless(element)) for operand in operands)
    predicate = _PREDICATES[direction]
    if isinstance(element, ir.ComplexType):
        if predicate > 1:
            raise fail(op, f"'{op.name}' {direction} on {element} is not supported", UnsupportedOpError)
        return (complex_dialect.eq if predicate == 0 else complex_dialect.neq)(lhs, rhs)
    if not isinstance(element, ir.IntegerType):
        total = "compare_type" in op.attributes and "TOTALORDER" in str(op.attributes["compare_type"])
        if not total:
            return arith.cmpf(_FLOAT_PREDICATES[direction], lhs, rhs)
        return arith.cmpi(predicate, ordered_bits(lhs), ordered_bits(rhs))
    # Booleans are unsigned, too: true is 1, not -1.
    return arith.cmpi(
        predicate + 4 if predicate >= 2 and (is_unsigned(element) or element.width == 1) else predicate, lhs, rhs
    )


def ordered_bits(scalar: ir.Value) -> ir.Value:
    """A signed integer in IEEE 754's total order of a float: the bits of a negative one grow with its magnitude."""
    scalar = _in_f32(scalar) if _is_narrow(scalar.type, 8) else scalar  # not all of these have IEEE's bits
    integer = ir.IntegerType.get_signless(scalar.type.width)
    bits = arith.bitcast(integer, scalar)
    negative = arith.cmpi(_PREDICATES["LT"], bits, arith.constant(integer, 0))
    return arith.select(negative, arith.xori(bits, arith.constant(integer, (1 << (integer.width - 1)) - 1)), bits)


def _same(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    """What rearranges a tensor leaves its one element."""
    return operands[0]


def _select(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    return arith.select(*operands)


_GREATEST = _of(arith.maximumf, arith.maxsi, arith.maxui, arith.ori)
_LEAST = _of(arith.minimumf, arith.minsi, arith.minui, arith.andi)

Rule = Callable[[Any, Sequence[ir.Value]], ir.Value]
SCALAR_OPS: dict[str, Rule] = {
    "stablehlo.add": _of(arith.addf, arith.addi, booleans=arith.ori, complexes=complex_dialect.add),
    "stablehlo.and": _of(None, arith.andi),
    "stablehlo.bitcast_convert": _bitcast,
    "stablehlo.broadcast_in_dim": _same,
    "stablehlo.clamp": _clamp,
    "stablehlo.compare": _compare,
    "stablehlo.constant": _constant,
    "stablehlo.convert": _convert,
    "stablehlo.maximum": _GREATEST,
    "stablehlo.minimum": _LEAST,
    "stablehlo.multiply": _of(arith.mulf, arith.muli, booleans=arith.andi, complexes=complex_dialect.mul),
    "stablehlo.or": _of(None, arith.ori),
    "stablehlo.reshape": _same,
    "stablehlo.select": _select,
    "stablehlo.subtract": _of(arith.subf, arith.subi, complexes=complex_dialect.sub),
    "stablehlo.xor": _of(None, arith.xori),
}
