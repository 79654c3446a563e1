"""Lowering of selections of the elements that are flagged: a kernel that counts the flags, and one that fills the result.

Both go over all flags once, a block at a time, as the bits of an integer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dialects import PARTS
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, math, vector

from ..symbol_table import constant_index
from .builders import LoweringContext, product
from .gather_kernels import copy_run
from .kernels import branch, kernel, loop, nest, read, repeat, restored, stored, write
from .registry import lowering
from .row_kernels import parts_kernel
from .vectors import along, has_lanes, read_lanes

Values = Sequence[ir.Value]

_NE, _ULT = 1, 6  # arith.cmpi predicates
# Flags that are looked at together: the bits of an integer.
_BLOCK = 64


@lowering("nimble.count")
def count(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """One workgroup: a million flags are counted faster than threads wake."""
    flags = op.operands[0]
    size = ctx.sizes.value(ctx.dims(flags)[0])
    i32 = ir.IntegerType.get_signless(32)

    def body(_: ir.Value, inputs: list[ir.Value], outputs: list[ir.Value]) -> Values:
        zero = arith.constant(i32, 0)

        def one_part(part: ir.Value, total: ir.Value, into: ir.Value) -> Values:
            into = write(total, into, [part])
            first, end = _bounds(part, size)

            def several(at: ir.Value, total: ir.Value) -> Values:
                bits = _bits(read_lanes(inputs[0], [arith.addi(first, at)], _BLOCK))
                return [arith.addi(total, arith.trunci(i32, math.ctpop(bits)))]

            def single(at: ir.Value, total: ir.Value) -> Values:
                return [arith.addi(total, arith.extui(i32, _is_set(read(inputs[0], [arith.addi(first, at)]))))]

            return [*along(arith.subi(end, first), _BLOCK, [total], several, single), into]

        total, into = loop(constant_index(0), constant_index(PARTS), [zero, outputs[0]], one_part)
        return [write(total, into, [constant_index(PARTS)])]

    empty = ctx.empty(ctx.dims(op.results[0]), i32)
    return kernel(ctx, [flags], [empty], body)


@lowering("nimble.nonzero")
def nonzero(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """The positions of the flags that are set."""
    flags, offsets = op.operands[0], op.operands[1]
    size = ctx.sizes.value(ctx.dims(flags)[0])
    i32 = ir.IntegerType.get_signless(32)
    outputs = [ctx.empty(ctx.dims(op.results[0]), i32)]

    def one_part(part: ir.Value, inputs: list[ir.Value], results: list[ir.Value]) -> Values:
        def put(at: ir.Value, to: ir.Value, into: ir.Value) -> ir.Value:
            return write(arith.index_cast(i32, at), into, [to])

        return [_each_flagged(part, size, inputs, results[0], put)]

    return parts_kernel(ctx, [flags, offsets], outputs, constant_index(PARTS), _part_size(size), one_part)


@lowering("nimble.nonzero_padded")
def nonzero_padded(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """One workgroup that writes as far as there is room, and counts on."""
    flags, positions = op.operands[0], op.results[0]
    size, room = (ctx.sizes.value(ctx.dims(value)[0]) for value in (flags, positions))
    i32, index = ir.IntegerType.get_signless(32), ir.IndexType.get()
    zero, one = constant_index(0), constant_index(1)

    def body(_: ir.Value, inputs: list[ir.Value], outputs: list[ir.Value]) -> Values:
        (flags,) = inputs
        into, count = outputs

        def flagged(at: ir.Value) -> ir.Value:
            return arith.index_castui(index, read(flags, [at]))

        at, to, into = repeat(
            [zero, zero, into],
            lambda at, to, _: arith.andi(arith.cmpi(_ULT, to, room), arith.cmpi(_ULT, at, size)),
            lambda at, to, into: [
                arith.addi(at, one),
                arith.addi(to, flagged(at)),
                write(arith.index_cast(i32, at), into, [to]),
            ],
        )
        (total,) = loop(at, size, [to], lambda at, total: [arith.addi(total, flagged(at))])
        return [into, write(arith.index_cast(i32, total), count, [])]

    empty = [ctx.empty(ctx.dims(value), i32) for value in op.results]
    return kernel(ctx, [flags], empty, body)


@lowering("nimble.compress")
def compress(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """The flagged slices along one dimension: elements one by one, or whole runs where other dimensions follow."""
    operand, flags, offsets = op.operands[:3]
    axis, rank = op.attributes["dimension"].value, len(ctx.dims(operand))
    size = ctx.sizes.value(ctx.dims(flags)[0])
    outer, inner = list(range(axis)), list(range(axis + 1, rank))
    groups = [group for group in (outer, [axis], inner) if group]
    source = ctx.collapse(stored(ctx, operand), groups)
    element = ir.RankedTensorType(source.type).element_type
    target = [product([ctx.dims(op.results[0])[axis] for axis in group]) for group in groups]
    before = ctx.sizes.value(product([ctx.dims(operand)[axis] for axis in outer]))
    run = ctx.sizes.value(product([ctx.dims(operand)[axis] for axis in inner]))
    lanes = has_lanes(element)

    def one_part(item: ir.Value, inputs: list[ir.Value], results: list[ir.Value]) -> Values:
        values, *selected = inputs
        part = arith.remui(item, constant_index(PARTS))
        at_outer = [arith.divui(item, constant_index(PARTS))] if outer else []

        def put(at: ir.Value, to: ir.Value, into: ir.Value) -> ir.Value:
            return write(read(values, [*at_outer, at]), into, [*at_outer, to])

        def put_run(at: ir.Value, to: ir.Value, into: ir.Value) -> ir.Value:
            if lanes:
                return copy_run(values, [*at_outer, at, constant_index(0)], into, [*at_outer, to], run)
            return nest(
                [run],
                [into],
                lambda index, out: [write(read(values, [*at_outer, at, *index]), out[0], [*at_outer, to, *index])],
            )[0]

        each = _each_run if inner else _each_flagged
        return [each(part, size, selected, results[0], put_run if inner else put)]

    items = arith.muli(before, constant_index(PARTS))
    work = arith.muli(_part_size(size), run)
    outputs = [ctx.empty(target, element)]
    (filled,) = parts_kernel(ctx, [source, flags, offsets], outputs, items, work, one_part)
    whole: Sequence[DimExpr] = ctx.dims(op.results[0])
    return [restored(ctx, ctx.expand(filled, groups, whole), op.results[0].type)]


def _bounds(part: ir.Value, size: ir.Value) -> list[ir.Value]:
    """The first position of a part, and of the next one."""
    ends = (part, arith.addi(part, constant_index(1)))
    return [arith.divui(arith.muli(end, size), constant_index(PARTS)) for end in ends]


def _part_size(size: ir.Value) -> ir.Value:
    return arith.ceildivui(size, constant_index(PARTS))


Put = Callable[[ir.Value, ir.Value, ir.Value], ir.Value]


def _limits(part: ir.Value, size: ir.Value, offsets: ir.Value) -> list[ir.Value]:
    """Of a part: its first position, the next part's, and the same in the result."""
    index = ir.IndexType.get()
    ends = (part, arith.addi(part, constant_index(1)))
    return [*_bounds(part, size), *(arith.index_cast(index, read(offsets, [end])) for end in ends)]


def _each_flagged(part: ir.Value, size: ir.Value, inputs: Values, into: ir.Value, put: Put) -> ir.Value:
    """Puts the flagged elements of a part.

    The flags of a block become the bits of an integer, whose lowest bit is taken away as often as there are bits: the work
    is that of the flags that are set, without a branch on one of them."""
    flags, offsets = inputs
    first, end, start, _ = _limits(part, size, offsets)
    i64, index = ir.IntegerType.get_signless(64), ir.IndexType.get()

    def one_block(block: ir.Value, to: ir.Value, into: ir.Value) -> Values:
        at = arith.addi(first, block)
        bits = _bits(read_lanes(flags, [at], _BLOCK))
        count = arith.index_cast(index, math.ctpop(bits))

        def lowest(number: ir.Value, left: ir.Value, into: ir.Value) -> Values:
            offset = arith.index_cast(index, math.cttz(left))
            into = put(arith.addi(at, offset), arith.addi(to, number), into)
            return [arith.andi(left, arith.subi(left, arith.constant(i64, 1))), into]

        _, into = loop(constant_index(0), count, [bits, into], lowest)
        return [arith.addi(to, count), into]

    def single(position: ir.Value, to: ir.Value, into: ir.Value) -> Values:
        at = arith.addi(first, position)
        flagged = _is_set(read(flags, [at]))
        return [
            arith.addi(to, arith.index_castui(index, flagged)),
            branch(flagged, [into.type], lambda: [put(at, to, into)], lambda: [into])[0],
        ]

    return along(arith.subi(end, first), _BLOCK, [start, into], one_block, single)[1]


def _is_set(byte: ir.Value) -> ir.Value:
    return arith.cmpi(_NE, byte, arith.constant(byte.type, 0))


def _bits(flags: ir.Value) -> ir.Value:
    """A block's flags as an integer, the first as its lowest bit."""
    i64 = ir.IntegerType.get_signless(64)
    none = vector.broadcast(flags.type, arith.constant(ir.IntegerType.get_signless(8), 0))
    word = vector.bitcast(ir.VectorType.get([1], i64), arith.cmpi(_NE, flags, none))
    return vector.extract(word, [], [0])


def _each_run(part: ir.Value, size: ir.Value, inputs: Values, into: ir.Value, put: Put) -> ir.Value:
    """Puts the flagged runs of a part."""
    flags, offsets = inputs
    first, end, start, _ = _limits(part, size, offsets)

    def step(at: ir.Value, to: ir.Value, into: ir.Value) -> Values:
        flagged = _is_set(read(flags, [at]))
        types = [to.type, into.type]
        return branch(
            flagged, types, lambda: [arith.addi(to, constant_index(1)), put(at, to, into)], lambda: [to, into]
        )

    return loop(first, end, [start, into], step)[1]
