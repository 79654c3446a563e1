"""`nm.Ragged`: a batch of rows of different lengths, as the rows' elements one after the other and where each row begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import ShapeError

from ..checks import ensure
from ..loops import fori_loop
from ..tracing import current
from ..with_shape import with_shape
from .define import define_size
from .ranges import repeated
from .selections import compress
from .slices import sliced

__all__ = ["Ragged"]

_i32 = jnp.int32


@jax.tree_util.register_pytree_with_keys_class
class Ragged:
    """Rows of different lengths: `values` [n, …] has the elements of all rows in order, `row_splits` [rows + 1] where each
    begins and the last one ends. A pytree of these two; a value, which no method changes.

    Row splits that do not begin with 0, ascend, and end with n are a ShapeError: at once where they are known, otherwise as
    the compiled function runs.
    """

    def __init__(self, values: Any, row_splits: Any) -> None:
        """The batch of these rows. `row_splits` are integers."""
        self._values = jnp.asarray(values)
        splits = jnp.asarray(row_splits)
        if self._values.ndim == 0 or splits.ndim != 1 or not jnp.issubdtype(splits.dtype, jnp.integer):
            raise ShapeError(
                f"nm.Ragged needs values of at least one dimension and a vector of integers as row_splits, got "
                f"{self._values.shape} and {splits.dtype}{splits.shape}"
            )
        self._splits: Any = splits
        self._checked = False

    @classmethod
    def from_lengths(cls, values: Any, lengths: Any) -> Ragged:
        """The rows of `lengths`, which sum up to the number of values."""
        lengths = ensure((jnp.asarray(lengths) >= 0).all(), "nm.Ragged: a length is negative", jnp.asarray(lengths))
        return cls(values, _splits_of(lengths.astype(_i32)))

    @classmethod
    def from_rows(cls, rows: Sequence[Any]) -> Ragged:
        """The batch of one or more arrays, which differ in their first size only."""
        rows = [jnp.asarray(row) for row in rows]
        if not rows:
            raise ShapeError("nm.Ragged.from_rows needs at least one row; a batch of none is nm.Ragged(values, [0])")
        lengths = jnp.stack([jnp.asarray(row.shape[0], _i32) for row in rows])
        return cls(jnp.concatenate(rows), _splits_of(lengths))

    @classmethod
    def from_padded(cls, padded: Any, lengths: Any) -> Ragged:
        """The first `lengths[i]` elements of each row `padded[i]` of an array [rows, size, …]."""
        padded, lengths = jnp.asarray(padded), jnp.asarray(lengths).astype(_i32)
        rows, size = padded.shape[:2]
        fits = ((lengths >= 0) & (lengths <= jnp.asarray(size, _i32))).all()
        lengths = ensure(fits, "nm.Ragged.from_padded: a length is negative, or above the size of the rows", lengths)
        kept = jnp.arange(size, dtype=_i32) < lengths[:, None]
        values = compress(kept.reshape(rows * size), padded.reshape(rows * size, *padded.shape[2:]), 0)
        return cls._made(values, _splits_of(lengths))

    @classmethod
    def spec(cls, shape: Sequence[Any], dtype: Any, rows: Any) -> Ragged:
        """The spec of an argument for `nm.compile`: `shape` of the values, [n, …], and the number of rows."""
        splits = jax.ShapeDtypeStruct((rows + 1,), _i32)
        return cls.tree_unflatten(None, (jax.ShapeDtypeStruct(tuple(shape), dtype), splits))

    @classmethod
    def _made(cls, values: Any, splits: Any) -> Ragged:
        """A batch whose row splits are known to be right."""
        made = cls(values, splits)
        made._checked = True
        return made

    @property
    def values(self) -> Any:
        """The elements of all rows, [n, …]."""
        return self._values

    @property
    def row_splits(self) -> Any:
        """Where each row begins, and the end of the last one: int32 [rows + 1]."""
        return self.checked()._splits

    def checked(self) -> Ragged:
        """The same batch, whose row splits have been checked: so that no method checks them again."""
        if self._checked:
            return self
        splits = self._splits.astype(_i32)
        ends = (splits[0] == 0) & (splits[-1] == jnp.asarray(self._values.shape[0], _i32))
        ascending = (splits[1:] >= splits[:-1]).all()
        message = "nm.Ragged: row_splits do not begin with 0, ascend, and end with the number of values"
        return Ragged._made(self._values, ensure(ends & ascending, message, splits))

    @property
    def num_rows(self) -> Any:
        """How many rows there are: an int, or a symbolic size."""
        return self._splits.shape[0] - 1

    @property
    def lengths(self) -> Any:
        """The length of each row, int32 [rows]."""
        splits = self.row_splits
        return splits[1:] - splits[:-1]

    @property
    def row_ids(self) -> Any:
        """The row of each element, int32 [n]."""
        begins = jnp.zeros((self._values.shape[0],), _i32).at[self.row_splits[:-1]].add(1, mode="drop")
        return jnp.cumsum(begins, dtype=_i32) - 1

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self._values.dtype

    def with_values(self, values: Any) -> Ragged:
        """The same rows with other elements, as many as there are."""
        values = jnp.asarray(values)
        if values.ndim == 0:
            raise ShapeError("nm.Ragged.with_values needs values of at least one dimension, got a scalar")
        values = with_shape(values, (self._values.shape[0], *values.shape[1:]))
        made = Ragged(values, self._splits)
        made._checked = self._checked
        return made

    def map_values(self, f: Callable[[Any], Any]) -> Ragged:
        """`f` of all elements at once, for what treats each alike: it keeps their number."""
        return self.with_values(f(self._values))

    def map(self, f: Callable[[Any], Any]) -> Ragged:
        """The batch of `f(row)`, of any length each, one row after the other."""
        rows, spec = self.checked(), self._row_result(f)

        def step(index: Any, made: Any) -> Any:
            values, lengths = made
            row = f(rows[index])
            return jnp.concatenate([values, row]), jnp.concatenate([lengths, jnp.asarray(row.shape[0], _i32)[None]])

        empty = (jnp.zeros((0, *spec.shape[1:]), spec.dtype), jnp.zeros((0,), _i32))
        values, lengths = fori_loop(0, self._count(), step, empty)
        return Ragged._made(values, _splits_of(with_shape(lengths, (self.num_rows,))))

    def reduce(self, f: Callable[[Any], Any]) -> Any:
        """`f(row)` of each row stacked, [rows, …]: its shape is the same for all rows."""
        rows = self.checked()
        if current() is None:
            made = [f(row) for row in rows.rows()]
            spec = self._row_result(f)
            return jnp.stack(made) if made else jnp.zeros((0, *spec.shape), spec.dtype)
        return lax.map(lambda index: f(rows[index]), jnp.arange(self.num_rows, dtype=_i32))

    def sum(self) -> Any:
        """The sum of each row, [rows, …]; 0 for an empty one."""
        return jax.ops.segment_sum(self._values, self.row_ids, self.num_rows, indices_are_sorted=True)

    def mean(self) -> Any:
        """The mean of each row, [rows, …]; NaN for an empty one."""
        rows = self.checked()
        return rows.sum() / _widened(rows.lengths, self._values.ndim)

    def max(self) -> Any:
        """The maximum of each row, [rows, …]; the smallest number for an empty one."""
        return jax.ops.segment_max(self._values, self.row_ids, self.num_rows, indices_are_sorted=True)

    def min(self) -> Any:
        """The minimum of each row, [rows, …]; the largest number for an empty one."""
        return jax.ops.segment_min(self._values, self.row_ids, self.num_rows, indices_are_sorted=True)

    def softmax(self) -> Ragged:
        """The softmax along each row."""
        rows = self.checked()
        ids = rows.row_ids
        powers = jnp.exp(self._values - jnp.take(rows.max(), ids, axis=0, mode="clip"))
        sums = jax.ops.segment_sum(powers, ids, self.num_rows, indices_are_sorted=True)
        return rows.with_values(powers / jnp.take(sums, ids, axis=0, mode="clip"))

    def matmul(self, other: Any) -> Ragged:
        """Each row [length, d] times a matrix: one [d, e] for all, or one of [rows, d, e] for each."""
        other = jnp.asarray(other)
        if other.ndim == 2:
            return self.with_values(self._values @ other)
        if other.ndim != 3:
            raise ShapeError(f"nm.Ragged.matmul needs a matrix, or one for each row, got an array of rank {other.ndim}")
        rows = self.checked()

        def step(index: Any, made: Any) -> Any:
            product = rows[index] @ lax.dynamic_index_in_dim(other, index, keepdims=False)
            return jnp.concatenate([made, product])

        dtype = jnp.result_type(self._values, other)
        made = fori_loop(0, self._count(), step, jnp.zeros((0, other.shape[2]), dtype))
        return rows.with_values(made)

    def __matmul__(self, other: Any) -> Ragged:
        return self.matmul(other)

    def __getitem__(self, index: Any) -> Any:
        """A row, for an integer (from the end where it is negative); the batch of several, for a vector of integers."""
        if jnp.ndim(index) == 1:
            return self._gather(jnp.asarray(index))
        splits, index = self.row_splits, jnp.asarray(index, _i32)
        count = jnp.asarray(self.num_rows, _i32)
        index = jnp.where(index < 0, index + count, index)
        inside = (index >= 0) & (index < count)
        index = ensure(inside, "nm.Ragged: there is no row of this index", index)
        start, end = (lax.dynamic_index_in_dim(splits, at, keepdims=False) for at in (index, index + 1))
        return sliced(self._values, start, define_size(end - start, "nm.Ragged"), 0)

    def _gather(self, rows: Any) -> Ragged:
        splits, count = self.row_splits, jnp.asarray(self.num_rows, _i32)
        rows = rows.astype(_i32)
        rows = jnp.where(rows < 0, rows + count, rows)
        rows = ensure(((rows >= 0) & (rows < count)).all(), "nm.Ragged: there is no row of this index", rows)
        starts = jnp.take(splits, rows, mode="clip")
        lengths = jnp.take(splits, rows + 1, mode="clip") - starts
        made = _splits_of(lengths)
        ids = repeated(lengths, "nm.Ragged")
        # In its own row, an element stands as far from the beginning as in the new one.
        shift = jnp.take(starts - made[:-1], ids, mode="clip")
        positions = lax.iota(_i32, ids.shape[0]) + shift
        return Ragged._made(jnp.take(self._values, positions, axis=0, mode="clip"), made)

    def append(self, row: Any) -> Ragged:
        """The batch with one more row."""
        row = jnp.asarray(row, self.dtype)
        splits = self.row_splits
        ended = splits[-1:] + jnp.asarray(row.shape[0], _i32)
        return Ragged._made(jnp.concatenate([self._values, row]), jnp.concatenate([splits, ended]))

    def extend(self, other: Ragged) -> Ragged:
        """The batch with the rows of another one behind its own."""
        splits = self.row_splits
        joined = jnp.concatenate([splits, splits[-1] + other.row_splits[1:]])
        return Ragged._made(jnp.concatenate([self._values, other.values]), joined)

    def to_padded(self, fill: Any = 0, size: int | None = None) -> tuple[Any, Any]:
        """The rows as an array [rows, size, …], filled up, and the mask [rows, size] of what is no filling.

        `size` is that of the longest row where none is given; a row above it is a ShapeError.
        """
        splits = self.row_splits
        lengths = splits[1:] - splits[:-1]
        longest = lengths.max(initial=0)
        values = self._values
        if size is None:
            found = define_size(longest, "nm.Ragged.to_padded")
            extent = found.dim
            splits = found.tie(splits)
        else:
            extent = size
            splits = ensure(longest <= size, f"nm.Ragged.to_padded: a row is longer than {size}", splits)
            # There is something to read, also where all rows are empty.
            values = jnp.concatenate([values, jnp.zeros((1, *values.shape[1:]), values.dtype)])
        steps = lax.iota(_i32, extent)
        mask = steps < lengths[:, None]
        padded = jnp.take(values, splits[:-1, None] + steps, axis=0, mode="clip")
        return jnp.where(_widened(mask, padded.ndim), padded, jnp.asarray(fill, self.dtype)), mask

    def rows(self) -> list[Any]:
        """The rows as a list, where their number is known."""
        return [self[index] for index in range(self.num_rows)]

    def __len__(self) -> int:
        return int(self.num_rows)

    def __repr__(self) -> str:
        if not hasattr(self._values, "dtype"):  # a pytree of something else, such as shapes
            return f"Ragged(values={self._values}, row_splits={self._splits})"
        shape = ", ".join(["?", *map(str, self._values.shape[1:])])
        return f"Ragged({self.dtype}[{self.num_rows}, {shape}])"

    def _count(self) -> Any:
        return jnp.asarray(self.num_rows, _i32)

    def _row_result(self, f: Callable[[Any], Any]) -> Any:
        """What `f` makes of a row."""
        tracing = current()
        if tracing is None:
            return f(jnp.zeros((1, *self._values.shape[1:]), self.dtype))
        return jax.eval_shape(f, jax.ShapeDtypeStruct((tracing.fresh(), *self._values.shape[1:]), self.dtype))

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """For JAX: values and row splits, which are checked again."""
        children = (
            (jax.tree_util.GetAttrKey("values"), self._values),
            (jax.tree_util.GetAttrKey("row_splits"), self._splits),
        )
        return children, None

    @classmethod
    def tree_unflatten(cls, aux: None, leaves: Sequence[Any]) -> Ragged:
        """For JAX: the inverse. The leaves may be anything that JAX puts in their place."""
        made = object.__new__(cls)
        made._values, made._splits = leaves
        made._checked = False
        return made


def _splits_of(lengths: Any) -> Any:
    return jnp.concatenate([jnp.zeros((1,), _i32), jnp.cumsum(lengths, dtype=_i32)])


def _widened(x: Any, rank: int) -> Any:
    """`x` with dimensions of size 1 behind its own."""
    return x.reshape(*x.shape, *[1] * (rank - x.ndim))
