"""Lowering of select_and_scatter: a kernel that finds the element each window selects and adds the source's to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, tensor

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of
from .kernels import branch, flag, kernel, loop, nest, read, restored, stored, write
from .registry import lowering
from .scalar_body import outer_scalars, scalar_body
from .signedness import reinterpret, signless
from .window_rules import window_attribute, window_padding

Values = Sequence[ir.Value]

_ULT = 6  # arith.cmpi predicate
_WORKGROUPS = 64


@lowering("stablehlo.select_and_scatter")
def select_and_scatter(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """One loop over the source; the first element of a window for which `select` holds against all others receives it.

    Windows are visited in row-major order, and so are the elements of each, as XLA does it. Elements that padding adds
    are never selected. Along a dimension whose windows are single elements, workgroups share the work.
    """
    operand, source, init = op.operands
    dims = ctx.dims(operand)
    rank = len(dims)
    element = element_type_of(operand)
    windows, strides = (window_attribute(op, name, rank) for name in ("window_dimensions", "window_strides"))
    low, high = window_padding(op, rank)
    sizes, source_sizes = ctx.sizes.values(dims), ctx.sizes.values(ctx.dims(source))
    select_outside, scatter_outside = (outer_scalars(region) for region in op.regions)
    apart = [axis for axis in range(rank) if (windows[axis], strides[axis], low[axis], high[axis]) == (1, 1, 0, 0)]
    shared = apart[0] if apart else None
    groups = constant_index(1)
    if shared is not None:
        groups = arith.maxui(arith.minui(sizes[shared], constant_index(_WORKGROUPS)), constant_index(1))

    def plain(scalar: ir.Value) -> ir.Value:
        return reinterpret(scalar, signless(element))

    def body(number: ir.Value, inputs: list[ir.Value], outputs: list[ir.Value]) -> Values:
        operand_buffer, source_buffer = inputs

        def one_window(at: list[ir.Value], results: Values) -> Values:
            corner = [
                arith.subi(arith.muli(index, constant_index(stride)), constant_index(padding))
                for index, stride, padding in zip(at, strides, low, strict=True)
            ]

            def one_element(offset: list[ir.Value], carried: list[ir.Value]) -> Values:
                found, selected, *where = carried
                position = [arith.addi(c, o) for c, o in zip(corner, offset, strict=True)]
                inside = flag(True)
                for index, size in zip(position, sizes, strict=True):
                    inside = arith.andi(inside, arith.cmpi(_ULT, index, size))

                def consider() -> Values:
                    value = plain(read(operand_buffer, position, element))
                    pair = [reinterpret(scalar, element) for scalar in (selected, value)]
                    stays = scalar_body(op.regions[0], pair, select_outside)[0]
                    keep = arith.andi(found, stays)
                    chosen = [
                        arith.select(keep, a, b) for a, b in zip([selected, *where], [value, *position], strict=True)
                    ]
                    return [flag(True), *chosen]

                return branch(inside, [value.type for value in carried], consider, lambda: carried)

            none = plain(read(source_buffer, at, element))  # any value: nothing is found yet
            first = [flag(False), none, *[constant_index(0)] * rank]
            extents = [constant_index(window) for window in windows]
            found, _, *where = nest(extents, first, one_element)

            def add() -> Values:
                old, new = read(results[0], where, element), read(source_buffer, at, element)
                combined = scalar_body(op.regions[1], [old, new], scatter_outside)[0]
                return [write(combined, results[0], where)]

            return branch(found, [value.type for value in results], add, lambda: results)

        if shared is None:
            return nest(source_sizes, outputs, one_window)
        others = [size for axis, size in enumerate(source_sizes) if axis != shared]

        def one_share(index: ir.Value, *results: ir.Value) -> Values:
            return nest(
                others, list(results), lambda at, carried: one_window([*at[:shared], index, *at[shared:]], carried)
            )

        return loop(number, source_sizes[shared], outputs, one_share, step=groups)

    start = ctx.fill(dims, tensor.extract(stored(ctx, init), []))
    (result,) = kernel(ctx, [stored(ctx, operand), stored(ctx, source)], [start], body, groups)
    return [restored(ctx, result, op.results[0].type)]
