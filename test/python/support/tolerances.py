"""The one tolerance table: how far a result may lie from JAX's, by dtype and kind of computation.

First what the tests of this project allow, then what JAX's own tests allow where its harnesses are walked. JAX
on the CPU is the reference. Both sides round, fuse and order their sums in their own way, so a bound is not 0 where
either may; it is derived from eps of the dtype (half the gap above 1), never fitted to a run.
"""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np

__all__ = [
    "KINDS",
    "assert_agrees",
    "assert_same_bits",
    "decomposition_tolerance",
    "harness_tolerance",
    "tolerance",
]

# Gap between 1 and the next number: the unit of all bounds below.
_EPS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "bfloat16": 2.0**-7,
    "float16": 2.0**-10,
    "float4_e2m1fn": 2.0**-1,
    "float8_e3m4": 2.0**-4,
    "float8_e4m3": 2.0**-3,
    "float8_e4m3b11fnuz": 2.0**-3,
    "float8_e4m3fn": 2.0**-3,
    "float8_e4m3fnuz": 2.0**-3,
    "float8_e5m2": 2.0**-2,
    "float8_e5m2fnuz": 2.0**-2,
    "float8_e8m0fnu": 1.0,
    "complex64": 2.0**-23,
    "complex128": 2.0**-52,
}

# Units (of eps) by kind: (relative to the element, relative to the largest finite magnitude in the array).
#
# exact           One correctly rounded operation or none (add, max, select, data movement): no difference at all.
# elementwise     A short chain of correctly rounded operations: the two compilers may contract a * b + c to an fma or
#                 not, half an ulp an operation; 4 allows a chain of eight. Cancellation in the chain is relative to the
#                 terms, hence the same 4 against the array's largest.
# transcendental  exp, log, tanh, erf …: XLA and IREE have their own polynomials. Allowed are a few ulp for each of two of
#                 them, and a chain of two functions: 16. tanh and log1p near 0 are accurate absolutely only. No bound
#                 holds for an ill-conditioned argument (tan near its pole): programs keep away from those.
# reduction       A sum of n terms in another order: error at most (n - 1) * eps/2 * sum|x|. Tests sum up to a few
#                 hundred terms of like magnitude; errors of random sign grow with sqrt(n), so 64 is beyond n = 1000.
# contraction     The same sum after products, once or twice in a program; XLA and IREE may fuse or not.
# model           A whole network of layers in series, each a contraction and a normalization that keeps the scale: the
#                 errors of layers add, so eight contractions of 128. 1000 units of f32 are 1.2e-4 of the largest
#                 activation, which a wrong index or a lost term exceeds by far.
_UNITS: dict[str, tuple[float, float]] = {
    "exact": (0, 0),
    "elementwise": (4, 4),
    "transcendental": (16, 8),
    "reduction": (64, 64),
    "contraction": (128, 128),
    "model": (1000, 1000),
}

# In floats of 8 and 16 bits an eps is so large that multiples of it hide errors. There intermediate results are rounded at
# other places: XLA on the CPU computes in f32 and rounds after each operation, IREE where a dispatch ends. One more or one
# less rounding an operation is half a unit; a chain of 4 is 2, a normalized network of a few layers 8 (random signs).
_NARROW_UNITS: dict[str, tuple[float, float]] = {
    "exact": (0, 0),
    "elementwise": (2, 2),
    "transcendental": (2, 2),
    "reduction": (4, 4),
    "contraction": (4, 4),
    "model": (8, 8),
}

KINDS = tuple(_UNITS)

# The walk over JAX's harnesses (test/harness): |got - expected| <= bound * (1 + |expected|), where of sums |expected| is the
# sum of the terms' magnitudes. The bounds are JAX's own, so that "right" means there what it means to JAX: the defaults of
# `jax.test_util`, and for some groups those that JAX's tests of the same ops use, named with each. Integers and booleans
# are equal. NaNs and infinities stand at the same places.
#
# jax/_src/public_test_util.py, _default_tolerance.
_HARNESS_DEFAULT: dict[str, float] = {
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
_HARNESS_GROUPS: dict[str, dict[str, float]] = {
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
    # jax2tf_limitations.py has these of decompositions and solves.
    "custom_linear_solve": dict.fromkeys(("float32", "float64"), 0.001),
    "fft": {"float32": 1e-4, "complex64": 1e-4, "float64": 1e-13, "complex128": 1e-13},
    "qr": {"float32": 1e-4, "complex64": 1e-4, "float64": 1e-13, "complex128": 1e-13},
    "tridiagonal_solve": {"float32": 1e-4, "float64": 1e-12},
}


def tolerance(dtype: Any, kind: str) -> tuple[float, float]:
    """(relative to the element, relative to the array's largest finite magnitude); (0, 0) for integers and booleans."""
    name = np.dtype(dtype).name
    if name not in _EPS:
        return 0.0, 0.0
    table = _NARROW_UNITS if _EPS[name] >= _EPS["float16"] else _UNITS
    relative, of_largest = table[kind]
    return relative * _EPS[name], of_largest * _EPS[name]


def harness_tolerance(group: str, dtype: Any) -> float:
    """The bound of one group of JAX's harnesses for results of `dtype`; 0 for integers and booleans."""
    name = np.dtype(dtype).name
    return _HARNESS_GROUPS.get(group, {}).get(name, _HARNESS_DEFAULT.get(name, 0.0))


def decomposition_tolerance(dtype: Any, size: int) -> float:
    """What rounding in a decomposition of a matrix of `size` rows may come to, relative to its norm: the error of
    Householder and Jacobi methods grows at most with the number of rows (Higham, Accuracy and Stability, ch. 19)."""
    return 50 * (size + 1) * float(np.finfo(dtype).eps)


def assert_agrees(got: Any, expected: Any, kind: str = "model") -> None:
    """Asserts that two pytrees agree: structure, dtypes, shapes, places of NaN and infinities, signs of infinities, and
    values within the tolerance of `kind`. Raises AssertionError that names the leaf and its worst element."""
    got_leaves, got_tree = jax.tree_util.tree_flatten_with_path(got)
    expected_leaves, expected_tree = jax.tree_util.tree_flatten_with_path(expected)
    assert got_tree == expected_tree, f"structure {got_tree}, expected {expected_tree}"
    for (path, leaf), (_, reference) in zip(got_leaves, expected_leaves, strict=True):
        _assert_leaf(jax.tree_util.keystr(path) or "result", _array(leaf), _array(reference), kind)


def assert_same_bits(got: Any, expected: Any) -> None:
    """Asserts that two pytrees of arrays are equal bit for bit."""
    assert_agrees(got, expected, "exact")


def _array(leaf: Any) -> np.ndarray:
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _assert_leaf(name: str, got: np.ndarray, expected: np.ndarray, kind: str) -> None:
    assert got.dtype == expected.dtype, f"{name}: dtype {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    if expected.dtype.name not in _EPS:
        wrong = got != expected
    else:
        wrong = ~_close(got, expected, kind)
    if wrong.any():
        worst = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{name}: {int(wrong.sum())} of {wrong.size} elements of shape {got.shape} {got.dtype} differ ({kind}); "
            f"first at {worst}: got {got[worst]!r}, expected {expected[worst]!r}"
        )


def _close(got: np.ndarray, expected: np.ndarray, kind: str) -> np.ndarray:
    if expected.dtype.kind == "c":
        # Each part on its own, but against the magnitude of the whole: an error of the product turns the phase.
        scale = _largest(np.abs(expected))
        real = _close_parts(got.real, expected.real, kind, scale, np.abs(expected))
        return real & _close_parts(got.imag, expected.imag, kind, scale, np.abs(expected))
    wide = np.float64
    a, b = got.astype(wide), expected.astype(wide)
    relative, of_largest = tolerance(expected.dtype, kind)
    with np.errstate(invalid="ignore"):  # 0 * inf: what is not finite is compared apart
        bound = relative * np.abs(b) + of_largest * _largest(np.abs(b))
    return _within(a, b, bound)


def _close_parts(got: np.ndarray, expected: np.ndarray, kind: str, largest: float, size: np.ndarray) -> np.ndarray:
    relative, of_largest = tolerance(expected.dtype, kind)
    a, b = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        bound = relative * size + of_largest * largest
    return _within(a, b, bound)


def _within(a: np.ndarray, b: np.ndarray, bound: np.ndarray) -> np.ndarray:
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= bound
    same_special = (np.isnan(a) & np.isnan(b)) | (a == b)
    return np.where(finite, near, same_special)


def _largest(magnitudes: np.ndarray) -> float:
    finite = magnitudes[np.isfinite(magnitudes)]
    return float(finite.max()) if finite.size else 0.0


assert ml_dtypes.bfloat16  # registers bfloat16 with numpy
