"""Reductions of rows as kernels: several vectors of partial results, so that no operation waits for the one before.

As a `linalg.generic`, IREE 3.13 vectorizes a reduction over a dynamic size along the other dimensions: of one long row, it
takes the elements one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, tensor, vector

from ..symbol_table import constant_index
from .arithmetic import widened
from .builders import LoweringContext, element_type_of, product
from .fusion import holds_as_much
from .kernels import branch, loop, read, write
from .row_kernels import parts_kernel
from .scalar_body import accumulator_type, body_matches
from .signedness import as_signless, is_unsigned, reinterpret, signless
from .vectors import has_lanes, lanes_of, read_lanes

__all__ = ["combination", "reduce_rows"]

# The partial results of a row are so many vectors: an addition takes 4 cycles.
_VECTORS = 4

# Up to this static length, IREE vectorizes along the rows, and fuses the reduction with what is around it.
_SHORT = 2048

_UGE = 9  # arith.cmpi predicate

Combine = Callable[[ir.Value, ir.Value], ir.Value]


def reduce_rows(ctx: LoweringContext, op: Any) -> ir.Value | None:
    """The result of a reduction of one operand over its last dimensions by one associative and commutative operation.

    None for any other, for short rows of static length, and where to hold the operand would take more memory than what it
    is computed from.
    """
    operand, init = op.operands[0], op.operands[1]
    dims, target = ctx.dims(operand), ctx.dims(op.results[0])
    element = element_type_of(operand)
    kept = len(target)
    if sorted(int(axis) for axis in op.attributes["dimensions"]) != list(range(kept, len(dims))):
        return None
    length = product(dims[kept:])
    found = combination(op.regions[0], element)
    short = length.is_constant and length.constant_value <= _SHORT
    if found is None or short or not has_lanes(element) or not holds_as_much(ctx, operand):
        return None
    combine, identity = found
    wide = accumulator_type(signless(element))
    rows = _as_matrix(ctx, as_signless(operand), kept)
    count, size = ctx.sizes.values(ctx.dims(rows))
    first = reinterpret(tensor.extract(init, []), signless(element))
    start = first if first.type == wide else widened(first, first.type, wide)

    def one_row(row: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> Sequence[ir.Value]:
        total = _Row(x[0], row, size, wide, combine, identity).reduced(start)
        narrow = total if wide == signless(element) else widened(total, wide, signless(element))
        return [write(narrow, y[0], [row])]

    output = ctx.empty(ctx.dims(rows)[:1], signless(element))
    (value,) = parts_kernel(ctx, [rows], [output], count, size, one_row)
    value = ctx.expand(value, [list(range(kept))], target) if kept else ctx.collapse(value, [])
    return reinterpret(ctx.cast(value, target), op.results[0].type)


def _as_matrix(ctx: LoweringContext, value: ir.Value, kept: int) -> ir.Value:
    rank = len(ctx.dims(value))
    value = ctx.collapse(value, [list(range(kept)), list(range(kept, rank))] if kept else [list(range(rank))])
    return value if kept else ctx.expand(value, [[0, 1]], [DimExpr.constant(1), *ctx.dims(value)])


class _Row:
    """Emits the reduction of one row of a matrix, on scalars and vectors of the accumulator's type."""

    def __init__(
        self, matrix: ir.Value, row: ir.Value, size: ir.Value, wide: ir.Type, combine: Combine, identity: float
    ) -> None:
        self.matrix, self.row, self.size = matrix, row, size
        self.wide, self.combine, self.identity = wide, combine, identity
        self.lanes = lanes_of(wide)

    def reduced(self, start: ir.Value) -> ir.Value:
        """`start` combined with all elements."""
        lanes = constant_index(self.lanes)
        whole = arith.muli(arith.divui(self.size, lanes), lanes)
        enough = arith.cmpi(_UGE, self.size, lanes)
        (total,) = branch(enough, [self.wide], lambda: [self._of_vectors(start, whole)], lambda: [start])
        return loop(
            whole,
            self.size,
            [total],
            lambda at, so_far: [self.combine(so_far, self._widened(read(self.matrix, [self.row, at])))],
        )[0]

    def _of_vectors(self, start: ir.Value, whole: ir.Value) -> ir.Value:
        type_ = ir.VectorType.get([self.lanes], self.wide)
        many = constant_index(_VECTORS * self.lanes)
        most = arith.muli(arith.divui(self.size, many), many)
        neutral = vector.broadcast(type_, arith.constant(self.wide, self.identity))

        def several(at: ir.Value, *sums: ir.Value) -> list[ir.Value]:
            places = [arith.addi(at, constant_index(i * self.lanes)) for i in range(_VECTORS)]
            return [self.combine(so_far, self._vector(place)) for so_far, place in zip(sums, places, strict=True)]

        def one(at: ir.Value, so_far: ir.Value) -> list[ir.Value]:
            return [self.combine(so_far, self._vector(at))]

        sums = loop(constant_index(0), most, [neutral] * _VECTORS, several, many)
        (last,) = loop(most, whole, [self._tree(sums)], one, constant_index(self.lanes))
        elements = [vector.extract(last, [], [lane]) for lane in range(self.lanes)]
        return self.combine(start, self._tree(elements))

    def _tree(self, values: Sequence[ir.Value]) -> ir.Value:
        while len(values) > 1:
            values = [self.combine(*values[i : i + 2]) for i in range(0, len(values), 2)]
        return values[0]

    def _vector(self, at: ir.Value) -> ir.Value:
        return self._widened(read_lanes(self.matrix, [self.row, at], self.lanes))

    def _widened(self, value: ir.Value) -> ir.Value:
        element = element_type_of(self.matrix)
        if element == self.wide:
            return value
        return arith.extf(self.wide if value.type == element else ir.VectorType.get([self.lanes], self.wide), value)


def combination(region: Any, element: ir.Type) -> tuple[Combine, float] | None:
    """What a body of one op does with scalars or vectors, and what leaves each element as it is under it."""
    infinity = float("inf")
    if isinstance(element, ir.FloatType):
        table: dict[str, tuple[Combine, float]] = {
            "add": (arith.addf, 0.0),
            "multiply": (arith.mulf, 1.0),
            "maximum": (arith.maximumf, -infinity),
            "minimum": (arith.minimumf, infinity),
        }
    elif isinstance(element, ir.IntegerType) and element.width > 1:
        ones, half = -1, 1 << (element.width - 1)
        unsigned = is_unsigned(element)
        table = {
            "add": (arith.addi, 0),
            "multiply": (arith.muli, 1),
            "maximum": (arith.maxui, 0) if unsigned else (arith.maxsi, -half),
            "minimum": (arith.minui, ones) if unsigned else (arith.minsi, half - 1),
            "and": (arith.andi, ones),
            "or": (arith.ori, 0),
            "xor": (arith.xori, 0),
        }
    else:
        return None
    return next((entry for name, entry in table.items() if body_matches(region, [name])), None)
