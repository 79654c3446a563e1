"""How far a result may lie from JAX's in the walk over JAX's harnesses: |got - expected| <= tol * (1 + |expected|).

The bounds are JAX's own: the defaults of `jax.test_util` (`default_tolerance`), and for the groups below those that JAX's
tests of the same ops use, named with each. Integers and booleans are equal. NaNs and infinities stand at the same places.
"""

from __future__ import annotations

from typing import Any

import comparisons
import numpy as np

__all__ = ["DEFAULT", "GROUPS", "tolerance"]

# jax/_src/public_test_util.py, _default_tolerance.
DEFAULT: dict[str, float] = {
    "float8_e4m3fn": 1e-1,
    "float8_e5m2": 1e-1,
    "bfloat16": 1e-2,
    "float16": 1e-3,
    "float32": 1e-6,
    "float64": 1e-15,
    "complex64": 1e-6,
    "complex128": 1e-15,
}

# jax/_src/internal_test_util/lax_test_util.py, lax_ops(); jax2tf's jax2tf_limitations.py (JAX's walk over these harnesses
# with another compiler); tests/export_harnesses_multi_platform_test.py (conv_general_dilated); tests/lax_test.py (dot).
GROUPS: dict[str, dict[str, float]] = {
    "acos": {"complex64": 1e-4, "complex128": 1e-13},
    "acosh": {"complex64": 1e-3, "complex128": 1e-12},
    "asin": {"complex64": 1e-4, "complex128": 5e-12},
    "asinh": {"complex64": 1e-4, "complex128": 1e-12},
    "atan": {"complex64": 1e-5, "complex128": 1e-12},
    "atanh": {"float64": 1e-14, "complex64": 1e-3, "complex128": 1e-12},
    "conv_general_dilated": {
        "float32": 1e-4,
        "float16": 1e-2,
        "float64": 1e-14,
        "complex64": 1e-4,
        "complex128": 1e-14,
    },
    # XLA rounds a narrow sum after each of up to eight terms, we once at the end; jax2tf allows 0.1 and 0.5.
    "cumsum": {"float16": 4e-3, "bfloat16": 4e-2},
    "cumprod": {"float16": 4e-3, "bfloat16": 4e-2},
    "reduce": {"bfloat16": 2e-2},
    "digamma": {"float64": 1e-14},
    "dot_general": {"float16": 1e-2, "float32": 1e-5, "float64": 1e-14, "complex64": 1e-5, "complex128": 1e-14},
    "erf_inv": {"float64": 1e-9},
    "expm1": {"float64": 1e-8},
    "integer_pow": {"bfloat16": 2e-2, "float32": 1e-5, "complex64": 1e-5, "complex128": 1e-13},
    "log": {"complex128": 5e-15},  # XLA has log |z| by its log1p, whose error is 1e-14 between -0.41 and -0.29
    "log1p": {"float64": 1e-13, "complex128": 3e-14},
    "logistic": {"complex128": 1e-14},
    "pow": {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-14, "complex128": 1e-13},
    "igamma": {"float64": 1e-14},
    "igammac": {"float64": 1e-14},
    "lgamma": {"float32": 1e-5, "float64": 1e-14},
    "regularized_incomplete_beta": {"float32": 2e-5, "float64": 1e-12},
    "tan": {"float32": 3e-5, "complex64": 1e-5, "complex128": 1e-13},
    "tanh": {"float64": 1e-9, "complex64": 1e-5, "complex128": 1e-13},
    **comparisons.TOLERANCES,
}


def tolerance(group: str, dtype: Any) -> float:
    """The bound of one harness group for results of `dtype`; 0 for integers and booleans."""
    name = np.dtype(dtype).name
    return GROUPS.get(group, {}).get(name, DEFAULT.get(name, 0.0))
