"""A recursion over trees as one loop over groups of trees, which may run in one dispatch.

A group goes through its levels, and through each level by blocks of a few nodes: all sizes are numbers. Groups have no node
in common, so each may run on a thread of its own, and within a group nothing waits for another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import ir

from .recursion_arms import Arm
from .stablehlo_builders import (
    binary,
    case,
    compare,
    concatenate,
    counted_loop,
    entry,
    integer,
    repeat_row,
    row_at,
    rows_type,
    select,
    size_of,
    write_rows,
)

__all__ = ["Blocks"]

# How many nodes are computed together: as many rows as a kernel multiplies with a matrix while it reads it once. One that is
# left, as at the top of each tree, is computed alone.
_ROWS = 4

Buffers = list[ir.Value]
Block = Callable[[int, Sequence[ir.Value], Sequence[ir.Value]], Sequence[ir.Value]]


class Blocks:
    """The loops over blocks of nodes. `recursion` has the arms and the arrays that they go over (batch_recursion.py)."""

    def __init__(self, recursion: Any) -> None:
        self._of = recursion
        self._arms: Sequence[Arm] = recursion.arms

    def results(self, buffers: Buffers, arguments: Buffers) -> Buffers:
        """The results of all nodes, leaves first."""

        def step(level: ir.Value, index: ir.Value, group: ir.Value, buffers: Buffers) -> Buffers:
            first, row, count = self._entries(group, level, index)

            def few(start: ir.Value, buffers: Buffers) -> Buffers:
                def block(each: int, nodes: Sequence[ir.Value], rows: Sequence[ir.Value]) -> Buffers:
                    return self._compute(each, nodes, rows, buffers, arguments)

                types = [rows_type(row.type) for row in self._of.empty]
                made = self._switch(block, range(len(self._arms)), index, first, row, start, count, types)

                def write(i: ir.Value, carry: Buffers) -> Buffers:
                    return _with_row(carry, made, i, binary("add", binary("add", first, start), i))

                return counted_loop(_at_most_rows(count, start), buffers, write)

            return _by_blocks(count, few, buffers)

        return self._groups(self._of.levels, lambda level: level, step, buffers)

    def handed_down(self, buffers: Buffers) -> Buffers:
        """The arguments of all nodes, from those of the roots."""
        calling = [index for index, arm in enumerate(self._arms) if arm.calls]
        most = max(len(self._arms[index].calls) for index in calling)
        levels = binary("subtract", self._of.levels, integer(1))

        def step(level: ir.Value, index: ir.Value, group: ir.Value, buffers: Buffers) -> Buffers:
            first, row, count = self._entries(group, level, index)
            parts = integer(0)
            for number, arm in enumerate(self._arms):
                parts = select(compare("EQ", index, integer(number)), integer(len(arm.calls)), parts)

            def few(start: ir.Value, buffers: Buffers) -> Buffers:
                def block(each: int, nodes: Sequence[ir.Value], rows: Sequence[ir.Value]) -> Buffers:
                    return self._hand_down(each, nodes, rows, most, buffers)

                types = [_numbers(), *(rows_type(row.type) for row in self._of.first)]
                ids, *made = self._switch(block, calling, index, first, row, start, count, types)

                def write(i: ir.Value, carry: Buffers) -> Buffers:
                    node = binary("multiply", binary("divide", i, parts), integer(most))
                    place = binary("add", node, binary("remainder", i, parts))
                    return _with_row(carry, made, place, entry(ids, place))

                return counted_loop(binary("multiply", _at_most_rows(count, start), parts), buffers, write)

            some = compare("GT", parts, integer(0))
            return _by_blocks(select(some, count, integer(0)), few, buffers)

        return self._groups(levels, lambda below: binary("subtract", levels, below), step, buffers)

    def _groups(
        self, count: ir.Value, level_of: Callable[[ir.Value], ir.Value], step: Callable[..., Buffers], buffers: Buffers
    ) -> Buffers:
        """All constructors of `count` levels of all groups. A loop of one body: bufferization tries all ways that a tensor
        may take through loops behind each other, and each more of them doubles their number."""

        def group(group: ir.Value, buffers: Buffers) -> Buffers:
            def level(number: ir.Value, buffers: Buffers) -> Buffers:
                at = level_of(number)
                return counted_loop(
                    integer(len(self._arms)), buffers, lambda index, carry: step(at, index, group, carry)
                )

            return counted_loop(count, buffers, level)

        groups = size_of(self._of.groups, 0)
        return counted_loop(integer(groups) if isinstance(groups, int) else groups, buffers, group)

    def _entries(self, group: ir.Value, level: ir.Value, index: ir.Value) -> list[ir.Value]:
        """Of a constructor on a level in a group: the first node, its row, and how many there are."""
        return [entry(self._of.groups, group, level, index, integer(each)) for each in range(3)]

    def _switch(
        self,
        block: Block,
        indices: Sequence[int],
        index: ir.Value,
        first: ir.Value,
        row: ir.Value,
        start: ir.Value,
        count: ir.Value,
        types: Sequence[ir.Type],
    ) -> Buffers:
        """What `block` gives for the nodes from `start` on: for a few of them, the last one standing for those that are
        missing, or for one alone."""
        last = binary("subtract", count, integer(1))
        several = [binary("minimum", binary("add", start, integer(i)), last) for i in range(_ROWS)]
        is_alone = compare("EQ", start, last)
        which, branches = integer(0), []
        for places, alone in ((several, False), ([start], True)):
            for each in indices:
                chosen = compare("EQ", index, integer(each))
                number = select(chosen, integer(len(branches)), which)
                which = select(is_alone, number, which) if alone else number
                nodes, rows = ([binary("add", base, place) for place in places] for base in (first, row))
                branches.append(lambda each=each, nodes=nodes, rows=rows: block(each, nodes, rows))
        return case(which, branches, types)

    def _compute(
        self,
        index: int,
        nodes: Sequence[ir.Value],
        rows: Sequence[ir.Value],
        buffers: Buffers,
        arguments: Buffers,
    ) -> Buffers:
        arm, columns = self._arms[index], self._of.columns[index]
        args = [_rows(buffer, nodes, type_) for buffer, type_ in zip(arguments, arm.argument_types, strict=True)]
        given = {
            part: [
                _rows(buffer, [entry(columns[part], row) for row in rows], rows_type(empty.type))
                for buffer, empty in zip(buffers, self._of.empty, strict=True)
            ]
            for part in arm.calls
        }
        made = arm.results(integer(len(nodes)), self._fields(index, rows), args, given)
        return made if len(nodes) == _ROWS else [repeat_row(value, _ROWS) for value in made]

    def _hand_down(
        self, index: int, nodes: Sequence[ir.Value], rows: Sequence[ir.Value], most: int, buffers: Buffers
    ) -> Buffers:
        """Which nodes get arguments, and these: `most` for each node, one for each call of the function."""
        arm, columns = self._arms[index], self._of.columns[index]
        args = [_rows(buffer, nodes, type_) for buffer, type_ in zip(buffers, arm.argument_types, strict=True)]
        handed = arm.handed_down(integer(len(nodes)), self._fields(index, rows), args)
        names = arm.calls
        order = [(row, call) for row in range(len(rows)) for call in [*range(len(names)), *[0] * (most - len(names))]]
        order += [(0, 0)] * (_ROWS * most - len(order))
        ids = [row_at(columns[names[call]], rows[row]) for row, call in order]
        made = [
            concatenate([row_at(handed[names[call]][number], integer(row)) for row, call in order], type_)
            for number, type_ in enumerate(arm.argument_types)
        ]
        return [concatenate(ids, _numbers()), *made]

    def _fields(self, index: int, rows: Sequence[ir.Value]) -> dict[str, ir.Value]:
        arm, columns = self._arms[index], self._of.columns[index]
        return {
            field.name: _rows(columns[field.name], rows, arm.field_type(field.name))
            for field in arm.constructor.fields
            if field.type is not None
        }


def _numbers() -> ir.Type:
    return ir.RankedTensorType.get([DYNAMIC], ir.IntegerType.get_signless(32))


def _by_blocks(count: ir.Value, few: Callable[[ir.Value, Buffers], Buffers], buffers: Buffers) -> Buffers:
    blocks = binary("divide", binary("add", count, integer(_ROWS - 1)), integer(_ROWS))
    return counted_loop(blocks, buffers, lambda i, carry: few(binary("multiply", i, integer(_ROWS)), carry))


def _at_most_rows(count: ir.Value, start: ir.Value) -> ir.Value:
    return binary("minimum", binary("subtract", count, start), integer(_ROWS))


def _rows(tensor: ir.Value, rows: Sequence[ir.Value], type_: ir.Type) -> ir.Value:
    alone = len(rows) == 1
    return concatenate([row_at(tensor, row, type_=type_ if alone else None) for row in rows], type_)


def _with_row(buffers: Buffers, values: Buffers, place: ir.Value, row: ir.Value) -> Buffers:
    """The buffers with a row replaced: by that of `values` at `place`."""
    return [write_rows(buffer, row_at(value, place), row) for buffer, value in zip(buffers, values, strict=True)]
