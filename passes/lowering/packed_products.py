"""Products of a few rows and a matrix that never changes: its columns are laid out in blocks, once, before the program runs.

A block is as many columns as sums fit into registers: it lies in one piece, and is read from its beginning to its end. Of a
matrix in row-major order a thread that computes a part of the columns reads a strip of each row, at half the speed (32 KiB
of L1, 4 KiB pages: 8 chunks of 256 columns of 2,048 take 50 µs on two threads, blocks of 64 columns 32 µs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir

from ..symbol_table import constant_index
from .arithmetic import zero
from .builders import element_type_of
from .elements import Buffer, Elements, lanes_for, write
from .kernels import loop
from .recipes import splat
from .signedness import signless

__all__ = ["PackedMatrix", "packed_matrix"]

Values = Sequence[ir.Value]

# A smaller matrix stays in a cache that any order is read from as fast.
_SMALLEST = 1 << 16
# Vectors of sums that a block has for so many rows: 512 bits each, of which AVX2 has 8.
_VECTORS = {1: 4, 2: 2, 3: 1, 4: 1}


class PackedMatrix:
    """A matrix [depth, columns] as blocks [columns / width, depth, width] outside of the kernel."""

    def __init__(self, value: ir.Value, width: int, lanes: int) -> None:
        self.value, self.width, self.lanes = value, width, lanes

    def multiply(
        self,
        rows: Sequence[Values],
        lhs: Callable[[Values, ir.Value], ir.Value],
        matrix: Elements,
        buffer: Buffer,
        multiply_add: Callable[[ir.Value, ir.Value, ir.Value], ir.Value],
    ) -> None:
        """Stores the products: `lhs` gives an element of a row, `matrix` those of `value` in the kernel."""
        depth, columns = (matrix.dims[axis].constant_value for axis in (1, 0))
        element = signless(matrix.element)
        count = self.width // self.lanes

        def block(column: ir.Value, target: ir.Value) -> Values:
            number = arith.divui(column, constant_index(self.width))

            def add(at: ir.Value, *sums: ir.Value) -> Values:
                read = [matrix.at([number, at, constant_index(i * self.lanes)], self.lanes) for i in range(count)]
                factors = [splat(lhs(row, at), self.lanes) for row in rows]
                pairs = [(factor, each) for factor in factors for each in read]
                return [multiply_add(factor, each, total) for (factor, each), total in zip(pairs, sums, strict=True)]

            zeros = [splat(zero(element), self.lanes)] * (count * len(rows))
            sums = iter(loop(constant_index(0), constant_index(depth), zeros, add))
            for row in rows:
                for i in range(count):
                    place = column if i == 0 else arith.addi(column, constant_index(i * self.lanes))
                    target = write(next(sums), target, [*row, place], self.lanes, buffer)
            return [target]

        assert buffer.value is not None
        size, step = constant_index(columns * self.width), constant_index(self.width)
        buffer.value = loop(constant_index(0), size, [buffer.value], block, step)[0]


def packed_matrix(value: ir.Value, dims: Sequence[Any], rows: int) -> PackedMatrix | None:
    """A weight in blocks for a product with so many rows, made where the weight is; None where that does not pay."""
    owner = value.owner
    element = element_type_of(value)
    if isinstance(owner, ir.Block) or owner.name != "nimble.constant" or rows not in _VECTORS:
        return None
    if not isinstance(element, ir.FloatType) or element.width not in (32, 64):
        return None
    if not all(dim.is_constant for dim in dims):
        return None
    depth, columns = (dim.constant_value for dim in dims)
    lanes = lanes_for(dims)
    counts = [count for count in (_VECTORS[rows], 3, 2, 1) if count <= _VECTORS[rows]]
    width = next((count * lanes for count in counts if columns % (count * lanes) == 0), None)
    if lanes == 1 or width is None or depth * columns < _SMALLEST:
        return None
    return PackedMatrix(_blocks(value, depth, columns, width), width, lanes)


def _blocks(value: ir.Value, depth: int, columns: int, width: int) -> ir.Value:
    element = element_type_of(value)
    apart = ir.RankedTensorType.get([depth, columns // width, width], element)
    blocks = ir.RankedTensorType.get([columns // width, depth, width], element)
    for use in value.uses:
        reshape = use.owner.operation
        if reshape.name == "stablehlo.reshape" and reshape.results[0].type == apart:
            for other in reshape.results[0].uses:
                if (
                    other.owner.operation.name == "stablehlo.transpose"
                    and other.owner.operation.results[0].type == blocks
                ):
                    return other.owner.operation.results[0]
    op = value.owner.operation
    following = list(op.block.operations)
    following = following[[view.operation for view in following].index(op) + 1]
    with ir.InsertionPoint(following), op.location:
        reshaped = ir.Operation.create("stablehlo.reshape", results=[apart], operands=[value]).result
        order = {"permutation": ir.DenseI64ArrayAttr.get([1, 0, 2])}
        return ir.Operation.create(
            "stablehlo.transpose", results=[blocks], operands=[reshaped], attributes=order
        ).result
