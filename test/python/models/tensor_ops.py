"""Programs about one family of ops each: contractions, reductions, windows, convolutions, indexing, dtypes, randomness."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import bf16, boolean, f16, f32, floats, i8, i32, integers, program, u8, u32

import nimble_mlir as nm


@program(
    "b, g, s, t",
    lambda b, g, s, t: (nm.spec((b, g, s, 5), f32), nm.spec((b, g, t, 5), f32), nm.spec((g, 5, 6), f32)),
    "contraction",
    run_at_most={"b": 3, "g": 4},
)
def einsums(x, y, w):
    return {
        "scores": jnp.einsum("bgsd,bgtd->bgst", x, y),
        "crossed": jnp.einsum("bgsd,bgtd->tsgb", x, y),
        "grouped": jnp.einsum("bgsd,gde->bsge", x, w),
        "all": jnp.einsum("bgsd,bgtd->", x, y),
        "outer": jnp.einsum("bgsd,bgte->sedt", x, y),
        "diagonal_free": jnp.einsum("bgsd,gde->e", x, w),
    }


@program(
    "b, s, t",
    lambda b, s, t: (nm.spec((b, s, 4), f32), nm.spec((b, 4), f32), nm.spec((s,), f32), nm.spec((t,), f32)),
    "contraction",
    run_at_most={"s": 40, "t": 33},
)
def vectors_and_matrices(x, y, u, v):
    return {
        "batched_matvec": jnp.einsum("bsd,bd->bs", x, y),
        "batched_vecmat": jnp.einsum("bs,bsd->bd", x[:, :, 0], x),
        "matvec": x[0] @ y[0],
        "vecmat": u @ x[0],
        "outer": jnp.outer(u, v),
        "dot": u @ u,
        "batched_dot": jnp.einsum("bd,bd->b", y, y),
        "batched_outer": jnp.einsum("bs,bd->bsd", x[:, :, 1], y),
        "scalar_matrix": jnp.tensordot(u.sum(), x, axes=0),
        "thin": x @ np.ones((4, 1), np.float32),
        "transposed": x[0].T @ x[0],
    }


@program(
    "m, k, n",
    lambda m, k, n: (nm.spec((m, k), i8), nm.spec((k, n), i8), nm.spec((m, k), u8), nm.spec((k, n), u8)),
    "exact",
    contents={"a": integers(-128, 128), "b": integers(-128, 128), "c": integers(0, 256), "d": integers(0, 256)},
)
def integer_matmuls(a, b, c, d):
    wide = {"preferred_element_type": jnp.int32}
    return {
        "i8_i32": lax.dot(a, b, **wide),
        "u8_u32": lax.dot(c, d, preferred_element_type=jnp.uint32),
        "u8_i32": lax.dot(c, d, **wide),
        "u8": lax.dot(c, d),
        "i32": a.astype(jnp.int32) @ b.astype(jnp.int32),
        "bool": (a > 0) @ (b > 0),
        "vector": lax.dot(a[0], b[:, 0], **wide),
    }


@program("b, s", lambda b, s: (nm.spec((b, s, 16), bf16), nm.spec((b, s), i32)), contents={"ids": integers(0, 20)})
def block_bf16(x, ids):
    return _block(x, ids, jnp.bfloat16)


@program("b, s", lambda b, s: (nm.spec((b, s, 16), f16), nm.spec((b, s), i32)), contents={"ids": integers(0, 20)},
         on_demand=True)  # fmt: skip
def block_f16(x, ids):
    return _block(x, ids, jnp.float16)


def _block(x, ids, dtype):
    """Embedding, layer norm, attention with f32 accumulation, gelu."""
    rng = np.random.default_rng(0)
    table, up, down = (jnp.asarray(rng.normal(0, 0.25, shape), dtype) for shape in [(20, 16), (16, 32), (32, 16)])
    x = x + table[ids]
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    normed = ((wide - mean) * lax.rsqrt(wide.var(-1, keepdims=True) + 1e-5)).astype(dtype)
    scores = jnp.einsum("bqd,bkd->bqk", normed, normed, preferred_element_type=jnp.float32) * 0.25
    mixed = jnp.einsum("bqk,bkd->bqd", jax.nn.softmax(scores).astype(dtype), normed)
    return (x + jax.nn.gelu(mixed @ up, approximate=False) @ down).astype(dtype), scores.astype(dtype)


@program("b, s", lambda b, s: (nm.spec((b, s, 6), f32),), "contraction", constraints=["s >= 8"], run_at_most={"s": 41})
def convolutions_1d(x):
    rng = np.random.default_rng(0)

    def kernel(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    def convolve(kernel, strides=1, padding="SAME", **options):
        return lax.conv_general_dilated(
            x, kernel, (strides,), padding, dimension_numbers=("NWC", "WIO", "NWC"), **options
        )

    return {
        "same": convolve(kernel(3, 6, 4)),
        "even": convolve(kernel(4, 6, 4)),
        "valid": convolve(kernel(3, 6, 4), padding="VALID"),
        "strided_same": convolve(kernel(3, 6, 4), strides=2),
        "strided_valid": convolve(kernel(5, 6, 4), strides=3, padding="VALID"),
        "dilated": convolve(kernel(3, 6, 4), rhs_dilation=(2,)),
        "depthwise": convolve(kernel(3, 1, 6), feature_group_count=6),
        "depthwise_multiplier": convolve(kernel(3, 1, 12), feature_group_count=6, padding=[(2, 0)]),
        "grouped": convolve(kernel(3, 3, 8), feature_group_count=2),
        "transposed": convolve(kernel(3, 6, 4), padding=[(1, 1)], lhs_dilation=(2,)),
        "flipped": convolve(jnp.flip(kernel(3, 6, 4), 0), padding=[(-1, 2)]),
        "pointwise": convolve(kernel(1, 6, 5)),
    }


@program(
    "b, h, w",
    lambda b, h, w: (nm.spec((b, h, w, 4), f32), nm.spec((b, 4, h, w), f32)),
    "contraction",
    constraints=["h >= 3", "w >= 3"],
    run_at_most={"b": 3, "h": 12, "w": 11},
)
def convolutions_2d(x, y):
    rng = np.random.default_rng(0)

    def kernel(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    nhwc = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    nchw = {"dimension_numbers": ("NCHW", "OIHW", "NCHW")}
    return {
        "nhwc_same": lax.conv_general_dilated(x, kernel(3, 3, 4, 5), (1, 1), "SAME", **nhwc),
        "nhwc_valid": lax.conv_general_dilated(x, kernel(3, 2, 4, 5), (2, 1), "VALID", **nhwc),
        "nchw_same": lax.conv_general_dilated(y, kernel(5, 4, 3, 3), (2, 2), "SAME", **nchw),
        "depthwise": lax.conv_general_dilated(x, kernel(3, 3, 1, 4), (1, 1), "SAME", feature_group_count=4, **nhwc),
        "dilated": lax.conv_general_dilated(x, kernel(3, 3, 4, 5), (1, 1), "SAME", rhs_dilation=(2, 1), **nhwc),
    }


@program(
    "b, h, w",
    lambda b, h, w: (nm.spec((b, h, w, 3), f32),),
    "reduction",
    constraints=["h >= 3", "w >= 2"],
    run_at_most={"b": 3, "h": 13, "w": 12},
)
def pools(x):
    def window(init, operation, padding, size=(1, 2, 2, 1), stride=(1, 2, 2, 1), **options):
        return lax.reduce_window(x, init, operation, size, stride, padding, **options)

    return {
        "max_valid": window(-jnp.inf, lax.max, "VALID"),
        "average": window(0.0, lax.add, "VALID") / 4,
        "min": window(jnp.inf, lax.min, ((0, 0), (1, 0), (0, 1), (0, 0)), (1, 3, 2, 1)),
        "over_batch": window(0.0, lax.add, "VALID", (1, 3, 1, 2), (1, 1, 1, 1)),
        "dilated": window(0.0, lax.add, "VALID", (1, 2, 1, 1), (1, 1, 1, 1), window_dilation=(1, 2, 1, 1)),
        "product": window(1.0, lax.mul, "VALID", (1, 2, 1, 1), (1, 1, 1, 1)),
    }


@program("b, h, w", lambda b, h, w: (nm.spec((b, h, w, 3), f32),), "reduction", run_at_most={"b": 3, "h": 13, "w": 12})
def pools_same(x):
    return {
        "max": lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
        "sum": lax.reduce_window(x, 0.0, lax.add, (1, 3, 2, 1), (1, 3, 1, 1), "SAME"),
    }


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s), f32), nm.spec((b, s), i32), nm.spec((b, s), boolean), nm.spec((b, s), u32)),
    "reduction",
    contents={"k": integers(-3, 4)},
    run_at_most={"s": 300},
)
def reductions(x, k, flags, u):
    return {
        "sum": [x.sum(), x.sum(0), x.sum(1, keepdims=True), k.sum(), u.sum(1), flags.sum(0)],
        "max": [x.max(), x.max(0), k.max(1), u.max(), x.min(1), k.min()],
        "product": [(1 + x / 100).prod(0), k.prod(1)],
        "arguments": [x.argmax(), x.argmax(0), x.argmin(1), k.argmax(1), k.argmin(0), u.argmax(1)],
        "logic": [flags.any(), flags.all(1), flags.any(0), lax.reduce_xor(k, (1,)), lax.reduce_and(k, (0,))],
        "moments": [x.mean(), x.var(1), x.std(0), jnp.linalg.norm(x)],
        "stable": [jax.nn.logsumexp(x, 1), jax.nn.softmax(x, 0)],
        "pair": lax.reduce((x, k), (0.0, -(2**31)), lambda p, q: (p[0] + q[0], jnp.maximum(p[1], q[1])), (1,)),
    }


@program(
    "b, s, n",
    lambda b, s, n: (nm.spec((n, 3), f32), nm.spec((b, s), i32), nm.spec((b, n), f32), nm.spec((b, 2), i32), 1),
    "exact",
    contents={"ids": integers(-14, 14), "along": integers(-2, 3), "start": integers(-2, 9)},
)
def indexing(table, ids, rows, along, start):
    n = table.shape[0]
    return {
        "take": table[ids],
        "clipped": jnp.take(table, ids, axis=0, mode="clip"),
        "filled": jnp.take(table, ids, axis=0, mode="fill"),
        "columns": table[:, jnp.array([2, 0])],
        "pairs": table[ids[0], jnp.array(1)],
        "along": jnp.take_along_axis(rows, along, axis=1, mode="clip"),
        "one_hot": jax.nn.one_hot(ids, 5),
        "one_hot_dynamic": jax.nn.one_hot(ids, n, dtype=jnp.int32),
        "scalar_index": table[start],
        "dynamic_slice": lax.dynamic_slice(table, (start, start), (1, 2)),
        "dynamic_row": lax.dynamic_index_in_dim(rows, start, 1, keepdims=False),
        "update": lax.dynamic_update_slice(rows, jnp.full((1, 1), 9.0), (0, start)),
        "update_symbolic": lax.dynamic_update_slice(rows, rows[:, :1] * 0 + 5, (start, start)),
        "select": lax.select_n(ids > 0, ids, -ids),
        "reversed": lax.rev(rows, (0, 1)),
    }


@program("s", lambda s: (nm.spec((2, s), f32), nm.spec((s,), f32)), "transcendental",
         contents={"x": floats(-1.4, 1.4), "unit": floats(-0.95, 0.95)})  # fmt: skip
def float_elementwise(x, unit):
    positive, y = jnp.abs(x) + 0.1, x[::-1]
    unary = [
        lax.abs, lax.ceil, lax.floor, lax.exp, lax.exp2, lax.expm1, lax.is_finite, lax.logistic, lax.neg, lax.round,
        lax.sign, lax.sin, lax.cos, lax.tan, lax.tanh, lax.sinh, lax.cosh, lax.asinh, lax.atan, lax.erf, lax.erfc,
        lax.square, jnp.rint, jnp.trunc, jax.nn.softplus, jax.nn.silu, jax.nn.gelu, jax.nn.elu, jnp.signbit,
    ]  # fmt: skip
    of_positive = [lax.log, lax.log1p, lax.rsqrt, lax.sqrt, lax.cbrt, lax.reciprocal, jnp.log2, jnp.log10]
    of_unit = [lax.asin, lax.acos, lax.atanh, lax.erf_inv]
    binary = [lax.add, lax.sub, lax.mul, lax.div, lax.max, lax.min, lax.atan2, lax.rem, jnp.mod, jnp.floor_divide,
              jnp.hypot, jnp.logaddexp, lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge, jnp.copysign]  # fmt: skip
    return {
        "unary": {f.__name__: f(x) for f in unary},
        "positive": {f.__name__: f(positive) for f in of_positive},
        "unit": {f.__name__: f(unit) for f in of_unit},
        "binary": {f.__name__: f(x, y) for f in binary},
        "acosh": lax.acosh(positive + 1),
        "power": [lax.pow(positive, y), lax.integer_pow(x, 3), lax.integer_pow(x, -2)],
        "clamp": [lax.clamp(-1.0, x, 1.0), jnp.clip(x, y, y + 1)],
        "select": jnp.where(x > 0, x, y),
        "special": [1 / (x - x), (x - x) / (x - x), jnp.isnan(x / 0), jnp.nan_to_num(x / 0)],
    }


@program(
    "s",
    lambda s: (nm.spec((s,), i32), nm.spec((s,), i32), nm.spec((s,), u32), nm.spec((s,), u8), nm.spec((s,), i8),
               nm.spec((s,), boolean)),
    "exact",
    contents={"j": integers(-4, 5), "u": integers(0, 2**32), "v": integers(0, 256), "w": integers(-128, 128)},
)  # fmt: skip
def integer_elementwise(k, j, u, v, w, flags):
    nonzero = jnp.where(j == 0, 1, j)
    return {
        "signed": [k + j, k - j, k * j, -k, abs(k), jnp.sign(k), jnp.maximum(k, j), k & j, k | j, k ^ j, ~k],
        "division": [lax.div(k, nonzero), lax.rem(k, nonzero), k // nonzero, k % nonzero],
        "shifts": [k << 3, k >> 2, lax.shift_right_logical(k, 3), u >> 5, u << 7, v << 1],
        "unsigned": [
            u + 1,
            u * u,
            u // 7,
            u % 9,
            jnp.maximum(u, 5),
            u > jnp.uint32(1 << 31),
            v + v,
            v // 3,
            ~v,
            -v,
            v > 200,
        ],
        "small": [w + w, w * w, w // 5, abs(w), w > -100],
        "bits": [lax.population_count(u), lax.clz(u), lax.population_count(k), lax.clz(v)],
        "logic": [flags & (k > 0), flags | (k > 0), flags ^ (k > 0), ~flags, jnp.where(flags, k, j)],
        "compare": [k == j, k < j, u >= 9, v != 3, k != j],
        "power": [lax.integer_pow(k, 3), jnp.power(k, 2)],
    }


@program(
    "s",
    lambda s: (nm.spec((s,), f32), nm.spec((s,), i32), nm.spec((s,), u8), nm.spec((s,), boolean), nm.spec((s,), bf16)),
    "exact",
    contents={"x": floats(-100, 100)},
)
def conversions(x, k, v, flags, h):
    types = [jnp.float32, jnp.bfloat16, jnp.float16, jnp.int32, jnp.int8, jnp.uint8, jnp.uint32, jnp.int16, jnp.bool_]
    return {
        "float": [x.astype(t) for t in types[:4]] + [jnp.abs(x).astype(t) for t in (jnp.uint8, jnp.uint32, jnp.bool_)],
        "int": [k.astype(t) for t in types],
        "unsigned": [v.astype(t) for t in types],
        "bool": [flags.astype(t) for t in types],
        "narrow": [h.astype(t) for t in (jnp.float32, jnp.float16, jnp.int32, jnp.bool_)],
        "bits": [lax.bitcast_convert_type(x, jnp.int32), lax.bitcast_convert_type(k, jnp.uint32),
                 lax.bitcast_convert_type(h, jnp.uint16)],
    }  # fmt: skip


@program("s", lambda s: (nm.spec((s, 3), jnp.complex64), nm.spec((3, s), jnp.complex64), nm.spec((s, 3), f32)),
         "contraction")  # fmt: skip
def complex_numbers(x, y, r):
    return {
        "arithmetic": [x + x, x * y.T, x / (y.T + 3), -x, x - 1j],
        "parts": [x.real, x.imag, jnp.conj(x), jnp.abs(x), lax.complex(r, r * 2), x.astype(jnp.complex64)],
        "functions": [jnp.exp(x), jnp.sqrt(x), jnp.log(x + 3)],
        "dot": [x @ y, y @ x, x[0] @ y[:, 0]],
        "sum": x.sum(0),
        "compare": [x == x, x != y.T],
        "real": r * x,
    }


@program("s", lambda s: (nm.spec((s, 4), f32), nm.spec((s, 2), i32), nm.spec((s,), u32)), "exact")
def bits_of_other_widths(x, k, u):
    return {
        "narrower": [lax.bitcast_convert_type(x, jnp.uint8), lax.bitcast_convert_type(k, jnp.int16)],
        "wider": [
            lax.bitcast_convert_type(lax.bitcast_convert_type(u, jnp.uint16), jnp.uint32),
            lax.bitcast_convert_type(lax.bitcast_convert_type(x, jnp.int8), jnp.float32),
        ],
        "reduced": [lax.reduce_precision(x * 1e4, *form) for form in [(8, 7), (5, 10), (4, 3), (8, 23)]],
    }


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s), f16), nm.spec((b, s), i32), nm.spec((b, s), u8), nm.spec((s, b), f32)),
    "exact",
    constraints=["s >= 4"],
    contents={"k": integers(-2, 3), "v": integers(250, 256)},
)
def selections(h, k, v, x):
    special = jnp.where(x > 1, jnp.nan, jnp.where(x < -1, -jnp.inf, x))
    return {
        "half": lax.top_k(h, 2),
        "ties": lax.top_k(k, 4),
        "unsigned": lax.top_k(v, 3),
        "rows": lax.top_k(x.T, 1),
        "special": lax.top_k(special.T, 4),
    }


@program("b, s", lambda b, s: (nm.spec((b, s), f32),), "exact", constraints=["s >= 3"])
def columns_moved(x):
    """Columns as arrays of their own, put beside what they come from."""
    rolled = jnp.concatenate([jnp.roll(x[:, 1:2], 1, axis=0), x], axis=1)
    return {
        "reflected": jnp.pad(x, ((0, 0), (1, 2)), mode="reflect"),
        "edges": jnp.pad(x, ((2, 1), (1, 1)), mode="edge"),
        "flipped": jnp.flip(x[:, :1], axis=1),
        "rolled": jnp.concatenate([rolled, jnp.flip(rolled[:, -2:-1], axis=0)], axis=1),
    }
