"""A recursion over trees as one loop over groups of trees, which may run in one dispatch.

In: what levels.py has found of the function, and the arrays of a batch. A group goes through its levels, and through each
level by blocks of a few nodes: all sizes are numbers. Groups have no node in common, so each may run on a thread of its own,
and within a group nothing waits for another thread.

Where such a loop cannot be one kernel, it would be slower than whole levels at once: `either` lets the passes choose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.core
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.interpreters import mlir

from ..data_sizes.define import custom_call, no_tangents

__all__ = ["Blocks", "either"]

# How many nodes are computed together: as many rows as a kernel multiplies with a matrix while it reads it once. One that is
# left, as at the top of each tree, is computed alone.
_ROWS = 4

_one_dispatch_p = Primitive("nimble_one_dispatch")


def either(one_dispatch: Callable[[Any], Any], otherwise: Callable[[Any], Any], operand: Any) -> Any:
    """`one_dispatch(operand)` where the compiler can make each of its loops one dispatch, else `otherwise(operand)`.

    The iterations of the loops of `one_dispatch` must not depend on each other: they run on several threads at once."""
    return lax.cond(_one_dispatch_p.bind(), one_dispatch, otherwise, operand)


class Blocks:
    """The loops over blocks of nodes. `levels` is the `_Levels` whose function and arrays they go over."""

    def __init__(self, levels: Any) -> None:
        self.of, self.layout = levels, levels.layout
        self.constructors = levels.type.constructors

    def results(self, buffers: list[Any], arguments: Sequence[Any]) -> list[Any]:
        """The results of all nodes, leaves first."""

        def block(index: int, nodes: list[Any], rows: list[Any]) -> Callable[[Any], Any]:
            return lambda buffers: self._compute(index, nodes, rows, buffers, arguments)

        def step(level: Any, index: Any, group: Any, buffers: list[Any]) -> list[Any]:
            first, row, count = self._entries(group, level, index)

            def few(start: Any, buffers: list[Any]) -> list[Any]:
                made = self._switch(block, range(len(self.constructors)), index, first, row, start, count, buffers)
                return lax.fori_loop(
                    jnp.int32(0),
                    jnp.minimum(count - start, _ROWS),
                    lambda i, carry: _with_row(carry, made, i, first + start + i),
                    buffers,
                )

            return _by_blocks(count, few, buffers)

        return self._groups(self.of.levels, lambda level: level, step, buffers)

    def handed_down(self, buffers: list[Any]) -> list[Any]:
        """The arguments of all nodes, from those of the roots."""
        most = max(len(self.of.recursion.fields[self.constructors[index].name]) for index in self.of.inner)
        calls = [len(self.of.recursion.fields.get(one.name, ())) for one in self.constructors]

        def block(index: int, nodes: list[Any], rows: list[Any]) -> Callable[[Any], Any]:
            return lambda buffers: self._hand_down(index, nodes, rows, most, buffers)

        def step(level: Any, index: Any, group: Any, buffers: list[Any]) -> list[Any]:
            first, row, count = self._entries(group, level, index)
            parts = jnp.int32(0)
            for number, each in enumerate(calls):
                parts = jnp.where(index == number, jnp.int32(each), parts)

            def few(start: Any, buffers: list[Any]) -> list[Any]:
                ids, *made = self._switch(block, self.of.inner, index, first, row, start, count, buffers)

                def write(i: Any, carry: list[Any]) -> list[Any]:
                    place = (i // parts) * most + i % parts
                    return _with_row(carry, made, place, _row_of(ids, place)[0])

                written = jnp.minimum(count - start, _ROWS) * parts
                return lax.fori_loop(jnp.int32(0), written, write, buffers)

            return _by_blocks(jnp.where(parts > 0, count, 0), few, buffers)

        return self._groups(self.of.levels - 1, lambda below: self.of.levels - 1 - below, step, buffers)

    def _groups(self, count: Any, level_of: Callable[[Any], Any], step: Callable[..., Any], buffers: list[Any]) -> Any:
        """All constructors of `count` levels of all groups. A loop of one body: bufferization tries all ways that a tensor
        may take through loops behind each other, and each more of them doubles their number."""
        constructors = jnp.int32(len(self.constructors))

        def group(group: Any, buffers: list[Any]) -> list[Any]:
            def level(number: Any, buffers: list[Any]) -> list[Any]:
                at = level_of(number)
                return lax.fori_loop(
                    jnp.int32(0), constructors, lambda index, carry: step(at, index, group, carry), buffers
                )

            return lax.fori_loop(jnp.int32(0), count, level, buffers)

        groups = jnp.asarray(self.layout.groups.shape[0], jnp.int32)
        return lax.fori_loop(jnp.int32(0), groups, group, buffers)

    def _entries(self, group: Any, level: Any, index: Any) -> tuple[Any, Any, Any]:
        """Of a constructor on a level in a group: the first node, its row, and how many there are."""
        first, row, count = (
            _row_of(self.layout.groups, group, level, index, jnp.int32(entry)).reshape(()) for entry in range(3)
        )
        return first, row, count

    def _switch(
        self,
        block: Callable[..., Callable[[Any], Any]],
        indices: Sequence[int],
        index: Any,
        first: Any,
        row: Any,
        start: Any,
        count: Any,
        buffers: list[Any],
    ) -> Any:
        """What `block` gives for the nodes from `start` on: for a few of them, the last one standing for those that are
        missing, or for one alone."""
        several = [jnp.minimum(start + i, count - 1) for i in range(_ROWS)]
        branches, which = [], jnp.int32(0)
        for places in (several, [start]):
            for each in indices:
                alone = len(places) == 1
                chosen = (index == each) & ((start + 1 == count) == alone)
                which = jnp.where(chosen, jnp.int32(len(branches)), which)
                branches.append(block(each, [first + place for place in places], [row + place for place in places]))
        return lax.switch(which, branches, buffers)

    def _compute(
        self, index: int, nodes: list[Any], rows: list[Any], buffers: list[Any], arguments: Sequence[Any]
    ) -> list[Any]:
        one, fields = self.constructors[index], self.layout.fields[index]
        args = [_rows(buffer, nodes) for buffer in arguments]
        of_parts = [
            [_rows(buffer, [_row_of(fields[name], row)[0] for row in rows]) for buffer in buffers]
            for name in self.of.recursion.fields.get(one.name, ())
        ]
        made = self.of.mapped(one, self._arrays(index, rows), args, of_parts, len(nodes))
        return [jnp.broadcast_to(values, (_ROWS, *values.shape[1:])) for values in made]

    def _hand_down(self, index: int, nodes: list[Any], rows: list[Any], most: int, buffers: list[Any]) -> list[Any]:
        """Which nodes get arguments, and these: `most` for each node, one for each call of the function."""
        one, fields = self.constructors[index], self.layout.fields[index]
        names = self.of.recursion.fields[one.name]
        handed = self.of.handed(
            one, self._arrays(index, rows), [_rows(buffer, nodes) for buffer in buffers], len(nodes)
        )
        order = [(row, call) for row in range(len(rows)) for call in [*range(len(names)), *[0] * (most - len(names))]]
        order += [(0, 0)] * (_ROWS * most - len(order))
        ids = [_row_of(fields[names[call]], rows[row]) for row, call in order]
        made = zip(*handed, strict=True)
        return [
            jnp.concatenate(ids),
            *(jnp.concatenate([calls[call][row : row + 1] for row, call in order]) for calls in made),
        ]

    def _arrays(self, index: int, rows: list[Any]) -> list[Any]:
        fields = self.layout.fields[index]
        return [_rows(fields[field.name], rows) for field in self.constructors[index].fields if field.spec is not None]


def _by_blocks(count: Any, few: Callable[[Any, Any], Any], buffers: list[Any]) -> list[Any]:
    blocks = (count + _ROWS - 1) // _ROWS
    return lax.fori_loop(jnp.int32(0), blocks, lambda i, carry: few(_ROWS * i, carry), buffers)


def _row_of(array: Any, *indices: Any) -> Any:
    """The part of size 1 at these leading indices, which are never negative."""
    zeros = [jnp.int32(0)] * (array.ndim - len(indices))
    sizes = [1] * len(indices) + list(array.shape[len(indices) :])
    return lax.dynamic_slice(array, [*indices, *zeros], sizes, allow_negative_indices=False)


def _rows(array: Any, rows: list[Any]) -> Any:
    return jnp.concatenate([_row_of(array, row) for row in rows])


def _with_row(buffers: list[Any], values: list[Any], place: Any, row: Any) -> list[Any]:
    """The buffers with a row replaced: by that of `values` at `place`."""
    return [
        lax.dynamic_update_slice_in_dim(buffer, _row_of(value, place), row, 0, allow_negative_indices=False)
        for buffer, value in zip(buffers, values, strict=True)
    ]


@_one_dispatch_p.def_abstract_eval
def _aval() -> Any:
    return jax.core.ShapedArray((), jnp.bool_)


def _lower(ctx: Any) -> Any:
    result = ir.RankedTensorType.get([], ir.IntegerType.get_signless(1))
    return custom_call("nimble.one_dispatch", [result], [], {}).results


mlir.register_lowering(_one_dispatch_p, _lower)
no_tangents(_one_dispatch_p)
