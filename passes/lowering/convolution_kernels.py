"""Convolutions as kernels: blocks of the result stay in registers while the window and the features are gone over.

No matrix of patches is held: it is the window's area times the operand, and to fill it takes longer than the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, math, vector

from ..symbol_table import constant_index
from .arithmetic import zero
from .builders import LoweringContext, element_type_of
from .kernels import nest, read
from .row_kernels import parts_kernel
from .vectors import along, lanes_of, read_lanes, write_lanes

__all__ = ["convolution_kernel", "has_kernel"]

Values = Sequence[ir.Value]

# A block is so many positions along the last spatial dimension (widths of images are often multiples of 7) times so many
# vectors of features: with them, the registers of AVX-512 hold all that the innermost loop needs.
_POSITIONS, _VECTORS = 7, 2


def has_kernel(element: ir.Type, kernel_dims: Sequence[DimExpr]) -> bool:
    """Whether a convolution of one group, with a kernel (spatial…, in, out), has this form."""
    if not isinstance(element, ir.F32Type | ir.F64Type) or len(kernel_dims) < 3:
        return False
    return kernel_dims[-1].is_constant and kernel_dims[-1].constant_value % lanes_of(element) == 0


def convolution_kernel(
    ctx: LoweringContext,
    lhs: ir.Value,
    rhs: ir.Value,
    target: Sequence[DimExpr],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> ir.Value:
    """The convolution of a padded operand (batch, spatial…, in) with a kernel (spatial…, in, out)."""
    element = element_type_of(lhs)
    lanes = lanes_of(element)
    features = target[-1].constant_value
    vectors = _VECTORS if features % (_VECTORS * lanes) == 0 else 1
    emitter = _Convolution(
        element, lanes, vectors, list(strides), list(dilations), ctx.sizes.values(ctx.dims(rhs)[:-1])
    )
    sizes = ctx.sizes.values(target[:-1])
    blocks = constant_index(features // (vectors * lanes))
    rows = reduce(arith.muli, sizes[:-1], blocks)

    def one_row(row: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Values:
        # Features slowest: the part of the kernel that belongs to them stays in the cache.
        at: list[ir.Value] = []
        for size in reversed(sizes[:-1]):
            at.insert(0, arith.remui(row, size))
            row = arith.divui(row, size)
        return [emitter.row(x, y[0], at, sizes[-1], arith.muli(row, constant_index(vectors * lanes)))]

    terms = reduce(arith.muli, emitter.extents, sizes[-1])
    return parts_kernel(ctx, [lhs, rhs], [ctx.empty(target, element)], rows, terms, one_row)[0]


@dataclass
class _Convolution:
    """Emits a row of the result: all positions along the last spatial dimension, and a block of features."""

    element: ir.Type
    lanes: int
    vectors: int
    strides: list[int]
    dilations: list[int]
    extents: list[ir.Value]  # of the window, and of the features of the operand

    def row(
        self, inputs: list[ir.Value], into: ir.Value, at: list[ir.Value], width: ir.Value, feature: ir.Value
    ) -> ir.Value:
        """`at` are the batch and the positions along the other spatial dimensions."""
        return along(
            width,
            _POSITIONS,
            [into],
            lambda position, result: [self._block(inputs, result, at, position, feature, _POSITIONS)],
            lambda position, result: [self._block(inputs, result, at, position, feature, 1)],
        )[0]

    def _block(
        self, inputs: Values, into: ir.Value, at: list[ir.Value], position: ir.Value, feature: ir.Value, count: int
    ) -> ir.Value:
        type_ = ir.VectorType.get([self.lanes], self.element)
        start = vector.broadcast(type_, zero(self.element))
        columns = [arith.addi(feature, constant_index(part * self.lanes)) for part in range(self.vectors)]

        def one_term(term: list[ir.Value], sums: list[ir.Value]) -> Values:
            *window, channel = term
            weights = [read_lanes(inputs[1], [*term, column], self.lanes) for column in columns]
            outer = [self._operand_index(axis, at[1 + axis], window[axis]) for axis in range(len(window) - 1)]
            result = []
            for i in range(count):
                place = arith.addi(position, constant_index(i))
                inner = self._operand_index(len(window) - 1, place, window[-1])
                scalar = read(inputs[0], [at[0], *outer, inner, channel])
                spread = vector.broadcast(type_, scalar)
                result += [
                    math.fma(spread, weight, sums[i * self.vectors + part]) for part, weight in enumerate(weights)
                ]
            return result

        sums = nest(self.extents, [start] * (count * self.vectors), one_term)
        for i in range(count):
            place = arith.addi(position, constant_index(i))
            for part, column in enumerate(columns):
                into = write_lanes(sums[i * self.vectors + part], into, [*at, place, column])
        return into

    def _operand_index(self, axis: int, position: ir.Value, offset: ir.Value) -> ir.Value:
        first = arith.muli(position, constant_index(self.strides[axis]))
        return arith.addi(first, arith.muli(offset, constant_index(self.dilations[axis])))
