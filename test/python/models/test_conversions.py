"""Conversions to and from floats of 8 bits and fewer, and integers of 2 and 4, over all bit patterns, and their weights."""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from support.reference import bitwise_jit
from support.sampling import sampled
from support.tolerances import assert_agrees

import nimble_mlir as nm

FORMATS = (
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"),
    *("float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"),
)
BITS = {"float4_e2m1fn": 4, "float6_e2m3fn": 6, "float6_e3m2fn": 6}


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def _wide_numbers() -> dict[str, np.ndarray]:
    """All f16 and bf16; of f32 all high halves with low halves at which rounding turns, and f64s one bit around those."""
    halves = np.arange(1 << 16, dtype=np.uint32)
    low = (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
    singles = np.concatenate([halves << 16 | np.uint32(part) for part in low]).view(np.float32)
    with np.errstate(invalid="ignore"):
        doubles = singles.astype(np.float64).view(np.uint64)
    near = np.concatenate([doubles, doubles + np.uint64(1), doubles - np.uint64(1)]).view(np.float64)
    small = halves.astype(np.uint16)
    return {
        "float16": small.view(np.float16),
        "bfloat16": small.view(ml_dtypes.bfloat16),
        "float32": singles,
        "float64": near,
    }


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered in cast:RuntimeWarning")
def test_float_format_has_the_bits_of_ml_dtypes(name: str) -> None:
    dtype, wide = _dtype(name), _wide_numbers()
    finite = name.startswith(("float4", "float6"))
    with jax.enable_x64(True):

        def function(x: Any, *others: Any) -> Any:
            to = [lax.convert_element_type(x, _dtype(other)) for other in wide]
            return to, [lax.convert_element_type(other, dtype) for other in others], x

        dims = nm.dims("s, a, b, c, d")
        specs = [nm.spec((dim,), _dtype(other)) for dim, other in zip(dims, (name, *wide), strict=True)]
        module = nm.compile(function, tuple(specs))
        x = np.arange(1 << BITS.get(name, 8), dtype=np.uint8).view(dtype)
        widened, rounded, same = module(x, *wide.values())
    np.testing.assert_array_equal(same.view(np.uint8), x.view(np.uint8))
    for value in widened:
        expected = x.astype(value.dtype)
        number = ~np.isnan(expected.astype(np.float32))
        assert (np.isnan(value.astype(np.float32)) == ~number).all()
        assert value[number].tobytes() == expected[number].tobytes()
    for (other, numbers), results in zip(wide.items(), rounded, strict=True):
        # ml_dtypes rounds an f64 twice, by way of f32, and what is subnormal there up to a power of two.
        once = numbers.astype(np.float32) == numbers if other == "float64" else np.ones(numbers.shape, np.bool_)
        if other == "float64" and name == "float8_e8m0fnu":
            once &= np.abs(numbers) >= 2.0**-126
        given, value = numbers[once], results[once]
        expected = given.astype(dtype)
        wrong = value.view(np.uint8) != expected.view(np.uint8)
        if finite:  # NaN is -0 in XLA
            nan = np.isnan(given.astype(np.float32))
            assert (value[nan].view(np.uint8) == 1 << (BITS[name] - 1)).all()
            wrong &= ~nan
        assert not wrong.any(), (other, given[wrong][:4], value[wrong][:4], expected[wrong][:4])


def test_doubles_are_rounded_once() -> None:
    (s,) = nm.dims("s")
    formats = [name for name in FORMATS if not name.startswith("float6")]
    with jax.enable_x64(True):

        def function(x: Any) -> Any:
            return [lax.convert_element_type(x, _dtype(name)) for name in formats]

        ties = np.array([1 + 2.0**-k for k in range(1, 7)] + [2.0**-k for k in range(2, 19)] + [1.5 * 2.0**-6])
        x = np.concatenate([np.nextafter(ties, direction) for direction in (0, 9)] + [ties])
        x = np.concatenate([x, -x])
        got, expected = nm.compile(function, (nm.spec((s,), np.float64),))(x), bitwise_jit(function)(x)
    for name, one, other in zip(formats, got, expected, strict=True):
        assert one.tobytes() == np.asarray(other).tobytes(), name


@pytest.mark.parametrize("target_cpu", ["host", "generic", "x86-64-v3"])
def test_numbers_into_floats_of_16_bits_on_every_cpu(target_cpu: str) -> None:
    """LLVM calls a library where the CPU has no instruction for it, which nothing links."""
    s = nm.dims("s")[0]
    rng = np.random.default_rng(0)
    sources = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
    bits = rng.integers(0, 1 << 64, 1000, dtype=np.uint64) >> rng.integers(0, 64, 1000, dtype=np.uint64)
    values = [
        rng.normal(0, 1000, 1000).astype(name) if name.startswith("float") else bits.astype(name) for name in sources
    ]

    def function(*args: Any) -> Any:
        narrow = [[lax.convert_element_type(x, dtype) for x in args] for dtype in (np.float16, ml_dtypes.bfloat16)]
        indices = [lax.iota(ml_dtypes.bfloat16, size) for size in (300, args[0].shape[0])]
        return narrow, [x.astype(np.float32).astype(ml_dtypes.bfloat16) for x in args], indices

    with jax.enable_x64(True):
        specs = tuple(nm.spec((s,), value.dtype) for value in values)
        module = nm.compile(function, specs, options=nm.CompileOptions(target_cpu=target_cpu))
        assert_agrees(module(*values), bitwise_jit(function)(*values), "exact")


@pytest.mark.parametrize("name", ["int2", "uint2", "int4", "uint4"])
def test_what_depends_on_the_width(name: str) -> None:
    """All pairs, against numbers of Python."""
    dtype, bits = _dtype(name), int(name.strip("uint"))
    limits = ml_dtypes.iinfo(name)
    numbers = range(int(limits.min), int(limits.max) + 1)
    pairs = [(a, b) for a in numbers for b in numbers]
    x, y = (np.array(part).astype(dtype) for part in zip(*pairs, strict=True))
    s = nm.dims("s")[0]

    def function(x: Any, y: Any) -> Any:
        shifts = (lax.shift_left, lax.shift_right_logical, lax.shift_right_arithmetic)
        return [shift(x, y) for shift in shifts], lax.population_count(x), lax.clz(x)

    module = nm.compile(function, (nm.spec((s,), dtype), nm.spec((s,), dtype)))
    mask = (1 << bits) - 1

    def amount(b: int) -> int:
        return b & mask

    left = [(a << amount(b)) if amount(b) < bits else 0 for a, b in pairs]
    logical = [(a & mask) >> amount(b) for a, b in pairs]
    signed = [a - (1 << bits) if a >> (bits - 1) == 1 else a for a, _ in pairs]
    arithmetic = [a >> min(amount(b), bits - 1) for a, (_, b) in zip(signed, pairs, strict=True)]
    ones = [(a & mask).bit_count() for a, _ in pairs]
    zeros = [bits - (a & mask).bit_length() for a, _ in pairs]
    # The bits above an element's are nothing of it.
    dirty = (x.view(np.uint8) | np.uint8(0xFF & ~mask)).view(dtype)
    for given in (x, dirty):
        shifts, popcnt, clz = module(given, y)
        for got, expected in zip((*shifts, popcnt, clz), (left, logical, arithmetic, ones, zeros), strict=True):
            assert got.dtype == dtype
            assert [int(value) & mask for value in got.astype(np.int32)] == [value & mask for value in expected]
            assert (got.view(np.uint8) & ~np.uint8(mask) == 0).all()


def test_bitcasts_of_parts_of_bytes() -> None:
    s = nm.dims("s")[0]

    def function(x: Any) -> Any:
        nibbles = lax.bitcast_convert_type(x, jax.numpy.int4)
        pairs = lax.bitcast_convert_type(x, jax.numpy.uint2)
        back = lax.bitcast_convert_type(nibbles, jax.numpy.int8), lax.bitcast_convert_type(pairs, jax.numpy.uint8)
        return nibbles, pairs, back, lax.bitcast_convert_type(nibbles, jax.numpy.uint4)

    module = nm.compile(function, (nm.spec((s,), np.int8),))
    x = np.arange(-128, 128).astype(np.int8)
    nibbles, pairs, (first, second), unsigned = module(x)
    bits = x.view(np.uint8).astype(np.int32)
    np.testing.assert_array_equal(unsigned.astype(np.int32), np.stack([bits & 15, bits >> 4], 1))
    np.testing.assert_array_equal(nibbles.view(np.uint8), unsigned.view(np.uint8))
    np.testing.assert_array_equal(pairs.astype(np.int32), np.stack([bits >> shift & 3 for shift in (0, 2, 4, 6)], 1))
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(second, x.view(np.uint8))


@pytest.mark.parametrize("name", ["int4", "uint2", "float8_e4m3b11fnuz", "float8_e4m3fn", "float4_e2m1fn"])
@pytest.mark.parametrize("size", sampled([7, 4096], 2, 1))
def test_weights_of_narrow_types(name: str, size: int) -> None:
    """Constants in the IR and weights in the file, and the same again from StableHLO, where they are text."""
    dtype = _dtype(name)
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 1 << (int(name[-1]) if "int" in name else 4), size).astype(np.uint8).view(dtype)
    s = nm.dims("s")[0]

    def function(x: Any) -> Any:
        constant = jax.numpy.asarray(weights)
        return x * lax.convert_element_type(constant, np.float32), constant

    x = np.arange(3 * size, dtype=np.float32).reshape(3, size)
    expected = x * weights.astype(np.float32), weights
    assert_agrees(nm.compile(function, (nm.spec((s, size), np.float32),))(x), expected, "exact")
    text = jax.jit(function).lower(jax.ShapeDtypeStruct((3, size), np.float32)).as_text()
    assert_agrees(tuple(nm.compile_stablehlo(text)(x)), expected, "exact")


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_doubles_are_rounded_to_float16_once() -> None:
    """All float16, what lies between two of them, and its neighbours; subnormal numbers stay."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float64)
    between = (halves[:-1] + halves[1:]) / 2
    others = [np.inf, -np.inf, 1e300, -1e300, 65519.99999, 65520.0, 5e-324, 2.0**-25, np.nextafter(2.0**-25, 1)]
    x = np.concatenate([halves, between, np.nextafter(between, np.inf), np.nextafter(between, -np.inf), others])
    with jax.enable_x64(True):
        (s,) = nm.dims("s")
        module = nm.compile(lambda x: x.astype(np.float16), (nm.spec((s,), np.float64),))
        got, nan = module(x), module(np.array([np.nan]))
    np.testing.assert_array_equal(got.view(np.uint16), x.astype(np.float16).view(np.uint16))
    assert np.isnan(nan).all()
