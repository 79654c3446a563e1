"""Recursion over trees by levels, through the ops of the dialect: what arms may hold, and how they are mapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm


@nm.adt
class Tree:
    """A binary tree with a vector at each node."""

    Leaf = nm.constructor(x=nm.spec((3,), jnp.float32))
    Nothing = nm.constructor()
    Node = nm.constructor(left="Tree", x=nm.spec((3,), jnp.float32), right="Tree")


VECTORS = st.lists(st.integers(-4, 4), min_size=3, max_size=3).map(lambda x: np.float32(x) / 4)
TREES = st.recursive(
    st.builds(Tree.Leaf, VECTORS) | st.builds(Tree.Nothing),
    lambda parts: st.builds(Tree.Node, parts, VECTORS, parts),
    max_leaves=14,
)


def chain(length: int) -> Any:
    tree = Tree.Leaf(np.float32([1, 2, 3]))
    for index in range(length):
        tree = Tree.Node(Tree.Nothing(), np.float32([index, 1, -1]) / 8, tree)
    return tree


def full(depth: int) -> Any:
    x = np.float32([depth, -depth, 1]) / 4
    return Tree.Leaf(x) if depth == 0 else Tree.Node(full(depth - 1), x, full(depth - 1))


@nm.recursive
def weighed(tree: Any, scale: Any, matrix: Any) -> Any:
    """`scale` goes down, and is another one for each part; `matrix` is handed on as it is."""
    return nm.match(
        tree,
        Leaf=lambda x: jnp.tanh(x * scale) @ matrix,
        Nothing=lambda: matrix[0] * scale,
        Node=lambda left, x, right: (
            jnp.sin(weighed(left, scale + x.sum(), matrix) - weighed(right, scale * 0.5, matrix) @ matrix) + x
        ),
    )


MATRIX = np.float32([[0.5, 0.25, 0], [0, -0.5, 1], [0.125, 0, 0.5]])


@nm.recursive
def controlled(tree: Any, steps: Any) -> Any:
    """Loops, branches, barriers and checks in arms; `steps` goes down."""

    def newton(x: Any, count: Any) -> Any:
        return lax.fori_loop(0, count, lambda i, y: y - 0.25 * (y * y - x), jnp.ones_like(x))

    def node(left: Any, x: Any, right: Any) -> Any:
        a, n = controlled(left, steps + 1)
        b, m = controlled(right, jnp.where(x[0] > 0, steps, 0))
        a, x = lax.optimization_barrier((a, x))
        chosen = lax.cond(x[1] > 0, lambda: newton(jnp.abs(a), steps), lambda: a - b)
        # A sum that ends when it is large enough, by the node.
        count, total = lax.while_loop(
            lambda state: (state[1] < 4) & (state[0] < 5), lambda state: (state[0] + 1, state[1] + x[0] ** 2), (0, 0.0)
        )
        return chosen + b * total, n + m + jnp.int32(count)

    return nm.match(
        tree, Leaf=lambda x: (newton(jnp.abs(x), steps), jnp.int32(0)), Nothing=lambda: (jnp.ones(3), steps), Node=node
    )


@nm.recursive
def found(tree: Any, wanted: Any) -> Any:
    """A boolean, a byte, and a matrix with a row of integers, which are the right part's as they are."""

    def node(left: Any, x: Any, right: Any) -> Any:
        (a, n, _), (b, m, rows) = found(left, wanted), found(right, wanted)
        return a | b | (x == wanted).any(), n + m, rows

    return nm.match(
        tree,
        Leaf=lambda x: ((x == wanted).any(), jnp.int8(1), jnp.stack([x, wanted * x]).astype(jnp.int32)),
        Nothing=lambda: (jnp.bool_(False), jnp.int8(0), jnp.zeros((2, 3), jnp.int32)),
        Node=node,
    )


@pytest.fixture(scope="module")
def module() -> nm.Module:
    (b,) = nm.dims("b")
    scalar, matrix = nm.spec((), jnp.float32), nm.spec((3, 3), jnp.float32)
    return nm.compile(
        {
            "weighed": (weighed, (Tree.spec(b), scalar, matrix)),
            "controlled": (controlled, (Tree.spec(b), nm.spec((), jnp.int32))),
            "found": (found, (Tree.spec(b), nm.spec((3,), jnp.float32))),
        }
    )


def check(module: nm.Module, trees: list[Any]) -> None:
    """All functions of a batch against Python's recursion."""
    batch = Tree.batch(trees)
    assert_agrees(
        module.weighed(batch, np.float32(0.5), MATRIX),
        np.asarray(weighed(batch, np.float32(0.5), MATRIX)),
        "transcendental",
    )
    got, want = module.controlled(batch, np.int32(2)), controlled(batch, jnp.int32(2))
    assert_agrees(got[0], np.asarray(want[0]), "transcendental")
    np.testing.assert_array_equal(got[1], want[1])
    wanted = np.float32([1, 0.5, -0.25])
    for x, y in zip(module.found(batch, wanted), found(batch, wanted), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


@given(trees=st.lists(TREES, min_size=1, max_size=4))
@settings(max_examples=6, deadline=None)
def test_agrees_with_recursion(module: nm.Module, trees: list[Any]) -> None:
    check(module, trees)


@pytest.mark.parametrize("trees", [[chain(0)], [chain(40), Tree.Nothing()], [full(4), chain(3), full(0)]])
def test_forms(module: nm.Module, trees: list[Any]) -> None:
    check(module, trees)


def test_only_leaves() -> None:
    """A type without parts: there is no level above the lowest, and no symbol for how many nodes it has."""

    @nm.adt
    class Shape:
        Circle = nm.constructor(radius=nm.spec((), jnp.float32))
        Box = nm.constructor(sides=nm.spec((2,), jnp.float32))

    area = nm.recursive(
        lambda shape, unit: nm.match(shape, Circle=lambda r: r * r * 3 * unit, Box=lambda sides: sides.prod() * unit)
    )
    (b,) = nm.dims("b")
    module = nm.compile(area, (Shape.spec(b), nm.spec((), jnp.float32)))
    for count in (1, 3, 6):
        shapes = [Shape.Circle(float(i)) if i % 3 == 1 else Shape.Box(np.float32([i, 2])) for i in range(count)]
        got = module(Shape.batch(shapes), np.float32(0.5))
        np.testing.assert_array_equal(got, [i * i * 1.5 if i % 3 == 1 else i for i in range(count)])


def test_vmap_over_several_arguments() -> None:
    """Symbols, in two nested batches: of what goes down, and of weights that all nodes share."""
    k, j = nm.dims("k, j")
    tree = Tree.spec(scope=k)
    both = jax.vmap(jax.vmap(weighed, (None, 0, None)), (None, None, 2), out_axes=1)
    weights_only = jax.vmap(lambda tree, matrix: weighed(tree, jnp.float32(0.5), matrix), (None, 0))
    module = nm.compile(
        {
            "both": (both, (tree, nm.spec((k,), jnp.float32), nm.spec((3, 3, j), jnp.float32))),
            "weights": (weights_only, (tree, nm.spec((j, 3, 3), jnp.float32))),
        }
    )
    for count, others in ((1, 1), (2, 3), (5, 2)):
        scales = np.arange(count, dtype=np.float32) / 2
        matrices = np.stack([MATRIX * (1 - i / 4) for i in range(others)])
        for value in (chain(0), chain(5), full(3)):
            want = [[np.asarray(weighed(value, scale, matrix)) for matrix in matrices] for scale in scales]
            got = module.both(value, scales, np.moveaxis(matrices, 0, 2))
            assert_agrees(got, np.array(want, np.float32), "transcendental")
            want = [np.asarray(weighed(value, np.float32(0.5), matrix)) for matrix in matrices]
            assert_agrees(module.weights(value, matrices), np.array(want, np.float32), "transcendental")


def test_recursion_in_an_arm() -> None:
    """Each node of one tree goes through all of another one."""

    @nm.recursive
    def scaled(tree: Any, scale: Any) -> Any:
        return nm.match(
            tree,
            Leaf=lambda x: x.sum() * scale,
            Nothing=lambda: scale,
            Node=lambda left, x, right: jnp.sin(scaled(left, scale + 1) + scaled(right, scale)) + x[0],
        )

    def product(tree: Any, other: Any) -> Any:
        @nm.recursive
        def outer(tree: Any, scale: Any) -> Any:
            return nm.match(
                tree,
                Leaf=lambda x: x[0] + scale * scaled(other, x[1]),
                Nothing=lambda: scaled(other, scale),
                Node=lambda left, x, right: outer(left, scale + 1) * scaled(other, scale) + outer(right, x[2]),
            )

        return outer(tree, jnp.float32(1))

    (b,) = nm.dims("b")
    module = nm.compile(product, (Tree.spec(scope=b), Tree.spec(scope=b, name="other")))
    for tree in (chain(0), chain(2), full(2)):
        for other in (Tree.Nothing(), full(2)):
            assert_agrees(module(tree, other), np.asarray(product(tree, other), np.float32), "transcendental")


@nm.recursive
def halved(tree: Any, scale: Any) -> Any:
    """A small one, whose argument goes down."""
    return nm.match(
        tree,
        Leaf=lambda x: x * scale,
        Nothing=lambda: jnp.ones(3),
        Node=lambda left, x, right: jnp.tanh(halved(left, scale / 2) - halved(right, scale) + x),
    )


def in_a_jit(tree: Any, other: Any, x: Any) -> Any:
    function = jax.jit(lambda tree, x: halved(tree, x))
    return function(tree, x) + function(other, x) * function(tree, x + 1)


def in_a_scan(tree: Any, other: Any, x: Any) -> Any:
    return lax.scan(
        lambda carry, step: (carry + halved(other, step), halved(tree, carry.sum())), x * jnp.ones(3), jnp.ones(4)
    )[1]


def in_a_branch(tree: Any, other: Any, x: Any) -> Any:
    return lax.cond(x > 1, lambda: halved(tree, x), lambda: halved(other, x))


def in_a_batch(tree: Any, other: Any, x: Any) -> Any:
    def example(scale: Any) -> Any:
        return lax.while_loop(
            lambda y: y.sum() < 2, lambda y: y + jnp.abs(halved(tree, scale)) + 0.25, halved(other, scale)
        )

    return nm.batch(example)(x * jnp.arange(4.0))


@pytest.mark.parametrize("fn", [in_a_jit, in_a_scan, in_a_branch, in_a_batch])
def test_where_a_recursion_may_stand(fn: Any) -> None:
    (b,) = nm.dims("b")
    module = nm.compile(fn, (Tree.spec(scope=b), Tree.spec(scope=b, name="other"), nm.spec((), jnp.float32)))
    for tree, other in ((full(2), Tree.Nothing()), (chain(3), full(1))):
        for x in (np.float32(0.5), np.float32(1.5)):
            with jax.disable_jit():
                want = np.asarray(fn(tree, other, x))
            assert_agrees(module(tree, other, x), want, "transcendental")


def test_wide_integers() -> None:
    """With 64-bit types, JAX's sizes are int64; the arrays of a tree are int32."""
    with jax.enable_x64(True):

        @nm.adt
        class List:
            Nil = nm.constructor()
            Cons = nm.constructor(x=nm.spec((), jnp.float64), rest="List")

        @nm.recursive
        def total(values: Any, scale: Any) -> Any:
            def cons(x: Any, rest: Any) -> Any:
                (y, n) = total(rest, scale * 2)
                return jnp.arange(3) * x * scale + y, n + 1

            return nm.match(values, Nil=lambda: (jnp.zeros(3) + scale, jnp.int64(0)), Cons=cons)

        (b,) = nm.dims("b")
        module = nm.compile(total, (List.spec(b), nm.spec((), jnp.float64)))
        values = List.Nil()
        for count in range(4):
            batch = List.batch([values, List.Nil()])
            for got, want in zip(module(batch, np.float64(0.1)), total(batch, np.float64(0.1)), strict=True):
                assert got.dtype == want.dtype
                assert_agrees(got, np.asarray(want), "transcendental")
            rest = List.Nil()
            for each in range(count + 1):
                rest = List.Cons(np.float64(each + 0.5), rest)
            values = rest


def differentiated() -> None:
    slope = jax.grad(lambda x, tree: weighed(tree, x, MATRIX).sum())
    nm.compile(slope, (nm.spec((), jnp.float32), Tree.spec()))


def mapped_over_trees() -> None:
    def each(tree: Any, x: Any) -> Any:
        shifted = jax.vmap(lambda i: weighed(jax.tree_util.tree_map(lambda a: a + i.astype(a.dtype), tree), x, MATRIX))
        return shifted(jnp.arange(3))

    nm.compile(each, (Tree.spec(), nm.spec((), jnp.float32)))


def jitted() -> None:
    jax.jit(lambda tree: weighed(tree, jnp.float32(1), MATRIX))(chain(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            differentiated,
            r"a recursion over trees cannot be differentiated; jax\.grad may stand inside of the function",
        ),
        (mapped_over_trees, r"trees cannot be batched by vmap: give a batch of them \(Tree\.batch\) to the recursive"),
        (jitted, r"nm\.recursive of a traced value needs nm\.compile; jax\.jit has no recursion"),
    ],
)
def test_what_is_refused(make: Callable[[], None], message: str) -> None:
    with pytest.raises(nm.CaptureError, match=rf"test_batched_recursion\.py:\d+: {message}"):
        make()
