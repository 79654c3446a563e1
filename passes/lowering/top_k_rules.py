"""Lowering of top_k: a heap holds the largest elements while a row is read once; very many are the front of a sort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

# Up to here a heap, whose steps read at random, is no slower than a sort, whose passes read in order.
MAX_IN_HEAP = 4096

_EQ, _SLT, _SGT, _ULT = 0, 2, 4, 6  # arith.cmpi predicates

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
    if k.is_constant and 0 < k.constant_value <= MAX_IN_HEAP:
        rows = as_rows(ctx, stored(ctx, operand), axis)
        found = _by_heap(ctx, rows, element_type_of(operand), k.constant_value)
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


def _by_heap(ctx: LoweringContext, rows: ir.Value, element: ir.Type, k: int) -> list[ir.Value]:
    dims = ctx.dims(rows)
    best = [dims[0], DimExpr.constant(k)]
    outputs = [ctx.empty(best, stored_type(element)), ctx.empty(best, ir.IntegerType.get_signless(32))]
    size = ctx.sizes.value(dims[1])
    return row_kernel(ctx, [rows], outputs, lambda row, x, y: _Heap(row, element, k).run(x[0], size, y))


@dataclass
class _Heap:
    """Emits the selection from one row: a binary heap of the k best so far, the worst of them on top.

    `heap` below are the tensors of values and indices; `item` is a value and its index.
    """

    row: ir.Value
    element: ir.Type
    k: int

    def run(self, buffer: ir.Value, size: ir.Value, heap: list[ir.Value]) -> Values:
        zero, one, k = constant_index(0), constant_index(1), constant_index(self.k)

        def at(position: ir.Value) -> list[ir.Value]:
            value = read(buffer, [self.row, position], self.element)
            return [value, arith.index_cast(ir.IntegerType.get_signless(32), position)]

        heap = loop(zero, k, heap, lambda position, *h: self._write(at(position), h, position))

        def build(step: ir.Value, *heap: ir.Value) -> Values:
            position = arith.subi(constant_index(self.k // 2 - 1), step)
            return self._sift(self._read(heap, position), heap, position, k)

        heap = loop(zero, constant_index(self.k // 2), heap, build)

        def consider(position: ir.Value, *heap: ir.Value) -> Values:
            item = at(position)
            # Its index is the largest, so an equal one does not enter.
            enters = arith.cmpi(_SGT, _key(item[0]), _key(self._read(heap, zero)[0]))
            types = [value.type for value in heap]
            return branch(enters, types, lambda: self._sift(item, heap, zero, k), lambda: heap)

        heap = loop(k, size, heap, consider)

        def take_worst(step: ir.Value, *heap: ir.Value) -> Values:
            last = arith.subi(constant_index(self.k - 1), step)
            worst, item = self._read(heap, zero), self._read(heap, last)
            return self._sift(item, self._write(worst, heap, last), zero, last)

        return loop(zero, arith.subi(k, one), heap, take_worst)

    def _read(self, heap: Values, position: ir.Value) -> list[ir.Value]:
        values, indices = heap
        return [read(values, [self.row, position], self.element), read(indices, [self.row, position])]

    def _write(self, item: Values, heap: Values, position: ir.Value) -> list[ir.Value]:
        return [write(scalar, buffer, [self.row, position]) for scalar, buffer in zip(item, heap, strict=True)]

    def _worse(self, lhs: Values, rhs: Values) -> ir.Value:
        left, right = _key(lhs[0]), _key(rhs[0])
        later = arith.andi(arith.cmpi(_EQ, left, right), arith.cmpi(_SGT, lhs[1], rhs[1]))
        return arith.ori(arith.cmpi(_SLT, left, right), later)

    def _sift(self, item: Values, heap: Values, start: ir.Value, size: ir.Value) -> Values:
        """Puts `item` in at `start` and moves it down among the first `size` elements."""
        one, index = constant_index(1), ir.IndexType.get()

        def step(hole: ir.Value, *carried: ir.Value) -> Values:
            *heap, _ = carried
            left = arith.addi(arith.addi(hole, hole), one)
            right = arith.addi(left, one)

            def down() -> Values:
                last = arith.subi(size, one)
                other = arith.minui(right, last)
                child = self._read(heap, left)
                take_right = self._worse(self._read(heap, other), child)
                chosen = arith.select(take_right, other, left)
                moved = self._read(heap, chosen)
                return branch(
                    self._worse(moved, item),
                    [index, *types, flag_type],
                    lambda: [chosen, *self._write(moved, heap, hole), flag(True)],
                    lambda: [hole, *heap, flag(False)],
                )

            return branch(
                arith.cmpi(_ULT, left, size), [index, *types, flag_type], down, lambda: [hole, *heap, flag(False)]
            )

        flag_type, types = ir.IntegerType.get_signless(1), [value.type for value in heap]
        # The flag stands last: the body does not use it, and IREE's bufferization wants what is left in its place.
        hole, *moved, _ = repeat([start, *heap, flag(True)], lambda *carried: carried[-1], step)
        return self._write(item, moved, hole)
