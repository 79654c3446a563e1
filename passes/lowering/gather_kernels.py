"""Gathers as kernels: a loop over the rows of the result, which copies a run of adjacent elements or single ones.

As a `linalg.generic`, IREE 3.13 makes one loop of a gather's loops and divides by a size for each element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir

from ..symbol_table import constant_index
from .builders import LoweringContext, clamp_index, element_type_of, product
from .kernels import branch, loop, read, stored, write
from .row_kernels import parts_kernel, row_indices
from .slice_rules import to_index
from .vectors import along, lanes_of, read_lanes, write_lanes

__all__ = ["Fill", "GatherDims", "copy_run", "gather_kernel"]

Values = Sequence[ir.Value]

_NE = 1  # arith.cmpi predicate


@dataclass(frozen=True)
class GatherDims:
    """Where the index of each dimension of a gather's operand comes from.

    Attributes:
      batch_of: operand dimension → the result's dimension that it goes along with (operand batching dimensions).
      offset_of: operand dimension → the result's dimension that runs over its slice.
      component_of: operand dimension → the component of the start index that is added.
      start_axes: for each dimension of the start indices the result's dimension; None for the vector of components.
      rank: of the operand.
    """

    batch_of: dict[int, int]
    offset_of: dict[int, int]
    component_of: dict[int, int]
    start_axes: list[int | None]
    rank: int

    @property
    def batch(self) -> list[int]:
        """The result's dimensions that are those of the start indices, in their order."""
        return [axis for axis in self.start_axes if axis is not None]

    def position(self, indices: Values, last: Values, start: Callable[[list[ir.Value]], ir.Value]) -> list[ir.Value]:
        """The indices into the operand for those of an element of the result.

        `start` reads an element of the start indices, `last` are the largest starts of slices inside of the operand.
        """
        found = []
        for axis in range(self.rank):
            if axis in self.batch_of:
                found.append(indices[self.batch_of[axis]])
                continue
            parts = []
            if axis in self.component_of:
                component = constant_index(self.component_of[axis])
                read_at = [component if of is None else indices[of] for of in self.start_axes]
                parts.append(clamp_index(to_index(start(read_at)), last[axis]))
            if axis in self.offset_of:
                parts.append(indices[self.offset_of[axis]])
            found.append(arith.addi(*parts) if len(parts) == 2 else parts[0] if parts else constant_index(0))
        return found


@dataclass(frozen=True)
class Fill:
    """The scalar `value` stands in a gather's result where `kept`, which has its batch dimensions, is false."""

    kept: ir.Value
    value: ir.Value


def gather_kernel(
    ctx: LoweringContext,
    operand: ir.Value,
    starts: ir.Value,
    last: Values,
    dims: GatherDims,
    target: Sequence[DimExpr],
    fill: Fill | None = None,
) -> ir.Value:
    """The result of a gather, with the dims `target`, as kernels store it."""
    whole = _whole_at_end(ctx, ctx.dims(operand), dims, target)
    if whole > 1:
        kept, at = dims.rank - whole, len(target) - whole
        operand = ctx.collapse(operand, [*[[axis] for axis in range(kept)], list(range(kept, dims.rank))])
        offsets = {axis: of for axis, of in dims.offset_of.items() if axis <= kept}
        merged = replace(dims, offset_of=offsets, rank=kept + 1)
        run = product(target[at:])
        value = gather_kernel(ctx, operand, starts, last[: kept + 1], merged, [*target[:at], run], fill)
        return ctx.expand(value, [*[[axis] for axis in range(at)], list(range(at, len(target)))], target)
    sizes = ctx.sizes.values(target)
    inputs = [stored(ctx, value) for value in (operand, starts, *([fill.kept] if fill is not None else []))]
    output = ctx.empty(target, element_type_of(inputs[0]))
    rows = reduce(arith.muli, sizes[:-1], constant_index(1))
    emitter = _Gather(dims, element_type_of(starts), last, fill)
    rows_of = sizes[:-1]
    return parts_kernel(
        ctx,
        inputs,
        [output],
        rows,
        sizes[-1],
        lambda row, x, y: [emitter.row(x, y[0], row_indices(row, rows_of), sizes[-1])],
    )[0]


def _whole_at_end(ctx: LoweringContext, operand: Sequence[DimExpr], dims: GatherDims, target: Sequence[DimExpr]) -> int:
    """How many of the last dimensions are the operand's, whole: their elements are adjacent in both."""
    count = 0
    while count < dims.rank:
        axis, of = dims.rank - count - 1, len(target) - count - 1
        if dims.offset_of.get(axis) != of or axis in dims.component_of or not ctx.same(operand[axis], target[of]):
            break
        count += 1
    return count


@dataclass
class _Gather:
    """Emits one row of the result: all of its last dimension. `inputs` are the operand, the starts and what is kept."""

    dims: GatherDims
    start: ir.Type
    last: Values
    fill: Fill | None

    def row(self, inputs: list[ir.Value], into: ir.Value, outer: list[ir.Value], size: ir.Value) -> ir.Value:
        zero = constant_index(0)
        if self.dims.offset_of.get(self.dims.rank - 1) != len(outer):
            return loop(zero, size, [into], lambda at, result: [self._element(inputs, result, [*outer, at])])[0]
        # The last dimension of the result runs along the last one of the operand.
        first = self._position(inputs, [*outer, zero])
        if self.fill is None:
            return copy_run(inputs[0], first, into, outer, size)
        value = self.fill.value
        return branch(
            self._kept(inputs, outer),
            [into.type],
            lambda: [copy_run(inputs[0], first, into, outer, size)],
            lambda: loop(zero, size, [into], lambda at, result: [write(value, result, [*outer, at])]),
        )[0]

    def _element(self, inputs: list[ir.Value], into: ir.Value, indices: list[ir.Value]) -> ir.Value:
        scalar = read(inputs[0], self._position(inputs, indices))
        if self.fill is not None:
            scalar = arith.select(self._kept(inputs, indices), scalar, self.fill.value)
        return write(scalar, into, indices)

    def _kept(self, inputs: Values, indices: Values) -> ir.Value:
        flag = read(inputs[2], [indices[axis] for axis in self.dims.batch])
        return arith.cmpi(_NE, flag, arith.constant(flag.type, 0))

    def _position(self, inputs: Values, indices: Values) -> list[ir.Value]:
        return self.dims.position(indices, self.last, lambda at: read(inputs[1], at, self.start))


def copy_run(
    source: ir.Value, first: list[ir.Value], into: ir.Value, outer: list[ir.Value], size: ir.Value
) -> ir.Value:
    """`into` with `size` elements from `outer` on along its last dimension: those of `source` from `first` on."""
    lanes = lanes_of(element_type_of(source))

    def at(position: ir.Value) -> list[ir.Value]:
        return [*first[:-1], arith.addi(first[-1], position)]

    return along(
        size,
        lanes,
        [into],
        lambda j, result: [write_lanes(read_lanes(source, at(j), lanes), result, [*outer, j])],
        lambda j, result: [write(read(source, at(j)), result, [*outer, j])],
    )[0]
