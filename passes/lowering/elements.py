"""Tensors inside of a kernel: buffers that are read and written, and elements that are computed where they are needed.

`Elements` is a tensor as a function from indices to an element, or to several adjacent ones of its row: what reads a slice
of a broadcast of a sum computes it in registers, and nothing in between is stored. The row is the last dimension that is
not of size 1. Scalars and vectors are signless; booleans are i1 and stand in buffers as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import arith, ir, tensor, vector

from ..symbol_table import DimBuilder, constant_index
from .arithmetic import zero
from .builders import constant_of
from .kernels import stored_type
from .recipes import Recipe, splat
from .signedness import signless

__all__ = [
    "Buffer",
    "Elements",
    "NotInKernelError",
    "Workgroups",
    "broadcast",
    "combined",
    "constant_elements",
    "is_supported",
    "lanes_for",
    "of_buffer",
    "of_scalar",
    "reindexed",
    "reshaped",
    "row_axis",
    "sliced",
    "stacked",
    "transposed",
    "write",
]

Dims = tuple[DimExpr, ...]
Values = Sequence[ir.Value]
At = Callable[[Values, int], ir.Value]


class NotInKernelError(Exception):
    """Says why something cannot be part of a kernel."""


@dataclass(eq=False)
class Workgroups:
    """The workgroups that a kernel runs in: how many, and the number of the one that runs."""

    count: DimExpr
    number: ir.Value | None = None


@dataclass(eq=False)
class Buffer:
    """Memory for a tensor with `dims`, of elements of StableHLO's type `element`; `value` is what it holds now.

    One that lies in another one, flat and in row-major order from the element `offset` on, has that one's value. One with
    `workgroups` is one for each of them: they lie side by side along a first dimension."""

    dims: Dims
    element: ir.Type
    own: ir.Value | None = None
    within: Buffer | None = None
    offset: int = 0
    workgroups: Workgroups | None = None

    @property
    def stored_dims(self) -> Dims:
        """The dimensions of `value`."""
        if self.within is not None:
            return self.within.stored_dims
        return self.dims if self.workgroups is None else (self.workgroups.count, *self.dims)

    @property
    def stored(self) -> ir.Type:
        """The type of its elements in memory."""
        return stored_type(self.element)

    @property
    def value(self) -> ir.Value | None:
        """The tensor that it is now, or lies in."""
        return self.own if self.within is None else self.within.value

    @value.setter
    def value(self, value: ir.Value | None) -> None:
        if self.within is None:
            self.own = value
        else:
            self.within.value = value

    def place(self, indices: Values) -> list[ir.Value]:
        """Where an element stands in `value`."""
        if self.within is None:
            if self.workgroups is None:
                return list(indices)
            assert self.workgroups.number is not None
            return [self.workgroups.number, *indices]
        position = constant_index(self.offset)
        stride = 1
        for index, dim in reversed(list(zip(indices, self.dims, strict=True))):
            if dim != 1:
                step = index if stride == 1 else arith.muli(index, constant_index(stride))
                position = arith.addi(position, step)
                stride *= dim.constant_value
        return self.within.place([position])


@dataclass(frozen=True, eq=False)
class Elements:
    """A tensor with `dims`; `at(indices, lanes)` emits the elements at `indices` and, in the row, behind.

    reads: the buffers that it reads; `shifted` are those that it reads at other indices than its own.
    cost: how many ops an element takes. has_lanes: whether `lanes` may be more than 1.
    buffer: the buffer whose contents these are, if so.
    """

    dims: Dims
    element: ir.Type
    at: At
    reads: frozenset[Buffer] = field(default_factory=frozenset)
    shifted: frozenset[Buffer] = field(default_factory=frozenset)
    cost: int = 0
    has_lanes: bool = True
    buffer: Buffer | None = None

    @property
    def scalar(self) -> ir.Value:
        """The one element of a tensor of rank 0."""
        return self.at([], 1)


def is_supported(element: ir.Type) -> bool:
    """Whether kernels compute with elements of a type: integers of whole bytes, booleans, f32 and f64."""
    if isinstance(element, ir.IntegerType):
        return element.width in (1, 8, 16, 32, 64)
    return isinstance(element, ir.FloatType) and element.width >= 32


def row_axis(dims: Sequence[DimExpr]) -> int | None:
    """The last dimension that is not of size 1."""
    return next((axis for axis in reversed(range(len(dims))) if dims[axis] != 1), None)


def lanes_for(dims: Sequence[DimExpr], most: int = 16) -> int:
    """How many elements of a row are taken together: as many as the widest vectors hold of 32 bits, or fewer.

    At least two vectors a row: a copy of a tensor that is one vector would be folded to the tensor that is copied, and a
    loop would yield that instead of its own buffer."""
    row = row_axis(dims)
    if row is None:
        return 1
    if not dims[row].is_constant:
        return most
    size = dims[row].constant_value
    return next((lanes for lanes in (most, most // 2, most // 4) if size >= 2 * lanes), 1)


def of_scalar(scalar: ir.Value, element: ir.Type) -> Elements:
    """A tensor of rank 0."""
    return Elements((), element, lambda _, lanes: splat(scalar, lanes))


def constant_elements(dims: Dims, element: ir.Type, number: int | float) -> Elements:
    """A tensor of equal constants."""

    plain = signless(element)
    value = int(number) if isinstance(plain, ir.IntegerType) else float(number)

    def at(_: Values, lanes: int) -> ir.Value:
        return splat(arith.constant(plain, value), lanes)

    return Elements(dims, element, at)


def of_buffer(buffer: Buffer) -> Elements:
    """What a buffer holds at the time when it is read."""
    row = row_axis(buffer.dims)
    rank = len(buffer.stored_dims)
    boolean = isinstance(buffer.element, ir.IntegerType) and buffer.element.width == 1

    def at(indices: Values, lanes: int) -> ir.Value:
        assert buffer.value is not None
        i1: ir.Type = ir.IntegerType.get_signless(1)
        if lanes == 1:
            scalar = tensor.extract(buffer.value, buffer.place(indices))
            return arith.trunci(i1, scalar) if boolean else scalar
        type_ = ir.VectorType.get([lanes], buffer.stored)
        last = ir.AffineMapAttr.get(ir.AffineMap.get(rank, 0, [ir.AffineDimExpr.get(rank - 1)]))
        read = vector.transfer_read(type_, buffer.value, buffer.place(indices), last, zero(buffer.stored), [True])
        return arith.trunci(ir.VectorType.get([lanes], i1), read) if boolean else read

    own = frozenset([buffer])
    has_lanes = row in (None, len(buffer.dims) - 1)
    return Elements(buffer.dims, buffer.element, at, own, has_lanes=has_lanes, buffer=buffer)


def reindexed(
    source: Elements, dims: Dims, indices: Callable[[Values], list[ir.Value]], *, has_lanes: bool, same: bool = False
) -> Elements:
    """Elements of `source` at other indices; `same` where these only leave out or add dimensions of size 1."""

    def at(own: Values, lanes: int) -> ir.Value:
        return source.at(indices(own), lanes)

    lanes = has_lanes and source.has_lanes
    shifted = source.shifted if same else source.reads
    return replace(source, dims=dims, at=at, shifted=shifted, has_lanes=lanes, buffer=None)


def broadcast(source: Elements, dims: Dims, axes: Sequence[int]) -> Elements:
    """`broadcast_in_dim`: dimension i of the source is dimension `axes[i]` of the result."""
    row, source_row = row_axis(dims), row_axis(source.dims)
    along_row = source_row is not None and axes[source_row] == row

    def at(own: Values, lanes: int) -> ir.Value:
        indices = [constant_index(0) if dim == 1 else own[axis] for dim, axis in zip(source.dims, axes, strict=True)]
        return source.at(indices, lanes) if along_row else splat(source.at(indices, 1), lanes)

    # Where no index of the source runs along the row of the result, one element is the whole row.
    fixed = all(axis != row or dim == 1 for dim, axis in zip(source.dims, axes, strict=True))
    has_lanes = (source.has_lanes and along_row) or fixed
    return replace(source, dims=dims, at=at, shifted=source.reads, has_lanes=has_lanes, buffer=None)


def transposed(source: Elements, permutation: Sequence[int]) -> Elements:
    """`transpose`: dimension i of the result is dimension `permutation[i]` of the source."""
    dims = tuple(source.dims[axis] for axis in permutation)
    row = row_axis(dims)
    inverse = [list(permutation).index(axis) for axis in range(len(permutation))]
    has_lanes = row is None or permutation[row] == row_axis(source.dims)
    return reindexed(source, dims, lambda own: [own[axis] for axis in inverse], has_lanes=has_lanes)


def sliced(source: Elements, dims: Dims, starts: Values, strides: Sequence[int] | None = None) -> Elements:
    """A slice from `starts` on; sizes are those of `dims`."""
    steps = strides or [1] * len(dims)
    row = row_axis(dims)
    has_lanes = row is None or (row == row_axis(source.dims) and steps[row] == 1)

    def indices(own: Values) -> list[ir.Value]:
        return [
            arith.addi(start, index if step == 1 else arith.muli(index, constant_index(step)))
            for start, index, step in zip(starts, own, steps, strict=True)
        ]

    return reindexed(source, dims, indices, has_lanes=has_lanes)


def stacked(parts: Sequence[Elements], dims: Dims, axis: int) -> Elements:
    """Parts of size 1 along `axis`, behind each other: which one is read is known, or chosen of all."""

    def at(own: Values, lanes: int) -> ir.Value:
        inside = [constant_index(0) if i == axis else index for i, index in enumerate(own)]
        known = constant_of(own[axis])
        if known is not None:
            return parts[known].at(inside, lanes)
        chosen = parts[0].at(inside, lanes)
        for number, part in enumerate(parts[1:], start=1):
            here = arith.cmpi(0, own[axis], constant_index(number))
            chosen = arith.select(here, part.at(inside, lanes), chosen)
        return chosen

    reads = frozenset[Buffer]().union(*(part.reads for part in parts))
    has_lanes = all(part.has_lanes for part in parts)
    return Elements(dims, parts[0].element, at, reads, reads, has_lanes=has_lanes)


def reshaped(source: Elements, dims: Dims, sizes: DimBuilder) -> Elements:
    """`reshape`: the same elements in row-major order."""
    kept, target = ([axis for axis, dim in enumerate(each) if dim != 1] for each in (source.dims, dims))
    if [source.dims[axis] for axis in kept] == [dims[axis] for axis in target]:
        places = dict(zip(kept, target, strict=True))

        def only_units(own: Values) -> list[ir.Value]:
            return [own[places[axis]] if axis in places else constant_index(0) for axis in range(len(source.dims))]

        return reindexed(source, dims, only_units, has_lanes=True)
    extents, own_extents = sizes.values(source.dims), sizes.values(dims)

    def indices(own: Values) -> list[ir.Value]:
        linear = own[0] if own else constant_index(0)
        for index, extent in zip(own[1:], own_extents[1:], strict=True):
            linear = arith.addi(arith.muli(linear, extent), index)
        result: list[ir.Value] = []
        for extent in reversed(extents[1:]):
            result.insert(0, arith.remui(linear, extent))
            linear = arith.divui(linear, extent)
        return [linear, *result] if extents else []

    return reindexed(source, dims, indices, has_lanes=_rows_split(source.dims, dims))


def _rows_split(source: Dims, dims: Dims) -> bool:
    """Whether each row of the result lies inside of a row of the source."""
    rows = [row_axis(each) for each in (source, dims)]
    if rows[1] is None:
        return True
    if rows[0] is None:
        return False
    before, after = source[rows[0]], dims[rows[1]]
    if not before.is_constant or not after.is_constant:
        return before == after
    return after.constant_value > 0 and before.constant_value % after.constant_value == 0


def combined(recipe: Recipe, operands: Sequence[Elements], dims: Dims, element: ir.Type) -> Elements:
    """A recipe on the elements of `operands`, each with `dims` or of rank 0."""

    def at(own: Values, lanes: int) -> ir.Value:
        return recipe.emit([each.at(own if each.dims else [], lanes) for each in operands], lanes)

    return Elements(
        dims,
        element,
        at,
        frozenset().union(*(each.reads for each in operands)),
        frozenset().union(*(each.shifted for each in operands)),
        recipe.cost + sum(each.cost for each in operands),
        all(each.has_lanes for each in operands),
    )


def write(value: ir.Value, target: ir.Value, indices: Values, lanes: int, buffer: Buffer) -> ir.Value:
    """`target`, what a buffer holds, with one element or several adjacent ones replaced."""
    if isinstance(buffer.element, ir.IntegerType) and buffer.element.width == 1:
        stored = buffer.stored
        value = arith.extui(stored if lanes == 1 else ir.VectorType.get([lanes], stored), value)
    if lanes == 1:
        return tensor.insert(value, target, buffer.place(indices))
    rank = len(buffer.stored_dims)
    last = ir.AffineMapAttr.get(ir.AffineMap.get(rank, 0, [ir.AffineDimExpr.get(rank - 1)]))
    return vector.transfer_write(target.type, value, target, buffer.place(indices), last, [True])
