"""Loops over little work, which run in one kernel each (passes/loops_to_kernels.py), against JAX."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax
from support.loops import LOOPS, arrays
from support.sampling import sampled
from support.tolerances import assert_agrees

import nimble_mlir as nm

f32, i32 = jnp.float32, jnp.int32
N = nm.spec((), i32)


def kernels_of(module: nm.Module) -> int:
    """How many kernels a module has, where no loop is left on the host."""
    text = module.ir("linalg")
    outside = text.split('"nimble.kernel"')[0]
    assert "scf.for" not in outside, "a loop of the host"
    assert "scf.while" not in outside, "a loop of the host"
    return text.count('= "nimble.kernel"')


@pytest.mark.parametrize("name", sampled(LOOPS, 4, 3))
def test_agrees_with_jax(name: str) -> None:
    function, specs = LOOPS[name]
    module = nm.compile(function, (N, *specs))
    assert kernels_of(module) == 1
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 5, 9):
        arguments = arrays(rng, specs)
        expected = jax.jit(function)(np.int32(n), *arguments)
        for _ in range(2):  # a call must leave nothing behind for the next one
            jax.tree.map(assert_agrees, module(np.int32(n), *arguments), expected)


def test_scans_over_symbolic_lengths() -> None:
    """Rows of xs of symbolic length are read, and those of ys written, in place; forwards and backwards."""
    (s,) = nm.dims("s")
    w, u = np.random.default_rng(0).normal(size=(2, 24, 24)).astype(np.float32) * 0.3

    def both(xs, marks):
        def step(carry, x):
            h, count = carry
            x, mark = x
            h = jnp.where(mark, jnp.tanh(x @ w + h @ u), h)
            return (h, count + mark), (h.sum(), h)

        first = (jnp.zeros((1, 24)), 0)
        forwards, a = lax.scan(step, first, (xs, marks))
        return a, lax.scan(step, forwards, (xs, marks), reverse=True)

    module = nm.compile(both, (nm.spec((s, 1, 24), f32), nm.spec((s,), jnp.bool_)))
    rng = np.random.default_rng(1)
    for size in (1, 2, 13, 40):
        xs, marks = rng.normal(size=(size, 1, 24)).astype(np.float32), rng.random(size) < 0.7
        jax.tree.map(assert_agrees, module(xs, marks), jax.jit(both)(xs, marks))


def test_max_trips_in_a_kernel() -> None:
    """The check behind a loop that runs in a kernel."""
    module = nm.compile(
        lambda x: nm.while_loop(lambda c: c.sum() < 100, lambda c: c * 1.5, x, max_trips=10), (nm.spec((4,), f32),)
    )
    assert kernels_of(module) == 1
    assert_agrees(module(np.full(4, 8, np.float32)), np.full(4, 27, np.float32))
    with pytest.raises(nm.ShapeError, match="has not ended after 10 iterations"):
        module(np.zeros(4, np.float32))


@pytest.mark.parametrize("most", [1000, None])
def test_work_of_symbolic_size(most: int | None) -> None:
    """A bound of the size decides: with it the loop is a kernel, without it one of the host."""
    (s,) = nm.dims("s", constraints=[] if most is None else [f"s <= {most}"])
    module = nm.compile(_sixteen_waves, (nm.spec((s,), f32), N))
    if most is not None:
        assert kernels_of(module) == 1
    else:
        with pytest.raises(AssertionError, match="a loop of the host"):
            kernels_of(module)
    for size in (1, 17, 1000):
        x = np.random.default_rng(size).normal(size=size).astype(np.float32)
        for n in (0, 3):
            jax.tree.map(assert_agrees, module(x, np.int32(n)), jax.jit(_sixteen_waves)(x, np.int32(n)))


def _sixteen_waves(x: Any, n: Any) -> Any:
    def body(i: Any, c: Any) -> Any:
        for _ in range(16):
            c = jnp.tanh(c * 1.5)
        return c[::-1]

    return lax.fori_loop(0, n, body, x), x * 2


HOST_LOOPS = {
    "collatz": lambda n: lax.while_loop(
        lambda c: c[0] != 1, lambda c: (jnp.where(c[0] % 2 == 0, c[0] // 2, 3 * c[0] + 1), c[1] + 1), (n + 1, 0)
    ),
    "gcd": lambda n: lax.while_loop(lambda c: c[1] != 0, lambda c: (c[1], c[0] % c[1]), (n * 12 + 6, jnp.int32(84)))[0],
    "nested": lambda n: lax.while_loop(
        lambda c: (c[0] < n) & (c[1] < 50),
        lambda c: (c[0] + 1, c[1] + lax.while_loop(lambda d: d * d < c[0], lambda d: d + 1, 0)),
        (0, 0),
    ),
    "flag": lambda n: lax.while_loop(lambda c: ~c[1], lambda c: (c[0] + 1, c[0] * c[0] > n), (0, False)),
}


@pytest.mark.parametrize("name", HOST_LOOPS)
def test_integers_stay_on_the_host(name: str) -> None:
    """Such a loop reads what it begins with once, and runs without a dispatch."""
    function = HOST_LOOPS[name]
    module = nm.compile(function, (N,))
    text = module.ir("linalg")
    assert "nimble.kernel" not in text
    assert text.count("tensor.extract ") == 1
    for n in (0, 1, 6, 26, 1000):
        jax.tree.map(assert_agrees, module(np.int32(n)), jax.jit(function)(np.int32(n)))


def test_products_leave_the_loop() -> None:
    """The input projection of an RNN is one product; so is that of a batch of symbolic size in a loop of the host."""
    (s,) = nm.dims("s")
    rng = np.random.default_rng(0)
    w, u = (rng.normal(size=shape).astype(np.float32) * 0.2 for shape in ((6, 40), (40, 40)))

    def rnn(xs):
        def step(h, x):
            h = jnp.tanh(jnp.maximum(x, -1.0) @ w + h @ u.T)
            return h, h

        return lax.scan(step, jnp.zeros(40), xs, reverse=True)

    module = nm.compile(rnn, (nm.spec((s, 6), f32),))
    assert kernels_of(module) == 1
    assert module.ir("linalg").split('"nimble.kernel"')[0].count("linalg.matmul") == 1
    for size in (1, 2, 33):
        xs = rng.normal(size=(size, 6)).astype(np.float32)
        jax.tree.map(assert_agrees, module(xs), jax.jit(rnn)(xs))


@pytest.mark.parametrize(
    ("name", "flags"), [("lstm", ["--inputs", "6", "--width", "16", "--lengths", "1", "5", "--runs", "1"]),
                        ("newton", ["--sizes", "1", "4"])]
)  # fmt: skip
def test_examples(name: str, flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example agrees with JAX, and says so by its exit status."""
    path = Path(__file__).parents[3] / "examples" / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *flags])
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(path), run_name="__main__")
    assert status.value.code == 0


SHAPES = [(), (5,), (18,), (3, 17), (1, 16)]


class _RandomLoop:
    """A loop whose body applies random ops to random carries, with loops and branches in it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.shapes = [SHAPES[i] for i in rng.integers(0, len(SHAPES), rng.integers(1, 4))]

    def __call__(self, n, *carries):
        rng = np.random.default_rng(self.seed + 1)
        return self._loop(rng, n, list(carries), depth=0)

    def _loop(self, rng: np.random.Generator, n: Any, carries: list[Any], depth: int) -> list[Any]:
        seed = int(rng.integers(1 << 30))
        body = lambda i, c: self._body(np.random.default_rng(seed), n, i, list(c), depth)  # noqa: E731
        if rng.random() < 0.5:
            return lax.fori_loop(0, n, body, carries)
        goes_on = lambda c: (c[0] < n) & (sum(jnp.sum(x) for x in c[1]) < 1000)  # noqa: E731
        return lax.while_loop(goes_on, lambda c: (c[0] + 1, body(c[0], c[1])), (0, carries))[1]

    def _body(self, rng: np.random.Generator, n: Any, i: Any, carries: list[Any], depth: int) -> list[Any]:
        values = list(carries)
        for _ in range(rng.integers(1, 6)):
            a, b = (values[k] for k in rng.integers(0, len(values), 2))
            values.append(self._op(rng, n, i, a, b, depth))
        return [self._as(values[rng.integers(0, len(values))], c.shape) for c in carries]

    def _op(self, rng: np.random.Generator, n: Any, i: Any, a: Any, b: Any, depth: int) -> Any:
        kind = rng.integers(0, 9 if depth < 2 else 7)
        if kind == 0:
            return jnp.sin(a) + self._as(b, a.shape) * 0.5
        if kind == 1:
            return jnp.where(a > 0.111, a * 0.5, self._as(b, a.shape) + i)
        if kind == 2:
            return a.sum(axis=-1) * 0.1 if a.ndim else a
        if kind == 3 and a.ndim:
            return a[..., ::-1] - a
        if kind == 4 and a.ndim:
            return lax.dynamic_update_slice(a, self._as(b, a[..., :2].shape), [0] * (a.ndim - 1) + [i])
        if kind == 5 and a.ndim:
            return jnp.tanh(a.reshape(-1, a.shape[-1]) @ jnp.ones((a.shape[-1], 6)) * 0.1)
        if kind == 6:
            return jnp.tanh(jnp.concatenate([a.ravel(), b.ravel()]))
        if kind == 7:
            return self._loop(rng, n, [a, b], depth + 1)[0]
        if kind == 8:
            return lax.cond(b.sum() > 0.123, lambda: a * 0.5, lambda: self._as(b, a.shape))
        return jnp.tanh(a)

    @staticmethod
    def _as(x: Any, shape: tuple[int, ...]) -> Any:
        """`x`, or as much of it as there is, under another shape."""
        size = int(np.prod(shape))
        flat = jnp.ravel(x)
        return jnp.tile(flat, -(-size // flat.size))[:size].reshape(shape)


@pytest.mark.exhaustive
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 1 << 20))
def test_random_loops(seed: int) -> None:
    program = _RandomLoop(seed)
    specs = [nm.spec(shape, f32) for shape in program.shapes]
    module = nm.compile(program, (N, *specs))
    rng = np.random.default_rng(seed)
    for n in (0, 1, 3):
        arguments = [np.clip(array, -2, 2) for array in arrays(rng, specs)]
        jax.tree.map(assert_agrees, module(np.int32(n), *arguments), jax.jit(program)(np.int32(n), *arguments))
