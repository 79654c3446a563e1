"""Several updates of one array that depends on nothing: each has its own result (passes/own_buffers.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.passes import emit_iree

put = lax.dynamic_update_slice


def _updates(y: jax.Array, x: jax.Array, i: jax.Array) -> dict[str, jax.Array]:
    zeros, counted, square = jnp.zeros(y.shape), jnp.arange(8.0), jnp.full((8, 8), 3.0)
    return {
        "zeros": put(zeros, x, (i,)),
        "zeros again": put(zeros, 2 * x, (i,)),
        "counted": put(counted, x[:1], (i,)),
        "counted again": put(counted, y[:1], (i + 1,)),
        "square": put(square, jnp.ones((2, 2)) * x[0], (i, i)),
        "square again": put(square, jnp.ones((2, 2)), (i, 0)),
        "square itself": square,
        "in a loop": lax.fori_loop(0, 3, lambda step, sums: sums + put(zeros, x * step, (i,)), zeros),
        "in a branch": lax.cond(i > 0, lambda: put(zeros, x, (0,)), lambda: put(zeros, -x, (i,))),
    }


@pytest.mark.parametrize(("n", "k", "i"), [(5, 2, 1), (1, 1, 0), (64, 17, 9), (33, 33, 2), (7, 3, -1)])
def test_each_update_has_its_own_result(module: nm.Module, n: int, k: int, i: int) -> None:
    rng = np.random.default_rng(n)
    args = rng.standard_normal(n, np.float32), rng.standard_normal(k, np.float32), np.int32(i)
    assert_agrees(module(*args), jax.jit(_updates)(*args), "elementwise")


@pytest.fixture(scope="module")
def module() -> nm.Module:
    n, k = nm.dims("n, k", constraints=["k <= n"])
    return nm.compile(_updates, (nm.spec((n,), jnp.float32), nm.spec((k,), jnp.float32), nm.spec((), jnp.int32)))


def _as_many_elements(x: jax.Array, i: jax.Array) -> dict[str, jax.Array]:
    """Arrays of two shapes, whose elements are the same and as many."""
    a, b = x.shape

    def sums(zeros: jax.Array, step: jax.Array | float) -> jax.Array:
        return lax.fori_loop(0, 3, lambda k, c: c.at[k % c.shape[0]].add(step), zeros)

    sorted_once = jnp.sort(x.reshape(-1))[0]  # no kernel has it: these loops are on the host
    return {
        "scattered": jnp.zeros((a, b)).at[i].add(1.0),
        "scattered, transposed": jnp.zeros((b, a)).at[i].add(2.0),
        "scattered, flat": jnp.zeros((a * b,)).at[i].add(3.0),
        "scattered integers": jnp.zeros((a, b), jnp.int32).at[i].add(4),
        "inserted": put(jnp.ones((a, b)), x[:1], (i[0], 0)),
        "inserted, transposed": put(jnp.ones((b, a)), x.T[:1], (i[0], 0)),
        "counted": jnp.arange(a * b).reshape(a, b).at[i].add(1),
        "counted, transposed": jnp.arange(b * a).reshape(b, a).at[i].add(2),
        "in a loop": sums(jnp.zeros((a, b)), 1.0),
        "in a loop, transposed": sums(jnp.zeros((b, a)), 2.0),
        "on the host": sums(jnp.zeros((a, b)), sorted_once),
        "on the host, transposed": sums(jnp.zeros((b, a)), 2 * sorted_once),
    }


def test_equal_buffers_of_two_shapes() -> None:
    a, b = nm.dims("a, b")
    module = nm.compile(_as_many_elements, (nm.spec((a, b), jnp.float32), nm.spec((2,), jnp.int32)))
    for sizes in ((1, 1), (2, 3), (3, 2), (7, 5)):
        x = np.random.default_rng(0).standard_normal(sizes, np.float32)
        args = x, np.array([0, min(1, *sizes)], np.int32)
        assert_agrees(module(*args), jax.jit(_as_many_elements)(*args), "elementwise")


def _in_loops(x: jax.Array, i: jax.Array) -> dict[str, jax.Array]:
    """Constants that each iteration of a loop on the host updates, once more from the start."""

    def loop(step, first=x):
        return lax.fori_loop(0, 4, lambda k, c: step(k, c) + c * 0.5, first)

    def least(y: jax.Array, k: jax.Array) -> jax.Array:
        return jnp.sort(y.reshape(-1) * (k + 1))[0]  # no kernel has it

    rows = jnp.arange(x.shape[0])
    return {
        "scattered": loop(lambda k, c: jnp.zeros_like(x).at[i].add(least(c, k))),
        "inserted": loop(lambda k, c: put(jnp.ones_like(x), x[:1] * least(c, k), (k % x.shape[0], 0))),
        "summed by segment": loop(lambda k, c: jax.ops.segment_sum(x, (rows * k) % 5, 5)[:1] + least(c, k)),
        "into what is invariant": loop(lambda k, c: (x * 2).at[i].add(least(c, k))),
        "in a branch": loop(
            lambda k, c: lax.cond(least(c, k) < 0, lambda: jnp.zeros_like(x).at[i].add(2.0), lambda: c)
        ),
        "by an inner loop": loop(
            lambda k, c: lax.fori_loop(0, 3, lambda j, d: d.at[i].add(least(x, j)), jnp.zeros_like(x))
        ),
        "by a kernel": loop(
            lambda k, c: least(c, k) + lax.fori_loop(0, 3, lambda j, d: d.at[i].add(j), jnp.zeros_like(x))
        ),
    }


def test_each_iteration_has_its_own_constants() -> None:
    (n,) = nm.dims("n")
    module = nm.compile(_in_loops, (nm.spec((n, 3), jnp.float32), nm.spec((2,), jnp.int32)))
    for size in (1, 2, 40):
        x = np.random.default_rng(size).standard_normal((size, 3), np.float32)
        args = x, np.array([0, size - 1], np.int32)
        assert_agrees(module(*args), jax.jit(_in_loops)(*args), "reduction")


def _read_later(x: jax.Array, k: jax.Array) -> dict[str, jax.Array]:
    """What is updated is read again behind a number that the host reads."""
    doubled = x * 2

    def place(y: jax.Array) -> jax.Array:
        return (jnp.abs(y.reshape(-1)[0]) * 5).astype(jnp.int32)

    def in_loop(_, c: jax.Array) -> jax.Array:
        updated = put(c, x[:1] * 0.5, (place(x), 0))
        return c * 0.5 + put(jnp.sort(c, 0), x[:1], (place(updated), 0))

    def once(k: jax.Array, c: jax.Array) -> jax.Array:
        """A kernel in a loop of one trip, which is no loop any more when kernels are made."""

        def goes_on(state: tuple[jax.Array, jax.Array]) -> jax.Array:
            return (state[0] < 1) & (state[1][0, 0] < 9)

        return lax.while_loop(goes_on, lambda state: (state[0] + 1, x + 1 + state[0] + k), (0, c))[1]

    at_once = put(doubled, x[:1], (0, 0))
    return {
        "doubled": doubled,
        "sorted": put(jnp.sort(doubled, 0), x[:1], (place(at_once), 0)),
        "carried": lax.fori_loop(0, k, in_loop, doubled),
        "handed on": lax.cond(place(x) > 1, lambda: doubled, lambda: x + 1),
        "argument": x,
        "once": lax.fori_loop(0, 1, once, x),
        "of both": lax.cond(place(x) > 2, lambda: (doubled, x), lambda: (put(doubled, x[:1], (0, 0)), doubled)),
    }


def test_what_is_updated_is_read_later() -> None:
    a, b = nm.dims("a, b")
    module = nm.compile(_read_later, (nm.spec((a, b), jnp.float32), nm.spec((), jnp.int32)))
    for sizes in ((1, 1), (2, 3), (7, 5)):
        for seed in range(3):
            args = np.random.default_rng(seed).standard_normal(sizes, np.float32), np.int32(seed)
            assert_agrees(module(*args), jax.jit(_read_later)(*args), "elementwise")


def _concatenations(x: jax.Array, a: jax.Array, b: jax.Array) -> dict[str, jax.Array]:
    one, two, four = (jnp.concatenate([x, part]) for part in (a, b * 0, a * 2))
    row, none = (jnp.concatenate([x, part[None]]) for part in (a[0], b[0] * 0))
    more = jnp.concatenate([x, a, b]), jnp.concatenate([x, a, -b]), jnp.concatenate([x, a * 0, b])
    return {
        "a product": (two * one).sum(),
        "a row": (none * row).sum(),
        "square of a row": (row * row).sum(),
        "a square": (one * one).sum(),
        "each": (one, two, four),
        "of three": (more[0] * more[1] * more[2]).sum(0),
        "square of three": (more[0] * more[0]).sum(0),
        "in a loop": lax.fori_loop(0, 3, lambda i, sums: sums + jnp.concatenate([x, a * i]) * one, jnp.zeros_like(one)),
        "the other way": jnp.concatenate([a, x]) * jnp.concatenate([a, x * 0]),
    }


def test_each_concatenation_has_its_own_result() -> None:
    s, k = nm.dims("s, k")
    module = nm.compile(_concatenations, tuple(nm.spec((size, 4), jnp.float32) for size in (s, k, k)))
    rng = np.random.default_rng(0)
    for size, parts in ((1, 1), (3, 1), (5, 4), (64, 17)):
        args = [rng.normal(size=(rows, 4)).astype(np.float32) for rows in (size, parts, parts)]
        assert_agrees(module(*args), _concatenations(*map(jnp.asarray, args)), "reduction")
    fixed = nm.compile(_concatenations, tuple(nm.spec(arg.shape, jnp.float32) for arg in args))
    assert_agrees(fixed(*args), _concatenations(*map(jnp.asarray, args)), "reduction")


def test_iree_gives_two_concatenations_one_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `_own_concatenations` works around: both begin with one tensor."""

    def sums(x: jax.Array, row: jax.Array) -> list[jax.Array]:
        none = row * 0
        whole = jnp.concatenate([x, row[None]])
        return [(jnp.concatenate([x, none[None]]) * whole).sum(), (whole * whole).sum()]

    monkeypatch.setattr(emit_iree, "own_destinations", lambda function: None)
    args = np.zeros((3, 4), np.float32), np.ones(4, np.float32)
    module = nm.compile(sums, tuple(nm.spec(arg.shape, arg.dtype) for arg in args))
    assert [float(each) for each in module(*args)] != [0, 4], (
        "mended: _own_concatenations in passes/own_buffers.py can go"
    )
