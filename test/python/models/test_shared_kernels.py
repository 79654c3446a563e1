"""Kernels whose work several workgroups share (passes/share_kernels.py), against JAX and against one thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm
from nimble_mlir.passes import share_kernels

f32 = jnp.float32
RNG = np.random.default_rng(0)


def weight(*shape: int, dtype: Any = np.float32) -> Any:
    return jnp.asarray(RNG.normal(size=shape) * 0.1, dtype)


def lstm(xs, h, c, u):
    def step(carry, x):
        h, c = carry
        i, f, g, o = jnp.split(x + h @ u, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return lax.scan(step, (h, c), xs)


def gru(xs, h, u):
    def step(h, x):
        r, z, n = jnp.split(h @ u, 3, axis=-1)
        z = jax.nn.sigmoid(z + x)
        h = z * h + (1 - z) * jnp.tanh(jax.nn.sigmoid(r) * n + x)
        return h, h.sum(axis=0)

    return lax.scan(step, h, xs, reverse=True)


def recurrence(xs, a):
    """No column needs another one: the whole loop is one phase."""

    def step(state, x):
        state = a * state + x
        return state, jnp.tanh(state)

    return lax.scan(step, jnp.zeros(a.shape, a.dtype), xs)


def nested(xs, u):
    """A loop of two steps in a loop over rows, between products."""

    def row(h, x):
        h = lax.fori_loop(0, 2, lambda _, h: jnp.tanh(h @ u), h + x)
        return h, h[:, ::-1]

    return lax.scan(row, jnp.zeros((1, u.shape[0]), u.dtype), xs)


def branching(xs, u):
    """A branch on data is a phase of its own, in one chunk."""

    def step(carry, x):
        h, count = carry
        h = jnp.tanh(x + h @ u)
        h = lax.cond(h[0, 0] > 0, lambda h: h.at[0, 1].set(0.5), lambda h: -h, h)
        return (h, count.at[jnp.argmax(h[0])].add(1)), h

    return lax.scan(step, (jnp.zeros((1, u.shape[0]), u.dtype), jnp.zeros(u.shape[0], jnp.int32)), xs)


S = nm.dims("s")[0]
# name: function of xs and further arrays, the shape of a row of xs, those arrays.
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[int, ...], list[Any]]] = {
    "lstm": (lstm, (1, 512), [weight(1, 128), weight(1, 128), weight(128, 512)]),
    "lstm_rows": (lstm, (3, 512), [weight(3, 128), weight(3, 128), weight(128, 512)]),
    "gru_odd": (gru, (2, 100), [weight(2, 100), weight(100, 300)]),
    "gru_wide": (gru, (2, 256), [weight(2, 256), weight(256, 768)]),
    "recurrence": (recurrence, (96,), [weight(96)]),
    "nested": (nested, (1, 64), [weight(64, 64)]),
    "branching": (branching, (1, 48), [weight(48, 48)]),
}
ON = {"local-task": nm.DeviceOptions("local-task", threads=2), "local-sync": nm.DeviceOptions("local-sync")}


def is_shared(module: nm.Module) -> bool:
    return '"nimble.take_chunk"' in module.ir("linalg")


@pytest.fixture
def share_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little there is to do, it is shared, in many chunks."""
    monkeypatch.setenv("NIMBLE_CACHE", "off")
    monkeypatch.setattr(share_kernels, "_WORTH", 0)
    monkeypatch.setattr(share_kernels, "_CHUNK", 1)


@pytest.mark.usefixtures("share_all")
@pytest.mark.parametrize("constant", [True, False], ids=["constants", "arguments"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_jax_and_with_one_thread(name: str, constant: bool, tmp_path: Any) -> None:
    function, row, others = PROGRAMS[name]
    given = [] if constant else [np.asarray(each) for each in others]
    called = (lambda xs: function(xs, *others)) if constant else function
    module = nm.compile(called, (nm.spec((S, *row), f32), *given))
    assert is_shared(module)
    module.save(tmp_path / "module.vmfb")
    loaded = {driver: nm.load(tmp_path / "module.vmfb", device=device) for driver, device in ON.items()}
    for size in (1, 2, 7, 40):
        xs = RNG.normal(size=(size, *row)).astype(np.float32)
        expected = jax.jit(function)(xs, *others)
        (alone, *rest) = [loaded["local-sync"](xs, *given) for _ in range(2)]
        jax.tree.map(assert_agrees, alone, expected)
        for result in [*rest, *(loaded["local-task"](xs, *given) for _ in range(5))]:
            jax.tree.map(np.testing.assert_array_equal, result, alone)


def test_same_bits_whoever_does_a_chunk() -> None:
    """Many calls of a long loop, with two workers."""
    function, row, others = lstm, (1, 2048), [weight(1, 512), weight(1, 512), weight(512, 2048)]
    module = nm.compile(lambda xs: function(xs, *others), (nm.spec((S, *row), f32),))
    assert is_shared(module)
    xs = RNG.normal(size=(30, *row)).astype(np.float32)
    first = module(xs)
    jax.tree.map(assert_agrees, first, jax.jit(function)(xs, *others))
    for _ in range(200):
        jax.tree.map(np.testing.assert_array_equal, module(xs), first)


def test_short_phases_are_not_shared() -> None:
    module = nm.compile(lambda xs: lstm(xs, *[weight(1, 8)] * 2, weight(8, 32)), (nm.spec((S, 1, 32), f32),))
    assert "nimble.kernel" in module.ir("linalg")
    assert not is_shared(module)


def test_a_loop_that_asks_data_is_not_shared() -> None:
    """Whether it goes on, a workgroup would read while another one goes on."""
    u = weight(512, 512)
    module = nm.compile(
        lambda h: lax.while_loop(lambda h: h.sum() > 1, lambda h: jnp.tanh(h @ u) * 0.5, h), (nm.spec((1, 512), f32),)
    )
    assert "nimble.kernel" in module.ir("linalg")
    assert not is_shared(module)


def test_weights_are_laid_out_in_blocks_once() -> None:
    """A constant is read in blocks of columns; an argument, which would have to be copied in each call, as it is."""
    u = weight(512, 2048)
    xs = nm.spec((S, 1, 2048), f32)
    first = weight(1, 512)
    blocks = re.compile(r"tensor<32x512x64xf32>")
    assert blocks.search(nm.compile(lambda xs: lstm(xs, first, first, u), (xs,)).ir("linalg"))
    assert not blocks.search(nm.compile(lambda xs, u: lstm(xs, first, first, u), (xs, np.asarray(u))).ir("linalg"))
