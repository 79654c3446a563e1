"""The one table of lowering rules: op name → a function that builds linalg and tensor ops for its results.

What has no rule here is left to StableHLO's own legalization (`UPSTREAM_OPS`), or is an UnsupportedOpError. A rule may
decline an op by returning None, which leaves it to upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.mlir import ir

from .builders import LoweringContext

__all__ = ["LOWERING_RULES", "UPSTREAM_OPS", "Rule", "lowering"]

Rule = Callable[[LoweringContext, Any], Sequence[ir.Value] | None]

LOWERING_RULES: dict[str, Rule] = {}


def lowering(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for the ops `names`; a custom call is registered as `custom_call:<target>`."""

    def register(rule: Rule) -> Rule:
        for name in names:
            assert name not in LOWERING_RULES, name
            LOWERING_RULES[name] = rule
        return rule

    return register


# Ops that stablehlo-legalize-to-linalg lowers correctly at dynamic sizes once their dims are known.
UPSTREAM_OPS = frozenset(
    f"stablehlo.{name}"
    for name in """
    abs add and atan2 bitcast_convert broadcast_in_dim cbrt ceil clamp compare complex concatenate constant convert
    convolution cosine count_leading_zeros divide dynamic_slice dynamic_update_slice exponential exponential_minus_one
    floor gather imag iota is_finite log log_plus_one logistic maximum minimum multiply negate not or popcnt power real
    reduce_precision remainder reshape reverse round_nearest_afz round_nearest_even rsqrt select
    shift_left shift_right_arithmetic shift_right_logical sign sine slice sqrt subtract tan tanh transpose xor return
    """.split()
)
