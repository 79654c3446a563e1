"""A loop that the examples of a batch leave at different times, as two loops, one in the other.

The inner loop runs a batch of fixed size until an example is done; so it is a loop as any other, and an iteration in which
nobody is done moves no row. The outer one then writes what the examples have come to into the rows of the results, and goes
on with those that are left.

Where the loop only computes elements from elements, to move rows costs more than an iteration. There the inner loop goes on
until half of its examples are done, and those that are keep their values: at most twice the work, and rows are moved at most
log2 of the batch times.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ..loops import while_loop
from .interpret import Batch, Varying, interpret, spread_all, unwrapped, wrapped
from .rows import choose, positions_of, put, spread, take
from .uniformity import is_elementwise

__all__ = ["DividedLoop"]


class _State(NamedTuple):
    """What the outer loop carries, for the k examples that are left of b.

    `rows`: int32 [k], where they stand in the batch. `along`: [k, …], what varies and never changes. `moving`: the carries
    that change, [k, …] where they vary. `goes_on`: bool [k]. `results`: [b, …]."""

    rows: Any
    along: list[Any]
    moving: list[Any]
    goes_on: Any
    results: list[Any]


class DividedLoop:
    """A `while` whose condition varies.

    `flags` say which carries vary within the loop; the others are one value for all examples that are still in it. What
    never changes (consts, and carries that the body returns as they came) is taken along, and is no result."""

    def __init__(self, eqn: Any, ahead: list[Any], consts: list[Any], flags: list[bool], used: list[bool]) -> None:
        self.cond, self.body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
        self.ahead, self.consts, self.size = ahead, consts, len(flags)
        inner = self.body.jaxpr
        came = inner.invars[len(consts) :]
        changes = [before is not after for before, after in zip(came, inner.outvars, strict=True)]
        self.resting = [index for index, change in enumerate(changes) if not change]
        self.moving = [index for index, change in enumerate(changes) if change]
        self.varies = [flags[index] for index in self.moving]
        # Places in `moving` of what somebody uses.
        self.written = [place for place, index in enumerate(self.moving) if used[index]]
        # What is uniform within the loop has, for an example that is done, the value with which it left.
        self.left_behind = [place for place in self.written if not self.varies[place]]
        self.elementwise = is_elementwise(inner) and is_elementwise(self.cond.jaxpr)
        self.still: list[Any] = []

    def run(self, carry: list[Any], batch: Batch) -> list[Any]:
        """The results of the loop for the first values `carry`; of a result that nobody uses, its first value."""
        self.still = [*self.ahead, *self.consts, *(carry[index] for index in self.resting)]
        along = [arg.value for arg in self.still if isinstance(arg, Varying)]
        moving = unwrapped([carry[index] for index in self.moving], self.varies, batch.size)
        results = spread_all([carry[self.moving[place]] for place in self.written], batch.size)
        goes_on = self._goes_on(along, moving, batch.part(batch.size))
        last = while_loop(
            lambda state: jnp.asarray(state.rows.shape[0], jnp.int32) > 0,
            lambda state: self._go_on(state, batch.part(state.rows.shape[0])),
            _State(jnp.arange(batch.size, dtype=jnp.int32), along, moving, goes_on, results),
        )
        made = list(carry)
        for place, value in zip(self.written, last.results, strict=True):
            made[self.moving[place]] = Varying(value)
        return made

    def _go_on(self, state: _State, batch: Batch) -> _State:
        """Until examples are done, and those are put away."""
        moving, goes_on, done = (
            self._until_half_are_done(state, batch) if self.elementwise else self._until_done(state, batch)
        )
        results = put(state.results, state.rows, done)
        left = positions_of(goes_on)
        rows, *taken = take(
            [state.rows, *state.along, *(v for v, flag in zip(moving, self.varies, strict=True) if flag)], left
        )
        along, fresh = taken[: len(state.along)], iter(taken[len(state.along) :])
        moving = [next(fresh) if flag else value for value, flag in zip(moving, self.varies, strict=True)]
        return _State(rows, along, moving, jnp.ones(left.shape, jnp.bool_), results)

    def _until_done(self, state: _State, batch: Batch) -> tuple[list[Any], Any, list[Any]]:
        """The carries when the first example is done, who goes on, and the results so far of all."""

        def step(inner: Any) -> Any:
            after = self._step(state.along, inner[0], batch)
            return after, self._goes_on(state.along, after, batch)

        moving, goes_on = lax.while_loop(lambda inner: jnp.all(inner[1]), step, (state.moving, state.goes_on))
        done = [moving[place] if self.varies[place] else spread(moving[place], batch.size) for place in self.written]
        return moving, goes_on, done

    def _until_half_are_done(self, state: _State, batch: Batch) -> tuple[list[Any], Any, list[Any]]:
        """As `_until_done`, when half of the examples are done; until then the carries of those that are stay."""
        count = jnp.asarray(batch.size, jnp.int32)

        def step(inner: Any) -> Any:
            before, behind, goes_on = inner
            after = self._step(state.along, before, batch)
            kept = iter(choose(goes_on, *(self._varying(values) for values in (after, before))))
            now = [next(kept) if flag else value for value, flag in zip(after, self.varies, strict=True)]
            behind = choose(goes_on, self._behind(after, batch), behind)
            return now, behind, goes_on & self._goes_on(state.along, now, batch)

        moving, behind, goes_on = lax.while_loop(
            lambda inner: 2 * jnp.sum(inner[2], dtype=jnp.int32) > count,
            step,
            (state.moving, self._behind(state.moving, batch), state.goes_on),
        )
        uniform = iter(behind)
        return moving, goes_on, [moving[place] if self.varies[place] else next(uniform) for place in self.written]

    def _varying(self, moving: list[Any]) -> list[Any]:
        return [value for value, flag in zip(moving, self.varies, strict=True) if flag]

    def _behind(self, moving: list[Any], batch: Batch) -> list[Any]:
        return [spread(jnp.asarray(moving[place]), batch.size) for place in self.left_behind]

    def _split(self, along: list[Any], moving: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """What the condition and the body take: their consts, and the carry."""
        left = iter(along)
        fixed = [Varying(next(left)) if isinstance(arg, Varying) else arg for arg in self.still]
        ahead, consts = fixed[: len(self.ahead)], fixed[len(self.ahead) : len(self.ahead) + len(self.consts)]
        carry: list[Any] = [None] * self.size
        for index, value in zip(self.resting, fixed[len(self.ahead) + len(self.consts) :], strict=True):
            carry[index] = value
        for index, value in zip(self.moving, wrapped(moving, self.varies), strict=True):
            carry[index] = value
        return ahead, consts, carry

    def _step(self, along: list[Any], moving: list[Any], batch: Batch) -> list[Any]:
        """The carries after an iteration of all examples of the batch."""
        _, consts, carry = self._split(along, moving)
        after = interpret(self.body, [*consts, *carry], batch)
        return unwrapped([after[index] for index in self.moving], self.varies, batch.size)

    def _goes_on(self, along: list[Any], moving: list[Any], batch: Batch) -> Any:
        """Which examples go on: bool [size]."""
        ahead, _, carry = self._split(along, moving)
        return spread_all(interpret(self.cond, [*ahead, *carry], batch), batch.size)[0]
