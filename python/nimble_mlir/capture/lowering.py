"""How JAX lowers what nimble lowers itself: rules of our own for the primitives that JAX lowers to
LAPACK calls, and for what its form for the CPU is slow as.

`lower` gives JAX the rules by `LoweringParameters(override_lowering_rules=…)`, which `Lowered` takes only as the private
argument `_private_parameters`: the public registry of rules would change what JAX itself computes on the CPU. geqrf and
geqp3 are primitives that JAX exports nowhere, so this file alone takes them from `jax._src.lax.linalg`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax import lax
from jax._src import config
from jax._src.lax import linalg as lax_linalg
from jax.extend import source_info_util
from jax.extend.random import threefry2x32_p
from jax.interpreters import mlir

from .linalg import ALGORITHMS
from .random import rng_bit_generator, threefry2x32

__all__ = ["lower"]


def lower(traced: Any) -> Any:
    """`traced.lower()` for the CPU with nimble's own rules."""
    # The user's innermost line is what messages name. Its callers would make the bytes of a module depend on who compiles.
    with config.traceback_in_locations_limit(1):
        return traced.lower(_private_parameters=mlir.LoweringParameters(override_lowering_rules=_rules()))


def _rules() -> Any:
    algorithms = tuple((_primitive(name), _rule(*entry)) for name, entry in ALGORITHMS.items())
    return (
        *algorithms,
        (threefry2x32_p, _rule(threefry2x32, True)),
        (lax.rng_bit_generator_p, _rule(rng_bit_generator, True)),
    )


def _primitive(name: str) -> Any:
    return lax.fft_p if name == "fft" else getattr(lax_linalg, f"{name}_p")


def _rule(algorithm: Callable[..., Any], multiple_results: bool) -> Callable[..., Any]:
    lowered = mlir.lower_fun(algorithm, multiple_results=multiple_results)

    def rule(ctx: Any, *operands: Any, **params: Any) -> Any:
        # The algorithm's operations stand where the user's one does, not in this package.
        with source_info_util.user_context(ctx.traceback, name_stack=source_info_util.current_name_stack()):
            return lowered(ctx, *operands, **params)

    return rule
