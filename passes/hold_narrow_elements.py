"""`nimble-hold-narrow-elements`: elements of fewer than 8 bits, and floats of 8, are held as bytes. In: linalg, tensor, scf
and arith without dims. Out: the same with no narrow type: IREE 3.13 cannot compute with most of them, and packs others.

The one place where narrow types are lowered: all passes before it see them as any other type. A byte holds the bits of an
element in its low bits, as numpy's ml_dtypes do. What is computed has zeros above them; what is read may have anything, as
ml_dtypes allow in an argument, so an op whose result depends on more than the low bits extends its operands first. An op
on floats is computed in f32 and rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir

from .base import ModulePass, fail, functions
from .constants import bits_of_elements, is_narrow
from .float_formats import decoded, encoded, format_of
from .signature import set_type

__all__ = ["HoldNarrowElements"]


@dataclass(frozen=True)
class HoldNarrowElements(ModulePass):
    """Holds integers of 2 and 4 bits and floats of at most 8 bits as bytes; what is computed wraps around, or is rounded.

      linalg.generic ins(%x, %y : tensor<?xi4>, tensor<?xi4>) outs(%e : tensor<?xi4>) {
      ^bb0(%a: i4, %b: i4, %out: i4):
        %0 = arith.addi %a, %b : i4
        linalg.yield %0 : i4 }
    ==>
      linalg.generic ins(%x, %y : tensor<?xi8>, tensor<?xi8>) outs(%e : tensor<?xi8>) {
      ^bb0(%a: i8, %b: i8, %out: i8):
        %0 = arith.addi %a, %b : i8
        %1 = arith.andi %0, %c15 : i8
        linalg.yield %1 : i8 }
    """

    name: ClassVar[str] = "nimble-hold-narrow-elements"

    def run(self, module: ir.Module) -> None:
        """Raises UnsupportedOpError for an op on narrow scalars that it has no rule for."""
        for function in functions(module):
            _Function().visit(function.operation)
            type_ = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
            set_type(function, [_held(t) for t in type_.inputs], [_held(t) for t in type_.results])


def _narrow(type_: ir.Type) -> ir.Type | None:
    """The narrow element type of a tensor or scalar type, None where it is none."""
    element = type_.element_type if isinstance(type_, ir.RankedTensorType) else type_
    return element if is_narrow(element) else None


def _held(type_: ir.Type) -> ir.Type:
    if _narrow(type_) is None:
        return type_
    byte = ir.IntegerType.get_signless(8)
    return ir.RankedTensorType.get(type_.shape, byte) if isinstance(type_, ir.RankedTensorType) else byte


class _Function:
    """One function: the narrow types that values had, and the rewriting of its ops in order."""

    def __init__(self) -> None:
        self._types: dict[ir.Value, ir.Type] = {}

    def visit(self, op: Any) -> None:
        for region in op.regions:
            for block in region.blocks:
                for argument in block.arguments:
                    self._hold(argument)
                for inner in list(block.operations):
                    self._visit_op(inner.operation)

    def _hold(self, value: ir.Value) -> None:
        narrow = _narrow(value.type)
        if narrow is not None:
            self._types[value] = narrow
            value.set_type(_held(value.type))

    def _visit_op(self, op: Any) -> None:
        self.visit(op)
        on_scalars = op.name.startswith(("arith.", "math.")) and op.name != "arith.select"
        if not on_scalars:
            for result in op.results:
                self._hold(result)
            return
        operands = [self._types.get(operand) for operand in op.operands]
        results = [_narrow(result.type) for result in op.results]
        if not any(operands) and not any(results):
            return
        if len(results) != 1:
            raise _unsupported(op, next(type_ for type_ in (*operands, *results) if type_ is not None))
        with ir.InsertionPoint(op), op.location:
            value = _rewritten(op, operands, results[0])
        if results[0] is not None:
            self._types[value] = results[0]
        op.results[0].replace_all_uses_with(value)
        op.erase()


def _unsupported(op: Any, element: ir.Type) -> Exception:
    return fail(op, f"'{op.name}' on {element}: nothing computes with such elements", UnsupportedOpError)


def _rewritten(op: Any, operands: Sequence[ir.Type | None], result: ir.Type | None) -> ir.Value:
    """The value of an op of one result; the types are narrow ones, None for any other."""
    if op.name == "arith.constant":
        return _constant(op, result)
    if op.name == "arith.bitcast":
        # Also from byte to byte: the result is a value of its own, for its narrow type, if any, is another one.
        return arith.bitcast(_held(op.results[0].type), op.operands[0])
    element = next(type_ for type_ in (*operands, result) if type_ is not None)
    if isinstance(element, ir.IntegerType):
        return _integers(op, element, result)
    values = [
        operand if type_ is None else _decoded(operand, type_)
        for operand, type_ in zip(op.operands, operands, strict=True)
    ]
    if op.name in ("arith.extf", "arith.truncf"):
        if result is not None:
            return _encoded(values[0], result)
        return values[0] if values[0].type == op.results[0].type else _cast(values[0], op.results[0].type)
    type_ = ir.F32Type.get() if result is not None else op.results[0].type
    computed = ir.Operation.create(op.name, [type_], values, _attributes(op)).result
    return computed if result is None else _encoded(computed, result)


def _decoded(bits: ir.Value, element: ir.Type) -> ir.Value:
    format_ = format_of(element)
    assert format_ is not None, element
    return decoded(bits, format_)


def _encoded(value: ir.Value, element: ir.Type | None) -> ir.Value:
    format_ = None if element is None else format_of(element)
    assert format_ is not None, element
    return encoded(value, format_)


def _cast(value: ir.Value, type_: ir.Type) -> ir.Value:
    return (arith.extf if type_.width > value.type.width else arith.truncf)(type_, value)


def _attributes(op: Any) -> dict[str, ir.Attribute]:
    return {name: op.attributes[name] for name in op.attributes}


def _constant(op: Any, element: ir.Type | None) -> ir.Value:
    assert element is not None
    value = op.attributes["value"]
    type_ = _held(op.results[0].type)
    bits = bits_of_elements(value, element)
    if not isinstance(type_, ir.RankedTensorType):
        return arith.constant(type_, int(bits.reshape(-1)[0]))
    if bits.size == 1:
        byte = ir.IntegerAttr.get(type_.element_type, int(bits.reshape(-1)[0]))
        return arith.constant(type_, ir.DenseElementsAttr.get_splat(type_, byte))
    dense = ir.DenseElementsAttr.get(np.ascontiguousarray(bits.reshape(type_.shape)), type=type_)
    return arith.constant(type_, dense)


# How an op reads its operands: with the sign, with zeros above, or by their low bits alone.
_SIGNED, _UNSIGNED, _LOW_BITS = "signed", "unsigned", "low bits"
_READS: dict[str, str] = {
    **dict.fromkeys("addi andi muli ori subi trunci xori".split(), _LOW_BITS),
    **dict.fromkeys("absi ceildivsi divsi extsi floordivsi index_cast maxsi minsi remsi sitofp".split(), _SIGNED),
    **dict.fromkeys("ceildivui divui extui index_castui maxui minui remui shrui uitofp".split(), _UNSIGNED),
    **dict.fromkeys("ctpop fptosi fptoui".split(), _UNSIGNED),
}
_SIGNED_PREDICATES = range(2, 6)


def _integers(op: Any, element: ir.IntegerType, result: ir.Type | None) -> ir.Value:
    """An op of arith or math on integers of fewer than 8 bits, on bytes; `result` is None where it gives none of them."""
    name = op.name.partition(".")[2]
    operands = list(op.operands)
    if name in _OWN_RULES:
        value = _OWN_RULES[name](op, operands, element)
    elif name in _READS:
        value = _on_bytes(op, [_extended(operand, element, _READS[name]) for operand in operands])
    else:
        raise _unsupported(op, element)
    return value if result is None else _extended(value, result, _UNSIGNED)


def _on_bytes(op: Any, operands: Sequence[ir.Value]) -> ir.Value:
    """The op itself on operands that are bytes, or become bytes."""
    type_ = _held(op.results[0].type)
    if len(operands) == 1 and operands[0].type == type_ and op.name in _WIDTH_CASTS:
        return operands[0]
    return ir.Operation.create(op.name, [type_], list(operands), _attributes(op)).result


_WIDTH_CASTS = ("arith.extsi", "arith.extui", "arith.trunci")


def _extended(value: ir.Value, element: ir.Type, how: str) -> ir.Value:
    """A byte whose low bits count as a number of 8 bits; a value of another type as it is."""
    byte = ir.IntegerType.get_signless(8)
    if how == _LOW_BITS or value.type != byte:
        return value
    if how == _UNSIGNED:
        return arith.andi(value, arith.constant(byte, (1 << element.width) - 1))
    above = arith.constant(byte, 8 - element.width)
    return arith.shrsi(arith.shli(value, above), above)


def _compare(op: Any, operands: Sequence[ir.Value], element: ir.IntegerType) -> ir.Value:
    how = _SIGNED if op.attributes["predicate"].value in _SIGNED_PREDICATES else _UNSIGNED
    return _on_bytes(op, [_extended(operand, element, how) for operand in operands])


def _shift_by_sign(op: Any, operands: Sequence[ir.Value], element: ir.IntegerType) -> ir.Value:
    value, amount = operands
    return arith.shrsi(_extended(value, element, _SIGNED), _extended(amount, element, _UNSIGNED))


def _shift_left(op: Any, operands: Sequence[ir.Value], element: ir.IntegerType) -> ir.Value:
    value, amount = operands
    return arith.shli(value, _extended(amount, element, _UNSIGNED))


def _leading_zeros(op: Any, operands: Sequence[ir.Value], element: ir.IntegerType) -> ir.Value:
    zeros = _on_bytes(op, [_extended(operands[0], element, _UNSIGNED)])
    return arith.subi(zeros, arith.constant(zeros.type, 8 - element.width))


_OWN_RULES: dict[str, Callable[[Any, Sequence[ir.Value], ir.IntegerType], ir.Value]] = {
    "cmpi": _compare,
    "ctlz": _leading_zeros,
    "shli": _shift_left,
    "shrsi": _shift_by_sign,
}
