"""`nm.adt`, `nm.match` and `nm.recursive`: one compiled module for trees of any form, against plain Python recursion."""

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


@nm.adt
class Expr:
    """Arithmetic with five constructors, two of them leaves."""

    Number = nm.constructor(value=nm.spec((), jnp.float32))
    Pi = nm.constructor()
    Add = nm.constructor(left="Expr", right="Expr")
    Scale = nm.constructor(factor=nm.spec((), jnp.float32), of="Expr")
    Choose = nm.constructor(index=nm.spec((), jnp.int32), first="Expr", second="Expr", third="Expr")


@nm.recursive
def value(e):
    """The value of an expression and its number of nodes: two results of different dtype."""

    def choose(index, *parts):
        values, counts = zip(*(value(part) for part in parts), strict=True)
        return jnp.stack(values)[index], sum(counts) + 1

    def add(left, right):
        (x, n), (y, m) = value(left), value(right)
        return x + y, n + m + 1

    return nm.match(
        e,
        Number=lambda number: (number, jnp.int32(1)),
        Pi=lambda: (jnp.float32(3.0), jnp.int32(1)),
        Add=add,
        Scale=lambda factor, of: (factor * value(of)[0], value_count(value(of)) + 1),
        Choose=choose,
    )


def value_count(result):
    return result[1]


@nm.recursive
def weighted(e, offset, weight):
    """Arguments go down: `weight` as it is, `offset` another for each part."""
    return nm.match(
        e,
        Number=lambda number: number * weight + offset,
        Pi=lambda: 3.0 * weight + offset,
        Add=lambda left, right: weighted(left, offset + 1, weight) - weighted(right, offset * 2, weight),
        Scale=lambda factor, of: factor * weighted(of, offset + factor, weight),
        Choose=lambda index, first, second, third: (
            weighted(first, offset, weight)
            + weighted(second, offset + index.astype(jnp.float32), weight)
            - weighted(third, offset, weight)
        ),
    )


def plain_value(e) -> tuple[Any, int]:
    fields = vars(e)
    match e.constructor.name:
        case "Number":
            return fields["value"], 1
        case "Pi":
            return 3.0, 1
        case "Scale":
            x, n = plain_value(e.of)
            return e.factor * x, n + 1
        case "Add":
            (x, n), (y, m) = plain_value(e.left), plain_value(e.right)
            return x + y, n + m + 1
    found = [plain_value(part) for part in (e.first, e.second, e.third)]
    return found[int(e.index)][0], sum(n for _, n in found) + 1


def plain_weighted(e, offset, weight):
    match e.constructor.name:
        case "Number":
            return e.value * weight + offset
        case "Pi":
            return 3.0 * weight + offset
        case "Scale":
            return e.factor * plain_weighted(e.of, offset + e.factor, weight)
        case "Add":
            return plain_weighted(e.left, offset + 1, weight) - plain_weighted(e.right, offset * 2, weight)
    return (
        plain_weighted(e.first, offset, weight)
        + plain_weighted(e.second, offset + e.index, weight)
        - plain_weighted(e.third, offset, weight)
    )


NUMBERS = st.integers(-3, 3).map(float)
LEAVES = st.builds(Expr.Number, NUMBERS) | st.builds(Expr.Pi)
# A value is made anew each time that it is drawn, so no two fields share one.
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda parts: (
        st.builds(Expr.Add, parts, parts)
        | st.builds(Expr.Scale, NUMBERS, parts)
        | st.builds(Expr.Choose, st.integers(0, 2), parts, parts, parts)
    ),
    max_leaves=12,
)


def chain(length: int) -> Any:
    e = Expr.Number(1.0)
    for _ in range(length):
        e = Expr.Add(Expr.Pi(), e) if length < 100 else Expr.Scale(-1.0, e)
    return e


@pytest.fixture(scope="module")
def module() -> nm.Module:
    (b,) = nm.dims("b")
    scalar = nm.spec((), jnp.float32)
    return nm.compile({"value": (value, (Expr.spec(b),)), "weighted": (weighted, (Expr.spec(b), scalar, scalar))})


@given(values=st.lists(EXPRESSIONS, min_size=1, max_size=4))
@settings(max_examples=8, deadline=None)
def test_agrees_with_recursion(module: nm.Module, values: list[Any]) -> None:
    batch = Expr.batch(values)
    want = [plain_value(e) for e in values]
    got = module.value(batch)
    assert_agrees(got[0], np.array([x for x, _ in want], np.float32), "transcendental")
    np.testing.assert_array_equal(got[1], [n for _, n in want])
    offset, weight = np.float32(0.5), np.float32(2)
    weighted_plainly = np.array([plain_weighted(e, offset, weight) for e in values], np.float32)
    assert_agrees(module.weighted(batch, offset, weight), weighted_plainly, "transcendental")


def test_vmap_over_arguments() -> None:
    (k,) = nm.dims("k")
    each = jax.vmap(weighted, (None, 0, None))
    module = nm.compile(each, (Expr.spec(scope=k), nm.spec((k,), jnp.float32), nm.spec((), jnp.float32)))
    for count in (1, 5):
        offsets = np.arange(count, dtype=np.float32)
        got = module(chain(7), offsets, np.float32(2))
        assert_agrees(got, np.float32([plain_weighted(chain(7), offset, 2.0) for offset in offsets]), "elementwise")


@pytest.mark.parametrize("length", [1, 7, 301])
def test_chains(module: nm.Module, length: int) -> None:
    got = module.value(Expr.batch([chain(length), Expr.Pi()]))
    assert_agrees(got[0], np.array([plain_value(chain(length))[0], 3.0], np.float32), "transcendental")
    np.testing.assert_array_equal(got[1], [2 * length + 1 if length < 100 else length + 1, 1])


def test_a_chain_of_100_000_nodes_eagerly() -> None:
    """Neither packing nor a recursive function uses Python's stack."""
    size = nm.recursive(lambda e: 1 + sum(size(e.__dict__[name]) for name in e.constructor.children))
    long = chain(100_000)
    assert size(long) == 100_001
    assert Expr.pack([long])[1].shape == (100_001, 5, 3)


def test_one_value_is_no_batch() -> None:
    module = nm.compile(value, (Expr.spec(),))
    for e in (Expr.Pi(), chain(3)):
        got = module(e)
        assert [np.shape(x) for x in got] == [(), ()]
        assert (float(got[0]), int(got[1])) == plain_value(e)


def test_results_of_one_dtype_and_several_shapes() -> None:
    """What is computed of a part is used more than once, and the results lie side by side."""

    @nm.adt
    class Tree:
        Leaf = nm.constructor(x=nm.spec((3,), jnp.float32))
        Node = nm.constructor(left="Tree", right="Tree")

    @nm.recursive
    def summary(tree):
        def node(left, right):
            (a, p), (b, q) = summary(left), summary(right)
            return a - 2 * b, p @ q

        return nm.match(tree, Leaf=lambda x: (x, jnp.outer(x, x)), Node=node)

    (b,) = nm.dims("b")
    module = nm.compile(summary, (Tree.spec(b, name="t"),))

    def leaf(i):
        return Tree.Leaf(np.float32([i, 1, 0.5]))

    for _ in range(2):
        batch = Tree.batch([Tree.Node(Tree.Node(leaf(1), leaf(2)), leaf(3)), leaf(4)])
        for got, want in zip(module(batch), summary(batch), strict=True):
            assert_agrees(got, np.asarray(want, np.float32), "transcendental")


def test_the_work_grows_with_the_levels(module: nm.Module) -> None:
    """What the host loops over has one entry a level, whatever the number of nodes."""

    def full(depth: int) -> Any:
        return Expr.Number(1.0) if depth == 0 else Expr.Add(full(depth - 1), full(depth - 1))

    for depth, count in ((3, 1), (6, 1), (6, 5)):
        blocks = Expr.pack([full(depth) for _ in range(count)])[1]
        assert blocks.shape[0] == depth + 1
        assert blocks[:, :, 2].sum() == count * (2 ** (depth + 1) - 1)
        got = module.value(Expr.batch([full(depth) for _ in range(count)]))
        np.testing.assert_array_equal(got[0], [2.0**depth] * count)


def cycle() -> Any:
    inner = Expr.Scale(1.0, Expr.Pi())
    outer = Expr.Scale(2.0, inner)
    inner.of = outer
    return outer


def shared() -> Any:
    part = Expr.Pi()
    return Expr.Add(part, part)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (cycle, nm.ShapeError, r"field 'of' of Expr\.Scale leads back to a value that holds it \(a cycle\)"),
        (shared, nm.ShapeError, r"field 'right' of Expr\.Add is shared"),
        (
            lambda: Expr.Number(np.zeros(2, np.float32)),
            nm.ShapeError,
            r"Expr\.Number: field 'value' must be float32\[\]",
        ),
        (
            lambda: Expr.Number(np.float64(1)),
            nm.ShapeError,
            r"Expr\.Number: field 'value' must be float32\[\], got float64",
        ),
        (lambda: Expr.Number("x"), nm.ShapeError, r"Expr\.Number: field 'value': expected float32\[\]"),
        (lambda: Expr.Add(Expr.Pi(), 1.0), nm.ShapeError, r"Expr\.Add: field 'right' must be a Expr, got float"),
        (lambda: Expr.Add(Expr.Pi()), nm.ShapeError, r"Expr\.Add has the fields \(left, right\)"),
        (lambda: setattr(Expr.Pi(), "of", 1), nm.ShapeError, r"Expr\.Pi has no field 'of'"),
        (lambda: Expr.batch([]), nm.ShapeError, r"Expr\.batch: a batch needs at least one value"),
        (lambda: Expr.pack([]), nm.ShapeError, r"Expr\.pack: a batch needs at least one value"),
        (lambda: Expr.pack([3]), nm.ShapeError, r"Expr: value 0 is a int"),
        (lambda: Expr.batch([3]), nm.ShapeError, r"Expr\.batch: value 0 is a int"),
        (lambda: Expr(), nm.CaptureError, r"values of Expr are made by Expr\.Number"),
        (lambda: nm.match(Expr.Pi(), Tau=lambda: 1), nm.CaptureError, r"Expr has no constructor 'Tau'"),
        (lambda: nm.match(Expr.Pi(), Pi=lambda: 1), nm.CaptureError, r"no handler for Expr\.Number"),
        (lambda: nm.match(3), nm.ShapeError, r"nm\.match needs a value of an nm\.adt"),
        (lambda: value(3), nm.ShapeError, r"nm\.match needs a value of an nm\.adt, got int"),
        (lambda: nm.adt(type("A", (), {})), nm.CaptureError, r"A: an nm\.adt needs at least one"),
        (lambda: nm.adt(type("A", (), {"B": nm.constructor(a="A")})), nm.CaptureError, r"every constructor has parts"),
        (
            lambda: nm.adt(type("A", (), {"B": nm.constructor(a="C")})),
            nm.CaptureError,
            r"A\.B: field 'a' must be nm\.spec",
        ),
        (
            lambda: nm.adt(type("A", (), {"B": nm.constructor(a=nm.spec(nm.dims("s"), jnp.float32))})),
            nm.CaptureError,
            r"A\.B: field 'a' needs sizes that are integers",
        ),
        (
            lambda: nm.adt(type("A", (), {"B": Expr.Pi})),
            nm.CaptureError,
            r"A: the constructor 'B' is one of Expr already",
        ),
    ],
)
def test_bad_values(module: nm.Module, make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        module.value(Expr.batch([make()]))
    np.testing.assert_array_equal(module.value(Expr.batch([Expr.Pi()]))[0], [3.0])  # nothing is lost


OUTSIDE = Expr.Pi()


def _function(add: Callable[..., Any], scale: Callable[..., Any] = lambda f, factor, of: f(of)) -> Any:
    @nm.recursive
    def f(e, *args):
        return nm.match(
            e,
            Number=lambda number: number,
            Pi=lambda: jnp.float32(3),
            Add=lambda left, right: add(f, left, right),
            Scale=lambda factor, of: scale(f, factor, of),
            Choose=lambda index, first, second, third: f(first),
        )

    return f


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (_function(lambda f, x, y: nm.match(x)), r"no handler"),
        (
            _function(lambda f, x, y: jnp.zeros(2)),
            r"the results must have one structure and shape: "
            r"Expr\.Number gives .* of float32\[\], Expr\.Add gives .* of float32\[2\]",
        ),
        (_function(lambda f, x, y: f(Expr.Pi())), r"nm\.match of a Expr that the recursion itself makes"),
        (
            _function(lambda f, x, y: f(OUTSIDE)),
            r"a call on a Expr that is neither an argument nor a part of one; give it as an argument",
        ),
        (
            lambda e: nm.match(e, **{c.name: lambda *_: 1.0 for c in Expr.constructors}),
            r"needs an nm\.recursive function",
        ),
    ],
)
def test_what_cannot_be_compiled(fn: Callable[..., Any], message: str) -> None:
    with pytest.raises(nm.CaptureError, match=message):
        nm.compile(fn, (Expr.spec(),))


def test_what_is_not_structural_runs_on_a_stack() -> None:
    """A part that is visited twice with other arguments, calls with more arguments, and parts that are taken apart."""

    @nm.recursive
    def twice(e, x):
        return nm.match(
            e,
            Number=lambda number: number * x,
            Pi=lambda: x,
            Add=lambda left, right: twice(left, x) + twice(left, x + 1) * jnp.float32(0.5),
            Scale=lambda factor, of: twice(of, x),
            Choose=lambda index, first, second, third: twice(first, x),
        )

    ones = dict.fromkeys(("Number", "Pi", "Add", "Scale", "Choose"), lambda *_: jnp.float32(1))
    more = _function(lambda f, x, y: f(x, jnp.float32(1)) + f(y, jnp.float32(2)))
    parts = _function(lambda f, x, y: nm.match(x, **ones) + f(y))
    scalar = nm.spec((), jnp.float32)
    module = nm.compile(
        {"twice": (twice, (Expr.spec(), scalar)), "more": (more, (Expr.spec(),)), "parts": (parts, (Expr.spec(),))}
    )
    for length in (0, 1, 5):
        e, x = chain(length), np.float32(0.5)
        assert_agrees(module.twice(e, x), np.asarray(twice(e, x)), "transcendental")
        assert_agrees(module.more(e), np.asarray(more(e), np.float32), "transcendental")
        assert_agrees(module.parts(e), np.asarray(parts(e), np.float32), "transcendental")


def test_a_tree_crosses_as_arrays_in_the_order_of_levels() -> None:
    """docs/abi.md, for (1 + π) * 2 beside π."""
    one = Expr.Scale(2.0, Expr.Add(Expr.Number(1.0), Expr.Pi()))
    leaves = jax.tree_util.tree_leaves(Expr.batch([one, Expr.Pi()]))
    roots, blocks, groups, number, left, right, factor, of = leaves[:8]
    np.testing.assert_array_equal(roots, [4, 2])
    np.testing.assert_array_equal(groups, blocks[None])  # few nodes: all trees are one group
    np.testing.assert_array_equal(blocks[:, :, 2], [[1, 2, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]])
    np.testing.assert_array_equal(blocks[:, :, 0], [[0, 1, 3, 3, 3], [3, 3, 3, 4, 4], [4, 4, 4, 4, 5]])
    np.testing.assert_array_equal(blocks[:, :, 1], [[0, 0, 0, 0, 0], [1, 2, 0, 0, 0], [1, 2, 1, 0, 0]])
    np.testing.assert_array_equal(number, [1, 0])
    assert (left[0], right[0], factor[0], of[0]) == (0, 1, 2, 3)
    assert leaves[-1].shape == (3,)  # two of Expr.Pi, and one row more


def test_large_batches_have_groups_of_trees(module: nm.Module) -> None:
    """Each goes through its own nodes, which lie side by side within each level and constructor."""
    values = [chain(length) for length in (90, 200, 3, 40, 120, 7, 1, 260)]
    _, blocks, groups, *_ = Expr.pack(values)
    assert groups.shape[0] > 1
    assert (groups[..., 2].sum(axis=(1, 2)) > 0).all()
    np.testing.assert_array_equal(groups[..., 2].sum(axis=0), blocks[..., 2])
    for entry in (0, 1):
        np.testing.assert_array_equal(groups[0, ..., entry], blocks[..., entry])
        ends = groups[..., entry] + groups[..., 2]
        np.testing.assert_array_equal(ends[:-1], groups[1:, ..., entry])
    want = np.array([plain_value(e)[0] for e in values], np.float32)
    assert_agrees(module.value(Expr.batch(values))[0], want, "transcendental")


def test_a_chain_of_100_000_nodes_compiled(module: nm.Module) -> None:
    got = module.value(Expr.batch([chain(100_000), Expr.Pi()]))
    np.testing.assert_array_equal(got[0], [1.0, 3.0])
    np.testing.assert_array_equal(got[1], [100_001, 1])


def test_a_traced_value_cannot_be_packed() -> None:
    with pytest.raises(nm.CaptureError, match="is a traced value, which cannot be packed"):
        nm.compile(lambda e: Expr.pack([e]), (Expr.spec(),))
