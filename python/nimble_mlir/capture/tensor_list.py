"""`nm.TensorList`: rows of one shape and dtype, as many as were appended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from nimble_mlir.errors import CaptureError, ShapeError

from .list_primitives import Limits, appended, extended, length_of, reserved, row_of
from .tracing import current

__all__ = ["TensorList", "reserve"]


@jax.tree_util.register_pytree_with_keys_class
class TensorList:
    """A list of arrays of one shape and dtype that grows; a pytree, whose one leaf has the rows stacked.

    It is a value: `append` returns another list, and the old one stays as it was. In a compiled loop the rows are
    written in place, behind those that are there.
    """

    def __init__(self, rows: Any, bound: int | None = None, capacity: int | None = None) -> None:
        """The list of the rows of an array. More than `bound` rows are a ShapeError. A loop that appends to the list begins
        with room for `capacity` rows; without, it has some, and makes more when it needs more.

        Raises:
          CaptureError: `bound` or `capacity` is no number of rows.
        """
        for name, value in (("bound", bound), ("capacity", capacity)):
            if value is not None and (not isinstance(value, int) or value < 0):
                raise CaptureError(f"TensorList: {name} must be a number of rows, got {value!r}")
        self._rows = rows if hasattr(rows, "shape") else jnp.asarray(rows)
        self._limits: Limits = bound, capacity

    @classmethod
    def empty(
        cls, shape: Sequence[int], dtype: Any, bound: int | None = None, capacity: int | None = None
    ) -> TensorList:
        """A list of no rows of `shape`."""
        return cls(jnp.zeros((0, *shape), dtype), bound, capacity)

    @property
    def length(self) -> Any:
        """The number of rows, as a scalar that can be computed with."""
        return length_of(self._rows, self._limits)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of `stack()`; under `nm.compile` its first size is symbolic in a loop."""
        return tuple(self._rows.shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the rows."""
        return self._rows.dtype

    def append(self, row: Any) -> TensorList:
        """The list with one more row."""
        row = jnp.asarray(row, self.dtype)
        self._check(row.shape)
        return self._with(appended(self._rows, row, self._limits, self._text()))

    def extend(self, rows: Any) -> TensorList:
        """The list with the rows of an array behind its own."""
        rows = jnp.asarray(rows, self.dtype)
        self._check(rows.shape[1:])
        return self._with(extended(self._rows, rows, self._limits, self._text()))

    def _check(self, shape: Sequence[Any]) -> None:
        if shape != self._rows.shape[1:]:
            raise ShapeError(f"TensorList has rows of shape {self._rows.shape[1:]}, got {shape}")

    def _with(self, rows: Any) -> TensorList:
        return TensorList(rows, *self._limits)

    def stack(self) -> Any:
        """All rows as one array."""
        return self._rows

    def __getitem__(self, index: Any) -> Any:
        """A row; a negative index counts from the end, and one outside is clamped, as JAX's are."""
        return row_of(self._rows, jnp.asarray(index, jnp.int32), self._limits)

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"TensorList({self._type_text()}, length={self._rows.shape[0]})"

    def _text(self) -> str:
        return f"TensorList of {self._type_text()}"

    def _type_text(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self._rows.shape[1:]))}]"

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """For JAX: the rows, with the bound and the capacity as what is static."""
        return ((jax.tree_util.GetAttrKey("rows"), self._rows),), self._limits

    @classmethod
    def tree_unflatten(cls, limits: tuple[int | None, int | None], leaves: Sequence[Any]) -> TensorList:
        """For JAX: the inverse. The leaf may be anything that JAX puts in its place."""
        made = object.__new__(cls)
        (made._rows,) = leaves
        made._limits = limits
        return made


def reserve(tree: Any) -> Any:
    """The first value of a loop's carry, whose lists are to begin with the room that they ask for."""
    if current() is None:
        return tree
    is_list = lambda leaf: isinstance(leaf, TensorList)  # noqa: E731 - JAX asks for a function
    return jax.tree_util.tree_map(lambda leaf: _reserved(leaf) if is_list(leaf) else leaf, tree, is_leaf=is_list)


def _reserved(rows: TensorList) -> TensorList:
    return rows if rows._limits == (None, None) else rows._with(reserved(rows.stack(), rows._limits))
