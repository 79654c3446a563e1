"""Values that a recursion makes: nodes in the order in which they were made, parts first, in the layout of layout.py.

In: the tables of a heap (references.py). Out: a traced value with the arrays in which values cross out of a module, numbered
by level and constructor as those that come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..data_sizes import nonzero
from ..data_sizes.define import define_size
from ..data_sizes.slices import sliced
from .references import Rows

__all__ = ["arranged"]


def arranged(heap: Rows, tables: Sequence[Any], count: Any, root: Any) -> Any:
    """The value whose node is `root`, of a heap with `count` nodes."""
    size = define_size(count, f"the {heap.type.__name__} that a recursion makes")
    rows = {dtype: sliced(table, jnp.int32(0), size, 0) for dtype, table in zip(heap.widths, tables, strict=True)}
    i32 = next(dtype for dtype in rows if dtype == jnp.int32)
    number = rows[i32][:, 0]
    height = _heights(heap, rows[i32], number, count)
    width = len(heap.type.constructors)
    order = jnp.argsort(height * width + number, stable=True)
    ids = jnp.zeros_like(number).at[order].set(jnp.arange(size.dim, dtype=jnp.int32))
    levels = define_size(height.max() + 1, f"the levels of a {heap.type.__name__}")
    blocks = _blocks(height * width + number, levels.dim, width)
    fields, bare = [], []
    for index, (one, packing) in enumerate(zip(heap.type.constructors, heap.packings, strict=True)):
        (own,) = nonzero(number[order] == index)
        vectors = [rows[dtype][order][own, :width] for dtype, width in zip(packing.dtypes, packing.widths, strict=True)]
        columns = packing.unpack(vectors)[1:]
        fields += [
            _with_empty_row(ids[column] if field.spec is None else column)
            for field, column in zip(one.fields, columns, strict=True)
        ]
        if not one.fields:
            bare.append(_with_empty_row(jnp.zeros_like(own, dtype=jnp.int32)))
    structure = jax.tree_util.tree_structure(heap.type.spec())
    return jax.tree_util.tree_unflatten(structure, [ids[root][None], blocks, blocks[None], *fields, *bare])


def _heights(heap: Rows, integers: Any, number: Any, count: Any) -> Any:
    """How far each node is above the lowest leaf below it: parts have lower numbers.

    With a row more, no array is empty, which would have to be checked in each step."""
    integers, number = _with_empty_row(integers), _with_empty_row(number)
    places = [_parts(one, packing) for one, packing in zip(heap.type.constructors, heap.packings, strict=True)]

    def step(node: Any, heights: Any) -> Any:
        row = lax.dynamic_index_in_dim(integers, node, keepdims=False)

        def above(columns: Sequence[int]) -> Any:
            parts = [lax.dynamic_index_in_dim(heights, row[column], keepdims=False) for column in columns]
            return jnp.max(jnp.stack(parts)) + 1 if parts else jnp.int32(0)

        kind = lax.dynamic_index_in_dim(number, node, keepdims=False)
        height = lax.switch(kind, [lambda columns=columns: above(columns) for columns in places])
        return lax.dynamic_update_index_in_dim(heights, height, node, 0)

    return lax.fori_loop(jnp.int32(0), count, step, jnp.zeros_like(number))[:-1]


def _parts(one: Any, packing: Any) -> list[int]:
    """The columns with the numbers of the parts, among the integers of a row."""
    columns = packing.places
    return [columns[1 + at] for at, field in enumerate(one.fields) if field.spec is None]


def _blocks(keys: Any, levels: Any, width: int) -> Any:
    counts = jnp.zeros(levels * width, jnp.int32).at[keys].add(1)
    first = jnp.cumsum(counts, dtype=jnp.int32) - counts
    by_level = counts.reshape(levels, width)
    row = jnp.cumsum(by_level, axis=0, dtype=jnp.int32) - by_level
    return jnp.stack([first.reshape(levels, width), row, by_level], axis=-1)


def _with_empty_row(column: Any) -> Any:
    return jnp.concatenate([column, jnp.zeros((1, *column.shape[1:]), column.dtype)])
