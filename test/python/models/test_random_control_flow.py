"""Random programs of loops and branches, on the host and in kernels, over arrays that they update, hand on and read again.

What is compared is mostly who owns a buffer: constants of several shapes with as many elements, updates of what is read
later, carries that change places, branches that hand on what stood before them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.tolerances import assert_agrees

import nimble_mlir as nm

Values = list[Any]
Step = Callable[[Values], Values]

# The shapes of values, from those of the first one.
SHAPES: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "matrix": lambda a, b: (a, b),
    "transposed": lambda a, b: (b, a),
    "flat": lambda a, b: (a * b,),
    "vector": lambda a, b: (a,),
    "static": lambda a, b: (4, 3),
    "rows": lambda a, b: (a, 3),
}
CONSTANTS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "zeros": jnp.zeros,
    "ones": jnp.ones,
    "counted": lambda shape: lax.broadcasted_iota(jnp.float32, shape, 0) * 0.1,
}
SCATTERS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda at, value: at.add(value),
    "set": lambda at, value: at.set(value),
    "max": lambda at, value: at.max(value),
}
ELEMENTWISE: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: bounded(x + y),
    "multiply": lambda x, y: bounded(x * y),
    "subtract": lambda x, y: bounded(x - y),
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "flip": lambda x: x[::-1],
    "sort": lambda x: jnp.sort(x, 0),
    "roll": lambda x: x * 0.5 + jnp.concatenate([x[1:], x[:1]]) * 0.25,
}
SIZES = [(1, 1), (2, 3), (3, 2), (6, 5)]


def bounded(x: Any) -> Any:
    return x / (1 + jnp.abs(x))


def least(x: Any) -> Any:
    """A scalar that no kernel computes: a loop with it in its body stays on the host."""
    return jnp.sort(x.reshape(-1))[0]


def place(x: Any) -> Any:
    return (jnp.abs(x.reshape(-1)[0]) * 5).astype(jnp.int32)


class Maker:
    """Makes statements: each takes all values so far, and appends its results, whose kinds are noted."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, kinds: Sequence[str], kind: str | None = None) -> int:
        return self.random.choice([i for i, each in enumerate(kinds) if kind in (None, each)])

    def block(self, kinds: Sequence[str], depth: int, count: int) -> tuple[Step, list[str]]:
        steps, kinds = [], list(kinds)
        for _ in range(count):
            plain = [self.constant, self.scatter, self.insertion, self.elementwise, self.unary, self.reshaped]
            make = self.random.choice(plain + [self.loop, self.loop, self.branch] * bool(depth))
            step, made = make(kinds, depth)
            steps.append(step)
            kinds += made

        def run(values: Values) -> Values:
            for step in steps:
                values = values + step(values)
            return values

        return run, kinds

    def constant(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        kind, make = self.random.choice(list(SHAPES)), CONSTANTS[self.random.choice(list(CONSTANTS))]
        return lambda values: [make(SHAPES[kind](*values[0].shape))], [kind]

    def scatter(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        into, value, how = self.pick(kinds), self.pick(kinds), SCATTERS[self.random.choice(list(SCATTERS))]

        def step(values: Values) -> Values:
            rows = jnp.arange(2) * 2 % values[into].shape[0]
            return [how(values[into].at[rows], values[value].reshape(-1)[0])]

        return step, [kinds[into]]

    def insertion(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        into = self.pick(kinds)
        what = self.pick(kinds, kinds[into])

        def step(values: Values) -> Values:
            start = (place(values[what]), *[0] * (values[into].ndim - 1))
            return [lax.dynamic_update_slice(values[into], values[what][:1] * 0.5, start)]

        return step, [kinds[into]]

    def elementwise(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        left = self.pick(kinds)
        right, op = self.pick(kinds, kinds[left]), ELEMENTWISE[self.random.choice(list(ELEMENTWISE))]
        return lambda values: [op(values[left], values[right])], [kinds[left]]

    def unary(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        of, op = self.pick(kinds), UNARY[self.random.choice(list(UNARY))]
        return lambda values: [op(values[of])], [kinds[of]]

    def reshaped(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        of, kind = self.pick(kinds, "matrix"), self.random.choice(["transposed", "flat"])
        return lambda values: [values[of].T if kind == "transposed" else values[of].reshape(-1)], [kind]

    def loop(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        carried = self.random.sample(range(len(kinds)), self.random.randint(1, min(3, len(kinds))))
        carried_kinds = [kinds[index] for index in carried]
        body, inner = self.block(kinds, depth - 1, self.random.randint(2, 5))
        yielded = [self.pick(inner, kind) for kind in carried_kinds]
        trips, on_host = self.random.choice([0, 1, 3]), self.random.random() < 0.6
        form = self.random.choice(["for", "while", "scan"])

        def step(values: Values) -> Values:
            def once(k: Any, carry: Sequence[Any]) -> tuple[Any, ...]:
                inside = list(values)
                for index, value in zip(carried, carry, strict=True):
                    inside[index] = value
                made = body(inside)
                first, *rest = (made[index] for index in yielded)
                return (bounded(first + 0.01 * k + (0.001 * least(carry[0]) if on_host else 0)), *rest)

            first = tuple(values[index] for index in carried)
            if form == "for":
                return list(lax.fori_loop(0, trips, once, first))
            if form == "while":

                def goes_on(state: Any) -> Any:
                    return (state[0] < trips) & (state[1][0].reshape(-1)[0] < 1e3)

                return list(lax.while_loop(goes_on, lambda s: (s[0] + 1, once(s[0], s[1])), (jnp.int32(0), first))[1])

            def stacked(carry: Any, row: Any) -> tuple[Any, Any]:
                made = once(row.sum(), carry)
                return made, made[0].sum(0)

            last, rows = lax.scan(stacked, first, values[0])
            return [last[0] + 0.01 * rows.sum(), *last[1:]]

        return step, carried_kinds

    def branch(self, kinds: Sequence[str], depth: int) -> tuple[Step, list[str]]:
        made = [kinds[self.pick(kinds)] for _ in range(self.random.randint(1, 2))]
        sides = []
        for _ in range(2):
            body, inner = self.block(kinds, depth - 1, self.random.randint(1, 3))
            sides.append((body, [self.pick(inner, kind) for kind in made]))
        of, on_host = self.pick(kinds), self.random.random() < 0.5

        def step(values: Values) -> Values:
            def taken(body: Step, results: Sequence[int]) -> Callable[[], Values]:
                return lambda: [body(values)[index] for index in results]

            holds = (least(values[of]) if on_host else values[of].reshape(-1)[0]) > 0.05
            return lax.cond(holds, taken(*sides[0]), taken(*sides[1]))

        return step, made


def program(seed: int) -> Callable[..., Values]:
    """The last values of a random program, of a matrix, a static and a narrow one."""
    maker = Maker(seed)
    run, _ = maker.block(["matrix", "static", "rows"], 2, maker.random.randint(4, 9))
    return lambda *args: run(list(args))[-8:]


@pytest.mark.parametrize(
    "seed", [seed if seed < 4 else pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(100)]
)
def test_agrees_with_jax(seed: int) -> None:
    function = program(seed)
    a, b = nm.dims("a, b")
    specs = [nm.spec(SHAPES[kind](a, b), jnp.float32) for kind in ("matrix", "static", "rows")]
    module = nm.compile(lambda *args: function(*args), tuple(specs))
    for sizes in SIZES:
        rng = np.random.default_rng(seed)
        args = [rng.uniform(-1, 1, SHAPES[kind](*sizes)).astype(np.float32) for kind in ("matrix", "static", "rows")]
        assert_agrees(module(*args), jax.jit(function)(*args), "model")
