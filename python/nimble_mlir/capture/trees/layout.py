"""The arrays in which values of an `nm.adt` cross into a compiled module (docs/abi.md), and the pytrees that are made so.

In: one value, or a batch of them. Out: `roots`, `blocks`, and for each constructor its fields (arrays.py). Nodes are
numbered by level (height above the leaves), within a level by constructor: what is computed at once lies side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.core
import jax.export
import numpy as np

from nimble_mlir.errors import ShapeError

from ..symbols import is_symbolic
from .arrays import pack, unpack

__all__ = ["Batch", "Layout", "register"]


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

    def unpacked(leaves: Sequence[Any]) -> list[Any]:
        """The values of a batch whose arrays these are."""
        return unpack(type_, Layout(type_, [np.asarray(leaf) for leaf in leaves]))

    def of_one(forest: Any, leaves: Any) -> Any:
        if forest is not None:
            return reference(forest, leaves[0])
        if all(isinstance(leaf, np.ndarray | jax.Array) and not isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return unpacked(leaves)[0]
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
    type_.unpack = staticmethod(unpacked)


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
