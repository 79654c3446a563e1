"""`cond` and `switch` of `nm.batch`: each branch runs for the examples that take it, and for no other.

Branches that only compute elements from elements cost less than the rows that would have to be moved: all run for all
examples, as with `jax.vmap`, and a loop around them stays one that a kernel can run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import primitives

from .interpret import Batch, Varying, flags_of, interpret, rule, spread_all, unwrapped, values_of, vmapped, wrapped
from .rows import blank, positions_of, put, take
from .uniformity import by_platform, is_elementwise, varying


@rule(primitives.cond_p)
def _cond(eqn: Any, args: list[Any], batch: Batch, used: list[bool]) -> list[Any]:
    index, *operands = args
    if by_platform(eqn):
        return vmapped(eqn, args, batch)
    if not isinstance(index, Varying):
        return _together(eqn, index, operands, batch)
    if all(is_elementwise(branch.jaxpr) for branch in eqn.params["branches"]):
        return vmapped(eqn, args, batch)
    return _divided(eqn, index, operands, batch)


def _together(eqn: Any, index: Any, operands: list[Any], batch: Batch) -> list[Any]:
    """All examples take one branch."""
    flags = flags_of(operands)
    branches = eqn.params["branches"]
    results = [
        any(alternatives) for alternatives in zip(*(varying(branch.jaxpr, flags) for branch in branches), strict=True)
    ]

    def call(branch: Any) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            made = interpret(branch, wrapped(values, flags), batch.part(batch.size))
            return unwrapped(made, results, batch.size)

        return run

    made = lax.switch(index, [call(branch) for branch in branches], *values_of(operands))
    return wrapped(made, results)


def _divided(eqn: Any, index: Varying, operands: list[Any], batch: Batch) -> list[Any]:
    """The examples are divided by the branch that they take, and their results put where they stood."""
    flags = flags_of(operands)
    branches = eqn.params["branches"]
    made = [blank(variable.aval, batch.size) for variable in eqn.outvars]
    for number, branch in enumerate(branches):
        mask = index.value == number

        def some(made: list[Any], mask: Any = mask, branch: Any = branch) -> list[Any]:
            positions = positions_of(mask)
            taken = iter(take([arg.value for arg in operands if isinstance(arg, Varying)], positions))
            given = [Varying(next(taken)) if flag else arg for arg, flag in zip(operands, flags, strict=True)]
            size = positions.shape[0]
            return put(made, positions, spread_all(interpret(branch, given, batch.part(size)), size))

        made = lax.cond(jnp.any(mask), some, lambda made: made, made)
    return [Varying(value) for value in made]
