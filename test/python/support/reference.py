"""JAX as the reference where every bit counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

__all__ = ["bitwise_jit"]


def bitwise_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.jit` with XLA's fusion emitters, which the tests do without elsewhere (conftest.py): the older ones make a NaN of
    -0 in float8 types that have none, and are 26 units in the last place off in `cbrt` of doubles (jaxlib 0.10.2)."""
    return jax.jit(function, compiler_options={"xla_cpu_use_fusion_emitters": True})
