"""Lowering of ops on the bits of numbers, for which upstream has no lowering at dynamic sizes (it aborts the process)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir

from ..base import fail
from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, extract, index_of
from .registry import lowering
from .signedness import as_signless, reinterpret, signless

_ULE, _UGT = 7, 8  # arith.cmpi predicates
_UNORDERED = 14  # arith.cmpf: uno


@lowering("stablehlo.bitcast_convert")
def bitcast_convert(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
    """To a narrower type each element becomes a row of its parts, lowest bits first; to a wider one a row becomes one."""
    operand, result = op.operands[0], op.results[0]
    source, target = signless(element_type_of(operand)), signless(element_type_of(result))
    if source == target:
        return [reinterpret(ctx.cast(as_signless(operand), ctx.dims(result)), result.type)]
    if isinstance(source, ir.ComplexType) or isinstance(target, ir.ComplexType):  # upstream crashes on it
        raise fail(op, f"a bitcast of {source} to {target} is not supported", UnsupportedOpError)
    if result.type.rank == operand.type.rank:
        return None  # same width: upstream's lowering is elementwise
    value = as_signless(operand)
    rank = result.type.rank
    signless_result = as_signless_type(result.type, target)
    if result.type.rank > operand.type.rank:

        def split() -> ir.Value:
            bits = _to_bits(extract(value, [index_of(axis) for axis in range(rank - 1)]))
            amount = arith.muli(index_of(rank - 1), constant_index(target.width))
            part = arith.trunci(_integer(target), arith.shrui(bits, arith.index_cast(bits.type, amount)))
            return _from_bits(part, target)

        return [reinterpret(ctx.generic([], [], signless_result, split), result.type)]

    def join() -> ir.Value:
        wide = _integer(target)
        total = arith.constant(wide, 0)
        for position in range(target.width // source.width):
            part = _to_bits(extract(value, [*[index_of(axis) for axis in range(rank)], constant_index(position)]))
            shifted = arith.shli(arith.extui(wide, part), arith.constant(wide, position * source.width))
            total = arith.ori(total, shifted)
        return _from_bits(total, target)

    return [reinterpret(ctx.generic([], [], signless_result, join), result.type)]


_MANTISSA = {"f64": 52, "f32": 23, "f16": 10, "bf16": 7}


@lowering("stablehlo.reduce_precision")
def reduce_precision(ctx: LoweringContext, op: Any) -> Sequence[ir.Value] | None:
    """Rounds to nearest even in fewer bits; too large is infinity, too small is zero, NaN stays (as XLA's CPU backend)."""
    operand = op.operands[0]
    element = element_type_of(operand)
    exponent_bits, mantissa_bits = op.attributes["exponent_bits"].value, op.attributes["mantissa_bits"].value

    def body(x: ir.Value) -> ir.Value:
        if str(element) in _MANTISSA:
            return _reduced(x, exponent_bits, mantissa_bits)
        wide = arith.extf(ir.F32Type.get(), x)  # upstream's lowering aborts the process
        return arith.truncf(element, _reduced(wide, exponent_bits, mantissa_bits))

    return [ctx.elementwise([operand], element, body)]


def _reduced(x: ir.Value, exponent_bits: int, mantissa_bits: int) -> ir.Value:
    mantissa = _MANTISSA[str(x.type)]
    exponent = x.type.width - 1 - mantissa
    bits = _to_bits(x)

    def constant(value: int) -> ir.Value:
        signed = value - (1 << bits.type.width) if value >> (bits.type.width - 1) else value
        return arith.constant(bits.type, signed)

    everything = (1 << bits.type.width) - 1
    if mantissa_bits < mantissa:
        dropped = mantissa - mantissa_bits
        last = 1 << dropped
        odd = arith.shrui(arith.andi(bits, constant(last)), constant(dropped))
        bits = arith.addi(bits, arith.addi(odd, constant((last >> 1) - 1)))
        bits = arith.andi(bits, constant(everything & ~(last - 1)))
    if exponent_bits < exponent:
        bias, reduced_bias = (1 << (exponent - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        infinity = ((1 << exponent) - 1) << mantissa
        size = arith.andi(bits, constant(infinity))
        zero = arith.andi(bits, constant(1 << (bits.type.width - 1)))
        too_large = arith.cmpi(_UGT, size, constant((bias + reduced_bias) << mantissa))
        too_small = arith.cmpi(_ULE, size, constant((bias - reduced_bias) << mantissa))
        bits = arith.select(too_large, arith.ori(zero, constant(infinity)), bits)
        bits = arith.select(too_small, zero, bits)
    return arith.select(arith.cmpf(_UNORDERED, x, x), x, arith.bitcast(x.type, bits))


def as_signless_type(type_: ir.RankedTensorType, element: ir.Type) -> ir.RankedTensorType:
    """A tensor type with another element type and the same dims."""
    return ir.RankedTensorType.get(type_.shape, element, type_.encoding)


def _integer(type_: ir.Type) -> ir.Type:
    return ir.IntegerType.get_signless(type_.width)


def _to_bits(scalar: ir.Value) -> ir.Value:
    integer = _integer(scalar.type)
    return scalar if scalar.type == integer else arith.bitcast(integer, scalar)


def _from_bits(bits: ir.Value, type_: ir.Type) -> ir.Value:
    return bits if bits.type == type_ else arith.bitcast(type_, bits)
