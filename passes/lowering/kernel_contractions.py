"""Contractions of a few rows in a kernel: the matrix is read once, in the order in which it lies in memory.

A product of a row and a matrix takes as long as it takes to read the matrix. Eight rows of the matrix are multiplied at
once, so that the sums are read and written an eighth as often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product as indices_of
from math import prod
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, stablehlo, tensor, vector

from ..symbol_table import constant_index
from .arithmetic import zero
from .builders import element_type_of, product
from .elements import (
    Buffer,
    Elements,
    NotInKernelError,
    constant_elements,
    is_supported,
    lanes_for,
    of_buffer,
    row_axis,
    write,
)
from .kernel_body import KernelBody
from .kernels import loop
from .packed_products import packed_matrix
from .recipes import splat
from .signedness import signless
from .vectors import along

__all__ = ["contraction"]

Values = Sequence[ir.Value]

# Rows of a matrix that are multiplied at once.
_ROWS = 8
# Elements of the left operand that are held in registers meanwhile.
_FACTORS = 16
# Elements of a result that are summed at once.
_SUMS = 4
# A product of more rows than these reads each element of the matrix more often than from memory: it is worth tiling, and as
# much work as so many others.
_FEW = 4
_TILED = 256


def contraction(body: KernelBody, op: Any) -> None:
    """`dot_general` of one contracted dimension."""
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    left = list(numbers.lhs_batching_dimensions), list(numbers.lhs_contracting_dimensions)
    right = list(numbers.rhs_batching_dimensions), list(numbers.rhs_contracting_dimensions)
    lhs_value, *left = _untransposed(op.operands[0], *left)
    rhs_value, *right = _untransposed(op.operands[1], *right)
    batch, contract = zip(left, right, strict=True)
    elements = {element_type_of(value) for value in (op.results[0], lhs_value, rhs_value)}
    (element, *others) = elements
    if len(contract[0]) != 1 or others or not is_supported(element):
        raise NotInKernelError("a contraction of several dimensions or element types")
    if isinstance(element, ir.IntegerType) and element.width == 1:
        raise NotInKernelError("a contraction of booleans")
    axes = contract[0][0], contract[1][0]
    if not batch[0] and axes[1] == 0 and _times_packed(body, op, lhs_value, rhs_value, axes[0]):
        return
    _Contraction(body, op, (body.elements(lhs_value), body.elements(rhs_value)), batch, axes).emit()


def _times_packed(body: KernelBody, op: Any, lhs_value: ir.Value, rhs_value: ir.Value, axis: int) -> bool:
    """A few rows times a weight in blocks (packed_products.py); False where it is better read as it is."""
    dims = body.ctx.dims(rhs_value)
    left = [dim for at, dim in enumerate(body.ctx.dims(lhs_value)) if at != axis]
    rows = _few_rows(left)
    matrix = packed_matrix(rhs_value, dims, len(rows)) if len(dims) == 2 else None
    if matrix is None:
        return False
    body.charge(product([*left, *dims]))
    lhs = body.elements(lhs_value)
    if lhs.cost:
        lhs = body.held(lhs)
    element = element_type_of(op.results[0])
    buffer = body.new_buffer(body.ctx.dims(op.results[0]), element)

    def of_row(row: Values, depth: ir.Value) -> ir.Value:
        return lhs.at([*row[:axis], depth, *row[axis:]], 1)

    def multiply_add(factor: ir.Value, other: ir.Value, total: ir.Value) -> ir.Value:
        return _multiply_add(signless(element), factor, other, total)

    matrix.multiply(rows, of_row, body.elements(matrix.value), buffer, multiply_add)
    body.define(op.results[0], of_buffer(buffer))
    return True


def _untransposed(value: ir.Value, batch: list[int], contract: list[int]) -> tuple[ir.Value, list[int], list[int]]:
    """What `value` is a transpose of, with the batch and contracted dimensions of that, where those that are left keep
    their order: a matrix is read in the order in which it lies in memory."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.transpose":
        return value, batch, contract
    permutation = [int(axis) for axis in owner.attributes["permutation"]]
    left = [permutation[axis] for axis in range(len(permutation)) if axis not in (*batch, *contract)]
    if left != sorted(left):
        return value, batch, contract
    return owner.operands[0], [permutation[axis] for axis in batch], [permutation[axis] for axis in contract]


def _few_rows(left: Sequence[DimExpr]) -> list[list[ir.Value]]:
    """The indices, in the left dimensions, of rows that are few enough to be multiplied together; none otherwise."""
    sizes = [dim.constant_value if dim.is_constant else _FEW + 1 for dim in left]
    if not 1 <= prod(sizes) <= _FEW:
        return []
    return [[constant_index(i) for i in indices] for indices in indices_of(*map(range, sizes))]


def _multiply_add(element: ir.Type, lhs: ir.Value, rhs: ir.Value, total: ir.Value) -> ir.Value:
    if isinstance(element, ir.IntegerType):
        return arith.addi(arith.muli(lhs, rhs), total)
    # One instruction where the processor has it.
    contract = ir.Attribute.parse("#arith.fastmath<contract>")
    return arith.addf(arith.mulf(lhs, rhs, fastmath=contract), total, fastmath=contract)


class _Contraction:
    """result[batch…, left…, right…] += lhs[…] * rhs[…] over the contracted dimension."""

    def __init__(
        self,
        body: KernelBody,
        op: Any,
        operands: tuple[Elements, Elements],
        batch: tuple[list[int], list[int]],
        contract: tuple[int, int],
    ) -> None:
        self.body, self.op = body, op
        lhs, rhs = operands
        self.batch, self.contract = batch, contract
        self.left = [i for i in range(len(lhs.dims)) if i not in (*batch[0], contract[0])]
        self.right = [i for i in range(len(rhs.dims)) if i not in (*batch[1], contract[1])]
        self.depth = lhs.dims[contract[0]]
        self.dims = body.ctx.dims(op.results[0])
        rows = product([lhs.dims[i] for i in self.left])
        columns = product([rhs.dims[i] for i in self.right])
        work = product([rows, columns, self.depth, *(lhs.dims[i] for i in batch[0])])
        body.charge(work, 1 if rows.is_constant and rows.constant_value <= _FEW else _TILED)
        # Each element of an operand is read several times.
        self.lhs = body.held(lhs) if lhs.cost and columns != 1 else lhs
        self.rhs = body.held(rhs) if rhs.cost and rows != 1 else rhs
        self.element = signless(element_type_of(op.results[0]))

    def emit(self) -> None:
        """Computes the result in a scratch buffer."""
        result = self.op.results[0]
        buffer = self.body.new_buffer(self.dims, element_type_of(result))
        inner = self.contract[1] == row_axis(self.rhs.dims) and self.contract[0] == row_axis(self.lhs.dims)
        emit = self._sums_of_rows if inner else self._rows_of_sums
        emit(buffer)
        self.body.define(result, of_buffer(buffer))

    def _at(self, which: int, indices: Values, depth: ir.Value, lanes: int) -> ir.Value:
        """Elements of an operand: where the result's `indices` say, at `depth` of the contracted dimension."""
        source = (self.lhs, self.rhs)[which]
        first = len(self.batch[0]) + (len(self.left) if which else 0)
        free = (self.left, self.right)[which]
        places: dict[int, ir.Value] = {self.contract[which]: depth}
        places |= dict(zip(self.batch[which], indices, strict=False))
        places |= dict(zip(free, list(indices)[first:], strict=False))
        return source.at([places[axis] for axis in range(len(source.dims))], lanes)

    def _rows_of_sums(self, buffer: Buffer) -> None:
        """Adds multiples of the right operand's rows to the result, some rows at a time."""
        body, dims = self.body, self.dims
        own_row = row_axis(self.rhs.dims)
        aligned = own_row is not None and self.right and own_row == self.right[-1] and self.rhs.has_lanes
        outer = len(self.batch[0]) + len(self.left)
        right = dims[outer:]
        lanes = lanes_for(right) if aligned and row_axis(right) == len(right) - 1 else 1
        rows = _few_rows(dims[len(self.batch[0]) : outer])
        if rows and len(right) == 1 and lanes > 1 and right[0].is_constant:
            self._sums_of_few(buffer, rows, right[0].constant_value, lanes)
            return
        body.fill(buffer, constant_elements(dims, element_type_of(self.op.results[0]), 0))

        def block(prefix: Values, depth: ir.Value, rows: int, carried: Values) -> Values:
            depths = [depth if i == 0 else arith.addi(depth, constant_index(i)) for i in range(rows)]
            factors = [self._at(0, prefix, each, 1) for each in depths]

            def add(suffix: Values, carry: Values, lanes: int) -> Values:
                indices = [*prefix, *suffix]
                total = _read(carry[0], indices, lanes, buffer)
                for factor, each in zip(factors, depths, strict=True):
                    total = _multiply_add(self.element, splat(factor, lanes), self._at(1, indices, each, lanes), total)
                return [write(total, carry[0], indices, lanes, buffer)]

            return body.over(right, carried, add, lanes)

        def sums(prefix: Values, carried: Values, _: int) -> Values:
            size = body.ctx.sizes.value(self.depth)
            return along(
                size,
                _ROWS,
                carried,
                lambda depth, *c: block(prefix, depth, _ROWS, c),
                lambda depth, *c: block(prefix, depth, 1, c),
            )

        assert buffer.value is not None
        buffer.value = body.over(dims[:outer], [buffer.value], sums)[0]

    def _sums_of_few(self, buffer: Buffer, left: Sequence[Values], size: int, lanes: int) -> None:
        """A few rows times a matrix of `size` columns, which is read once, in the order in which it lies in memory. Columns
        that are left of the last whole vector are summed with those before them, in registers."""
        body, whole = self.body, size - size % lanes
        body.fill(buffer, constant_elements(self.dims, element_type_of(self.op.results[0]), 0))
        many = min(_ROWS, _FACTORS // len(left))

        def block(rows: Sequence[Values], depth: ir.Value, count: int, carried: Values) -> Values:
            depths = [depth if i == 0 else arith.addi(depth, constant_index(i)) for i in range(count)]
            factors = [[splat(self._at(0, row, each, 1), lanes) for each in depths] for row in rows]

            def add(column: ir.Value, target: ir.Value) -> Values:
                read = [self._at(1, [*rows[0], column], each, lanes) for each in depths]
                totals = [_read(target, [*row, column], lanes, buffer) for row in rows]
                for index, own in enumerate(factors):
                    for factor, each in zip(own, read, strict=True):
                        totals[index] = _multiply_add(self.element, factor, each, totals[index])
                return [self._written(target, rows, column, totals, lanes, buffer)]

            return loop(constant_index(0), constant_index(whole), carried, add, constant_index(lanes))

        def rest(rows: Sequence[Values], target: ir.Value) -> ir.Value:
            column = constant_index(size - lanes)

            def add(depth: ir.Value, *sums: ir.Value) -> Values:
                read = self._at(1, [*rows[0], column], depth, lanes)
                factors = [splat(self._at(0, row, depth, 1), lanes) for row in rows]
                return [
                    _multiply_add(self.element, factor, read, total)
                    for factor, total in zip(factors, sums, strict=True)
                ]

            zeros = [splat(zero(self.element), lanes)] * len(rows)
            sums = loop(constant_index(0), body.ctx.sizes.value(self.depth), zeros, add)
            return self._written(target, rows, column, sums, lanes, buffer)

        def all_columns(batch: Values, carried: Values, _: int) -> Values:
            rows = [[*batch, *own] for own in left]
            (target,) = along(
                body.ctx.sizes.value(self.depth),
                many,
                carried,
                lambda depth, *c: block(rows, depth, many, c),
                lambda depth, *c: block(rows, depth, 1, c),
            )
            return [rest(rows, target) if whole < size else target]

        assert buffer.value is not None
        buffer.value = body.over(self.dims[: len(self.batch[0])], [buffer.value], all_columns)[0]

    def _written(
        self, target: ir.Value, rows: Sequence[Values], column: ir.Value, sums: Values, lanes: int, buffer: Buffer
    ) -> ir.Value:
        for row, total in zip(rows, sums, strict=True):
            target = write(total, target, [*row, column], lanes, buffer)
        return target

    def _sums_of_rows(self, buffer: Buffer) -> None:
        """Each element of the result is a sum along rows of both operands; some elements at a time, so that no addition
        waits for the one before."""
        body, dims = self.body, self.dims
        lanes = lanes_for([self.depth]) if self.lhs.has_lanes and self.rhs.has_lanes else 1
        last = dims[-1] if self.right else DimExpr.constant(1)
        count = _SUMS if self.right and last.is_constant and last.constant_value % _SUMS == 0 else 1
        add = ir.Attribute.parse("#vector.kind<add>")

        def terms(places: Sequence[Values], at: ir.Value, sums: Values, lanes: int) -> list[ir.Value]:
            lhs = self._at(0, places[0], at, lanes)
            return [
                _multiply_add(self.element, lhs, self._at(1, place, at, lanes), total)
                for place, total in zip(places, sums, strict=True)
            ]

        def several(places: Sequence[Values], carried: Values) -> list[ir.Value]:
            zeros = [splat(zero(self.element), lanes)] * len(places)
            end = body.ctx.sizes.value(self.depth)
            step = constant_index(lanes)
            whole = arith.muli(arith.divui(end, step), step)
            sums = loop(
                constant_index(0),
                whole,
                zeros,
                lambda at, *so_far: terms(places, at, so_far, lanes),
                step,
            )
            if lanes > 1:
                sums = [vector.reduction(self.element, add, total) for total in sums]
            sums = loop(whole, end, sums, lambda at, *so_far: terms(places, at, so_far, 1))
            target = carried[0]
            for place, total in zip(places, sums, strict=True):
                target = tensor.insert(total, target, buffer.place(place))
            return [target]

        def each(indices: Values, carried: Values, _: int) -> list[ir.Value]:
            return several([indices], carried)

        def blocks(indices: Values, carried: Values, _: int) -> list[ir.Value]:
            def block(at: ir.Value, *c: ir.Value) -> list[ir.Value]:
                places = [[*indices, at if i == 0 else arith.addi(at, constant_index(i))] for i in range(count)]
                return several(places, c)

            return loop(constant_index(0), body.ctx.sizes.value(last), carried, block, constant_index(count))

        assert buffer.value is not None
        over = (dims, each) if count == 1 else (dims[:-1], blocks)
        buffer.value = body.over(over[0], [buffer.value], over[1])[0]


def _read(value: ir.Value, indices: Values, lanes: int, buffer: Buffer) -> ir.Value:
    """What a version of a buffer holds."""
    return of_buffer(replace(buffer, own=value)).at(indices, lanes)
