"""Programs about reading and writing at computed positions, and about order: scatters, sorts, selections."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import bf16, boolean, f16, f32, i8, i32, integers, program, u8, u32

import nimble_mlir as nm


@program(
    "n, s",
    lambda n, s: (nm.spec((n,), f32), nm.spec((s,), i32), nm.spec((s,), f32), nm.spec((n,), i32), nm.spec((s,), i32),
                  nm.spec((n,), boolean), nm.spec((n,), u8), nm.spec((n,), bf16), nm.spec((n,), jnp.complex64)),
    "elementwise",
    contents={"at": integers(-15, 16), "k": integers(-9, 10), "j": integers(-9, 10), "v": integers(0, 256)},
)  # fmt: skip
def scatters(x, at, new, k, j, flags, v, h, z):
    """Equal indices are frequent, and some are out of bounds."""
    unsigned, byte = at.astype(jnp.uint32), at.astype(jnp.int8)
    return {
        "set": [x.at[at].set(new), k.at[at].set(j, mode="drop"), flags.at[at].set(new > 0), z.at[at].set(1j)],
        "add": [x.at[at].add(new), k.at[byte].add(j), v.at[at].add(7), h.at[at].add(1.5), z.at[at].add(2 - 1j)],
        "multiply": [x.at[at].mul(new), k.at[at].mul(j), v.at[at].mul(3), z.at[at].mul(1 + 1j)],
        "extremes": [x.at[at].max(new), k.at[at].min(j), v.at[at].max(200), h.at[at].min(0), flags.at[at].max(j > 0)],
        "clipped": x.at[at].add(new, mode="clip"),
        "unsigned": x.at[unsigned].add(new, mode="drop"),
        "apply": x.at[at].apply(lambda value: value * 2 + 1),
        "host": x.at[jnp.array([0, -1])].set(0.5),
        # Several updates of one tensor that depends on no argument, or is an argument.
        "ones": [jnp.ones_like(x).at[at].mul(3), jnp.ones_like(x).at[at].mul(5)],
        "divided": [x.at[at].divide(3), x],
        "in_a_loop": lax.scan(lambda c, row: (c, jnp.zeros(3).at[at].add(row)), 0, new)[1],
    }


@program(
    "n, s, d",
    lambda n, s, d: (nm.spec((n, d), f32), nm.spec((s,), i32), nm.spec((s, d), f32), nm.spec((n, d), i8),
                     nm.spec((n, d), u32), nm.spec((n, d), bf16)),
    "elementwise",
    contents={"at": integers(-9, 10), "k": integers(-99, 100), "v": integers(0, 99)},
    run_at_most={"d": 150},
)  # fmt: skip
def scatters_of_long_rows(x, at, new, k, v, h):
    """Rows of more elements than a vector has, and a rest."""
    return {
        "add": [x.at[at].add(new), k.at[at].add(k[:1]), v.at[at].add(v[0]), h.at[at].add(h[0])],
        "set": [x.at[at].set(new), (x > 0).at[at].set(new > 0)],
        "extremes": [x.at[at].max(new), k.at[at].min(k[0]), v.at[at].max(v[:1]), h.at[at].min(h[0])],
        "window": jnp.zeros((3, *x.shape)).at[:, at].add(new),
        "segments": jax.ops.segment_sum(new, at, num_segments=4),
    }


@program(
    "b, s, d",
    lambda b, s, d: (nm.spec((b, s, d), f32), nm.spec((b,), i32), nm.spec((b, d), f32), nm.spec((b, 2), i32)),
    "elementwise",
    contents={"at": integers(-5, 6), "starts": integers(-3, 12)},
)
def scatters_of_windows(x, at, rows, starts):
    numbers = lax.ScatterDimensionNumbers((1,), (), (0,))
    return {
        "rows": x[:, 0].at[at].add(rows),
        "columns": x[0].at[:, at].set(x[0, :, at].T * 2),
        "middle": x.at[at, :, at].add(1.0),
        "batched": jax.vmap(lambda matrix, i, row: matrix.at[i].set(row))(x, at, rows),
        "batched_elements": jax.vmap(lambda matrix, i: matrix.at[i, i].max(3.0))(x, starts),
        "segments": jax.ops.segment_sum(rows, at, num_segments=4),
        "segment_max": jax.ops.segment_max(rows, at, num_segments=3),
        # A window that lies inside in part only is dropped whole.
        "dropped": lax.scatter_add(jnp.zeros(9), starts[:, :1], jnp.ones((starts.shape[0], 3)), numbers, mode="drop"),
        "gathered": jax.grad(lambda t: (t[at] ** 2).sum())(rows),
    }


@program(
    "n, b",
    lambda n, b: (nm.spec((b, n), f32), nm.spec((n, b), i32), nm.spec((n,), f16), nm.spec((n,), u8),
                  nm.spec((n,), boolean), nm.spec((n,), bf16), nm.spec((n,), jnp.complex64), nm.spec((n,), i8)),
    "exact",
    contents={"k": integers(-3, 4), "v": integers(250, 256), "w": integers(-128, 128)},
    run_at_most={"n": 300, "b": 4},
)  # fmt: skip
def sorts(x, k, h, v, flags, g, z, w):
    special = jnp.where(x > 1, jnp.nan, jnp.where(x < -1, -jnp.inf, jnp.round(x * 2) / 2))
    return {
        "values": [jnp.sort(x), jnp.sort(k, axis=0), jnp.sort(h), jnp.sort(v), jnp.sort(flags), jnp.sort(g)],
        "small": [jnp.sort(w), jnp.sort(z)],
        "special": [jnp.sort(special), jnp.argsort(special), jnp.argsort(special, descending=True)],
        "ties": [jnp.argsort(k, axis=0), jnp.argsort(k, axis=1), jnp.argsort(flags)],
        "several": lax.sort([k.T, special, x], num_keys=2, dimension=1),
        "all_keys": lax.sort([k.T, jnp.round(x)], num_keys=2, dimension=0),
        "lexsort": jnp.lexsort((h, v)),
        "median": jnp.median(x, axis=1),
        "batched": jax.vmap(jnp.argsort)(special),
    }


@program(
    "b, n",
    lambda b, n: (nm.spec((b, n), f32), nm.spec((n, b), i32), nm.spec((n,), u32)),
    "exact",
    constraints=["n >= 5"],
    contents={"k": integers(-3, 4), "u": integers(0, 2**32)},
    run_at_most={"n": 150, "b": 4},
)
def largest(x, k, u):
    """A few, many, and as many as a size says."""
    n = x.shape[1]
    special = jnp.where(x > 1, jnp.nan, jnp.where(x < -1, -jnp.inf, jnp.round(x * 2) / 2))
    return {
        "few": [lax.top_k(x, 3), lax.top_k(special, 5), lax.top_k(k, 4, axis=0), lax.top_k(u, 2)],
        "many": lax.top_k(jnp.tile(special, (1, 20)), 100),
        "all_but_two": lax.top_k(special, n - 2),
        "half": lax.top_k(u, n // 2 + 1),
        "approximate": [lax.approx_max_k(x, 3), lax.approx_min_k(x, 2), lax.approx_max_k(x[0], 4)],
        "positions": [x.argmax(1), x.argmin(0), u.argmax()],
    }


@program(
    "b, n",
    lambda b, n: (nm.spec((b, n), f32), nm.spec((b, 9, 8, 2), f32), nm.spec((b, 16), bf16)),
    "elementwise",
    constraints=["n >= 4"],
    run_at_most={"b": 5, "n": 30},
)
def gradients_of_pools(x, images, h):
    def gradient(value, size, stride, padding):
        def loss(value):
            low = np.asarray(-np.inf, value.dtype)
            return (lax.reduce_window(value, low, lax.max, size, stride, padding) ** 2).sum()

        return jax.grad(loss)(value)

    return {
        "rows": gradient(x, (1, 3), (1, 2), "VALID"),
        "overlapping": gradient(x, (1, 3), (1, 1), ((0, 0), (1, 1))),
        "over_batch": gradient(x, (2, 2), (1, 1), ((1, 0), (0, 1))),
        "images": gradient(images, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
        "half": gradient(h, (1, 4), (1, 4), "VALID"),
    }


@program(
    "n, s",
    lambda n, s: (nm.spec((n, 3), f32), nm.spec((s,), u32), nm.spec((s,), i8), nm.spec((s,), jnp.uint16), 1),
    "exact",
    contents={"unsigned": integers(0, 2**32), "byte": integers(-20, 20), "short": integers(0, 20),
              "start": integers(-9, 20)},
)  # fmt: skip
def gathers_of_other_index_types(table, unsigned, byte, short, start):
    n, half = table.shape[0], (table.shape[0] + 1) // 2
    return {
        "clip": [table.at[i].get(mode="clip") for i in (unsigned, byte, short)],
        "fill": [table.at[i].get(mode="fill", fill_value=7.0) for i in (unsigned, byte, short)],
        "slice": lax.dynamic_slice(table, (start, 0), (half, 3)),
        "update": lax.dynamic_update_slice(table, table[:half] * 2, (start, jnp.int32(1))),
        "rolled": jnp.roll(table, start, axis=0),
        "complex": (table + 1j)[short % n],
        "booleans": (table > 0)[short % n],
    }


@program(
    "n, s, d",
    lambda n, s, d: (nm.spec((n, d), f32), nm.spec((s,), i32), nm.spec((s, d), i32), nm.spec((n, s), i32),
                     nm.spec((s, n, d), bf16), nm.spec((n, 3, 7), i8)),
    "exact",
    contents={"at": integers(-9, 40), "rows": integers(-9, 40), "columns": integers(-9, 40)},
    run_at_most={"n": 40, "s": 60, "d": 150},
)  # fmt: skip
def gathers_of_runs(table, at, rows, columns, batch, blocks):
    """Runs of elements shorter and longer than vectors, with indices out of bounds."""
    return {
        "rows": [table[at], table.at[at].get(mode="fill", fill_value=-2.0), jnp.take(table, at, axis=0)],
        "grid": jnp.take(table, jnp.stack([at, at[::-1]]), axis=0, mode="clip"),
        "columns": jnp.take(table, at, axis=1),
        "along": [jnp.take_along_axis(table, rows, axis=0), jnp.take_along_axis(table, columns, axis=1)],
        "by_batch": jax.vmap(lambda x, i: x[i])(batch, at),
        "merged": [blocks[at], jnp.take(blocks, at, axis=0, fill_value=5), blocks[at, 1]],
        "windows": jax.vmap(lambda i: lax.dynamic_slice(table, (i, 0), (1, table.shape[1])))(at),
    }


@program(
    "b, s, t",
    lambda b, s, t: (
        nm.spec((b, s, t), f32),
        nm.spec((b, t), jnp.uint16),
        nm.spec((t,), bf16),
        nm.spec((b, s), boolean),
    ),
    "exact",
    run_at_most={"b": 4, "s": 7, "t": 100},
)
def reversals(x, v, h, flags):
    """Rows shorter and longer than vectors, from either end."""
    return {
        "rows": [x[::-1], x[:, ::-1], v[::-1], flags[::-1]],
        "elements": [x[..., ::-1], v[:, ::-1], h[::-1], flags[:, ::-1]],
        "both": [jnp.flip(x), x[::-1, :, ::-1]],
    }
