"""Nodes of a packed value while recursion runs on a stack: a number, and where the fields of that node lie."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nimble_mlir.errors import CaptureError

from ..probing import first_known, is_probing
from .layout import Layout
from .packing import Packing, widest

__all__ = ["Forest", "Reference", "Rows", "made_by", "maker", "reference"]


_NUMBER = jax.ShapeDtypeStruct((), np.dtype(np.int32))


class Rows:
    """How nodes of a type stand in one table a dtype: a row a node, with the fields of the node side by side, behind the
    number of its constructor. A kernel takes few tensors, whatever the constructors and their fields."""

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self.packings = [
            Packing([_NUMBER, *(_NUMBER if field.spec is None else field.spec for field in one.fields)])
            for one in type_.constructors
        ]
        self.widths = widest(self.packings)


class Forest(Rows):
    """The arrays of a layout (layout.py) as such tables."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.type)
        size = sum(rows.shape[0] for rows in layout.rows)  # one too many for each constructor
        number, row = _places(layout, size)
        self._tables = {dtype: jnp.zeros((size, width), dtype) for dtype, width in self.widths.items()}
        for index, (one, packing) in enumerate(zip(self.type.constructors, self.packings, strict=True)):
            rows = layout.rows[index].shape[0]
            columns = [jnp.full(rows, index, jnp.int32), *(layout.fields[index][field.name] for field in one.fields)]
            is_own = (number == index)[:, None]
            for dtype, vectors in zip(packing.dtypes, jax.vmap(packing.pack)(columns), strict=True):
                own = vectors.at[row].get(mode="clip", wrap_negative_indices=False)
                own = jnp.pad(own, ((0, 0), (0, self.widths[dtype] - own.shape[1])))
                self._tables[dtype] = jnp.where(is_own, own, self._tables[dtype])

    def constructor(self, node: Any) -> Any:
        """The number of the constructor of a node."""
        return lax.dynamic_slice(self._tables[_NUMBER.dtype], (node, 0), (1, 1), allow_negative_indices=False)[0, 0]

    def fields(self, node: Any, index: int) -> list[Any]:
        """The fields of a node of the constructor `index`; parts are numbers of nodes."""
        packing = self.packings[index]
        vectors = [
            lax.dynamic_slice(self._tables[dtype], (node, 0), (1, width), allow_negative_indices=False)[0]
            for dtype, width in zip(packing.dtypes, packing.widths, strict=True)
        ]
        return packing.unpack(vectors)[1:]


def _places(layout: Layout, size: Any) -> tuple[Any, Any]:
    """The constructor of each node, and its row in the arrays of that."""
    width = len(layout.type.constructors)
    first, row, count = (layout.blocks[:, :, entry].reshape(-1) for entry in range(3))
    # The number of a block stands where it begins; empty ones stand nowhere. The nodes behind it are of the same block.
    numbers = jnp.arange(layout.blocks.shape[0] * width, dtype=jnp.int32)
    begins = jnp.zeros(size, jnp.int32).at[jnp.where(count > 0, first, size)].max(numbers, mode="drop")
    block = lax.cummax(begins)
    return block % width, row[block] + jnp.arange(size, dtype=jnp.int32) - first[block]


@dataclass(frozen=True)
class Reference:
    """Stands for the constructor of a value that is the node `node`, an int32 scalar, of a forest."""

    forest: Rows
    node: Any

    def match(self, handlers: Mapping[str, Callable[..., Any]]) -> Any:
        """What the handler of the node's constructor makes of its fields. Raises CaptureError for what was just made."""
        if not isinstance(self.forest, Forest):
            raise CaptureError(
                f"nm.match of a {self.forest.type.__name__} that the recursion itself makes; take apart what it returns, in "
                "another nm.recursive function"
            )

        def alternative(index: int) -> Callable[[], Any]:
            one = self.forest.type.constructors[index]
            return lambda: handlers[one.name](*_fields(self.forest, self.node, index))

        alternatives = [alternative(index) for index in range(len(self.forest.type.constructors))]
        if is_probing():
            return first_known(alternatives)
        return lax.switch(self.forest.constructor(self.node), alternatives)


def _fields(forest: Any, node: Any, index: int) -> list[Any]:
    fields = forest.type.constructors[index].fields
    return [
        reference(forest, value) if field.spec is None else value
        for field, value in zip(fields, forest.fields(node, index), strict=True)
    ]


def reference(forest: Rows, node: Any) -> Any:
    """The value that is a node of a forest, or of what a recursion makes."""
    made = object.__new__(forest.type)
    made.__dict__.update(constructor=Reference(forest, node))
    return made


_maker: contextvars.ContextVar[Callable[..., Any] | None] = contextvars.ContextVar("maker", default=None)


def maker() -> Callable[..., Any] | None:
    """What makes a value from its constructor and fields in a recursion that is traced; None outside of one."""
    return _maker.get()


@contextmanager
def made_by(make: Callable[..., Any]) -> Iterator[None]:
    """Within it, constructors call `make`."""
    token = _maker.set(make)
    try:
        yield
    finally:
        _maker.reset(token)
