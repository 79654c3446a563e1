"""What stands in the frames of recursion on a stack, and what does not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm

I32 = nm.spec((), jnp.int32)


@nm.recursive
def of_key(key, n):
    """A key stands in each frame."""
    own = jax.random.key_data(key)[1]
    return nm.cond(n == 0, lambda: own * 3, lambda: of_key(key, n - 1) * own + jax.random.key_data(key)[1])


def test_random_keys() -> None:
    module = nm.compile(lambda seed, n: of_key(jax.random.key(seed), n), (I32, I32))
    for seed, n in ((0, 0), (1, 1), (7, 40)):
        assert int(module(np.int32(seed), np.int32(n))) == int(of_key(jax.random.key(seed), n))


@nm.recursive
def after_other(x, n):
    """What another branch of a loop that calls itself computes is none of the frame's; a constant is computed again."""
    scale = jnp.full(3, 0.5) * 2

    def step(i, total):
        return nm.cond(i % 2 == 0, lambda: total + after_other(x * scale, n - 1), lambda: total * scale + i)

    return nm.cond(n == 0, lambda: x * scale, lambda: lax.fori_loop(0, n, step, x))


def test_calls_in_branches_of_loops() -> None:
    module = nm.compile(after_other, (nm.spec((3,), jnp.float32), I32))
    x = np.array([0.5, -1, 2], np.float32)
    for n in range(5):
        with jax.disable_jit():
            want = after_other(jnp.asarray(x), n)
        assert_agrees(module(x, np.int32(n)), np.asarray(want), "reduction")


def test_tail_calls_take_no_room() -> None:
    """Also those that a branch makes: as deep as can be counted, in one frame."""

    @nm.recursive(max_depth=1)
    def gcd(a, b):
        return nm.cond(b == 0, lambda: a, lambda: gcd(b, a % b))

    @nm.recursive(max_depth=2)
    def counted(n, total):
        return nm.switch(jnp.minimum(n, 2), [lambda: total, lambda: total + 1, lambda: counted(n - 1, total + 1)])

    module = nm.compile(lambda a, b: (gcd(a, b), counted(a, b)), (I32, I32))
    assert [int(v) for v in module(np.int32(1_000_000), np.int32(3_600))] == [400, 1_003_600]
