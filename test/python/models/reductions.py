"""Programs of reductions, window reductions, cumulative reductions and pads: computations, initial values, dtypes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import bf16, f16, f32, floats, i8, i32, integers, program, u8

import nimble_mlir as nm

c64 = jnp.complex64


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s), f32), nm.spec((b, s), i32), nm.spec((b, s), u8), nm.spec((b, s), c64)),
    "reduction",
    contents={"k": integers(-3, 4), "x": floats(-3, 3)},
    run_at_most={"b": 5, "s": 70},
)
def cumulative(x, k, v, z):
    return {
        "flat": jnp.cumsum(x),
        "sum": [jnp.cumsum(x, 0), lax.cumsum(x, 1, reverse=True), lax.cumsum(k, 1), lax.cumsum(v, 0), lax.cumsum(z, 1)],
        "product": [lax.cumprod(1 + x / 100, 1), lax.cumprod(k, 0, reverse=True), lax.cumprod(z / 4, 1)],
        "max": [lax.cummax(x, 1, reverse=True), lax.cummax(k, 0), lax.cummax(v, 1), lax.cummax(z, 1)],
        "min": [lax.cummin(x, 0), lax.cummin(v, 1, reverse=True), lax.cummin(z, 0)],
        "logsumexp": [lax.cumlogsumexp(x, 1), lax.cumlogsumexp(x, 0, reverse=True)],
    }


@program("b, s", lambda b, s: (nm.spec((b, s), bf16), nm.spec((b, s), f16)), "reduction",
         contents={"x": floats(0, 1), "y": floats(0, 1)}, run_at_most={"b": 3, "s": 500})  # fmt: skip
def narrow_accumulation(x, y):
    def total(value):
        return lax.reduce(value, np.zeros((), value.dtype), lax.add, (1,))

    return [
        total(x),
        total(y),
        lax.cumsum(x, 1),
        lax.cumsum(y, 1, reverse=True),
        lax.cummax(x, 1),
        lax.cumlogsumexp(y, 1),
    ]


@program("b, s", lambda b, s: (nm.spec((b, s), f32), nm.spec((b, s), i32)), "reduction",
         contents={"x": floats(0.1, 2)}, run_at_most={"b": 4, "s": 13})  # fmt: skip
def computations_of_windows(x, k):
    b, s = x.shape
    whole, front = (1, s), ((0, 0), (s - 1, 0))

    def window(value, init, computation, size, strides=(1, 1), padding="SAME", **options):
        return lax.reduce_window(value, init, computation, size, strides, padding, **options)

    def decaying(p, q):
        return lax.select(p > q, p, lax.sqrt(lax.abs(q)) + lax.exp(-p))

    return {
        "initial_value": window(x, 2.0, lax.add, (2, 3)),
        "data_initial_value": window(x, x[0, 0], lax.add, (1, 2), (1, 2)),
        "computation": window(x, 1.0, decaying, whole, padding=front),
        "whole_same": window(x, 0.0, lax.add, whole),
        "whole_both": window(x, 0.0, lax.max, (b, s), padding="VALID"),
        "wider": window(x, 1.0, lax.mul, (1, 2 * s), (1, 2), ((0, 0), (s, s)), base_dilation=(1, 2)),
        "dilated": window(x, 0.0, lax.add, (1, 2), padding=((0, 0), (3, 2)), window_dilation=(1, 3)),
        "few": window(x, 0.0, lax.add, (1, 4), padding="VALID"),
        "flags": window(x > 1, False, lax.bitwise_or, (2, 2), (1, 2)),
        "flipped": window(x > 1, False, lax.bitwise_xor, whole),
        "pair": window((x, k), (0.0, -7), lambda p, q: (p[0] + q[0], lax.max(p[1], q[1])), (1, 3), (1, 2)),
        "whole_pair": window((x, x), (0.0, 9.0), lambda p, q: (p[0] + q[0], lax.min(p[1], q[1])), whole, padding=front),
    }


@program("b, s", lambda b, s: (nm.spec((b, s), f32), nm.spec((b, s), i32), nm.spec((b, s), i8), nm.spec((b, s), c64)),
         "reduction", contents={"x": floats(0.5, 2), "k": integers(-9, 10)},
         constraints=["b >= 2", "s >= 2"], run_at_most={"b": 4, "s": 30})  # fmt: skip
def computations_of_reductions(x, k, w, z):
    # Over a dimension of size 1 XLA leaves out an initial value, whether it is an identity or not.
    def reduced(value, init, computation, axes=(1,)):
        return lax.reduce(value, np.array(init, value.dtype), computation, axes)

    later = (k, w), (np.int32(5), np.int8(-2))
    return {
        "smooth": reduced(x, 0, lambda p, q: lax.log(lax.exp(p / 64) + lax.expm1(q / 64)) * 3 + lax.tanh(p) / 64),
        "initial_value": reduced(x, 3, lax.add),
        "all": [
            reduced(x, 1, lax.mul, (0, 1)),
            reduced(k, 0, lax.bitwise_xor, (0, 1)),
            reduced(k, -1, lax.bitwise_and),
        ],
        "magnitude": lax.reduce(z, np.complex64(0), lambda p, q: lax.select(lax.real(p) < lax.real(q), q, p), (1,)),
        "complex": reduced(z, 0, lax.add, (0,)),
        "none": reduced(x, 0, lax.add, ()),
        "pair": lax.reduce(*later, lambda p, q: (p[0] + q[0], lax.max(p[1], q[1])), (0,)),
        "clamped": reduced(k, 0, lambda p, q: lax.clamp(-20, p + q, 20)),
        "empty": [jnp.zeros((0, 3)).sum(0) + x[0, 0], lax.reduce(x[:, :0], 2.0, lax.add, (1,))],
    }


@program("b, s", lambda b, s: (nm.spec((b, s), f32), nm.spec((b, s), c64), nm.spec((s,), i8)), "exact")
def pads(x, z, w):
    return {
        "interior": [lax.pad(x, 1.0, ((0, 0, 1), (2, 1, 2))), lax.pad(w, np.int8(7), ((3, 0, 1),))],
        "cropped": [lax.pad(x, 1.0, ((0, 0, 0), (-3, 5, 0))), lax.pad(x, 1.0, ((0, 0, 1), (6, -4, 1)))],
        "complex": [
            jnp.pad(z, ((1, 2), (0, 1)), constant_values=2j),
            lax.pad(z, np.complex64(1), ((0, 0, 1), (-1, 2, 0))),
        ],
        "by_its_size": lax.pad(x, x[0, 0], ((0, x.shape[0], 0), (x.shape[1], 0, 0))),
        "modes": [jnp.pad(x, 1, mode="edge"), jnp.pad(w, (0, 2))],
    }


@program("n", lambda n: (nm.spec((n, 4), f32), nm.spec((4,), f32)), "contraction", run_at_most={"n": 67})
def read_along_both_dimensions(x, w):
    # Each result of a reduction meets itself: by rows and by columns.
    squares, products, best = (x * x).sum(1), x @ w, jnp.argmax(x, 1)
    distances = squares[:, None] + squares[None] - 2 * x @ x.T
    again = (x * x).sum(1)[:, None] - (x * x).sum(1, keepdims=True).T
    return distances, again, products[:, None] - products, best[:, None] == best[None], jnp.maximum(again, 0).sum(0)


@program(
    "b, s, t",
    lambda b, s, t: (nm.spec((b, s), f32), nm.spec((b, s, t), f16), nm.spec((b, s), i8), nm.spec((b, s), u8),
                     nm.spec((t,), f32)),
    "reduction",
    contents={"x": floats(-2, 2), "h": floats(0, 1), "k": integers(-3, 4), "v": integers(0, 256)},
    run_at_most={"b": 5, "s": 330, "t": 4},
)  # fmt: skip
def reductions_of_rows(x, h, k, v, y):
    """Rows shorter than a vector, of some vectors, and with elements left over."""

    def reduced(value, init, computation):
        return lax.reduce(value, np.asarray(init, value.dtype), computation, (1,))

    return {
        "sum": [
            x.sum(1),
            x.sum(),
            reduced(k, 0, lax.add),
            reduced(v, 0, lax.add),
            (x - x.mean(1, keepdims=True)).var(1),
        ],
        "product": [reduced(1 + x / 100, 1, lax.mul), reduced(k, 1, lax.mul)],
        "extremes": [x.max(1), x.min(), k.max(1), k.min(1), v.max(1), v.min(1), x.at[0, 0].set(jnp.nan).max(1)],
        "bits": [reduced(k, -1, lax.bitwise_and), reduced(v, 0, lax.bitwise_or), reduced(v, 0, lax.bitwise_xor)],
        "two_dimensions": [h.max((1, 2)), h.astype(f32).sum((1, 2)), h.astype(f32).sum((0, 1))],
        "exponentials": [jnp.exp(x - x.max(1, keepdims=True)).sum(1), jnp.log(jnp.exp(x).sum())],
        "differences": [((x[:, :, None] - y) ** 2).sum(2), abs(x[0][:, None] - y).max(1)],
    }
