"""`nm.TensorList`: rows of one shape and dtype, as many as were appended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import ShapeError

from .checks import ensure

__all__ = ["TensorList"]


@jax.tree_util.register_pytree_with_keys_class
class TensorList:
    """A list of arrays of one shape and dtype that grows; a pytree, whose one leaf has the rows stacked.

    It is a value: `append` returns another list, and the old one stays as it was. In a compiled loop the rows are
    written in place, behind those that are there.
    """

    def __init__(self, rows: Any, bound: int | None = None) -> None:
        """The list of the rows of an array. More than `bound` rows are a ShapeError."""
        self._rows = rows if hasattr(rows, "shape") else jnp.asarray(rows)
        self._bound = bound

    @classmethod
    def empty(cls, shape: Sequence[int], dtype: Any, bound: int | None = None) -> TensorList:
        """A list of no rows of `shape`."""
        return cls(jnp.zeros((0, *shape), dtype), bound)

    @property
    def length(self) -> Any:
        """The number of rows, as a scalar that can be computed with."""
        return jnp.asarray(self._rows.shape[0], jnp.int32)

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
        return self.extend(jnp.asarray(row, self.dtype)[None])

    def extend(self, rows: Any) -> TensorList:
        """The list with the rows of an array behind its own."""
        rows = jnp.asarray(rows, self.dtype)
        if rows.shape[1:] != self._rows.shape[1:]:
            raise ShapeError(f"TensorList has rows of shape {self._rows.shape[1:]}, got {rows.shape[1:]}")
        joined = jnp.concatenate([self._rows, rows])
        if self._bound is not None:
            message = f"TensorList of {self._text()} has more than its bound of {self._bound} rows"
            joined = ensure(jnp.asarray(joined.shape[0]) <= self._bound, message, joined)
        return TensorList(joined, self._bound)

    def stack(self) -> Any:
        """All rows as one array."""
        return self._rows

    def __getitem__(self, index: Any) -> Any:
        """A row; a negative index counts from the end, and one outside is clamped, as JAX's are."""
        size = self.length
        index = jnp.asarray(index, jnp.int32)
        return lax.dynamic_index_in_dim(self._rows, jnp.where(index < 0, index + size, index), keepdims=False)

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"TensorList({self._text()}, length={self._rows.shape[0]})"

    def _text(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self._rows.shape[1:]))}]"

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """For JAX: the rows, with the bound as what is static."""
        return ((jax.tree_util.GetAttrKey("rows"), self._rows),), self._bound

    @classmethod
    def tree_unflatten(cls, bound: int | None, leaves: Sequence[Any]) -> TensorList:
        """For JAX: the inverse. The leaf may be anything that JAX puts in its place."""
        made = object.__new__(cls)
        (made._rows,) = leaves
        made._bound = bound
        return made
