"""`nm.recursive` functions that return values of an `nm.adt`: decoders, maps over trees, and what takes their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tolerances import assert_agrees

import nimble_mlir as nm

I32 = nm.spec((), jnp.int32)
WIDTH = 3
rng = np.random.default_rng(0)
LEFT, RIGHT = (jnp.asarray(rng.normal(size=(WIDTH, WIDTH)), jnp.float32) for _ in range(2))


@nm.adt
class Tree:
    Leaf = nm.constructor(x=nm.spec((WIDTH,), jnp.float32))
    Node = nm.constructor(label=nm.spec((), jnp.int32), left="Tree", right="Tree")
    Nil = nm.constructor()


@nm.adt
class Chain:
    End = nm.constructor()
    Link = nm.constructor(value=nm.spec((), jnp.float32), flag=nm.spec((2,), jnp.bool_), rest="Chain")


@nm.recursive
def decoded(state, depth):
    """A top-down decoder: the state says whether a node is a leaf, which kind of, and the states of its parts."""

    def node():
        return Tree.Node(
            depth, decoded(jnp.tanh(state @ LEFT), depth - 1), decoded(jnp.tanh(state @ RIGHT) + 0.1, depth - 1)
        )

    kind = jnp.where((state[0] > 0.6) | (depth == 0), jnp.where(state[1] > 0.5, 1, 0), 2)
    return nm.switch(kind, [lambda: Tree.Leaf(state), Tree.Nil, node])


@nm.recursive
def mirrored(tree):
    """A map over a tree that makes another one."""

    def node(label, left, right):
        return Tree.Node(label * 2, mirrored(right), mirrored(left))

    return nm.match(tree, Leaf=lambda x: Tree.Leaf(-x), Node=node, Nil=lambda: Tree.Leaf(jnp.ones(WIDTH)))


@nm.recursive
def chained(tree, rest):
    """The leaves of a tree in a chain, of another type, in front of another one."""
    return nm.match(
        tree,
        Leaf=lambda x: Chain.Link(x[0], x[:2] > 0, rest),
        Node=lambda label, left, right: chained(left, chained(right, rest)),
        Nil=lambda: rest,
    )


@nm.recursive
def counted(n):
    """Two values at once, and an array beside them."""

    def more():
        ones, twos, total = counted(n - 1)
        return (
            Chain.Link(n, jnp.array([True, False]), ones),
            Chain.Link(2 * n, jnp.array([False, False]), twos),
            total + n,
        )

    return nm.cond(n <= 0, lambda: (Chain.End(), Chain.End(), jnp.float32(0)), more)


@nm.recursive
def weight(tree):
    return nm.match(
        tree,
        Leaf=lambda x: x.sum(),
        Node=lambda label, left, right: label + 2 * weight(left) - weight(right),
        Nil=lambda: jnp.float32(1),
    )


def plain(value: Any) -> Any:
    """A value as nested tuples of its constructor's name, arrays and parts, from the last part back; without recursion."""
    done: dict[int, Any] = {}
    stack = [value]
    while stack:
        node = stack[-1]
        parts = [node.__dict__[name] for name in node.constructor.children]
        waiting = [part for part in parts if id(part) not in done]
        stack += waiting
        if not waiting:
            fields = [node.__dict__[field.name] for field in node.constructor.fields if field.spec is not None]
            done[id(node)] = (node.constructor.name, fields, [done[id(part)] for part in parts])
            stack.pop()
    return done[id(value)]


def assert_same(got: Any, want: Any) -> None:
    pairs = [(plain(got), plain(want))]
    floats: tuple[list[np.ndarray], list[np.ndarray]] = [np.zeros(1, np.float32)], [np.zeros(1, np.float32)]
    while pairs:
        (name, fields, parts), (wanted, others, other_parts) = pairs.pop()
        assert name == wanted
        for field, other in zip(fields, others, strict=True):
            assert field.dtype == other.dtype
            assert np.shape(field) == np.shape(other)
            if field.dtype == np.float32:
                for values, found in zip(floats, (field, other), strict=True):
                    values.append(np.ravel(found))
            else:
                assert_agrees(np.asarray(field), np.asarray(other), "exact")
        pairs += zip(parts, other_parts, strict=True)
    # All at once: a state near zero is as exact as the states that it is computed from.
    assert_agrees(*map(np.concatenate, floats), "model")


@pytest.fixture(scope="module")
def module() -> nm.Module:
    state = nm.spec((WIDTH,), jnp.float32)
    return nm.compile(
        {
            "decoded": (decoded, (state, I32)),
            "mirrored": (mirrored, (Tree.spec(),)),
            "chained": (lambda tree: chained_to_end(tree), (Tree.spec(),)),
            "counted": (counted, (nm.spec((), jnp.float32),)),
        }
    )


@nm.recursive
def chained_to_end(tree):
    return chained(tree, Chain.End())


@given(
    state=st.lists(st.floats(-1, 1, width=32), min_size=WIDTH, max_size=WIDTH).map(np.float32), depth=st.integers(0, 5)
)
@settings(max_examples=10, deadline=None)
def test_agrees_with_recursion(module: nm.Module, state: np.ndarray, depth: int) -> None:
    args = jnp.asarray(state), jnp.int32(depth)
    want = decoded(*args)
    got = module.decoded(state, np.int32(depth))
    assert isinstance(got, Tree)
    assert_same(got, want)
    assert_same(module.mirrored(got), mirrored(want))  # what a module gives, it takes
    assert_same(module.chained(got), chained_to_end(want))


@pytest.mark.exhaustive
def test_what_is_made_goes_into_another_recursion() -> None:
    """docs/recursion.md has a smaller one, which is always run."""

    def fn(state: Any, depth: Any) -> Any:
        return weight(mirrored(decoded(state, depth)))

    module = nm.compile(fn, (nm.spec((WIDTH,), jnp.float32), I32))
    for depth in range(6):
        state = np.linspace(-0.5, 0.5, WIDTH, dtype=np.float32)
        want = fn(jnp.asarray(state), jnp.int32(depth))
        assert_agrees(module(state, np.int32(depth)), np.asarray(want, np.float32), "model")


@pytest.mark.parametrize("n", [0, 1, 5, 3000])
def test_several_values_at_once(module: nm.Module, n: int) -> None:
    ones, twos, total = module.counted(np.float32(n))
    assert total == n * (n + 1) / 2
    for made, factor in ((ones, 1), (twos, 2)):
        chain = made
        for at in range(n, 0, -1):
            assert chain.value == factor * at
            assert chain.flag.tolist() == [factor == 1, False]
            chain = chain.rest
        assert chain.constructor is Chain.End


def test_the_arrays_are_those_of_a_packed_value(module: nm.Module) -> None:
    """What comes out has the layout of docs/abi.md, as what goes in."""
    state = np.float32([0.1, -0.2, 0.3])
    value = module.decoded(state, np.int32(4))
    leaves = module.decoded.call_flat([state, np.int32(4)])
    packed = Tree.pack([value])
    assert_same(Tree.unpack(packed)[0], value)
    assert [(np.shape(leaf), leaf.dtype) for leaf in leaves] == [(array.shape, array.dtype) for array in packed]
    np.testing.assert_array_equal(leaves[1], packed[1])  # blocks: how many nodes there are of each kind on each level


@nm.recursive
def kept(tree):
    return nm.match(
        tree, Leaf=lambda x: Tree.Leaf(x), Nil=Tree.Nil, Node=lambda label, a, b: Tree.Node(label, a, kept(b))
    )


@nm.recursive
def taken_apart(n):
    def more():
        return nm.match(
            taken_apart(n - 1),
            Leaf=lambda x: Tree.Leaf(x),
            Nil=Tree.Nil,
            Node=lambda label, a, b: Tree.Node(label, a, b),
        )

    return nm.cond(n == 0, Tree.Nil, more)


@nm.recursive
def wrong_field(n):
    return nm.cond(n == 0, Tree.Nil, lambda: Tree.Leaf(jnp.ones(2)))


@nm.recursive
def wrong_part(n):
    return nm.cond(n == 0, Tree.Nil, lambda: Tree.Node(n, n, Tree.Nil()))


@pytest.mark.parametrize(
    ("fn", "args", "error", "message"),
    [
        (kept, lambda: (Tree.spec(),), nm.CaptureError, r"Tree\.Node: field 'left' is a part of an argument"),
        (taken_apart, lambda: (I32,), nm.CaptureError, r"nm\.match of a Tree that the recursion itself makes"),
        (
            mirrored,
            lambda: (Tree.spec(nm.dims("b")[0]),),
            nm.CaptureError,
            r"of a batch, a compiled recursion returns arrays; call it with one value at a time",
        ),
        (wrong_field, lambda: (I32,), nm.ShapeError, r"Tree\.Leaf: field 'x' must be float32\[3\], got float32\[2\]"),
        (wrong_part, lambda: (I32,), nm.ShapeError, r"Tree\.Node: field 'left' must be a Tree, got"),
    ],
)
def test_what_cannot_be_compiled(
    fn: Callable[..., Any], args: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nm.compile(fn, args())


def test_values_are_not_made_under_vmap() -> None:
    @nm.recursive
    def mapped(n):
        return nm.cond(n == 0, Tree.Nil, lambda: jax.vmap(lambda x: Tree.Leaf(x))(jnp.ones((2, WIDTH))))

    with pytest.raises(nm.CaptureError, match=r"values of an nm\.adt cannot be made under vmap"):
        nm.compile(mapped, (I32,))
