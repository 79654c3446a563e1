"""Lowering of argmax and argmin: a reduction of values beside their positions, as a kernel with vectors of partial results.

IREE 3.13 does not vectorize a reduction that has two results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, tensor, vector

from ..symbol_table import constant_index
from .arithmetic import widened
from .builders import LoweringContext, element_type_of
from .fusion import holds_as_much
from .kernels import branch, loop, read, write
from .row_kernels import parts_kernel
from .scalar_body import accumulator_type
from .signedness import as_signless, is_unsigned, reinterpret, signless
from .vectors import has_lanes, lanes_of, read_lanes, write_lanes

__all__ = ["reduce_positions"]

# The partial results of a row are so many vectors: each waits for the comparison and the choice before.
_VECTORS = 4

# Predicates of arith.cmpf and arith.cmpi, by which of two elements is chosen: the greater or the less one.
_LESS_OR_UNORDERED, _ORDERED, _EQUAL, _UNORDERED = 11, 7, 1, 14
_PREDICATES = {"GT": {"float": 2, "signed": 4, "unsigned": 8}, "LT": {"float": 4, "signed": 2, "unsigned": 6}}
_LATER_WINS = {"GT": _LESS_OR_UNORDERED, "LT": 9}  # with the operands (so far, later): "so far" is not ahead
_EQUAL_INTEGERS, _BELOW, _UGE = 0, 2, 9

# A longer body is none of these, and its formula could be long without end.
_MOST_OPS = 16

Pair = tuple[ir.Value, ir.Value]


def reduce_positions(ctx: LoweringContext, op: Any) -> list[ir.Value] | None:
    """The greatest (or least) element along one dimension, and the lowest position that has it; the first NaN, if any.

    None where `op` is no such reduction (the body of `lax.argmax` over the values and their positions), and where to hold
    the operand would take more memory than what it is computed from.
    """
    reduced = [int(axis) for axis in op.attributes["dimensions"]]
    values, positions = op.operands[0], op.operands[1]
    element, number = element_type_of(values), element_type_of(positions)
    ahead = _direction(op.regions[0])
    if len(op.results) != 2 or len(reduced) != 1 or ahead is None or _counted_axis(positions) != reduced[0]:
        return None
    if not has_lanes(element) or number.width < 32 or not holds_as_much(ctx, values):
        return None
    choice = _Choice(ahead, element, signless(number))
    first = reinterpret(tensor.extract(op.operands[2], []), signless(element))
    start = choice.widen(first), reinterpret(tensor.extract(op.operands[3], []), choice.number)
    dims, axis = ctx.dims(values), reduced[0]
    inner = dims[axis + 1 :]
    groups = [list(range(axis)), [axis], list(range(axis + 1, len(dims)))]
    blocks = ctx.collapse(as_signless(values), [group for group in groups if group])
    if not axis:
        blocks = ctx.expand(blocks, [[0, 1], [2]] if inner else [[0, 1]], [DimExpr.constant(1), *ctx.dims(blocks)])
    best, position = (_of_columns if inner else _of_rows)(ctx, choice, blocks)
    if not _begins_behind(op, choice):
        best, position = _with_start(ctx, choice, (best, position), start, ctx.sizes.value(dims[axis]))
    return [
        reinterpret(_with_dims(ctx, value, groups, ctx.dims(result)), result.type)
        for value, result in zip((best, position), op.results, strict=True)
    ]


def _begins_behind(op: Any, choice: _Choice) -> bool:
    """Whether the reduction begins with the value that is behind all others and position 0, as JAX's do."""
    found = [_splat(value) for value in op.operands[2:]]
    last = choice.last
    if is_unsigned(choice.element):
        last %= 1 << choice.wide.width
    return found == [last, 0]


def _splat(value: ir.Value) -> Any:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name not in ("arith.constant", "stablehlo.constant"):
        return None
    return owner.attributes["value"].get_splat_value().value


def _with_start(ctx: LoweringContext, choice: _Choice, pair: Pair, start: Pair, size: ir.Value) -> Pair:
    """The results of the reduction that begins with `start`, of those that begin with what is behind all."""
    nothing = arith.cmpi(_EQUAL_INTEGERS, size, constant_index(0))

    def part(which: int) -> Callable[..., ir.Value]:
        def of(value: ir.Value, position: ir.Value) -> ir.Value:
            kept = choice.either(start, (choice.widen(value), position))[which]
            chosen = arith.select(nothing, start[which], kept)
            return chosen if which else choice.narrow(chosen)

        return of

    value, position = (ctx.elementwise(pair, element_type_of(pair[which]), part(which)) for which in (0, 1))
    return value, position


def _with_dims(
    ctx: LoweringContext, value: ir.Value, groups: Sequence[list[int]], target: Sequence[DimExpr]
) -> ir.Value:
    """A kernel's result [outer] or [outer, inner] as a tensor with the dims `target`."""
    outer, inner = len(groups[0]), len(groups[2])
    if not outer:
        value = ctx.collapse(value, [[0, 1]] if inner else [])
    parts = [list(range(outer)), list(range(outer, outer + inner))]
    wanted = [part for part in parts if part]
    value = ctx.expand(value, wanted, target) if wanted else value
    return ctx.cast(value, target)


@dataclass(frozen=True)
class _Choice:
    """Which of two (value, position) is kept; on scalars and on vectors. Values are of the accumulator's type."""

    ahead: str
    element: ir.Type
    number: ir.Type

    @property
    def wide(self) -> ir.Type:
        return accumulator_type(signless(self.element))

    @property
    def lanes(self) -> int:
        return min(lanes_of(self.wide), lanes_of(self.number))

    @property
    def reads_in_part(self) -> bool:
        """Whether processors read a part of a vector of these at once (AVX2 has no such loads of less than 32 bits)."""
        return signless(self.element).width >= 32

    @property
    def is_float(self) -> bool:
        """Whether NaNs are among the values."""
        return isinstance(self.wide, ir.FloatType)

    @property
    def last(self) -> Any:
        """The value that no other is behind of."""
        lowest = self.ahead == "GT"
        if self.is_float:
            return float("-inf") if lowest else float("inf")
        if is_unsigned(self.element):
            return 0 if lowest else -1
        half = 1 << (self.wide.width - 1)
        return -half if lowest else half - 1

    def widen(self, value: ir.Value) -> ir.Value:
        """A scalar or a vector of the element's type as the accumulator's."""
        plain = signless(self.element)
        if plain == self.wide:
            return value
        if value.type == plain:
            return widened(value, plain, self.wide)
        return arith.extf(ir.VectorType.get(ir.VectorType(value.type).shape, self.wide), value)

    def narrow(self, value: ir.Value) -> ir.Value:
        """The inverse of `widen`, which is exact."""
        plain = signless(self.element)
        if plain == self.wide:
            return value
        if value.type == self.wide:
            return widened(value, self.wide, plain)
        return arith.truncf(ir.VectorType.get(ir.VectorType(value.type).shape, plain), value)

    def later(self, so_far: Pair, new: Pair) -> Pair:
        """Of `so_far` and of `new`, whose position is greater."""
        (a, i), (b, j) = so_far, new
        if self.is_float:  # not behind, or the first NaN
            take = arith.andi(arith.cmpf(_LATER_WINS[self.ahead], a, b), arith.cmpf(_ORDERED, a, a))
        else:
            take = self._ahead(b, a)
        return arith.select(take, b, a), arith.select(take, j, i)

    def either(self, one: Pair, other: Pair) -> Pair:
        """Of two in any order."""
        (a, i), (b, j) = one, other
        take, tie = self._ahead(b, a), self._equal(a, b)
        if self.is_float:
            nan, other_nan = arith.cmpf(_UNORDERED, a, a), arith.cmpf(_UNORDERED, b, b)
            take = arith.ori(take, arith.andi(other_nan, arith.cmpf(_ORDERED, a, a)))
            tie = arith.ori(tie, arith.andi(nan, other_nan))
        take_position = arith.ori(take, arith.andi(tie, arith.cmpi(_BELOW, j, i)))
        return arith.select(take, b, a), arith.select(take_position, j, i)

    def _ahead(self, a: ir.Value, b: ir.Value) -> ir.Value:
        kind = "float" if self.is_float else "unsigned" if is_unsigned(self.element) else "signed"
        return (arith.cmpf if self.is_float else arith.cmpi)(_PREDICATES[self.ahead][kind], a, b)

    def _equal(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.cmpf(_EQUAL, a, b) if self.is_float else arith.cmpi(_EQUAL_INTEGERS, a, b)

    def first(self) -> Pair:
        """What a reduction begins with: behind every element but those that equal it, whose position is not lower."""
        return arith.constant(self.wide, self.last), arith.constant(self.number, 0)

    def spread(self, pair: Pair) -> Pair:
        """Vectors of one pair."""
        value, position = (vector.broadcast(ir.VectorType.get([self.lanes], part.type), part) for part in pair)
        return value, position

    def of_lanes(self, pair: Pair) -> Pair:
        """The one that is kept of a vector's."""
        values, positions = pair
        kind = "max" if self.ahead == "GT" else "min"
        suffix = "imumf" if self.is_float else "ui" if is_unsigned(self.element) else "si"
        best = _reduction(f"{kind}{suffix}", values)
        spread = vector.broadcast(values.type, best)
        chosen = self._equal(values, spread)
        if self.is_float:
            chosen = arith.ori(chosen, arith.cmpf(_UNORDERED, values, values))
        most = (1 << (self.number.width - 1)) - 1
        none = vector.broadcast(positions.type, arith.constant(self.number, most))
        return best, _reduction("minsi", arith.select(chosen, positions, none))

    def at(self, index: ir.Value) -> ir.Value:
        """An index as a position."""
        return arith.index_cast(self.number, index)


def _of_rows(ctx: LoweringContext, choice: _Choice, rows: ir.Value) -> list[ir.Value]:
    """Of each row of a matrix."""
    count, size = ctx.sizes.values(ctx.dims(rows))
    lanes = choice.lanes
    places = [_steps(choice.number, lanes, i * lanes) for i in range(_VECTORS)]

    def of_vectors(x: ir.Value, row: ir.Value, stop: ir.Value) -> Pair:
        """Of the elements before `stop`; where it is beyond the row, the last vector is read in part."""

        def step(at: ir.Value, so_far: Pair, place: int, in_bounds: bool) -> Pair:
            here = arith.addi(at, constant_index(place * lanes))
            behind = None if in_bounds else arith.constant(element_type_of(x), choice.last)
            value = choice.widen(read_lanes(x, [row, here], lanes, behind))
            spread = vector.broadcast(places[0].type, choice.at(here))
            return choice.later(so_far, (value, arith.addi(spread, places[0])))

        def several(at: ir.Value, *state: ir.Value) -> list[ir.Value]:
            pairs = [step(at, (state[2 * i], state[2 * i + 1]), i, True) for i in range(_VECTORS)]
            return [part for pair in pairs for part in pair]

        def one(at: ir.Value, *pair: ir.Value) -> Pair:
            return step(at, (pair[0], pair[1]), 0, not choice.reads_in_part)

        many, single = constant_index(_VECTORS * lanes), constant_index(lanes)
        most = arith.muli(arith.divui(size, many), many)
        # A lane begins at its own first position, behind every element: a row that is behind throughout has its first.
        behind = choice.spread(choice.first())[0]

        def of_many() -> Pair:
            state = loop(constant_index(0), most, [part for place in places for part in (behind, place)], several, many)
            best = state[0], state[1]
            for i in range(1, _VECTORS):
                best = choice.either(best, (state[2 * i], state[2 * i + 1]))
            return best

        short = arith.cmpi(_EQUAL_INTEGERS, most, constant_index(0))
        begun = branch(short, [behind.type, places[0].type], lambda: (behind, places[0]), of_many)
        kept = loop(most, stop, begun, one, single)
        return choice.of_lanes((kept[0], kept[1]))

    def one_row(row: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> list[ir.Value]:
        if choice.reads_in_part:
            best = of_vectors(x[0], row, size)
        else:
            step = constant_index(lanes)
            whole, first = arith.muli(arith.divui(size, step), step), choice.first()
            enough = arith.cmpi(_UGE, size, step)
            begun = branch(enough, [v.type for v in first], lambda: of_vectors(x[0], row, whole), lambda: first)
            best = _one_by_one(choice, x[0], lambda at: [row, at], (whole, size), (begun[0], begun[1]))
        return _written(choice, best, y, [row])

    dims = ctx.dims(rows)[:1]
    outputs = [ctx.empty(dims, signless(choice.element)), ctx.empty(dims, choice.number)]
    return parts_kernel(ctx, [rows], outputs, count, size, one_row)


def _of_columns(ctx: LoweringContext, choice: _Choice, blocks: ir.Value) -> list[ir.Value]:
    """Of each column of each matrix in a tensor [outer, reduced, inner]: so many columns as a vector has lanes at once."""
    outer, size, inner = ctx.sizes.values(ctx.dims(blocks))
    lanes = choice.lanes
    step, rows = constant_index(lanes), (constant_index(0), size)
    parts = arith.ceildivui(inner, step)

    def one_part(number: ir.Value, x: list[ir.Value], y: list[ir.Value]) -> list[ir.Value]:
        matrix, column = arith.divui(number, parts), arith.muli(arith.remui(number, parts), step)

        def at_once() -> list[ir.Value]:
            first = choice.spread(choice.first())

            def row(at: ir.Value, *pair: ir.Value) -> Pair:
                value = choice.widen(read_lanes(x[0], [matrix, at, column], lanes))
                return choice.later((pair[0], pair[1]), (value, vector.broadcast(first[1].type, choice.at(at))))

            best = loop(*rows, first, row)
            return _written(choice, (best[0], best[1]), y, [matrix, column])

        def of_column(place: ir.Value, *buffers: ir.Value) -> list[ir.Value]:
            best = _one_by_one(choice, x[0], lambda at: [matrix, at, place], rows, choice.first())
            return _written(choice, best, buffers, [matrix, place])

        enough = arith.cmpi(_UGE, inner, arith.addi(column, step))
        return branch(enough, [value.type for value in y], at_once, lambda: loop(column, inner, y, of_column))

    dims = ctx.dims(blocks)
    outputs = [ctx.empty([dims[0], dims[2]], type_) for type_ in (signless(choice.element), choice.number)]
    return parts_kernel(ctx, [blocks], outputs, arith.muli(outer, parts), arith.muli(size, step), one_part)


def _one_by_one(
    choice: _Choice,
    x: ir.Value,
    indices: Callable[[ir.Value], list[ir.Value]],
    bounds: tuple[ir.Value, ir.Value],
    best: Pair,
) -> Pair:
    """`best` and the elements at `indices` of each position from the first of `bounds` to before the second."""

    def one(at: ir.Value, *pair: ir.Value) -> Pair:
        return choice.later((pair[0], pair[1]), (choice.widen(read(x, indices(at))), choice.at(at)))

    value, position = loop(*bounds, best, one)
    return value, position


def _written(choice: _Choice, best: Pair, buffers: Sequence[ir.Value], indices: Sequence[ir.Value]) -> list[ir.Value]:
    """The kernel's outputs with one result, or with a vector of them."""
    kept = choice.narrow(best[0]), best[1]
    put = write_lanes if isinstance(best[1].type, ir.VectorType) else write
    return [put(value, buffer, indices) for value, buffer in zip(kept, buffers, strict=True)]


def _reduction(kind: str, values: ir.Value) -> ir.Value:
    kinds = ir.Attribute.parse(f"#vector.kind<{kind}>")
    return vector.reduction(ir.VectorType(values.type).element_type, kinds, values)


def _steps(element: ir.Type, lanes: int, first: int) -> ir.Value:
    """The vector first, first + 1, …."""
    type_ = ir.VectorType.get([lanes], element)
    numbers = [ir.IntegerAttr.get(element, first + lane) for lane in range(lanes)]
    return arith.ConstantOp(type_, ir.DenseElementsAttr.get(numbers, type_)).result


def _counted_axis(value: ir.Value) -> int | None:
    """The dimension of whose index each element is the value; None where the tensor is no such one."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    if owner.name == "builtin.unrealized_conversion_cast":
        return _counted_axis(owner.operands[0])
    if owner.name != "linalg.generic" or len(owner.operands) != 1:
        return None
    index, *casts, done = owner.regions[0].blocks[0].operations
    if index.operation.name != "linalg.index" or [op.operation.name for op in casts] != ["arith.index_cast"]:
        return None
    return int(index.operation.attributes["dim"]) if done.operands[0] == casts[0].operation.result else None


def _direction(region: Any) -> str | None:
    """GT or LT where the body is that of `lax.argmax` or `lax.argmin`: NaNs are ahead, and ties go to the lower position."""
    block = region.blocks[0]
    if len(block.arguments) != 4 or len(list(block.operations)) > _MOST_OPS:
        return None
    names = dict(zip(block.arguments, ("a", "i", "b", "j"), strict=True))
    done = list(block.operations)[-1].operation
    found = tuple(_formula(value, names) for value in done.operands)
    return next((way for way in _PREDICATES if found in _bodies(way)), None)


def _bodies(way: str) -> list[tuple[str, str]]:
    """The formulas of both results; an integer is no NaN, which canonicalization may have seen."""
    conditions = (f"or({way}(a,b),NE(a,a))", f"or(NE(a,a),{way}(a,b))", f"{way}(a,b)")
    return [(f"select({ahead},a,b)", f"select(or({ahead},and(EQ(a,b),LT(i,j))),i,j)") for ahead in conditions]


def _formula(value: ir.Value, names: Mapping[ir.Value, str]) -> str:
    """What a value of the body is computed from, as text."""
    if value in names:
        return names[value]
    op = value.owner
    if isinstance(op, ir.Block):
        return "?"
    arguments = ",".join(_formula(operand, names) for operand in op.operands)
    if op.name != "stablehlo.compare":
        return f"{op.name.removeprefix('stablehlo.')}({arguments})"
    if "TOTALORDER" in str(op.attributes["compare_type"] if "compare_type" in op.attributes else ""):
        return "?"
    (direction,) = [
        way for way in ("EQ", "NE", "GE", "GT", "LE", "LT") if way in str(op.attributes["comparison_direction"])
    ]
    return f"{direction}({arguments})"
