"""The arrays in which values of an `nm.adt` cross into a compiled module (docs/abi.md), and the pytrees that are made so.

In: one value, or a batch of them. Out: `roots`, `blocks`, and for each constructor its fields. Nodes are numbered by
level (height above the leaves), within a level by constructor: what is computed at once lies side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.core
import jax.export
import numpy as np

from nimble_mlir.errors import CaptureError, ShapeError

from ..symbols import is_symbolic

__all__ = ["Batch", "Layout", "pack", "register", "unpack"]

# A group of trees is worth a thread of its own with so many nodes: blocks of few nodes are seldom in it. And so many groups
# are enough for all threads.
_GROUP = 128
_MOST_GROUPS = 64


class Layout:
    """The arrays of a batch. `fields[c][name]` is a field of the constructor `c`, with a row a node, and one more."""

    def __init__(self, type_: Any, leaves: Sequence[Any]) -> None:
        self.type, self.leaves = type_, list(leaves)
        rest = iter(leaves)
        self.roots, self.blocks, self.groups = next(rest), next(rest), next(rest)
        self.fields = [{field.name: next(rest) for field in one.fields} for one in type_.constructors]
        self.rows = [next(rest) if not one.fields else next(iter(fields.values())) for one, fields in self._each()]

    def _each(self) -> Iterator[tuple[Any, Any]]:
        # A constructor without fields has an array without columns, which says how many nodes it has.
        return zip(self.type.constructors, self.fields, strict=True)


class Batch:
    """A batch of values of one type: `Tree.batch([…])`. A recursive function of it gives the stacked results."""

    def __init__(self, type_: Any, values: Sequence[Any]) -> None:
        self._values: Any = list(values)
        self.type, self.layout = type_, None
        for index, value in enumerate(self._values):
            if not isinstance(value, type_):
                raise ShapeError(f"{type_.__name__}.batch: value {index} is a {type(value).__name__}")
        if not self._values:
            names = ", ".join(map(str, type_.constructors))
            raise ShapeError(f"{type_.__name__}.batch: a batch needs at least one value, made by {names}")

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]

    def __repr__(self) -> str:
        return f"{self.type.__name__}.batch({'…' if self._values is None else len(self._values)})"


def register(type_: Any) -> None:
    """Makes the type and its batches pytrees, and gives it `batch`, `spec` and `pack`."""
    from .references import Reference, reference

    batch_type = type(f"{type_.__name__}Batch", (Batch,), {"__module__": type_.__module__})

    def of_one(forest: Any, leaves: Any) -> Any:
        if forest is not None:
            return reference(forest, leaves[0])
        if all(isinstance(leaf, np.ndarray | jax.Array) and not isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return unpack(type_, leaves)[0]
        made = object.__new__(type_)
        made.__dict__.update(constructor=None, layout=leaves)
        return made

    def of_batch(_: Any, leaves: Any) -> Any:
        made = object.__new__(batch_type)
        made.__dict__.update(_values=None, type=type_, layout=leaves)
        return made

    keys = [jax.tree_util.GetAttrKey(name) for name in _names(type_)]

    def leaves_of(values: Any, layout: Any) -> tuple[Any, None]:
        leaves = pack(type_, values) if layout is None else layout
        return tuple(zip(keys, leaves, strict=True)), None

    def leaves_of_one(value: Any) -> tuple[Any, Any]:
        if isinstance(value.constructor, Reference):
            return ((jax.tree_util.GetAttrKey("node"), value.constructor.node),), value.constructor.forest
        return leaves_of([value], value.__dict__.get("layout"))

    jax.tree_util.register_pytree_with_keys(type_, leaves_of_one, of_one)
    jax.tree_util.register_pytree_with_keys(batch_type, lambda batch: leaves_of(batch._values, batch.layout), of_batch)

    def batch(values: Sequence[Any]) -> Any:
        """A batch of values, which may differ in size and form. Raises ShapeError for none."""
        return batch_type(type_, values)

    def spec(rows: Any = None, *, name: str = type_.__name__.lower(), scope: Any = None) -> Any:
        """The spec for `nm.compile` of one value, or of a batch of `rows` values.

        How many nodes there are of each constructor, and how many levels, are new symbols whose names begin with `name`,
        in the scope of `rows`, or of another symbol that is given as `scope`.
        """
        leaves = _specs(type_, 1 if rows is None else rows, name, rows if is_symbolic(rows) else scope)
        return of_one(None, leaves) if rows is None else of_batch(None, leaves)

    type_.batch, type_.spec = staticmethod(batch), staticmethod(spec)
    type_.pack = staticmethod(lambda values: pack(type_, values))
    type_.unpack = staticmethod(lambda leaves: unpack(type_, leaves))


def _names(type_: Any) -> list[str]:
    """What messages call the arrays."""
    fields = [f"{one.name}.{field.name}" for one in type_.constructors for field in one.fields]
    return ["roots", "blocks", "groups", *fields, *(one.name for one in type_.constructors if not one.fields)]


def _specs(type_: Any, rows: Any, name: str, like: Any) -> tuple[Any, ...]:
    names = [f"{name}_levels", f"{name}_groups", *(f"{name}_{one.name}" for one in type_.constructors)]
    scope = jax.export.SymbolicScope() if like is None else like.scope
    levels, groups, *counts = jax.export.symbolic_shape(", ".join(names), scope=scope)
    i32 = np.dtype(np.int32)
    leaves = [
        jax.ShapeDtypeStruct((rows,), i32),
        jax.ShapeDtypeStruct((levels, len(type_.constructors), 3), i32),
        jax.ShapeDtypeStruct((groups, levels, len(type_.constructors), 3), i32),
    ]
    for one, count in zip(type_.constructors, counts, strict=True):
        for field in one.fields:
            shape, dtype = ((), i32) if field.spec is None else (field.spec.shape, field.spec.dtype)
            leaves.append(jax.ShapeDtypeStruct((count, *shape), dtype))
    leaves += [
        jax.ShapeDtypeStruct((count,), i32)
        for one, count in zip(type_.constructors, counts, strict=True)
        if not one.fields
    ]
    return tuple(leaves)


def pack(type_: Any, values: Sequence[Any]) -> list[np.ndarray]:
    """The arrays of a batch, as docs/abi.md has them.

    Raises ShapeError, naming constructor and field, for no values, a cycle, and a part that two values share.
    """
    if not values:
        raise ShapeError(f"{type_.__name__}.pack: a batch needs at least one value")
    nodes, heights, trees = _ordered(type_, values)
    number = {one: index for index, one in enumerate(type_.constructors)}
    kinds = np.array([number[node.constructor] for node in nodes])
    levels = np.array(heights)
    groups = _groups(np.array(trees), len(values))
    order = np.lexsort((groups, kinds, levels))  # stable: by level, then by constructor, then by group
    ids = np.empty(len(nodes), np.int32)
    ids[order] = np.arange(len(nodes), dtype=np.int32)
    id_of = {id(node): int(index) for node, index in zip(nodes, ids, strict=True)}
    blocks, of_groups = _blocks(levels, kinds, groups, len(type_.constructors))
    arrays = [np.array([id_of[id(value)] for value in values], np.int32), blocks, of_groups]
    bare = []
    sorted_nodes = [nodes[index] for index in order]
    for one in type_.constructors:
        own = [node for node in sorted_nodes if node.constructor is one]
        for field in one.fields:
            if field.spec is None:
                column: np.ndarray = np.zeros(len(own) + 1, np.int32)
                column[:-1] = [id_of[id(node.__dict__[field.name])] for node in own]
            else:
                column = np.zeros((len(own) + 1, *field.spec.shape), field.spec.dtype)
                if own:
                    column[:-1] = [np.asarray(node.__dict__[field.name]) for node in own]
            arrays.append(column)
        if not one.fields:
            bare.append(np.zeros(len(own) + 1, np.int32))
    return arrays + bare


def unpack(type_: Any, leaves: Sequence[Any]) -> list[Any]:
    """The values of a batch whose arrays these are."""
    layout = Layout(type_, [np.asarray(leaf) for leaf in leaves])
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


def _groups(trees: np.ndarray, count: int) -> np.ndarray:
    """The group of each node, given its tree: trees that follow each other and have about as many nodes together."""
    nodes = np.bincount(trees, minlength=count)
    groups = max(1, min(_MOST_GROUPS, count, len(trees) // _GROUP))
    of_tree = (np.cumsum(nodes) - nodes) * groups // len(trees)
    return np.unique(of_tree, return_inverse=True)[1][trees]


def _blocks(levels: np.ndarray, kinds: np.ndarray, groups: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """For each level and constructor, and for each group of such: the first node, its row, and how many nodes there are."""
    shape = (int(levels.max()) + 1, width, int(groups.max()) + 1)
    counts = np.bincount(np.ravel_multi_index((levels, kinds, groups), shape), minlength=np.prod(shape)).reshape(shape)
    firsts = (np.cumsum(counts) - counts.ravel()).reshape(shape)
    of_constructor = counts.transpose(0, 2, 1).reshape(-1, width)
    rows = (np.cumsum(of_constructor, axis=0) - of_constructor).reshape(shape[0], shape[2], width).transpose(0, 2, 1)
    of_groups = np.stack([firsts, rows, counts], axis=-1).astype(np.int32)
    blocks = of_groups[:, :, 0].copy()
    blocks[..., 2] = counts.sum(axis=2)
    return blocks, np.ascontiguousarray(of_groups.transpose(2, 0, 1, 3))


def _ordered(type_: Any, values: Sequence[Any]) -> tuple[list[Any], list[int], list[int]]:
    """All nodes below the values, children first, their heights, and the numbers of their values; without recursion."""
    nodes: list[Any] = []
    heights: list[int] = []
    trees: list[int] = []
    height_of: dict[int, int] = {}  # of nodes that are done
    open_: set[int] = set()
    for index, value in enumerate(values):
        if not isinstance(value, type_):
            raise ShapeError(f"{type_.__name__}: value {index} is a {type(value).__name__}")
        _enter(value, height_of, open_, f"value {index} of the batch, a {value.constructor},")
        stack = [(value, iter(value.constructor.children))]
        while stack:
            node, rest = stack[-1]
            field = next(rest, None)
            if field is not None:
                child = node.__dict__[field]
                _enter(child, height_of, open_, f"field '{field}' of {node.constructor}")
                stack.append((child, iter(child.constructor.children)))
                continue
            stack.pop()
            open_.discard(id(node))
            parts = [height_of[id(node.__dict__[name])] for name in node.constructor.children]
            height = height_of[id(node)] = max(parts, default=-1) + 1
            nodes.append(node)
            heights.append(height)
            trees.append(index)
    return nodes, heights, trees


def _enter(node: Any, height_of: dict[int, int], open_: set[int], where: str) -> None:
    if not node.__dict__.get("constructor"):
        raise CaptureError(f"{where} is a traced value, which cannot be packed")
    if id(node) in open_:
        raise ShapeError(f"{where} leads back to a value that holds it (a cycle); a tree has none")
    if id(node) in height_of:
        raise ShapeError(f"{where} is shared: another field holds the same value; make a value of its own for each")
    open_.add(id(node))
