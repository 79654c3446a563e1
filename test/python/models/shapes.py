"""Programs about sizes: products, sums, quotients and differences of symbols in every op that rearranges elements."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from support.programs import boolean, f32, i32, program

import nimble_mlir as nm


class Pair(NamedTuple):
    first: Any
    second: Any


@program(
    "b, s",
    lambda b, s: (
        {"x": nm.spec((b, s), f32), "more": [nm.spec((s,), i32), None, (nm.spec((b,), boolean),)]},
        Pair(nm.spec((s, 3), f32), {"k": nm.spec((), i32)}),
    ),
    "elementwise",
)
def nested_structures(tree, pair):
    x, (ints, nothing, (flags,)) = tree["x"], tree["more"]
    return {
        "pair": Pair(x * 2, [ints + pair.second["k"], nothing]),
        "unchanged": tree["more"],
        "flags": (~flags, (flags[:, None] & (x > 0), None)),
        "deep": [{"a": (pair.first,)}, (), {}],
    }


ABC = "a, b, c"


def cube(a, b, c):
    return (nm.spec((a, b, c), f32),)


@program(ABC, cube, "exact", run_at_most={"a": 5, "b": 6, "c": 7})
def products_of_symbols(x):
    a, b, c = x.shape
    rows = x.reshape(a * b, c)
    return {
        "rows": rows,
        "columns": rows.reshape(a, b * c),
        "flat": x.reshape(-1),
        "turned": x.transpose(2, 0, 1).reshape(c * a, b),
        "regrouped": x.reshape(c, a * b),
        "ones": x.reshape(a, 1, b, 1, c, 1),
        "squeezed": jnp.squeeze(x[None, :, :, None], (0, 3)),
        "tiled": jnp.tile(x, (2, 1, 3)),
        "repeated": jnp.repeat(x, 3, axis=1),
        "stacked": jnp.stack([x, -x], axis=1),
        "swapped": jnp.swapaxes(x, 0, 2),
    }


@program("a, b", lambda a, b: (nm.spec((a, 3), f32), nm.spec((b, 3), f32)), "exact")
def sums_of_symbols(x, y):
    both = jnp.concatenate([x, y, x])
    return {
        "both": both,
        "side": jnp.concatenate([both, both], 1),
        "outer": x[:, None] * y[None],
        "larger": jnp.pad(x, ((1, 2), (0, 1)), constant_values=7),
        "edges": jnp.pad(y, ((2, 0), (0, 0)), mode="edge"),
        "where": jnp.where(x[:, None, :1] > y[None, :, :1], x[:, None, 1:2], y[None, :, 2:]),
        "range": jnp.arange(x.shape[0] + 2 * y.shape[0]),
        "table": jnp.arange(y.shape[0]) * jnp.ones((x.shape[0], 1), jnp.int32),
        "full": jnp.full((x.shape[0], 2, y.shape[0]), 3.5),
        "eye": jnp.eye(x.shape[0], y.shape[0], k=1),
        "size": x.shape[0] * y.shape[0] - 3,
    }


@program("s", lambda s: (nm.spec((s, 4), f32),), "exact", constraints=["s >= 2"], run_at_most={"s": 17})
def slices(x):
    s = x.shape[0]
    return {
        "tail": x[1:],
        "init": x[:-1],
        "even": x[::2],
        "odd": x[1::2],
        "thirds": x[1::3],
        "inner": x[:, :-1],
        "inner_step": x[:, ::3],
        "last": x[-1],
        "last_two": x[-2:],
        "first": x[0],
        "half": x[: s // 2],
        "upper": x[s // 2 :],
        "reversed": x[::-1],
        "flipped": jnp.flip(x, 1),
        "rolled": jnp.roll(x, 1, axis=0),
        "difference": x[1:] - x[:-1],
        "split": jnp.split(x, 2, axis=1),
        "window": jax.lax.slice(x, (1, 0), (s, 4), (2, 2)),
        "middle": x[1:, 1:3],
    }


@program("s", lambda s: (nm.spec((4 * s,), f32), nm.spec((s,), f32)), "exact", run_at_most={"s": 11})
def quotients(x, y):
    s = y.shape[0]
    return {
        "quarter": x.reshape(-1, 4).sum(0) * 0,
        "grouped": x.reshape(4, s),
        "half": y[: s // 2],
        "rounded_up": jnp.pad(y, (0, (s + 3) // 4 * 4 - s)).reshape((s + 3) // 4, 4),
        "remainder": jnp.arange(s % 3),
        "mixed": jnp.zeros(((s + 3) // 4, s // 2 + 1)),
    }


@program("b, s, t", lambda b, s, t: (nm.spec((b, 1, s), f32), nm.spec((t, 1), f32)), "elementwise")
def broadcasts(x, y):
    ones = jnp.ones((x.shape[0], y.shape[0], 1))
    return x + y, x * ones, jnp.broadcast_to(y, (2, y.shape[0], x.shape[2])), jnp.broadcast_to(1.5, (x.shape[2], 2))


@program("b, s", lambda b, s: (nm.spec((b, s), f32), nm.spec((s, b), f32)), "contraction", run_at_most={"s": 33})
def traced_sizes(x, y):
    """Sizes used as numbers in arithmetic on the device."""
    b, s = x.shape
    return x.sum() / (b * s), (x @ y) * s, jnp.arange(s) / s, jnp.sqrt(jnp.float32(b + s)), x.mean(), x.var(0)


@program("n", lambda n: (nm.spec((n, 3), f32),), "exact", constraints=["mod(n, 4) == 0", "n <= 32"])
def divisible(x):
    n = x.shape[0]
    return x.reshape(n // 4, 4, 3), x.reshape(4, n // 4, 3).transpose(1, 0, 2), x[n // 2 :]


@program("b, s", lambda b, s: (nm.spec((b, s + 1), f32), nm.spec((2 * s + 1, b), f32)), "exact")
def linear_sizes(x, y):
    return x[:, 1:], y[1:].reshape(x.shape[1] - 1, 2, x.shape[0]), x.T[:-1] + y[: x.shape[1] - 1], y[::2]


@program("s, t", lambda s, t: (nm.spec((s,), f32), nm.spec((t,), f32)), "exact", constraints=["t <= s", "s <= 20"])
def related_sizes(x, y):
    s, t = x.shape[0], y.shape[0]
    return x[:t] + y, jnp.pad(y, (0, s - t)), jnp.concatenate([y, x[t:]]), x[s - t :] * y
