"""Sine, cosine and tangent at arguments of all magnitudes, against integers of many bits."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.tolerances import assert_agrees

import nimble_mlir as nm

_BITS = 1400


@cache
def _pi() -> int:
    """pi in units of 2**-_BITS (J. Machin's formula, 1706)."""

    def arctan_of_inverse(x: int) -> int:
        term = (1 << (_BITS + 20)) // x
        total, n = term, 1
        while term:
            term //= -x * x
            n += 2
            total += term // n
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 20


def _reference(x: float) -> tuple[float, float]:
    """Sine and cosine of the double x, each good to an ulp of a double: x minus a multiple of pi/2, in integers, exactly."""
    top, bottom = abs(x).as_integer_ratio()
    exact = (top << _BITS) // bottom
    n = (2 * exact + _pi() // 2) // _pi()
    rest = exact - n * _pi() // 2
    r = rest / (1 << _BITS)
    sine, cosine = float(np.sin(r)), float(np.cos(r))
    sine, cosine = [(sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine)][n % 4]
    return (-sine if x < 0 else sine), cosine


def _arguments(dtype: Any) -> np.ndarray:
    """Random bits, random magnitudes, and those closest to multiples of pi/2 or at the bounds of the methods."""
    rng = np.random.default_rng(0)
    if dtype == np.float32:
        bits = rng.integers(0, 1 << 32, 3000, np.uint32)
        special = [16367173 * 2.0**72, 2.0**27, 2.0**27 - 8, 2.0**27 + 16, 2.0**127 * 1.99, 2.0**-149, 1e-40]
        largest = 38
    else:
        bits = rng.integers(0, 1 << 64, 3000, np.uint64)
        special = [6381956970095103 * 2.0**797, 2.0**20, 2.0**20 - 1e-9, 1e22, 1.79e308, 2.0**971 * 3, 5e-324]
        largest = 300
    near = np.array([k * np.pi / 2 for k in (1, 2, 3, 10, 1000, 12345, 10**6, 10**7, 10**9, 10**14)])
    magnitudes = 10.0 ** rng.uniform(-10, largest, 1000)
    parts = [near, -near, np.array(special), magnitudes, rng.normal(size=500) * 10]
    with np.errstate(invalid="ignore", over="ignore"):
        x = np.concatenate([bits.view(dtype), *[part.astype(dtype) for part in parts]])
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_circular_functions_of_any_magnitude(name: str) -> None:
    dtype = np.dtype(name)
    (s,) = nm.dims("s")
    with jax.enable_x64(True):
        module = nm.compile(lambda x: (jnp.sin(x), jnp.cos(x), jnp.tan(x)), (nm.spec((s,), dtype),))
        assert all(np.isnan(module(np.array([np.inf, -np.inf, np.nan], dtype))[0]))
        zeros = np.array([0.0, -0.0], dtype)
        assert module(zeros)[0].tobytes() == zeros.tobytes() == module(zeros)[2].tobytes()
        x = _arguments(dtype)
        got = module(x)
    sine, cosine = np.array([_reference(float(value)) for value in x]).T
    # Two ulps of an f64 and one of an f32, of which the reference has one; three for the quotient.
    for result, expected, ulps in zip(got, (sine, cosine, sine / cosine), (2, 2, 4), strict=True):
        spacing = np.spacing(np.abs(expected).astype(dtype)).astype(np.float64)
        assert (np.abs(result.astype(np.float64) - expected) <= ulps * spacing).all()


def test_circular_functions_of_narrow_and_complex_numbers() -> None:
    (s,) = nm.dims("s")
    specs = nm.spec((s,), jnp.bfloat16), nm.spec((s,), jnp.float16), nm.spec((s,), jnp.complex64)
    module = nm.compile(lambda x, y, z: (jnp.sin(x), jnp.cos(y), jnp.sin(z)), specs)
    x = np.array([1e38, -3e30, 1e10, 7.0]).astype(jnp.bfloat16)
    y = np.array([65504, 12345, 1e4, -7.0]).astype(np.float16)
    z = np.array([1e30 + 0.5j, 1e10 - 1j, 3e7, 1 + 1j]).astype(np.complex64)
    sines, cosines, complexes = module(x, y, z)
    assert_agrees(sines, np.array([_reference(float(v))[0] for v in x]).astype(x.dtype), "elementwise")
    assert_agrees(cosines, np.array([_reference(float(v))[1] for v in y]).astype(y.dtype), "elementwise")
    pairs = [(*_reference(float(v.real)), float(v.imag)) for v in z]
    expected = [sine * np.cosh(b) + 1j * cosine * np.sinh(b) for sine, cosine, b in pairs]
    assert_agrees(complexes, np.array(expected).astype(z.dtype), "transcendental")
