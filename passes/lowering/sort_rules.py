"""Lowering of sorts: a stable merge sort in one kernel, with any comparator and any number of operands.

Blocks of `BLOCK` elements are sorted by a network of comparisons; then pairs of runs are merged, log2(n / BLOCK) times,
between two halves of a buffer. A merge takes the smallest and the largest element that are left at the same time, without
branches (the parity merge of quadsort, I. van den Hoven, 2021): 1e6 floats take as long as in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of
from .kernels import branch, flag, loop, read, repeat, restored, stored, write
from .registry import lowering
from .row_kernels import as_rows, from_rows, row_kernel
from .scalar_body import outer_scalars, scalar_body
from .slice_rules import extract_slice

Values = Sequence[ir.Value]

# Elements of a block: a power of two. The network of a block of b elements has b (b - 1) / 2 comparators.
BLOCK = 8

_ULT, _UGT, _UGE = 6, 8, 9  # arith.cmpi predicates


@lowering("stablehlo.sort")
def sort(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Sorts along one dimension. Every sort is stable, whether it has to be or not."""
    outside = outer_scalars(op.regions[0])

    def less(lhs: Values, rhs: Values) -> ir.Value:
        pairs = [scalar for pair in zip(lhs, rhs, strict=True) for scalar in pair]
        return scalar_body(op.regions[0], pairs, outside)[0]

    sorted_ = sort_along(ctx, list(op.operands), op.attributes["dimension"].value, less)
    return [restored(ctx, value, result.type) for value, result in zip(sorted_, op.results, strict=True)]


def sort_along(
    ctx: LoweringContext, operands: Values, axis: int, less: Callable[[Values, Values], ir.Value]
) -> list[ir.Value]:
    """The operands in the order of `less`, which takes scalars of their element types; results are as kernels store them."""
    dims = ctx.dims(operands[0])
    elements = [element_type_of(value) for value in operands]
    rows = [as_rows(ctx, stored(ctx, ctx.cast(value, dims)), axis) for value in operands]
    row_dims = ctx.dims(rows[0])
    size = ctx.sizes.value(row_dims[1])
    buffers = [ctx.empty([row_dims[0], DimExpr.constant(2), row_dims[1]], element_type_of(value)) for value in rows]
    ordered = row_kernel(
        ctx, rows, buffers, lambda row, inputs, buffer: _RowSort(row, size, elements, less).run(inputs, buffer)
    )
    result = []
    for value in ordered:
        half = extract_slice(ctx, value, [constant_index(0)] * 3, [row_dims[0], DimExpr.constant(1), row_dims[1]])
        result.append(from_rows(ctx, ctx.collapse(half, [[0], [1, 2]]), dims, axis))
    return result


@dataclass
class _RowSort:
    """Emits the sort of one row. `inputs` are tensors [row, position], `buffer` tensors [row, half, position]."""

    row: ir.Value
    size: ir.Value
    elements: Sequence[ir.Type]
    less: Callable[[Values, Values], ir.Value]

    def run(self, inputs: list[ir.Value], buffer: list[ir.Value]) -> list[ir.Value]:
        zero, one = constant_index(0), constant_index(1)
        blocks = arith.ceildivui(self.size, constant_index(BLOCK))
        # The number of merging passes: the logarithm of the number of blocks, rounded up.
        passes, _ = repeat(
            [zero, one],
            lambda _, runs: arith.cmpi(_ULT, runs, blocks),
            lambda done, runs: [arith.addi(done, one), arith.addi(runs, runs)],
        )
        # Passes go back and forth between the halves; the last one ends in half 0.
        half = arith.remui(passes, constant_index(2))
        buffer = self._sort_blocks(inputs, buffer, half)

        def one_pass(number: ir.Value, *buffer: ir.Value) -> Values:
            left = arith.subi(passes, number)
            source = arith.remui(left, constant_index(2))
            pairs = arith.shli(one, arith.subi(left, one))

            def one_pair(pair: ir.Value, *buffer: ir.Value) -> Values:
                first = arith.muli(pair, constant_index(2))
                # Run r of 2^left ones is the blocks from r * blocks / 2^left on, so that runs are of like length.
                bounds = []
                for offset in range(3):
                    position = arith.muli(arith.addi(first, constant_index(offset)), blocks)
                    block = arith.shrui(position, left)
                    bounds.append(arith.minui(arith.muli(block, constant_index(BLOCK)), self.size))
                return self._merge(list(buffer), source, bounds)

            return loop(zero, pairs, buffer, one_pair)

        return loop(zero, passes, buffer, one_pass)

    def _read(self, buffer: Values, half: ir.Value, position: ir.Value) -> list[ir.Value]:
        at = [self.row, half, position]
        return [read(b, at, element) for b, element in zip(buffer, self.elements, strict=True)]

    def _write(self, values: Values, buffer: Values, half: ir.Value, position: ir.Value) -> list[ir.Value]:
        return [write(v, b, [self.row, half, position]) for v, b in zip(values, buffer, strict=True)]

    def _read_input(self, inputs: Values, position: ir.Value) -> list[ir.Value]:
        return [read(x, [self.row, position], element) for x, element in zip(inputs, self.elements, strict=True)]

    def _sort_blocks(self, inputs: list[ir.Value], buffer: list[ir.Value], half: ir.Value) -> list[ir.Value]:
        full = arith.divui(self.size, constant_index(BLOCK))
        tail = arith.muli(full, constant_index(BLOCK))

        def one_block(block: ir.Value, *buffer: ir.Value) -> Values:
            first = arith.muli(block, constant_index(BLOCK))
            positions = [arith.addi(first, constant_index(i)) for i in range(BLOCK)]
            items = [self._read_input(inputs, position) for position in positions]
            # Odd-even transposition: only neighbours are exchanged, and only if in the wrong order, so it is stable.
            for turn in range(BLOCK):
                for i in range(turn % 2, BLOCK - 1, 2):
                    swap = self.less(items[i + 1], items[i])
                    items[i], items[i + 1] = (
                        _select(swap, items[i + 1], items[i]),
                        _select(swap, items[i], items[i + 1]),
                    )
            result = list(buffer)
            for item, position in zip(items, positions, strict=True):
                result = self._write(item, result, half, position)
            return result

        buffer = loop(constant_index(0), full, buffer, one_block)
        return loop(tail, self.size, buffer, lambda at, *inner: self._insert(inputs, list(inner), half, tail, at))

    def _insert(
        self, inputs: list[ir.Value], buffer: list[ir.Value], half: ir.Value, first: ir.Value, at: ir.Value
    ) -> list[ir.Value]:
        """Inserts the input's element `at` among those that stand sorted from `first` on."""
        one = constant_index(1)
        item = self._read_input(inputs, at)

        def before_other(position: ir.Value, *buffer: ir.Value) -> ir.Value:
            return branch(
                arith.cmpi(_UGT, position, first),
                [ir.IntegerType.get_signless(1)],
                lambda: [self.less(item, self._read(buffer, half, arith.subi(position, one)))],
                lambda: [flag(False)],
            )[0]

        def shift(position: ir.Value, *buffer: ir.Value) -> Values:
            previous = arith.subi(position, one)
            return [previous, *self._write(self._read(buffer, half, previous), buffer, half, position)]

        position, *shifted = repeat([at, *buffer], before_other, shift)
        return self._write(item, shifted, half, position)

    def _merge(self, buffer: list[ir.Value], source: ir.Value, bounds: Values) -> list[ir.Value]:
        """Merges the runs between `bounds` from half `source` into the other one."""
        one = constant_index(1)
        start, middle, end = bounds
        target = arith.subi(one, source)
        common = arith.minui(arith.subi(middle, start), arith.subi(end, middle))

        def both_ends(step: ir.Value, *carried: ir.Value) -> Values:
            low_a, low_b, high_a, high_b, *buffer = carried
            a, b, c, d = (self._read(buffer, source, at) for at in (low_a, low_b, high_a, high_b))
            take_b, take_c = self.less(b, a), self.less(d, c)
            # `common` steps exhaust neither run, so no bound is checked.
            result = self._write(_select(take_b, b, a), buffer, target, arith.addi(start, step))
            last = arith.subi(arith.subi(end, one), step)
            result = self._write(_select(take_c, c, d), result, target, last)
            from_b, from_c = _count(take_b), _count(take_c)
            return [
                arith.subi(arith.addi(low_a, one), from_b),
                arith.addi(low_b, from_b),
                arith.subi(high_a, from_c),
                arith.addi(arith.subi(high_b, one), from_c),
                *result,
            ]

        first = [start, middle, arith.subi(middle, one), arith.subi(end, one), *buffer]
        low_a, low_b, high_a, high_b, *merged = loop(constant_index(0), common, first, both_ends)
        # What is left where the runs are of different lengths.
        end_a, end_b = arith.addi(high_a, one), arith.addi(high_b, one)
        largest = arith.subi(self.size, one)

        def remaining(position: ir.Value, *carried: ir.Value) -> Values:
            at_a, at_b, *buffer = carried
            a, b = (self._read(buffer, source, arith.minui(at, largest)) for at in (at_a, at_b))
            none_in_a, some_in_b = arith.cmpi(_UGE, at_a, end_a), arith.cmpi(_ULT, at_b, end_b)
            take_b = arith.andi(some_in_b, arith.ori(none_in_a, self.less(b, a)))
            from_b = _count(take_b)
            result = self._write(_select(take_b, b, a), buffer, target, position)
            return [arith.subi(arith.addi(at_a, one), from_b), arith.addi(at_b, from_b), *result]

        from_, to = arith.addi(start, common), arith.subi(end, common)
        return loop(from_, to, [low_a, low_b, *merged], remaining)[2:]


def _count(condition: ir.Value) -> ir.Value:
    # Not arith.index_castui: IREE 3.13 cannot legalize it from i1 for SPIR-V.
    return arith.select(condition, constant_index(1), constant_index(0))


def _select(condition: ir.Value, lhs: Values, rhs: Values) -> list[ir.Value]:
    return [arith.select(condition, a, b) for a, b in zip(lhs, rhs, strict=True)]
