"""Values of an `nm.adt` to the arrays in which they cross into a compiled module (docs/abi.md), and back.

In `pack`, Python goes over each node once, and notes what it finds in lists; numbers, blocks and columns are numpy's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nimble_mlir.errors import CaptureError, ShapeError

__all__ = ["pack", "unpack"]

# A group of trees is worth a thread of its own with so many nodes: blocks of few nodes are seldom in it. And so many groups
# are enough for all threads.
_GROUP = 128
_MOST_GROUPS = 64


class _Nodes(NamedTuple):
    """All nodes below some values, each before its parts, which follow from the left to the right."""

    fields: list[dict[str, Any]]
    kinds: np.ndarray  # the numbers of their constructors
    parents: np.ndarray  # the nodes that they are parts of; -1 for the values themselves
    heights: np.ndarray  # 0 without parts, else one more than the highest part


def pack(type_: Any, values: Sequence[Any]) -> list[np.ndarray]:
    """The arrays of a batch, as docs/abi.md has them.

    Raises ShapeError, naming constructor and field, for no values, a cycle, and a part that two values share.
    """
    if not values:
        raise ShapeError(f"{type_.__name__}.pack: a batch needs at least one value")
    constructors = type_.constructors
    nodes = _walked(type_, values)
    count, width = len(nodes.fields), len(constructors)
    limits = np.full(len(values) + 1, count)  # a tree begins where the one before it ends
    limits[:-1] = roots = (nodes.parents < 0).nonzero()[0]
    of_tree = _groups(limits)
    shape = (int(nodes.heights.max()) + 1, width, int(of_tree[-1]) + 1)
    keys = (nodes.heights * width + nodes.kinds) * shape[2]
    if shape[2] > 1:
        keys += of_tree.repeat(limits[1:] - roots)
    order = keys.argsort(kind="stable")  # by level, then by constructor, then by group
    ids = np.empty(count, np.int32)
    ids[order] = np.arange(count, dtype=np.int32)
    blocks, groups = _blocks(np.bincount(keys, minlength=shape[0] * width * shape[2]).reshape(shape))

    # The parts of a node in order, and one node after the other: they have their numbers from `first` on.
    parts = ids[nodes.parents.argsort(kind="stable")[len(values) :]]
    part_counts = np.array([len(one.children) for one in constructors])[nodes.kinds]
    first = part_counts.cumsum() - part_counts
    kinds = nodes.kinds[order]
    arrays, bare = [ids[roots], blocks, groups], []
    for index, one in enumerate(constructors):
        own = order[kinds == index]
        fields = [nodes.fields[node] for node in own.tolist()]
        place = 0
        for field in one.fields:
            if field.spec is None:
                arrays.append(_with_zero(parts[first[own] + place]))
                place += 1
            else:
                arrays.append(_column([np.asarray(each[field.name]) for each in fields], field.spec))
        if not one.fields:
            bare.append(np.zeros(len(fields) + 1, np.int32))
    return arrays + bare


def unpack(type_: Any, layout: Any) -> list[Any]:
    """The values of a batch with this `Layout`, of numpy arrays."""
    nodes: dict[int, Any] = {}
    for level in layout.blocks:
        for (first, row, count), one, columns in zip(level, type_.constructors, layout.fields, strict=True):
            for at in range(count):
                fields = {
                    field.name: nodes[int(columns[field.name][row + at])]
                    if field.spec is None
                    else columns[field.name][row + at]
                    for field in one.fields
                }
                nodes[int(first) + at] = one.made(fields)
    return [nodes[int(root)] for root in layout.roots]


def _walked(type_: Any, values: Sequence[Any]) -> _Nodes:
    """Without recursion. Raises as `pack`, and CaptureError for traced values."""
    for index, value in enumerate(values):
        if not isinstance(value, type_):
            raise ShapeError(f"{type_.__name__}: value {index} is a {type(value).__name__}")
    # What is pushed last is popped first.
    known = {one: (index, one.children[::-1]) for index, one in enumerate(type_.constructors)}
    open_, holders = list(values[::-1]), [-1] * len(values)
    fields: list[dict[str, Any]] = []
    kinds: list[int] = []
    parents: list[int] = []
    seen: set[int] = set()
    while open_:
        node = open_.pop()
        of_node = node.__dict__
        found = known.get(of_node["constructor"])
        if found is None or id(node) in seen:
            raise _refusal(values)
        seen.add(id(node))
        parents.append(holders.pop())
        kind, names = found
        if names:
            holders += [len(fields)] * len(names)
            for name in names:
                open_.append(of_node[name])
        fields.append(of_node)
        kinds.append(kind)
    return _Nodes(fields, np.array(kinds), np.array(parents), np.array(_heights(parents)))


def _heights(parents: list[int]) -> list[int]:
    heights = [0] * (len(parents) + 1)  # the last one is above the values themselves
    for node in range(len(parents) - 1, -1, -1):
        if heights[parents[node]] <= heights[node]:
            heights[parents[node]] = heights[node] + 1
    return heights[:-1]


def _refusal(values: Sequence[Any]) -> Exception:
    """Why these values cannot be packed, where one of them is a traced one, or stands in two places."""
    done: set[int] = set()
    open_: set[int] = set()

    def entered(node: Any, where: str) -> Exception | None:
        if not node.__dict__["constructor"] or not hasattr(node.constructor, "children"):
            return CaptureError(f"{where} is a traced value, which cannot be packed")
        if id(node) in open_:
            return ShapeError(f"{where} leads back to a value that holds it (a cycle); a tree has none")
        if id(node) in done:
            return ShapeError(
                f"{where} is shared: another field holds the same value; make a value of its own for each"
            )
        open_.add(id(node))
        return None

    for index, value in enumerate(values):
        if reason := entered(value, f"value {index} of the batch, a {value.constructor},"):
            return reason
        stack = [(value, iter(value.constructor.children))]
        while stack:
            node, rest = stack[-1]
            field = next(rest, None)
            if field is None:
                stack.pop()
                open_.discard(id(node))
                done.add(id(node))
                continue
            child = node.__dict__[field]
            if reason := entered(child, f"field '{field}' of {node.constructor}"):
                return reason
            stack.append((child, iter(child.constructor.children)))
    raise AssertionError("each value stands in one place")


def _groups(limits: np.ndarray) -> np.ndarray:
    """The group of each tree, given where each begins among the nodes, and where the last one ends: trees that follow each
    other, with about as many nodes together."""
    total = int(limits[-1])
    groups = max(1, min(_MOST_GROUPS, len(limits) - 1, total // _GROUP))
    if groups == 1:
        return np.zeros(len(limits) - 1, np.int64)
    return np.unique(limits[:-1] * groups // total, return_inverse=True)[1]


def _blocks(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of int[levels, constructors, groups], how many nodes there are: for each level and constructor, and for each group of
    such, the first node, its row, and how many there are."""
    levels, width, groups = counts.shape
    of_groups = np.empty((groups, levels, width, 3), np.int32)
    of_groups[..., 0] = (counts.cumsum() - counts.ravel()).reshape(counts.shape).transpose(2, 0, 1)
    of_constructor = counts.transpose(0, 2, 1).reshape(-1, width)
    rows = of_constructor.cumsum(axis=0) - of_constructor
    of_groups[..., 1] = rows.reshape(levels, groups, width).transpose(1, 0, 2)
    of_groups[..., 2] = counts.transpose(2, 0, 1)
    blocks = of_groups[0].copy()
    if groups > 1:
        blocks[..., 2] = counts.sum(axis=2)
    return blocks, of_groups


def _column(rows: list[np.ndarray], spec: Any) -> np.ndarray:
    """A field of the nodes of one constructor, and a row of zeros."""
    column = np.empty((len(rows) + 1, *spec.shape), spec.dtype)
    column[-1] = 0
    if rows and spec.shape:
        np.concatenate(rows, out=column[:-1].reshape(len(rows) * spec.shape[0], *spec.shape[1:]))
    elif rows:
        column[:-1] = rows
    return column


def _with_zero(numbers: np.ndarray) -> np.ndarray:
    column = np.zeros(len(numbers) + 1, np.int32)
    column[:-1] = numbers
    return column
