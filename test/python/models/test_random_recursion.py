"""Random recursive functions, on a stack: calls anywhere in branches and loops, of themselves and of each other.

Each function is a random tree of statements over two integers and a vector. What it computes wraps around, so that results
of one compiled module are compared bit by bit with recursion in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import nimble_mlir as nm

I32 = nm.spec((), jnp.int32)
MOST_CALLS = 20_000

State = tuple[Any, Any, Any]  # two integers and a vector
Statement = Callable[[Any, State], State]


class _Python:
    """Branches and loops as Python has them."""

    @staticmethod
    def cond(predicate: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        return yes() if predicate else no()

    @staticmethod
    def switch(index: Any, branches: list[Callable[[], Any]]) -> Any:
        return branches[min(max(int(index), 0), len(branches) - 1)]()

    @staticmethod
    def fori_loop(low: int, high: int, body: Callable[[Any, Any], Any], value: Any) -> Any:
        for index in range(low, high):
            value = body(np.int32(index), value)
        return value

    @staticmethod
    def while_loop(condition: Callable[[Any], Any], body: Callable[[Any], Any], value: Any) -> Any:
        while condition(value):
            value = body(value)
        return value


class _Program:
    """One or two functions that call each other, with at most two calls in the text of each."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.control: Any = _Python
        self.made = 0
        self.bodies: list[tuple[Statement, Statement]] = []
        for _ in range(int(self.rng.integers(1, 3))):
            self.calls = 0
            self.bodies.append((self._block(2), self._block(0)))
        self.recursive = [
            nm.recursive(lambda *args, place=place: self._run(place, *args)) for place in range(len(self.bodies))
        ]

    def _run(self, place: int, n: Any, a: Any, b: Any, v: Any) -> State:
        more, last = self.bodies[place]
        return self.control.cond(n <= 0, lambda: last(n, (a, b, v)), lambda: more(n, (a, b, v)))

    def call(self, place: int, *args: Any) -> State:
        """A call of one of the functions, as Python makes it or as nimble does."""
        place %= len(self.bodies)
        if self.control is nm:
            return self.recursive[place](*args)
        self.made += 1
        if self.made > MOST_CALLS:
            raise OverflowError
        return self._run(place, *args)

    def _block(self, depth: int) -> Statement:
        parts = [self._statement(depth) for _ in range(int(self.rng.integers(1, 4)))]

        def run(n: Any, state: State) -> State:
            for part in parts:
                state = part(n, state)
            return state

        return run

    def _statement(self, depth: int) -> Statement:
        kinds = ["step"] if depth == 0 else ["step", "call", "call", "cond", "switch", "loop", "while", "asked"]
        kind = str(self.rng.choice(kinds))
        if kind in ("call", "asked"):
            self.calls += 1
            kind = "step" if self.calls > 2 else kind
        return getattr(self, f"_{kind}")(depth - 1)

    def _step(self, depth: int) -> Statement:
        p, q = (int(value) for value in self.rng.integers(1, 100, 2))
        which = int(self.rng.integers(3))

        def run(n: Any, state: State) -> State:
            a, b, v = state
            if which == 0:
                return a * p + b, b ^ (a + q), v
            if which == 1:
                return b, a - q, v * p + np.arange(3, dtype=np.int32)
            return a + v.sum(dtype=np.int32), b * n, v[::-1] ^ q

        return run

    def _call(self, depth: int) -> Statement:
        place, less, kept = int(self.rng.integers(2)), int(self.rng.integers(1, 3)), int(self.rng.integers(4))

        def run(n: Any, state: State) -> State:
            a, b, v = state
            c, d, w = self.call(place, n - less, a + 1, b, v * 3)
            # What is kept across the call: nothing, or some of the state.
            return [(c, d, w), (c + a, d, w), (c, d ^ b, w), (c + b, d, w - v)][kept]

        return run

    def _cond(self, depth: int) -> Statement:
        yes, no = self._block(depth), self._block(depth)
        return lambda n, state: self.control.cond(state[0] % 2 == 0, lambda: yes(n, state), lambda: no(n, state))

    def _switch(self, depth: int) -> Statement:
        cases = [self._block(depth) for _ in range(3)]
        return lambda n, state: self.control.switch(
            state[1] % 5 - 1, [lambda case=case: case(n, state) for case in cases]
        )

    def _loop(self, depth: int) -> Statement:
        body, count = self._block(depth), int(self.rng.integers(0, 3))
        return lambda n, state: self.control.fori_loop(0, count, lambda i, state: body(n - i, state), state)

    def _while(self, depth: int) -> Statement:
        body = self._block(depth)

        def run(n: Any, state: State) -> State:
            return self.control.while_loop(
                lambda carry: carry[0] < carry[1][1] % 3,
                lambda carry: (carry[0] + 1, body(n, carry[1])),
                (np.int32(0), state),
            )[1]

        return run

    def _asked(self, depth: int) -> Statement:
        """A loop whose condition makes a call, in a branch."""
        body, less = self._block(0), int(self.rng.integers(1, 3))

        def goes_on(n: Any, carry: Any) -> Any:
            i, (a, b, v) = carry
            called = self.control.cond(a % 2 == 0, lambda: self.call(0, n - less, a, b, v)[1], lambda: b)
            return (i < 2) & (called % 3 != 0)

        def run(n: Any, state: State) -> State:
            return self.control.while_loop(
                lambda carry: goes_on(n, carry),
                lambda carry: (carry[0] + 1, body(n, carry[1])),
                (np.int32(0), state),
            )[1]

        return run


def _compare(seed: int) -> None:
    program = _Program(seed)
    calls = []
    for n in range(5):
        a, b = (np.int32(value) for value in program.rng.integers(-99, 99, 2))
        args = (np.int32(n), a, b, program.rng.integers(-99, 99, 3).astype(np.int32))
        program.made = 0
        try:
            with np.errstate(over="ignore"):
                calls.append((args, program.call(0, *args)))
        except OverflowError:
            break
    program.control = nm
    module = nm.compile(lambda *args: program.call(0, *args), (I32, I32, I32, nm.spec((3,), jnp.int32)))
    for args, want in calls:
        for one, other in zip(module(*args), want, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(4))
def test_as_recursion_in_python(seed: int) -> None:
    _compare(seed)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(4, 60))
def test_many_as_recursion_in_python(seed: int) -> None:
    _compare(seed)
