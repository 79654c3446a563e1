"""Pytree structure without JAX: what a signature records about containers, and moving leaves in and out of them.

In: a `Tree` (from JSON, or from a JAX treedef by duck typing). Out: the leaves of a value in JAX's order, after its
structure was compared with the tree, or a value made from leaves. Structures of types that were registered with JAX
(kind "custom") are only described here; a caller that has the live treedef moves their leaves itself.
"""

from __future__ import annotations

import collections
import functools
import importlib
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nimble_mlir.errors import CaptureError, LoadError, NimbleError, ShapeError

__all__ = ["LEAF", "NONE", "CustomNodeError", "Tree", "flatten", "unflatten"]

_SEQUENCES = {"list": list, "tuple": tuple}


class CustomNodeError(NimbleError):
    """A container type that is registered with JAX cannot be taken apart or put together without its live treedef."""


@dataclass(frozen=True)
class Tree:
    """One node: `kind` is leaf, none, dict, ordereddict, list, tuple, namedtuple or custom.

    `keys` are the keys of a dict (in the order of the leaves) or the fields of a namedtuple. `type` is
    "module:qualname" of a namedtuple or custom type. `note` is the repr of a custom node, whose `children` are leaves.
    """

    kind: str
    keys: tuple[Any, ...] = ()
    children: tuple[Tree, ...] = ()
    type: str = ""
    note: str = ""

    @functools.cached_property
    def num_leaves(self) -> int:
        """The number of leaves below, 1 for a leaf."""
        return 1 if self.kind == "leaf" else sum(child.num_leaves for child in self.children)

    @functools.cached_property
    def custom_type(self) -> str | None:
        """The type of the first custom node in here, or None."""
        if self.kind == "custom":
            return self.type
        return next((found for child in self.children if (found := child.custom_type) is not None), None)

    @staticmethod
    def from_treedef(treedef: Any) -> Tree:
        """The structure of a `jax.tree_util.PyTreeDef`. Raises CaptureError for dict keys that JSON cannot hold."""
        data = treedef.node_data()
        if data is None:
            return LEAF
        node_type, auxiliary = data
        children = tuple(Tree.from_treedef(child) for child in treedef.children())
        if node_type is type(None):
            return NONE
        if node_type in (list, tuple):
            return Tree(node_type.__name__, children=children)
        if node_type in (dict, collections.OrderedDict):
            for key in auxiliary:
                if type(key) not in (str, int, bool):
                    raise CaptureError(f"dictionary key {key!r} is not a str, int or bool")
            return Tree(node_type.__name__.lower(), tuple(auxiliary), children)
        name = f"{node_type.__module__}:{node_type.__qualname__}"
        if issubclass(node_type, tuple) and hasattr(node_type, "_fields") and auxiliary in (None, node_type):
            return Tree("namedtuple", tuple(getattr(node_type, "_fields", ())), children, name)
        leaves = (LEAF,) * treedef.num_leaves
        return Tree("custom", children=leaves, type=name, note=str(treedef))

    def to_json(self) -> Any:
        """Plain values: "*" is a leaf, null is None, {"dict": [[key, tree], ...]}, {"list": [tree, ...]}, and so on."""
        if self.kind == "leaf":
            return "*"
        if self.kind == "none":
            return None
        children = [child.to_json() for child in self.children]
        if self.kind in _SEQUENCES:
            return {self.kind: children}
        if self.kind == "custom":
            return {"custom": [self.type, len(children), self.note]}
        pairs = [[key, child] for key, child in zip(self.keys, children, strict=True)]
        return {"namedtuple": [self.type, pairs]} if self.kind == "namedtuple" else {self.kind: pairs}

    @staticmethod
    def from_json(data: Any) -> Tree:
        """The inverse of `to_json`. Raises LoadError for anything else."""
        if data == "*":
            return LEAF
        if data is None:
            return NONE
        try:
            ((kind, content),) = data.items()
            if kind in _SEQUENCES:
                return Tree(kind, children=tuple(map(Tree.from_json, content)))
            if kind == "custom":
                type_name, count, note = content
                return Tree(kind, children=(LEAF,) * operator.index(count), type=type_name, note=note)
            type_name, pairs = content if kind == "namedtuple" else ("", content)
            if kind in ("dict", "ordereddict", "namedtuple"):
                keys = tuple(key for key, _ in pairs)
                return Tree(kind, keys, tuple(Tree.from_json(child) for _, child in pairs), type_name)
        except (AttributeError, TypeError, ValueError) as error:
            raise LoadError(f"malformed pytree structure in the signature: {data!r:.200}") from error
        raise LoadError(f"unknown pytree node '{kind}' in the signature")

    def __str__(self) -> str:
        if self.kind == "leaf":
            return "*"
        if self.kind == "none":
            return "None"
        if self.kind == "list":
            return f"[{', '.join(map(str, self.children))}]"
        if self.kind == "tuple":
            return f"({', '.join(map(str, self.children))}{',' * (len(self.children) == 1)})"
        if self.kind == "custom":
            return self.type.rpartition(":")[2] + "(...)"
        if self.kind == "namedtuple":
            fields = (f"{key}={child}" for key, child in zip(self.keys, self.children, strict=True))
            return f"{self.type.rpartition(':')[2]}({', '.join(fields)})"
        return "{" + ", ".join(f"{key!r}: {child}" for key, child in zip(self.keys, self.children, strict=True)) + "}"


LEAF = Tree("leaf")
NONE = Tree("none")


def flatten(tree: Tree, value: Any, name: str) -> list[Any]:
    """The leaves of `value`, which is (part of) the argument called `name`.

    Raises ShapeError where the structure differs from `tree`, CustomNodeError for types registered with JAX.
    """
    leaves: list[Any] = []
    _flatten(tree, value, name, "", leaves)
    return leaves


def _flatten(tree: Tree, value: Any, name: str, path: str, leaves: list[Any]) -> None:
    kind = tree.kind
    if kind == "leaf":
        leaves.append(value)
        return
    if kind == "none":
        if value is not None:
            raise ShapeError(f"argument '{name}{path}': expected None, got {_type(value)}")
        return
    if kind == "custom":
        raise CustomNodeError(
            f"argument '{name}{path}' is a {tree.type}, a type registered with JAX that only the process which "
            f"compiled the module can take apart; pass a flat list of arrays to Module.call_flat"
        )
    if kind in ("dict", "ordereddict"):
        if not isinstance(value, dict):
            keys = ", ".join(map(repr, tree.keys))
            raise ShapeError(
                f"argument '{name}{path}': expected a dict with keys {keys}, got {_type(value)}"
                if keys
                else f"argument '{name}{path}': expected an empty dict, got {_type(value)}"
            )
        for key, child in zip(tree.keys, tree.children, strict=True):
            if key not in value:
                raise ShapeError(f"missing key {key!r} in argument '{name}{path}'")
            if child.kind == "leaf":
                leaves.append(value[key])
            else:
                _flatten(child, value[key], name, f"{path}[{key!r}]", leaves)
        if len(value) != len(tree.keys):
            extra = next(key for key in value if key not in tree.keys)
            raise ShapeError(f"unexpected key {extra!r} in argument '{name}{path}'")
        return
    if kind == "namedtuple":
        if getattr(type(value), "_fields", None) != tree.keys:
            fields = ", ".join(tree.keys)
            class_name = tree.type.rpartition(":")[2]
            raise ShapeError(f"argument '{name}{path}': expected a {class_name}({fields}), got {_type(value)}")
        for key, child, item in zip(tree.keys, tree.children, value, strict=True):
            _flatten(child, item, name, f"{path}.{key}", leaves)
        return
    if type(value) is not _SEQUENCES[kind]:
        raise ShapeError(
            f"argument '{name}{path}': expected a {kind} of {_elements(len(tree.children))}, got {_type(value)}"
        )
    if len(value) != len(tree.children):
        given, wanted = len(value), len(tree.children)
        raise ShapeError(f"argument '{name}{path}': expected a {kind} of {_elements(wanted)}, got {_elements(given)}")
    for index, (child, item) in enumerate(zip(tree.children, value, strict=True)):
        _flatten(child, item, name, f"{path}[{index}]", leaves)


def _elements(count: int) -> str:
    return "1 element" if count == 1 else f"{count} elements"


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """The value of this structure with these leaves.

    A namedtuple gets its class where that can be imported and has the same fields, else an equivalent new class.
    Raises CustomNodeError for types registered with JAX.
    """
    if tree.kind == "leaf":  # the common case: one array
        (leaf,) = leaves
        return leaf
    source = iter(leaves)
    value = _unflatten(tree, source)
    if next(source, source) is not source:
        raise ValueError(f"{len(leaves)} leaves were given for a structure of {tree.num_leaves}")
    return value


def _unflatten(tree: Tree, source: Iterator[Any]) -> Any:
    kind = tree.kind
    if kind == "leaf":
        return next(source)
    if kind == "none":
        return None
    if kind == "custom":
        raise CustomNodeError(
            f"the result holds a {tree.type}, a type registered with JAX that only the process which compiled the "
            f"module can put together; Module.call_flat returns a flat list of arrays"
        )
    children = [_unflatten(child, source) for child in tree.children]
    if kind == "list":
        return children
    if kind == "tuple":
        return tuple(children)
    if kind == "namedtuple":
        return _namedtuple_class(tree.type, tree.keys)(*children)
    pairs = zip(tree.keys, children, strict=True)
    return collections.OrderedDict(pairs) if kind == "ordereddict" else dict(pairs)


@functools.cache
def _namedtuple_class(name: str, fields: tuple[str, ...]) -> Any:
    module, _, qualname = name.partition(":")
    try:
        found = operator.attrgetter(qualname)(importlib.import_module(module))
        if issubclass(found, tuple) and getattr(found, "_fields", None) == fields:
            return found
    except Exception:  # the user's module may fail in any way when imported here; the structure does not need it
        pass
    return collections.namedtuple(qualname.rpartition(".")[2], fields)
