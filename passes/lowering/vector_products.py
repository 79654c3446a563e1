"""Products of a matrix of dynamic size and a vector as kernels, also by batch: the scores and the values of attention with
one query over what a loop has gathered.

IREE 3.13 packs or transposes the matrix first, each time, which takes several times as long as the product. A kernel reads
it where it lies (views.py), along its innermost dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nimble_mlir.mlir import arith, ir, vector

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, product
from .kernels import branch, loop, read, write
from .row_kernels import parts_kernel, row_indices
from .vectors import along, lanes_of, read_lanes, write_lanes
from .views import View, view_of

__all__ = ["vector_product"]

# So many vectors of partial sums, so that no operation waits for the one before.
_VECTORS = 4
_EQ, _UGE = 0, 9  # arith.cmpi predicates

Values = Sequence[ir.Value]


def vector_product(
    ctx: LoweringContext, row: ir.Value, matrix: ir.Value, batch: Sequence[int], contracted: int, columns: Sequence[int]
) -> ir.Value | None:
    """`row` [batch, contracted] times `matrix` → [batch, columns], each group of dimensions as one; the dimensions of the
    matrix are those of the three groups. None where this is no better than a matrix product.
    """
    element = element_type_of(matrix)
    if element != element_type_of(row) or not isinstance(element, ir.F32Type | ir.F64Type):
        return None
    if ir.RankedTensorType(matrix.type).has_static_shape:
        return None
    view = view_of(ctx, matrix)
    dims = ctx.dims(matrix)
    by_columns = bool(columns) and view.innermost == columns[-1]
    if not by_columns and view.innermost != contracted:
        return None
    emit = _Product(
        view,
        [ctx.sizes.value(dims[axis]) for axis in batch],
        [ctx.sizes.value(dims[axis]) for axis in columns],
        ctx.sizes.value(dims[contracted]),
        (list(batch), contracted, list(columns)),
        element,
    )
    flat = [product([dims[axis] for axis in axes]) for axes in (batch, columns)]
    out = ctx.empty(flat, element)
    body = emit.tile if by_columns else emit.scalar
    outer = [dims[axis] for axis in (columns[:-1] if by_columns else columns)]
    count = ctx.sizes.value(product([*(dims[axis] for axis in batch), *outer]))
    if by_columns:
        tile = constant_index(emit.tile_size)
        count = arith.muli(count, arith.ceildivui(emit.columns[-1], tile))
    size = arith.muli(emit.size, constant_index(emit.tile_size)) if by_columns else emit.size
    return parts_kernel(ctx, [row, view.base], [out], count, size, body)[0]


@dataclass(frozen=True)
class _Product:
    """Emits one element of the result, or a tile of columns. `axes` are the dimensions of the matrix: batch, contracted,
    columns; `batches`, `size` and `columns` their sizes."""

    view: View
    batches: list[ir.Value]
    columns: list[ir.Value]
    size: ir.Value
    axes: tuple[list[int], int, list[int]]
    element: ir.Type

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return lanes_of(self.element)

    @property
    def tile_size(self) -> int:
        """Columns that are computed together."""
        return _VECTORS * self.lanes

    def scalar(self, item: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Values:
        """The element of the result with the number `item`: the contracted elements lie side by side."""
        row, matrix = x
        width = _product(self.columns)
        number, column = arith.divui(item, width), arith.remui(item, width)
        at = self._place(number, row_indices(column, self.columns))
        lanes, type_ = constant_index(self.lanes), ir.VectorType.get([self.lanes], self.element)
        neutral = vector.broadcast(type_, arith.constant(self.element, 0.0))

        def several(position: ir.Value, *sums: ir.Value) -> Values:
            return [
                _fused(read_lanes(row, [number, place], self.lanes), read_lanes(matrix, at(place), self.lanes), so_far)
                for i, so_far in enumerate(sums)
                for place in [arith.addi(position, constant_index(i * self.lanes))]
            ]

        whole = arith.muli(arith.divui(self.size, lanes), lanes)
        many = constant_index(self.tile_size)
        most = arith.muli(arith.divui(self.size, many), many)

        def of_vectors() -> Values:
            sums = loop(constant_index(0), most, [neutral] * _VECTORS, several, many)
            (last,) = loop(most, whole, [_tree(sums)], several, lanes)
            return [_tree([vector.extract(last, [], [lane]) for lane in range(self.lanes)])]

        none = arith.constant(self.element, 0.0)
        (total,) = branch(arith.cmpi(_UGE, self.size, lanes), [self.element], of_vectors, lambda: [none])

        def rest(place: ir.Value, so_far: ir.Value) -> Values:
            return [arith.addf(so_far, arith.mulf(read(row, [number, place]), read(matrix, at(place))))]

        (total,) = loop(whole, self.size, [total], rest)
        return [write(total, y[0], [number, column])]

    def tile(self, item: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Values:
        """A tile of columns that lie side by side."""
        row, matrix = x
        width, tile = self.columns[-1], constant_index(self.tile_size)
        tiles = arith.ceildivui(width, tile)
        outer, first = arith.divui(item, tiles), arith.muli(arith.remui(item, tiles), tile)
        others = _product(self.columns[:-1])
        number, other = arith.divui(outer, others), arith.remui(outer, others)
        before = row_indices(other, self.columns[:-1])
        start = arith.addi(arith.muli(other, width), first)
        left = arith.minui(tile, arith.subi(width, first))

        def sums(columns: Values, shape: ir.Type, load: Callable[[Values], ir.Value]) -> list[ir.Value]:
            none = arith.constant(self.element, 0.0)
            is_vector = isinstance(shape, ir.VectorType)
            neutral = vector.broadcast(shape, none) if is_vector else none

            def one(place: ir.Value, *so_far: ir.Value) -> Values:
                factor = read(row, [number, place])
                factor = vector.broadcast(shape, factor) if is_vector else factor
                add = _fused if is_vector else _multiplied
                return [
                    add(factor, load(self._place(number, [*before, column])(place)), total)
                    for column, total in zip(columns, so_far, strict=True)
                ]

            return loop(constant_index(0), self.size, [neutral] * len(columns), one)

        vector_type = ir.VectorType.get([self.lanes], self.element)

        def of_lanes(indices: Values) -> ir.Value:
            return read_lanes(matrix, indices, self.lanes)

        def all_columns() -> Values:
            offsets = [constant_index(i * self.lanes) for i in range(_VECTORS)]
            made = sums([arith.addi(first, offset) for offset in offsets], vector_type, of_lanes)
            result = y[0]
            for offset, value in zip(offsets, made, strict=True):
                result = write_lanes(value, result, [number, arith.addi(start, offset)])
            return [result]

        def by_vector(at: ir.Value, result: ir.Value) -> Values:
            (value,) = sums([arith.addi(first, at)], vector_type, of_lanes)
            return [write_lanes(value, result, [number, arith.addi(start, at)])]

        def by_element(at: ir.Value, result: ir.Value) -> Values:
            (value,) = sums([arith.addi(first, at)], self.element, lambda indices: read(matrix, indices))
            return [write(value, result, [number, arith.addi(start, at)])]

        return branch(
            arith.cmpi(_EQ, left, tile),
            [y[0].type],
            all_columns,
            lambda: along(left, self.lanes, [y[0]], by_vector, by_element),
        )

    def _place(self, number: ir.Value, columns: Values) -> Callable[[ir.Value], list[ir.Value]]:
        """From the index of a contracted element to its indices in what the matrix is a view of."""
        batch, contracted, free = self.axes
        indices: dict[int, ir.Value] = dict(zip(batch, row_indices(number, self.batches), strict=True))
        indices |= dict(zip(free, columns, strict=True))
        rank = len(batch) + 1 + len(free)

        def at(place: ir.Value) -> list[ir.Value]:
            return self.view.indices([place if axis == contracted else indices[axis] for axis in range(rank)])

        return at


def _product(sizes: Values) -> ir.Value:
    total = constant_index(1)
    for size in sizes:
        total = arith.muli(total, size)
    return total


def _fused(lhs: ir.Value, rhs: ir.Value, total: ir.Value) -> ir.Value:
    return vector.fma(lhs, rhs, total)


def _multiplied(lhs: ir.Value, rhs: ir.Value, total: ir.Value) -> ir.Value:
    return arith.addf(total, arith.mulf(lhs, rhs))


def _tree(values: Sequence[ir.Value]) -> ir.Value:
    while len(values) > 1:
        values = [arith.addf(*values[i : i + 2]) for i in range(0, len(values), 2)]
    return values[0]
