"""`nm.TensorList`: rows of one shape and dtype, as many as were appended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError, ShapeError

from .checks import ensure
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
        self._limits = bound, capacity

    @classmethod
    def empty(
        cls, shape: Sequence[int], dtype: Any, bound: int | None = None, capacity: int | None = None
    ) -> TensorList:
        """A list of no rows of `shape`."""
        return cls(jnp.zeros((0, *shape), dtype), bound, capacity)

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
        bound, capacity = self._limits
        if bound is not None:
            message = f"TensorList of {self._text()} has more than its bound of {bound} rows"
            joined = ensure(jnp.asarray(joined.shape[0]) <= bound, message, joined)
        return TensorList(joined, bound, capacity)

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
    """The first value of a loop's carry, with what its lists say of their room stated for nimble-reserve-capacity."""
    if current() is None:
        return tree
    is_list = lambda leaf: isinstance(leaf, TensorList)  # noqa: E731 - JAX asks for a function
    return jax.tree_util.tree_map(lambda leaf: _stated(leaf) if is_list(leaf) else leaf, tree, is_leaf=is_list)


def _stated(rows: TensorList) -> TensorList:
    bound, capacity = rows._limits
    if (bound, capacity) == (None, None):
        return rows
    return TensorList(_reserve_p.bind(rows.stack(), bound=bound, capacity=capacity), bound, capacity)


_reserve_p = Primitive("nimble_reserve")


@_reserve_p.def_abstract_eval
def _abstract_eval(rows: Any, **limits: Any) -> Any:
    return jax.core.ShapedArray(rows.shape, rows.dtype, weak_type=rows.weak_type)


def _lower(ctx: Any, rows: Any, **limits: int | None) -> Any:
    i64 = ir.IntegerType.get_signless(64)
    config: dict[str, ir.Attribute] = {
        name: ir.IntegerAttr.get(i64, value) for name, value in limits.items() if value is not None
    }
    call = stablehlo.CustomCallOp(
        [rows.type],
        [rows],
        "nimble.reserve",
        backend_config=ir.DictAttr.get(config),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
    )
    return call.results


def _transpose(cotangent: Any, rows: Any, **limits: Any) -> list[Any]:
    return [cotangent]


def _batch(args: Sequence[Any], axes: Sequence[Any], **limits: Any) -> tuple[Any, Any]:
    return args[0], axes[0]


mlir.register_lowering(_reserve_p, _lower)
ad.deflinear2(_reserve_p, _transpose)
batching.primitive_batchers[_reserve_p] = _batch
