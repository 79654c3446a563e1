"""A table of ops on two matrices of one element type, over which the tests walk all dtypes.

Each function takes `x` and `y` of shape (s, t) and the same dtype. What JAX refuses for a dtype is left out for it.

The reference is XLA, but for elements of fewer than 8 bits: there XLA's CPU backend crashes (concatenation of int2, "Check
failed: bit_offset != nullptr"), and counts the ones of an int4 as those of 8 bits (jaxlib 0.10.2). They are computed in 32
bits and wrapped around, or rounded, once: right for one op, but for those of `BY_WIDTH`, whose results depend on the width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from .reference import bitwise_jit

__all__ = ["BY_WIDTH", "DTYPES", "OPS", "admitted", "matrices", "reference"]

DTYPES = (
    *(
        "bool",
        "int2",
        "int4",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint2",
        "uint4",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ),
    *("float4_e2m1fn", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz"),
    *("float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "bfloat16", "float16", "float32", "float64"),
    *("complex64", "complex128"),
)

Op = Callable[[Any, Any], Any]

# dtypes to which every dtype is converted.
_TARGETS = ("bool", "int2", "uint2", "int4", "uint4", "int8", "uint8", "int32", "uint32", "float8_e4m3fn",
            "float8_e4m3b11fnuz", "float8_e5m2", "float4_e2m1fn", "bfloat16", "float16", "float32", "complex64")  # fmt: skip


def _rows(y: Any) -> Any:
    """The elements of a column as indices."""
    return jnp.clip(jnp.real(y[:, 0]).astype(jnp.float32), 0, 5).astype(jnp.int32)


def _one(x: Any) -> Any:
    return np.ones((), x.dtype)


ELEMENTWISE: dict[str, Op] = {
    "add": lax.add,
    "subtract": lax.sub,
    "multiply": lax.mul,
    "divide": lax.div,
    "remainder": lax.rem,
    "maximum": lax.max,
    "minimum": lax.min,
    "and": lax.bitwise_and,
    "or": lax.bitwise_or,
    "xor": lax.bitwise_xor,
    "shift_left": lax.shift_left,
    "shift_right_arithmetic": lax.shift_right_arithmetic,
    "shift_right_logical": lax.shift_right_logical,
    "not": lambda x, y: lax.bitwise_not(x),
    "negate": lambda x, y: lax.neg(x),
    "sign": lambda x, y: lax.sign(x),
    "abs": lambda x, y: lax.abs(x),
    "square": lambda x, y: lax.square(x),
    "popcnt": lambda x, y: lax.population_count(x),
    "count_leading_zeros": lambda x, y: lax.clz(x),
    "floor": lambda x, y: [lax.floor(x), lax.ceil(x)],
    "round": lambda x, y: [lax.round(x, mode) for mode in lax.RoundingMethod],
    "is_finite": lambda x, y: lax.is_finite(x),
    "order": lambda x, y: [lax.lt(x, y), lax.le(x, y), lax.gt(x, y), lax.ge(x, y)],
    "equal": lambda x, y: [lax.eq(x, y), lax.ne(x, y)],
    "select": lambda x, y: jnp.where(x == y, x, y),
    "clamp": lambda x, y: lax.clamp(lax.min(x, y), y, x),
    "parts": lambda x, y: [lax.real(x), lax.imag(x), lax.conj(x)],
    "reduce_precision": lambda x, y: lax.reduce_precision(x, 4, 2),
}

_CONVERSIONS: dict[str, Op] = {
    f"convert_to_{target}": lambda x, y, target=target: lax.convert_element_type(x, jnp.dtype(target))
    for target in _TARGETS
}

ARRANGEMENT: dict[str, Op] = {
    "gather": lambda x, y: x[_rows(y)],
    "scatter": lambda x, y: x.at[_rows(y)].set(y),
    "concatenate": lambda x, y: jnp.concatenate([x, y, x], axis=1),
    "pad": lambda x, y: lax.pad(x, _one(x), [(1, 2, 1), (0, -1, 0)]),
    "slice": lambda x, y: x[:, ::2],
    "reverse": lambda x, y: x[::-1],
    "transpose": lambda x, y: x.T,
    "reshape": lambda x, y: x.reshape(-1),
    "broadcast": lambda x, y: jnp.broadcast_to(x[:, None], (x.shape[0], 3, x.shape[1])),
    "dynamic_slice": lambda x, y: lax.dynamic_slice(x, (x.shape[0] - 1, 0), (1, 1)),
    "dynamic_update_slice": lambda x, y: lax.dynamic_update_slice(x, y[:1], (x.shape[0] - 1, 0)),
    "sort": lambda x, y: lax.sort(x, dimension=0),
    "sort_by_key": lambda x, y: lax.sort([x, y], dimension=1, num_keys=1),
    "top_k": lambda x, y: lax.top_k(x, 1),
    "argmax": lambda x, y: [lax.argmax(x, 1, jnp.int32), lax.argmin(x, 0, jnp.int32)],
    "reduce_max": lambda x, y: [lax.reduce_max(x, (1,)), lax.reduce_min(x, (0, 1))],
    "cumulative_max": lambda x, y: [lax.cummax(x, 0), lax.cummin(x, 1, reverse=True)],
    "iota": lambda x, y: lax.broadcasted_iota(x.dtype, x.shape, 1),
    "bitcast": lambda x, y: lax.bitcast_convert_type(x, jnp.dtype(f"uint{8 * x.dtype.itemsize}")),
    "nibbles": lambda x, y: lax.bitcast_convert_type(x, jnp.uint4),
    "constant": lambda x, y: jnp.where(x == y, np.array([[1], [0], [1]], x.dtype)[1], np.full((1, 1), 1, x.dtype)),
    "loop": lambda x, y: lax.fori_loop(0, 3, lambda i, c: (c[1], c[0]), (x, y)),
    "scan": lambda x, y: lax.scan(lambda carry, row: (row, carry), x[0], y),
    "branch": lambda x, y: lax.cond(x[0, 0] == y[0, 0], lambda: x, lambda: y),
}

# Sums: of floats in another order than XLA's, and rounded elsewhere.
SUMS: dict[str, Op] = {
    "reduce_sum": lambda x, y: lax.reduce(x, np.zeros((), x.dtype), lax.add, (1,)),
    "cumulative_sum": lambda x, y: lax.cumsum(x, 0),
    "window_sum": lambda x, y: lax.reduce_window(x, np.zeros((), x.dtype), lax.add, (2, 2), (1, 1), "SAME"),
    "scatter_add": lambda x, y: x.at[_rows(y)].add(y),
    "dot": lambda x, y: lax.dot_general(x, y, (((1,), (1,)), ((), ()))),
    "dot_batched": lambda x, y: lax.dot_general(x, y, (((1,), (1,)), ((0,), (0,)))),
    "dot_wide": lambda x, y: lax.dot_general(x, y, (((0,), (0,)), ((), ())), preferred_element_type=_wide(x.dtype)),
    "loop_sum": lambda x, y: lax.fori_loop(0, 3, lambda i, carry: lax.add(carry, y), x),
}

# Those whose results depend on the width of an element by more than wrapping around.
BY_WIDTH = frozenset(
    """
    bitcast count_leading_zeros nibbles popcnt reduce_precision shift_left shift_right_arithmetic shift_right_logical
    """.split()
)

OPS: dict[str, dict[str, Op]] = {"exact": ELEMENTWISE | _CONVERSIONS | ARRANGEMENT, "reduction": SUMS}


def _wide(dtype: Any) -> Any:
    if dtype.kind == "c":
        return np.complex128 if dtype.itemsize == 16 else np.complex64
    whole = jnp.issubdtype(dtype, jnp.integer) or dtype == np.bool_
    size = max(dtype.itemsize, 4)
    return np.dtype(f"{'int' if whole else 'float'}{8 * size}")


def admitted(ops: dict[str, Op], dtype: Any) -> dict[str, Op]:
    """The ops that JAX traces for this dtype, and for which there is a reference."""
    x = np.ones((2, 3), dtype)
    found = {}
    for name, op in ops.items():
        if _held_wider(dtype) is not None and name in BY_WIDTH:
            continue
        try:
            jax.eval_shape(op, x, x)
        except Exception:  # whatever JAX raises
            continue
        found[name] = op
    return found


def _held_wider(dtype: Any) -> Any:
    name = np.dtype(dtype).name
    if name in ("int2", "int4"):
        return np.int32
    if name in ("uint2", "uint4"):
        return np.uint32
    return np.float32 if name.startswith(("float4", "float6")) else None


def reference(op: Op, x: np.ndarray, y: np.ndarray) -> Any:
    """What the op gives, by XLA."""
    wide = _held_wider(x.dtype)
    if wide is None:
        return bitwise_jit(op)(x, y)
    expected = jax.eval_shape(op, x, y)
    results = bitwise_jit(op)(x.astype(wide), y.astype(wide))
    return jax.tree.map(lambda result, like: np.asarray(result).astype(like.dtype), results, expected)


def matrices(dtype: Any, shape: tuple[int, int], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices of this dtype for ops of a kind: any bit pattern of up to 8 bits, or numbers of many magnitudes."""
    rng = np.random.default_rng(shape)
    letter = np.dtype(dtype).kind
    signs = [1.0] if "e8m0" in np.dtype(dtype).name else [-1.0, 1.0]
    if dtype == np.bool_:
        return tuple(rng.integers(0, 2, shape).astype(dtype) for _ in range(2))  # type: ignore[return-value]
    if letter in "iu" or np.dtype(dtype).name.startswith(("int", "uint")):
        limits = ml_dtypes.iinfo(dtype)
        wide = np.uint64 if limits.min == 0 else np.int64
        low, high = int(limits.min), int(limits.max)
        x, y = (rng.integers(low, high, shape, wide, endpoint=True) for _ in range(2))
        y = np.where(rng.random(shape) < 0.5, y, np.clip(y, max(low, -3), 3))
        return x.astype(dtype), y.astype(dtype)
    if np.dtype(dtype).itemsize == 1:
        if kind == "reduction":  # no overflow, which comes or not with the order of a sum
            x, y = (rng.choice([0.125, 0.25, 0.5], shape) * rng.choice(signs, shape) for _ in range(2))
            return x.astype(dtype), y.astype(dtype)
        bits = 4 if "float4" in np.dtype(dtype).name else 8
        x, y = (rng.integers(0, 1 << bits, shape).astype(np.uint8).view(dtype) for _ in range(2))
        if "fnuz" in np.dtype(dtype).name:  # XLA sorts their NaN first, of all other floats last
            x, y = (np.where(np.isnan(part.astype(np.float32)), np.zeros((), dtype), part) for part in (x, y))
        return x, y
    x, y = (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, shape) for _ in range(2))
    y = np.where(rng.random(shape) < 0.2, x, y)
    if letter == "c":
        return (x + 1j * y).astype(dtype), (y - 0.5j * x).astype(dtype)
    return x.astype(dtype), y.astype(dtype)
