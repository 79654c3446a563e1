"""Programs of elementwise functions: those that CHLO expands (`stablehlo.map`), and those that IREE lacks or computes
too roughly."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from support.programs import floats, program

import nimble_mlir as nm

f32, bf16, f16 = jnp.float32, jnp.bfloat16, jnp.float16


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s), f32), nm.spec((b, s), f32)),
    "transcendental",
    contents={"x": floats(0.05, 0.95), "y": floats(1.1, 4.0)},
)
def special_functions(x, y):
    return {
        "inverse": [lax.acos(x), lax.asin(x), lax.atan(y), lax.acosh(y), lax.asinh(y), lax.atanh(x), lax.atan2(x, -y)],
        "hyperbolic": [lax.sinh(x), lax.cosh(y)],
        "gamma": [lax.lgamma(y), lax.digamma(y), lax.polygamma(jnp.ones_like(y), y), lax.zeta(y, x)],
        "bessel": [lax.bessel_i0e(y), lax.bessel_i1e(y)],
        "error": [lax.erf(x), lax.erfc(x), lax.erf_inv(x)],
        "power": [lax.pow(y, x), lax.cbrt(-y), lax.integer_pow(y, -3)],
        "circle": [lax.sin(y * 100), lax.cos(y * 100), lax.tan(x)],
    }


@program("s", lambda s: (nm.spec((s, 3), f32), nm.spec((s, 3), f32), nm.spec((s, 3), f16)), "exact")
def neighbours_and_signs(x, y, h):
    return {
        "next": [lax.nextafter(x, y), lax.nextafter(h, -h)],
        "sign": [lax.sign(x), lax.sign(h), jnp.isinf(x / 0), jnp.signbit(-x)],
    }


@program(
    "s",
    lambda s: (nm.spec((s, 3), jnp.complex64), nm.spec((3, s), jnp.complex64)),
    "transcendental",
    constraints=["s <= 9"],
)
def complex_functions(x, y):
    y = y.T
    return {
        "exponential": [jnp.exp(x), jnp.expm1(x), jnp.log(x), jnp.log1p(x), lax.logistic(x)],
        "roots": [jnp.sqrt(x), lax.rsqrt(x), x / (y + 3), jnp.sign(x), jnp.abs(x)],
        "circle": [jnp.sin(x), jnp.cos(x), jnp.sinh(x), jnp.cosh(x), jnp.tanh(x)],
        "inverse": [lax.asin(x), lax.acos(x), lax.atan(x), lax.asinh(x), lax.atanh(x)],
        "power": [lax.pow(x, jnp.conj(y) / 4), lax.integer_pow(x, 3)],
    }


@program(
    "s",
    lambda s: (nm.spec((s, 3), f32), nm.spec((s, 3), bf16), nm.spec((s, 3), jnp.float8_e4m3fn)),
    "exact",
    contents={"x": floats(-3e9, 6e9), "h": floats(-400, 400)},
)
def saturating_conversions(x, h, n):
    special = jnp.where(x > 4e9, jnp.nan, jnp.where(x < -2e9, -jnp.inf, x))
    integers = (jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.int32, jnp.uint32)
    return {
        "float": [special.astype(dtype) for dtype in integers],
        "narrow": [h.astype(dtype) for dtype in integers],
        "eight": [n.astype(jnp.int8), n.astype(f32), h.astype(jnp.float8_e5m2), (x / 1e8).astype(jnp.float8_e4m3fn)],
        "complex": [
            lax.complex(special, x).real.astype(jnp.int16),
            lax.bitcast_convert_type(lax.complex(x, x), jnp.complex64),
        ],
        "boolean": special.astype(jnp.bool_),
    }
