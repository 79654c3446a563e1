"""Lowers each op with each of its dimensions dynamic in turn, and all at once; run as a process of its own.

Prints the op before it is lowered, so that the last line says what ended the process; the very last line begins with the
number of programs that were lowered. A NimbleError is an answer, too. IREE does not run: it is a process of its own anyway.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

import nimble_mlir as nm
from nimble_mlir.capture import capture
from nimble_mlir.mlir import ir
from nimble_mlir.passes.pipeline import run_default

f32, i32, c64 = jnp.float32, jnp.int32, jnp.complex64
_SQUARE = [((4, 4), f32)]

# Name → (function, shapes and dtypes of its arguments).
OPS: dict[str, tuple[Callable[..., Any], list[tuple[tuple[int, ...], Any]]]] = {
    **{name: (getattr(lax, name), [((3, 4), f32)]) for name in
       """abs acos acosh asin asinh atan atanh bessel_i0e bessel_i1e cbrt ceil cos cosh digamma erf erf_inv erfc exp expm1
       floor is_finite lgamma log log1p logistic neg round rsqrt sign sin sinh sqrt square tan tanh""".split()},
    **{f"complex_{name}": (getattr(lax, name), [((3, 4), c64)]) for name in
       "abs conj cos exp imag log neg real rsqrt sign sin sqrt tan tanh".split()},
    **{name: (getattr(lax, name), [((3, 4), f32)] * 2) for name in
       "add atan2 complex div eq ge gt le lt max min mul ne nextafter pow rem sub zeta".split()},
    **{name: (getattr(lax, name), [((3, 4), i32)] * 2) for name in
       "bitwise_and bitwise_or bitwise_xor shift_left shift_right_arithmetic shift_right_logical".split()},
    "bitcast_narrow": (lambda x: lax.bitcast_convert_type(x, jnp.int8), [((3, 4), f32)]),
    "broadcast": (lambda x: x[:, None] + jnp.zeros((1, 5, 1)), [((3, 4), f32)]),
    "clamp": (lambda x: lax.clamp(0.0, x, 1.0), [((3, 4), f32)]),
    "clz": (lax.clz, [((3, 4), i32)]),
    "concatenate": (lambda x, y: jnp.concatenate([x, y]), [((3, 4), f32)] * 2),
    "convert": (lambda x: x.astype(jnp.int8), [((3, 4), f32)]),
    "conv": (lambda x, w: lax.conv(x, w, (1, 1), "SAME"), [((2, 3, 8, 8), f32), ((4, 3, 3, 3), f32)]),
    "cumsum": (lambda x: jnp.cumsum(x, 0), [((3, 4), f32)]),
    "dot": (jnp.matmul, [((3, 4), f32), ((4, 5), f32)]),
    "dynamic_slice": (lambda x, i: lax.dynamic_slice(x, (i, 0), (1, 1)), [((3, 4), f32), ((), i32)]),
    "fft": (lambda x: jnp.fft.fft(x), [((3, 4), c64)]),
    "gather": (lambda x, i: x[i], [((3, 4), f32), ((5,), i32)]),
    "iota": (lambda x: x + jnp.arange(x.shape[0])[:, None], [((3, 4), f32)]),
    "pad": (lambda x: jnp.pad(x, 1), [((3, 4), f32)]),
    "popcount": (lax.population_count, [((3, 4), i32)]),
    "qr": (lambda x: jnp.linalg.qr(x), _SQUARE),
    "cholesky": (lambda x: jnp.linalg.cholesky(x), _SQUARE),
    "reduce": (lambda x: (x.sum(0), x.max(1), jnp.argmin(x, 0), x.prod()), [((3, 4), f32)]),
    "reduce_precision": (lambda x: lax.reduce_precision(x, 5, 2), [((3, 4), f32)]),
    "reduce_window": (lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "SAME"), [((3, 4), f32)]),
    "reshape": (lambda x: x.reshape(-1), [((3, 4), f32)]),
    "reverse": (lambda x: x[::-1], [((3, 4), f32)]),
    "scatter": (lambda x, i: x.at[i].add(1.0), [((3, 4), f32), ((5,), i32)]),
    "select": (lambda x, y: jnp.where(x > 0, x, y), [((3, 4), f32)] * 2),
    "select_and_scatter": (
        jax.grad(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 1), "VALID").sum()), [((3, 4), f32)]),
    "slice": (lambda x: x[1:, ::2], [((3, 4), f32)]),
    "sort": (lambda x: jnp.sort(x, 0), [((3, 4), f32)]),
    "top_k": (lambda x: lax.top_k(x, 2), [((3, 4), f32)]),
    "transpose": (lambda x: x.T, [((3, 4), f32)]),
    "while": (lambda x: lax.while_loop(lambda c: c.sum() < 9, lambda c: c + 1, x), [((3, 4), f32)]),
}  # fmt: skip


def variants(shapes: list[tuple[tuple[int, ...], Any]]) -> Iterator[tuple[Any, ...]]:
    """Specs with one dimension of one argument dynamic, then all dimensions: equal sizes share a symbol, being equal."""
    sizes = sorted({size for shape, _ in shapes for size in shape})
    for chosen in [*itertools.combinations(sizes, 1), tuple(sizes)]:
        names = ", ".join(f"d{size}" for size in chosen)
        symbols = dict(zip(chosen, nm.dims(names, constraints=[f"d{size} >= 2" for size in chosen]), strict=True))
        yield tuple(nm.spec(tuple(symbols.get(size, size) for size in shape), dtype) for shape, dtype in shapes)


def main() -> None:
    """Lowers them all."""
    warnings.simplefilter("ignore")
    lowered = refused = 0
    for name, (function, shapes) in OPS.items():
        for specs in variants(shapes):
            print(name, [str(spec.shape) for spec in specs], flush=True)
            try:
                program = capture({"f": (function, specs, {})})
                with program.context, ir.Location.unknown():
                    run_default(program.module)
                lowered += 1
            except nm.NimbleError:
                refused += 1
    print(lowered, "lowered,", refused, "refused")


if __name__ == "__main__":
    main()
