"""`while_loop`, `fori_loop` and `scan` of `nm.batch`: examples leave a loop as soon as they are done with it.

A loop whose condition varies becomes two, one in the other. The inner one runs, with a batch of fixed size, until an example
is done; so it is a loop as any other, and an iteration in which nobody is done moves no row. The outer one then writes what
the examples have come to into the rows of the results, and goes on with those that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import primitives

from ..loops import while_loop
from .interpret import Batch, Varying, flags_of, interpret, rule, spread_all, values_of
from .rows import positions_of, put, spread, take
from .uniformity import loop_carries, scan_carries


def _wrapped(values: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    return [Varying(value) if flag else value for value, flag in zip(values, flags, strict=True)]


def _unwrapped(values: Sequence[Any], flags: Sequence[bool], size: Any) -> list[Any]:
    """The arrays of the values, with a batch where the flags say so."""
    return [spread_all([value], size)[0] if flag else value for value, flag in zip(values, flags, strict=True)]


@rule(primitives.while_p)
def _while(eqn: Any, args: list[Any], batch: Batch, used: list[bool]) -> list[Any]:
    flags, divided = loop_carries(eqn, flags_of(args))
    first, second = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    ahead, consts, carry = args[:first], args[first : first + second], args[first + second :]
    if divided:
        return _Divided(eqn, ahead, consts, flags, used).run(carry, batch)
    inside = batch.part(batch.size)

    def cond(carry: list[Any]) -> Any:
        return interpret(eqn.params["cond_jaxpr"], [*ahead, *_wrapped(carry, flags)], inside)[0]

    def body(carry: list[Any]) -> list[Any]:
        after = interpret(eqn.params["body_jaxpr"], [*consts, *_wrapped(carry, flags)], inside)
        return _unwrapped(after, flags, batch.size)

    return _wrapped(lax.while_loop(cond, body, _unwrapped(carry, flags, batch.size)), flags)


class _Divided:
    """A loop that examples leave at different times.

    `flags` say which carries vary within the loop; the others are one value for all examples that are still in it. What
    varies and never changes (consts, and carries that the body returns as they came) is taken along, and is no result."""

    def __init__(self, eqn: Any, ahead: list[Any], consts: list[Any], flags: list[bool], used: list[bool]) -> None:
        self.cond, self.body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
        self.ahead, self.consts, self.flags = ahead, consts, flags
        inner = self.body.jaxpr
        came = inner.invars[len(consts) :]
        changes = [before is not after for before, after in zip(came, inner.outvars, strict=True)]
        self.written = [index for index, (change, use) in enumerate(zip(changes, used, strict=True)) if change and use]
        self.moving = [index for index, change in enumerate(changes) if change]
        self.resting = [index for index, change in enumerate(changes) if not change]

    def run(self, carry: list[Any], batch: Batch) -> list[Any]:
        """The results of the loop for the first values `carry`; of a result that nobody uses, its first value."""
        size = batch.size
        moving = [carry[index] for index in self.moving]
        moving = _unwrapped(moving, [self.flags[index] for index in self.moving], size)
        still = [*self.ahead, *self.consts, *(carry[index] for index in self.resting)]
        along = [arg.value for arg in still if isinstance(arg, Varying)]
        results = [spread_all([carry[index]], size)[0] for index in self.written]
        rows = jnp.arange(size, dtype=jnp.int32)
        goes_on = self._goes_on(still, along, moving, batch.part(size))
        state = while_loop(
            lambda state: jnp.asarray(state[0].shape[0], jnp.int32) > 0,
            lambda state: self._until_one_is_done(still, *state, batch),
            (rows, along, moving, goes_on, results),
        )
        made = list(carry)
        for index, value in zip(self.written, state[4], strict=True):
            made[index] = Varying(value)
        return made

    def _split(self, still: list[Any], along: list[Any], moving: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """What the condition and the body take: their consts, and the carry."""
        left = iter(along)
        fixed = [Varying(next(left)) if isinstance(arg, Varying) else arg for arg in still]
        ahead, consts = fixed[: len(self.ahead)], fixed[len(self.ahead) : len(self.ahead) + len(self.consts)]
        carry: list[Any] = [None] * len(self.flags)
        for index, value in zip(self.resting, fixed[len(self.ahead) + len(self.consts) :], strict=True):
            carry[index] = value
        for index, value in zip(self.moving, moving, strict=True):
            carry[index] = Varying(value) if self.flags[index] else value
        return ahead, consts, carry

    def _goes_on(self, still: list[Any], along: list[Any], moving: list[Any], batch: Batch) -> Any:
        """Which examples go on: bool [size]."""
        ahead, _, carry = self._split(still, along, moving)
        return spread_all(interpret(self.cond, [*ahead, *carry], batch), batch.size)[0]

    def _until_one_is_done(
        self,
        still: list[Any],
        rows: Any,
        along: list[Any],
        moving: list[Any],
        goes_on: Any,
        results: list[Any],
        batch: Batch,
    ) -> Any:
        inside = batch.part(rows.shape[0])

        def step(state: Any) -> Any:
            _, consts, carry = self._split(still, along, state[0])
            after = interpret(self.body, [*consts, *carry], inside)
            after = [after[index] for index in self.moving]
            after = _unwrapped(after, [self.flags[index] for index in self.moving], inside.size)
            return after, self._goes_on(still, along, after, inside)

        moving, goes_on = lax.while_loop(lambda state: jnp.all(state[1]), step, (moving, goes_on))
        values = dict(zip(self.moving, moving, strict=True))
        done = [values[index] if self.flags[index] else spread(values[index], inside.size) for index in self.written]
        results = put(results, rows, done)
        left = positions_of(goes_on)
        varies = [self.flags[index] for index in self.moving]
        rows, *taken = take([rows, *along, *(v for v, flag in zip(moving, varies, strict=True) if flag)], left)
        along, fresh = taken[: len(along)], iter(taken[len(along) :])
        moving = [next(fresh) if flag else value for value, flag in zip(moving, varies, strict=True)]
        return rows, along, moving, jnp.ones(left.shape, jnp.bool_), results


@rule(primitives.scan_p)
def _scan(eqn: Any, args: list[Any], batch: Batch, used: list[bool]) -> list[Any]:
    params = eqn.params
    flags, stacked = scan_carries(eqn, flags_of(args))
    first, second = params["num_consts"], params["num_carry"]
    consts, carry, rows = args[:first], args[first : first + second], args[first + second :]
    inside = batch.part(batch.size)
    row_flags = flags_of(rows)
    xs = [jnp.moveaxis(row, 1, 0) if flag else row for row, flag in zip(values_of(rows), row_flags, strict=True)]

    def step(carry: list[Any], xs: list[Any]) -> Any:
        made = interpret(params["jaxpr"], [*consts, *_wrapped(carry, flags), *_wrapped(xs, row_flags)], inside)
        return _unwrapped(made[:second], flags, batch.size), _unwrapped(made[second:], stacked, batch.size)

    first_carry = _unwrapped(carry, flags, batch.size)
    length = None if xs else params["length"]  # which must be a number where it is given
    last, ys = lax.scan(step, first_carry, xs, length, params["reverse"], params["unroll"])
    ys = [jnp.moveaxis(y, 0, 1) if flag else y for y, flag in zip(ys, stacked, strict=True)]
    return [*_wrapped(last, flags), *_wrapped(ys, stacked)]
