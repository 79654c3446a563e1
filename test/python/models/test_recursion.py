"""`nm.recursive` where recursion runs on a stack: numbers, branches, loops, several functions, trees in any order."""

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

I32, F32 = nm.spec((), jnp.int32), nm.spec((), jnp.float32)


@nm.recursive
def fibonacci(n):
    return nm.cond(n < 2, lambda: n, lambda: fibonacci(n - 1) + fibonacci(n - 2))


@nm.recursive
def ackermann(m, n):
    def inner():
        return nm.cond(n == 0, lambda: ackermann(m - 1, jnp.int32(1)), lambda: ackermann(m - 1, ackermann(m, n - 1)))

    return nm.cond(m == 0, lambda: n + 1, inner)


@nm.recursive
def is_even(n):
    return nm.cond(n == 0, lambda: jnp.bool_(True), lambda: is_odd(n - 1))


@nm.recursive
def is_odd(n):
    return nm.cond(n == 0, lambda: jnp.bool_(False), lambda: is_even(n - 1))


@nm.recursive
def waves(n, x):
    """Not a tail call: n frames with an array each."""
    return nm.cond(n == 0, lambda: x, lambda: jnp.sin(waves(n - 1, x * 0.5)) + x)


@nm.recursive
def quadrature(low, high, depth):
    """Adaptive Simpson of exp(-x²) with a count of calls: results of two dtypes, calls in a branch."""

    def simpson(a, b):
        return (b - a) / 6 * (jnp.exp(-a * a) + 4 * jnp.exp(-((a + b) ** 2) / 4) + jnp.exp(-b * b))

    middle = (low + high) / 2
    whole, halves = simpson(low, high), simpson(low, middle) + simpson(middle, high)

    def refined():
        left, some = quadrature(low, middle, depth - 1)
        right, others = quadrature(middle, high, depth - 1)
        return left + right, some + others + 1

    return nm.cond((jnp.abs(whole - halves) < 1e-5) | (depth == 0), lambda: (halves, jnp.int32(1)), refined)


@nm.recursive
def permutations(n):
    """Calls in loops of each kind: n! as a sum over what each choice leaves, and a jitted helper around it."""

    def counted():
        return lax.fori_loop(0, n, lambda i, total: total + permutations(n - 1), jnp.int32(0))

    return nm.switch(jnp.minimum(n, 2), [lambda: jnp.int32(1), lambda: jnp.int32(1), jax.jit(counted)])


@nm.recursive
def collected(n):
    """A scan whose body calls, with rows; reversed, so that their order shows."""

    def rows():
        def step(total, x):
            made = collected(jnp.minimum(n - 1, 1)) * x
            return total + made, made

        total, made = lax.scan(step, jnp.float32(0), jnp.arange(1.0, 4.0), reverse=True)
        return total + (made * jnp.float32([1, 10, 100])).sum()

    return nm.cond(n == 0, lambda: jnp.float32(1), rows)


@nm.recursive
def until_small(x):
    """A while loop around a call, with a condition that calls, too."""

    def loop():
        return lax.while_loop(
            lambda v: v + 0 * until_small(jnp.float32(0.5)) > 1, lambda v: v - until_small(v * 0.5) * 0.5 - 0.25, x
        )

    return nm.cond(x < 1, lambda: x, loop)


def numpy_fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@pytest.fixture(scope="module")
def numbers() -> nm.Module:
    return nm.compile(
        {
            "f": (fibonacci, (I32,)),
            "a": (ackermann, (I32, I32)),
            "even": (is_even, (I32,)),
            "waves": (waves, (I32, nm.spec((3,), jnp.float32))),
            "quadrature": (quadrature, (F32, F32, I32)),
            "permutations": (permutations, (I32,)),
            "collected": (collected, (I32,)),
            "until": (until_small, (F32,)),
        }
    )


def test_numbers(numbers: nm.Module) -> None:
    module = numbers
    for n in (0, 1, 2, 7, 20):
        assert module.f(np.int32(n)) == numpy_fibonacci(n)
    for n in (0, 1, 9):
        assert module.a(np.int32(2), np.int32(n)) == 2 * n + 3 == ackermann(jnp.int32(2), jnp.int32(n)) or n > 1
    assert fibonacci(jnp.int32(7)) == 13  # eagerly


@pytest.mark.parametrize("n", [0, 1, 2, 33, 1001, 100_000])
def test_functions_that_call_each_other(numbers: nm.Module, n: int) -> None:
    """Tail calls need no stack; the depth of the others is the length of an array."""
    module = numbers
    assert bool(module.even(np.int32(n))) == (n % 2 == 0)
    if n <= 1001:
        assert bool(is_even(jnp.int32(n))) == (n % 2 == 0)
    x = np.float32([1, -2, 3])
    halved = [x]
    for _ in range(n):
        halved.append(halved[-1] * np.float32(0.5))
    want = halved.pop()
    while halved:
        want = np.sin(want) + halved.pop()
    assert_agrees(module.waves(np.int32(n), x), want, "transcendental")


def test_branches_and_loops_with_calls(numbers: nm.Module) -> None:
    module = numbers
    for high in (0.1, 1.0, 3.0):
        args = np.float32(0), np.float32(high), np.int32(6)
        got, want = module.quadrature(*args), quadrature(*map(jnp.asarray, args))
        assert_agrees(got[0], np.asarray(want[0]), "transcendental")
        assert got[1] == want[1]
    assert [int(module.permutations(np.int32(n))) for n in range(7)] == [1, 1, 2, 6, 24, 120, 720]
    for n in range(4):
        total = [1.0, 1 + 2 + 3 + 321]
        want = total[n] if n < 2 else total[1] * (1 + 2 + 3 + 321)
        assert float(module.collected(np.int32(n))) == want
    for x in (0.5, 1.5, 4.0):
        assert_agrees(module.until(np.float32(x)), np.float32(plain_until_small(x)), "transcendental")


def plain_until_small(x: float) -> float:
    x = np.float32(x)
    if x < 1:
        return x
    while x > 1:
        x = x - plain_until_small(x * np.float32(0.5)) * np.float32(0.5) - np.float32(0.25)
    return x


def test_too_deep() -> None:
    @nm.recursive(max_depth=1000)
    def down(n):
        return nm.cond(n == 0, lambda: n, lambda: down(n - 1) + 1)

    module = nm.compile(down, (I32,))
    assert module(np.int32(900)) == 900
    with pytest.raises(nm.ShapeError, match=r"nm\.recursive 'down': calls nest deeper than 1000 \(max_depth\)"):
        module(np.int32(1_000_000))
    assert module(np.int32(3)) == 3  # the module stays usable


def test_a_call_within_a_larger_function() -> None:
    (s,) = nm.dims("s")

    def fn(x, n):
        return lax.map(lambda v: waves(n, v * jnp.ones(2)), x) * fibonacci(n)

    module = nm.compile(fn, (nm.spec((s,), jnp.float32), I32))
    for size, n in ((1, 0), (3, 4), (5, 2)):
        x = np.linspace(0, 1, size, dtype=np.float32)
        want = np.stack([np.asarray(waves(jnp.int32(n), v * jnp.ones(2))) for v in x]) * numpy_fibonacci(n)
        assert_agrees(module(x, np.int32(n)), want.astype(np.float32), "transcendental")


@nm.adt
class Tree:
    Leaf = nm.constructor(x=nm.spec((2,), jnp.float32))
    Node = nm.constructor(w=nm.spec((), jnp.float32), left="Tree", right="Tree")
    Nil = nm.constructor()


@nm.recursive
def threaded(tree, state):
    """A state goes through all leaves from the left to the right: a call depends on what another gave."""

    def node(w, left, right):
        return threaded(right, threaded(left, state * w))

    return nm.match(tree, Leaf=lambda x: jnp.tanh(state + x), Node=node, Nil=lambda: state)


@nm.recursive
def searched(tree):
    """Calls in branches: the right part is looked at where the left one is not enough."""

    def node(w, left, right):
        found, count = searched(left)

        def both():
            other, more = searched(right)
            return jnp.maximum(found, other), count + more + 1

        return nm.cond(found > w, lambda: (found, count + 1), both)

    return nm.match(
        tree, Leaf=lambda x: (x.max(), jnp.int32(1)), Nil=lambda: (jnp.float32(-9), jnp.int32(1)), Node=node
    )


@nm.recursive
def two_levels(tree):
    """Takes parts of parts apart."""

    def node(w, left, right):
        inner = nm.match(left, Leaf=lambda x: x[0], Nil=lambda: jnp.float32(-1), Node=lambda v, a, b: two_levels(a) * v)
        return inner + w * two_levels(right)

    return nm.match(tree, Leaf=lambda x: x[1], Nil=lambda: jnp.float32(7), Node=node)


@nm.recursive
def equal(a, b):
    """Goes through two trees at once."""
    no = jnp.bool_(False)

    def node(w, left, right):
        def both(v, left_too, right_too):
            return nm.cond(v == w, lambda: equal(left, left_too) & equal(right, right_too), lambda: no)

        return nm.match(b, Leaf=lambda y: no, Node=both, Nil=lambda: no)

    return nm.match(
        a,
        Leaf=lambda x: nm.match(b, Leaf=lambda y: (x == y).all(), Node=lambda *_: no, Nil=lambda: no),
        Node=node,
        Nil=lambda: nm.match(b, Leaf=lambda y: no, Node=lambda *_: no, Nil=lambda: jnp.bool_(True)),
    )


NUMBERS = st.integers(-2, 2).map(lambda n: np.float32(n / 2))
TREES = st.recursive(
    st.builds(lambda a, b: Tree.Leaf(np.stack([a, b])), NUMBERS, NUMBERS) | st.builds(Tree.Nil),
    lambda parts: st.builds(Tree.Node, NUMBERS, parts, parts),
    max_leaves=10,
)


def copied(tree: Any) -> Any:
    if tree.constructor.name == "Node":
        return Tree.Node(tree.w, copied(tree.left), copied(tree.right))
    return Tree.Leaf(tree.x) if tree.constructor.name == "Leaf" else Tree.Nil()


@pytest.fixture(scope="module")
def trees() -> nm.Module:
    (b,) = nm.dims("b")
    return nm.compile(
        {
            "threaded": (threaded, (Tree.spec(b), nm.spec((2,), jnp.float32))),
            "searched": (searched, (Tree.spec(b),)),
            "two_levels": (two_levels, (Tree.spec(),)),
            "equal": (equal, (Tree.spec(name="a", scope=b), Tree.spec(name="b", scope=b))),
        }
    )


@given(values=st.lists(TREES, min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_trees(trees: nm.Module, values: list[Any]) -> None:
    batch, state = Tree.batch(values), np.float32([0.5, -1])
    assert_agrees(trees.threaded(batch, state), np.asarray(threaded(batch, state)), "transcendental")
    for got, want in zip(trees.searched(batch), searched(batch), strict=True):
        np.testing.assert_array_equal(got, want)
    for value in values:
        assert_agrees(trees.two_levels(value), np.asarray(two_levels(value), np.float32), "transcendental")
        assert trees.equal(value, copied(value))
        assert trees.equal(value, values[0]) == equal(value, values[0])


def test_a_chain_of_100_000_nodes(trees: nm.Module) -> None:
    for grows_left in (False, True):
        chain = Tree.Leaf(np.float32([0.25, 0.5]))
        for _ in range(100_000):
            other = Tree.Nil()
            chain = Tree.Node(np.float32(1), *((chain, other) if grows_left else (other, chain)))
        got = trees.threaded(Tree.batch([chain, Tree.Nil()]), np.float32([0, 1]))
        assert_agrees(got, np.tanh(np.float32([[0.25, 1.5], [np.arctanh(0), 20]])), "transcendental")


@nm.recursive
def endless(n):
    return endless(n - 1) + 1


@nm.recursive
def by_lax(n):
    return lax.cond(n == 0, lambda: n, lambda: by_lax(n - 1))


@nm.recursive
def unequal(n):
    return nm.cond(n == 0, lambda: jnp.float32(0), lambda: (unequal(n - 1), jnp.float32(1)))


@nm.recursive
def growing(x):
    return nm.cond(x.sum() > 9, lambda: x.sum(), lambda: growing(jnp.concatenate([x, x])))


@nm.recursive
def mapped(n):
    return nm.cond(n == 0, lambda: n, lambda: jax.vmap(mapped)(jnp.stack([n - 1, n - 1])).sum())


@nm.recursive
def of_size(x, n):
    return nm.cond(n == 0, lambda: x, lambda: of_size(x * 2, n - 1) + x)


@pytest.mark.parametrize(
    ("fn", "args", "message"),
    [
        (endless, (I32,), r"test_recursion\.py:\d+: every branch makes a recursive call"),
        (by_lax, (I32,), r"choose between the case without a call and the others by nm\.cond, nm\.switch or nm\.match"),
        (unequal, (I32,), r"the branches return the structures .* and "),
        (growing, (nm.spec((1,), jnp.float32),), r"it calls itself with arguments of ever other shapes"),
        (mapped, (I32,), r"cannot be batched by vmap: call the function in a loop"),
        (
            of_size,
            (nm.spec((nm.dims("s")[0], 3), jnp.float32), I32),
            r"test_recursion\.py:\d+: nm\.recursive 'of_size' keeps float32\[\?, 3\] across a call: what stands in a frame",
        ),
        (
            lambda n: jax.grad(lambda v: waves(n, v))(jnp.float32(1)),
            (I32,),
            r"nm\.recursive function that runs on a stack cannot be differentiated",
        ),
        (
            lambda n: jax.vmap(lambda v: waves(n, v))(jnp.ones(3)),
            (I32,),
            r"cannot be batched by vmap: use jax\.lax\.map or a loop",
        ),
    ],
)
def test_what_cannot_be_compiled(fn: Callable[..., Any], args: Any, message: str) -> None:
    with pytest.raises(nm.CaptureError, match=message):
        nm.compile(fn, args)


def test_eagerly_in_what_jax_traces() -> None:
    with pytest.raises(nm.CaptureError, match=r"'by_lax' is called with values that jax traces, as in lax\.cond"):
        by_lax(jnp.int32(3))
