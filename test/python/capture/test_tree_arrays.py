"""`Tree.pack` and `Tree.unpack`: what docs/abi.md says holds for drawn trees, and errors name constructor and field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nimble_mlir as nm


@nm.adt
class Tree:
    """Fields of several ranks and dtypes, none, and parts before and between them."""

    Leaf = nm.constructor(x=nm.spec((2, 3), jnp.float32), n=nm.spec((), jnp.int32))
    Nil = nm.constructor()
    One = nm.constructor(of="Tree", h=nm.spec((), jnp.bfloat16), none=nm.spec((2, 0), jnp.float32))
    Two = nm.constructor(left="Tree", y=nm.spec((4,), jnp.bool_), right="Tree")


def leaf(number: int) -> Any:
    """Every second one with arrays of JAX."""
    like = np if number % 2 else jnp
    return Tree.Leaf(like.full((2, 3), number, like.float32), number)


def one(of: Any, number: int = 0) -> Any:
    return Tree.One(of, np.asarray(number, ml_dtypes.bfloat16), np.zeros((2, 0), np.float32))


def two(left: Any, right: Any, number: int = 0) -> Any:
    return Tree.Two(left, np.arange(4) < number, right)


TREES = st.recursive(
    st.builds(leaf, st.integers(0, 9)) | st.builds(Tree.Nil),
    lambda parts: st.builds(one, parts, st.integers(0, 9)) | st.builds(two, parts, parts, st.integers(0, 4)),
    max_leaves=80,
)


def height(tree: Any) -> int:
    return 1 + max((height(getattr(tree, name)) for name in tree.constructor.children), default=-1)


def nodes_of(tree: Any) -> list[Any]:
    """From the left to the right: those of one height stand in that order."""
    return [tree, *(node for name in tree.constructor.children for node in nodes_of(getattr(tree, name)))]


def same(x: Any, y: Any) -> bool:
    return x.constructor is y.constructor and all(
        same(x.__dict__[field.name], y.__dict__[field.name])
        if field.spec is None
        else np.array_equal(x.__dict__[field.name], y.__dict__[field.name])
        for field in x.constructor.fields
    )


@given(trees=st.lists(TREES, min_size=1, max_size=6), repeats=st.sampled_from([1, 1, 40]))
@settings(max_examples=30, deadline=None)
def test_arrays_are_what_the_layout_says(trees: list[Any], repeats: int) -> None:
    """Also in large batches, which have several groups."""
    trees = [copy for _ in range(repeats) for copy in Tree.unpack(Tree.pack(trees))]
    roots, blocks, groups, *columns = arrays = Tree.pack(trees)
    unpacked = Tree.unpack(arrays)
    assert len(unpacked) == len(trees)
    assert all(map(same, unpacked, trees))

    names = ["Leaf.x", "Leaf.n", "One.of", "One.h", "One.none", "Two.left", "Two.y", "Two.right", "Nil"]
    column = dict(zip(names, columns, strict=True))
    assert [each.dtype for each in columns] == ["f4", "i4", "i4", ml_dtypes.bfloat16, "f4", "i4", "?", "i4", "i4"]
    assert all(not each[-1].any() for each in columns)
    kinds, levels = len(Tree.constructors), 1 + max(map(height, trees))
    assert blocks.shape == (levels, kinds, 3)
    assert groups.shape[1:] == blocks.shape
    assert groups.shape[0] <= max(1, min(64, len(trees), sum(len(nodes_of(tree)) for tree in trees) // 128))

    # Nodes by level, constructor and group; groups are trees that follow each other, which their sizes tell.
    sizes = np.cumsum([len(nodes_of(tree)) for tree in trees])
    ends = np.cumsum(groups[..., 2].sum(axis=(1, 2)))
    assert set(ends) <= set(sizes)
    group = np.searchsorted(ends, sizes)
    found = [
        (height(n), Tree.constructors.index(n.constructor), group[i], n)
        for i, t in enumerate(trees)
        for n in nodes_of(t)
    ]
    found.sort(key=lambda each: each[:3])
    number = {id(node): at for at, (*_, node) in enumerate(found)}
    np.testing.assert_array_equal(roots, [number[id(tree)] for tree in trees])
    for level in range(levels):
        for kind in range(kinds):
            for g in range(groups.shape[0]):
                before = sum(each[:3] < (level, kind, g) for each in found)
                row = sum(each[1] == kind and (each[0], each[2]) < (level, g) for each in found)
                count = sum(each[:3] == (level, kind, g) for each in found)
                np.testing.assert_array_equal(groups[g, level, kind], [before, row, count])
            np.testing.assert_array_equal(blocks[level, kind, :2], groups[0, level, kind, :2])
    np.testing.assert_array_equal(blocks[..., 2], groups[..., 2].sum(axis=0))
    for field in ("One.of", "Two.left", "Two.right"):
        kind, name = field.split(".")
        own = [node for *_, node in found if node.constructor.name == kind]
        np.testing.assert_array_equal(column[field][:-1], [number[id(getattr(node, name))] for node in own])


def shared_between_trees() -> list[Any]:
    part = Tree.Nil()
    return [one(part), two(Tree.Nil(), part)]


def cycle_to_the_root() -> list[Any]:
    inner = one(Tree.Nil())
    tree = two(Tree.Nil(), inner)
    inner.of = tree
    return [Tree.Nil(), tree]


def cycle_below_the_root() -> list[Any]:
    inner = one(Tree.Nil())
    inner.of = inner
    return [two(leaf(1), one(inner))]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (shared_between_trees, r"^field 'right' of Tree\.Two is shared: another field holds the same value"),
        (lambda: [x := Tree.Nil(), x], r"^value 1 of the batch, a Tree\.Nil, is shared"),
        (lambda: [x := leaf(1), one(x)], r"^field 'of' of Tree\.One is shared"),
        (cycle_to_the_root, r"^field 'of' of Tree\.One leads back to a value that holds it \(a cycle\)"),
        (cycle_below_the_root, r"^field 'of' of Tree\.One leads back to a value that holds it \(a cycle\)"),
        (lambda: [Tree.Nil(), None], r"^Tree: value 1 is a NoneType"),
    ],
)
def test_what_cannot_be_packed(make: Callable[[], list[Any]], message: str) -> None:
    with pytest.raises(nm.ShapeError, match=message):
        Tree.pack(make())
