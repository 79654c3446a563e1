"""Nodes of a packed value while recursion runs on a stack: a number, and where the fields of that node lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

from .layout import Layout
from ..probing import first_known, is_probing

__all__ = ["Forest", "Reference", "reference"]


class Forest:
    """The arrays of a layout (layout.py), with the constructor and the row of each node beside them."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.type = layout, layout.type
        size = sum(rows.shape[0] for rows in layout.rows)  # one too many for each constructor
        width = len(self.type.constructors)
        first, row, count = (layout.blocks[:, :, entry].reshape(-1) for entry in range(3))
        # The number of a block stands where it begins; empty ones stand nowhere. The nodes behind it are of the same block.
        number = jnp.arange(layout.blocks.shape[0] * width, dtype=jnp.int32)
        begins = jnp.zeros(size, jnp.int32).at[jnp.where(count > 0, first, size)].max(number, mode="drop")
        block = lax.cummax(begins)
        self.constructor = block % width
        self.row = row[block] + jnp.arange(size, dtype=jnp.int32) - first[block]


@dataclass(frozen=True)
class Reference:
    """Stands for the constructor of a value that is the node `node`, an int32 scalar, of a forest."""

    forest: Forest
    node: Any

    def match(self, handlers: Mapping[str, Callable[..., Any]]) -> Any:
        """What the handler of the node's constructor makes of its fields."""

        def alternative(index: int) -> Callable[[], Any]:
            one = self.forest.type.constructors[index]
            return lambda: handlers[one.name](*self._fields(index))

        alternatives = [alternative(index) for index in range(len(self.forest.type.constructors))]
        if is_probing():
            return first_known(alternatives)
        return lax.switch(_at(self.forest.constructor, self.node), alternatives)

    def _fields(self, index: int) -> list[Any]:
        row = _at(self.forest.row, self.node)
        columns = self.forest.layout.fields[index]
        return [
            reference(self.forest, _at(columns[field.name], row))
            if field.spec is None
            else _at(columns[field.name], row)
            for field in self.forest.type.constructors[index].fields
        ]


def reference(forest: Forest, node: Any) -> Any:
    """The value that is a node of a forest."""
    made = object.__new__(forest.type)
    made.__dict__.update(constructor=Reference(forest, node))
    return made


def _at(column: Any, index: Any) -> Any:
    return lax.dynamic_index_in_dim(column, index, keepdims=False, allow_negative_indices=False)
