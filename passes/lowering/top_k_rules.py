"""Lowering of top_k: a few largest elements are kept sorted while a row is read once; many are the front of a sort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.dims import DimExpr
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir

from ..base import fail
from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, index_of
from .kernels import branch, flag, loop, read, repeat, restored, stored, stored_type, write
from .registry import lowering
from .row_kernels import as_rows, from_rows, row_kernel
from .scalar_body import ordered_bits
from .signedness import is_unsigned, reinterpret, signless
from .slice_rules import extract_slice
from .sort_rules import sort_along

# Up to here the k largest are kept in order by insertion, at most k steps for an element; mostly none.
MAX_INSERTED = 64

_SGT, _ULT, _UGT = 4, 6, 8  # arith.cmpi predicates

Values = Sequence[ir.Value]


@lowering("custom_call:nimble.chlo.top_k", "custom_call:stablehlo.dynamic_top_k")
def top_k(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Values and i32 indices in descending order, the lower index first among equal ones; floats in total order (NaN
    with the sign bit clear is the largest), as XLA's CPU runtime compares them."""
    operand = op.operands[0]
    if isinstance(element_type_of(operand), ir.ComplexType):
        raise fail(op, f"top_k of {element_type_of(operand)} is not supported", UnsupportedOpError)
    dims, k = ctx.dims(operand), ctx.dims(op.results[0])[-1]
    axis = len(dims) - 1
    few = k.is_constant and 0 < k.constant_value <= MAX_INSERTED
    if few:
        rows = as_rows(ctx, stored(ctx, operand), axis)
        found = _insertion(ctx, rows, element_type_of(operand), k.constant_value)
        values, indices = (from_rows(ctx, value, [*dims[:-1], k], axis) for value in found)
    else:
        i32 = ir.IntegerType.get_signless(32)
        iota = ctx.generic([], [], tensor_type(dims, i32), lambda: arith.index_cast(i32, index_of(axis)))
        ordered = sort_along(ctx, [operand, iota], axis, lambda lhs, rhs: _before(lhs[0], rhs[0]))
        zeros = [constant_index(0)] * len(dims)
        values, indices = (extract_slice(ctx, value, zeros, [*dims[:-1], k]) for value in ordered)
    return [restored(ctx, value, result.type) for value, result in zip((values, indices), op.results, strict=True)]


def _before(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return arith.cmpi(_SGT, _key(lhs), _key(rhs))


def _key(scalar: ir.Value) -> ir.Value:
    """A signed integer in the order of the elements."""
    plain = reinterpret(scalar, signless(scalar.type))
    if not isinstance(plain.type, ir.IntegerType):
        return ordered_bits(plain)
    lowest = arith.constant(plain.type, -(1 << (plain.type.width - 1)))
    return arith.xori(plain, lowest) if is_unsigned(scalar.type) or plain.type.width == 1 else plain


def _insertion(ctx: LoweringContext, rows: ir.Value, element: ir.Type, k: int) -> list[ir.Value]:
    dims = ctx.dims(rows)
    size = ctx.sizes.value(dims[1])
    i32 = ir.IntegerType.get_signless(32)
    best = [dims[0], DimExpr.constant(k)]
    outputs = [ctx.empty(best, stored_type(element)), ctx.empty(best, i32)]

    def one_row(row: ir.Value, inputs: list[ir.Value], outputs: list[ir.Value]) -> Values:
        def key_at(values: ir.Value, position: ir.Value) -> ir.Value:
            return _key(read(values, [row, position], element))

        def one_element(position: ir.Value, *best: ir.Value) -> Values:
            scalar = read(inputs[0], [row, position], element)
            key = _key(scalar)
            last = constant_index(k - 1)
            free = arith.cmpi(_ULT, position, constant_index(k))
            enters = arith.ori(free, arith.cmpi(_SGT, key, key_at(best[0], last)))

            def insert() -> Values:
                def larger_than_previous(at: ir.Value, *best: ir.Value) -> ir.Value:
                    return branch(
                        arith.cmpi(_UGT, at, constant_index(0)),
                        [ir.IntegerType.get_signless(1)],
                        lambda: [arith.cmpi(_SGT, key, key_at(best[0], arith.subi(at, constant_index(1))))],
                        lambda: [flag(False)],
                    )[0]

                def shift(at: ir.Value, *best: ir.Value) -> Values:
                    previous = arith.subi(at, constant_index(1))
                    moved = [write(read(b, [row, previous]), b, [row, at]) for b in best]
                    return [previous, *moved]

                first = arith.minui(position, last)
                at, values, indices = repeat([first, *best], larger_than_previous, shift)
                number = arith.index_cast(i32, position)
                return [write(scalar, values, [row, at]), write(number, indices, [row, at])]

            return branch(enters, [value.type for value in best], insert, lambda: best)

        return loop(constant_index(0), size, outputs, one_element)

    return row_kernel(ctx, [rows], outputs, one_row)
