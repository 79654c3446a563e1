"""Which values of a jaxpr vary from example to example, and which are uniform: the same for all examples of a batch.

In: a jaxpr and which of its arguments vary. Out: which of its results may vary. The analysis is the one by which compilers
for SIMT machines find divergent branches; the interpreter (interpret.py) makes no value varying that is uniform here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jax.extend import core as jex_core
from jax.extend.core import primitives

__all__ = [
    "by_platform",
    "defines_sizes",
    "diverges",
    "inlined",
    "is_elementwise",
    "loop_carries",
    "scan_carries",
    "varying",
]

Flags = list[bool]

# Calls whose rules for derivatives are kept, by `jax.vmap`, where nothing within them can diverge.
_WITH_RULES = frozenset({primitives.custom_jvp_call_p, primitives.custom_vjp_call_p, primitives.remat_p})
_CALLS = frozenset({primitives.jit_p, primitives.closed_call_p, *_WITH_RULES})
# What costs about as much as moving the rows that it reads or writes.
_ELEMENTWISE = frozenset(
    "abs add add_any and broadcast_in_dim ceil clamp complex concatenate conj convert_element_type copy copy_p cos div eq "
    "erf exp exp2 expand_dims expm1 floor ge gt imag integer_pow iota is_finite le log log1p logistic lt max min mul ne neg "
    "nextafter not or pad population_count pow real rem reshape rev round rsqrt select_n shift_left shift_right_arithmetic "
    "shift_right_logical sign sin slice split sqrt square squeeze stop_gradient sub tan tanh transpose xor".split()
)
# The parameter of a call that is what it calls.
_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def defines_sizes(eqn: Any) -> bool:
    """Whether an equation defines sizes as the program runs."""
    return eqn.primitive.name.startswith("nimble_") and any(eqn.params.get(key) for key in ("sizes", "inner_sizes"))


def diverges(jaxpr: Any) -> bool:
    """Whether examples may part ways in a jaxpr: it has a loop with a condition, or a branch, at any depth."""
    return any(
        eqn.primitive in (primitives.while_p, primitives.cond_p)
        or defines_sizes(eqn)
        or any(diverges(inner) for inner in jex_core.jaxprs_in_params(eqn.params))
        for eqn in jaxpr.eqns
    )


def is_elementwise(jaxpr: Any) -> bool:
    """Whether a jaxpr computes elements from elements and moves them, and nothing else."""
    return all(
        all(is_elementwise(inner) for inner in jex_core.jaxprs_in_params(eqn.params))
        if eqn.primitive in _CALLS or eqn.primitive is primitives.cond_p
        else eqn.primitive.name in _ELEMENTWISE
        for eqn in jaxpr.eqns
    )


def by_platform(eqn: Any) -> bool:
    """Whether a `cond` chooses by the platform that it is lowered for."""
    return eqn.params.get("branches_platforms") is not None


def inlined(eqn: Any) -> Any | None:
    """The closed jaxpr of a call that is interpreted in the place of the call, None for what is not."""
    if eqn.primitive not in _CALLS:
        return None
    found = next(eqn.params[key] for key in _CALLED if key in eqn.params)
    closed = found if hasattr(found, "consts") else jex_core.ClosedJaxpr(found, ())
    return None if eqn.primitive in _WITH_RULES and not diverges(closed.jaxpr) else closed


def varying(jaxpr: Any, flags: Sequence[bool]) -> Flags:
    """Which results of a jaxpr vary, where `flags` says which of its arguments do."""
    known = {variable for variable, flag in zip(jaxpr.invars, flags, strict=True) if flag}

    def varies(atom: Any) -> bool:
        return not isinstance(atom, jex_core.Literal) and atom in known

    for eqn in jaxpr.eqns:
        arguments = [varies(atom) for atom in eqn.invars]
        if any(arguments):
            known.update(variable for variable, flag in zip(eqn.outvars, _results(eqn, arguments), strict=True) if flag)
    return [varies(atom) for atom in jaxpr.outvars]


def _results(eqn: Any, flags: Flags) -> Flags:
    closed = inlined(eqn)
    if closed is not None:
        return varying(closed.jaxpr, flags)
    rule = _RULES.get(eqn.primitive)
    return [True] * len(eqn.outvars) if rule is None else rule(eqn, flags)


def loop_carries(eqn: Any, flags: Sequence[bool]) -> tuple[Flags, bool]:
    """Which carries of a `while` vary within the loop, and whether its condition does.

    A carry that is computed from uniform values alone is uniform within the loop, though examples leave it at different
    times: all that are still in it have made as many iterations (a counter)."""
    cond, body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    ahead, consts, carry = list(flags[:cond]), list(flags[cond : cond + body]), list(flags[cond + body :])
    carry = _fixpoint(lambda carry: varying(eqn.params["body_jaxpr"].jaxpr, [*consts, *carry]), carry)
    return carry, varying(eqn.params["cond_jaxpr"].jaxpr, [*ahead, *carry])[0]


def _while(eqn: Any, flags: Flags) -> Flags:
    carry, condition = loop_carries(eqn, flags)
    return [True] * len(carry) if condition else carry


def _cond(eqn: Any, flags: Flags) -> Flags:
    if flags[0] or by_platform(eqn):
        return [True] * len(eqn.outvars)
    branches = [varying(branch.jaxpr, flags[1:]) for branch in eqn.params["branches"]]
    return [any(alternatives) for alternatives in zip(*branches, strict=True)]


def scan_carries(eqn: Any, flags: Sequence[bool]) -> tuple[Flags, Flags]:
    """Which carries of a `scan` vary, and which of its stacked results."""
    consts, count = eqn.params["num_consts"], eqn.params["num_carry"]
    before, carry, rows = list(flags[:consts]), list(flags[consts : consts + count]), list(flags[consts + count :])

    def step(carry: Flags) -> Flags:
        return varying(eqn.params["jaxpr"].jaxpr, [*before, *carry, *rows])

    carry = _fixpoint(lambda carry: step(carry)[:count], carry)
    return carry, step(carry)[count:]


def _scan(eqn: Any, flags: Flags) -> Flags:
    carry, rows = scan_carries(eqn, flags)
    return [*carry, *rows]


def _fixpoint(step: Callable[[Flags], Flags], flags: Flags) -> Flags:
    while True:
        after = [one or other for one, other in zip(flags, step(flags), strict=True)]
        if after == flags:
            return flags
        flags = after


_RULES: dict[Any, Callable[[Any, Flags], Flags]] = {
    primitives.cond_p: _cond,
    primitives.scan_p: _scan,
    primitives.while_p: _while,
}
