"""`while_loop`, `fori_loop` and `scan` of `nm.batch`: JAX's own loops over the batch, but for those that examples leave at
different times (divided.py)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import primitives

from .divided import DividedLoop
from .interpret import Batch, flags_of, interpret, rule, unwrapped, values_of, wrapped
from .uniformity import loop_carries, scan_carries


@rule(primitives.while_p)
def _while(eqn: Any, args: list[Any], batch: Batch, used: list[bool]) -> list[Any]:
    flags, divided = loop_carries(eqn, flags_of(args))
    first, second = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    ahead, consts, carry = args[:first], args[first : first + second], args[first + second :]
    if divided:
        return DividedLoop(eqn, ahead, consts, flags, used).run(carry, batch)
    inside = batch.part(batch.size)

    def cond(carry: list[Any]) -> Any:
        return interpret(eqn.params["cond_jaxpr"], [*ahead, *wrapped(carry, flags)], inside)[0]

    def body(carry: list[Any]) -> list[Any]:
        after = interpret(eqn.params["body_jaxpr"], [*consts, *wrapped(carry, flags)], inside)
        return unwrapped(after, flags, batch.size)

    return wrapped(lax.while_loop(cond, body, unwrapped(carry, flags, batch.size)), flags)


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
        made = interpret(params["jaxpr"], [*consts, *wrapped(carry, flags), *wrapped(xs, row_flags)], inside)
        return unwrapped(made[:second], flags, batch.size), unwrapped(made[second:], stacked, batch.size)

    first_carry = unwrapped(carry, flags, batch.size)
    length = None if xs else params["length"]  # which must be a number where it is given
    last, ys = lax.scan(step, first_carry, xs, length, params["reverse"], params["unroll"])
    ys = [jnp.moveaxis(y, 0, 1) if flag else y for y, flag in zip(ys, stacked, strict=True)]
    return [*wrapped(last, flags), *wrapped(ys, stacked)]
