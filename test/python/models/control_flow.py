"""Programs with loops and branches: counted and data-dependent, nested, over symbolic lengths, with closures."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import boolean, f32, floats, i32, integers, program, u32

import nimble_mlir as nm


@program("s, b", lambda s, b: (nm.spec((s, b, 4), f32), nm.spec((4, 4), f32)), "model", run_at_most={"b": 5})
def scans(xs, w):
    def step(carry, x):
        carry = jnp.tanh(carry @ w + x)
        return carry, {"twice": carry * 2, "sum": carry.sum(-1)}

    first = jnp.zeros_like(xs[0])
    return {
        "forward": lax.scan(step, first, xs),
        "backward": lax.scan(step, first, xs, reverse=True),
        "counting": lax.scan(lambda c, x: (c + 1, c), 0, None, length=7),
        "mapped": lax.map(lambda x: x.max() * x, xs),
        "shifted": lax.scan(lambda c, x: ((x, c[0]), c[1] - x), (first, first), xs),
    }


@program(
    "s",
    lambda s: (nm.spec((s,), f32), nm.spec((), i32), nm.spec((), u32)),
    "elementwise",
    contents={"n": integers(-1, 6), "u": integers(0, 5)},
)
def counted_loops(x, n, u):
    return {
        "data_bound": lax.fori_loop(0, n, lambda i, c: c + i, x),
        "from_data": lax.fori_loop(n, 4, lambda i, c: c * 0.5 + i, x),
        "size_bound": lax.fori_loop(0, x.shape[0], lambda i, c: c + i, jnp.int32(1)),
        "unsigned": lax.fori_loop(jnp.uint32(0), u, lambda i, c: c + i.astype(jnp.float32), x),
        "nested": lax.fori_loop(0, n, lambda i, c: lax.fori_loop(0, i, lambda j, d: d + j * x, c), x),
        "rows": lax.fori_loop(0, x.shape[0], lambda i, c: c + lax.dynamic_slice(x, (i,), (1,))[0], 0.0),
        "written": lax.fori_loop(
            0, x.shape[0], lambda i, c: lax.dynamic_update_slice(c, c[i - 1][None] + 1, (i,)), x
        ),
        "counter": lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] + c[0]), (0, 7)),
    }  # fmt: skip


@program(
    "s",
    lambda s: (nm.spec((s,), f32), nm.spec((), f32)),
    "elementwise",
    contents={"x": floats(0.5, 2), "limit": floats(1, 40)},
    run_at_most={"s": 9},
)
def loops_until(x, limit):
    newton = lax.while_loop(
        lambda c: (c[1] > 1e-3) & (c[2] < 20),
        lambda c: ((c[0] + limit / c[0]) / 2, jnp.abs(c[0] * c[0] - limit), c[2] + 1),
        (limit, jnp.float32(1), 0),
    )
    return {
        "doubled": lax.while_loop(lambda c: c.sum() < limit, lambda c: c * 2, x),
        "never": lax.while_loop(lambda c: c.sum() < 0, lambda c: c * 2, x),
        "steps": newton[2] < 20,
        "flag": lax.while_loop(lambda c: c[1], lambda c: (c[0] + 1, c[0].max() < 5), (x, jnp.bool_(True))),
        "nested": lax.while_loop(
            lambda c: c[1] < 3, lambda c: (lax.while_loop(lambda d: d[0] < 8, lambda d: d * 2, c[0]), c[1] + 1), (x, 0)
        ),
    }


@program(
    "s",
    lambda s: (nm.spec((s,), f32), nm.spec((), i32), nm.spec((), boolean), nm.spec((s,), boolean)),
    "elementwise",
    contents={"k": integers(-2, 5)},
)
def branches(x, k, go, flags):
    return {
        "cond": lax.cond(go, lambda v: (v + 1, v.sum()), lambda v: (v * 2, v[0]), x),
        "closures": lax.cond(x.sum() > 0, lambda: x, lambda: -x),
        "switch": lax.switch(k, [lambda v: v + 1, lambda v: v * 2, jnp.flip, lambda v: v], x),
        "one": lax.switch(k, [jnp.negative], x),
        "on_size": lax.cond(jnp.asarray(x.shape[0]) > 4, lambda: x * 3, lambda: x),
        "nested": lax.cond(
            go, lambda: lax.switch(k, [lambda: x, lambda: x + k]), lambda: lax.cond(k > 0, lambda: -x, lambda: x)
        ),
        "batched": jax.vmap(lambda flag, v: lax.cond(flag, lambda: v, lambda: v * 10))(flags, x),
        "select_n": lax.select_n(flags, x, -x),
    }  # fmt: skip


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s), f32), nm.spec((), i32)),
    "elementwise",
    contents={"n": integers(0, 4)},
    run_at_most={"b": 6, "s": 6},
)
def control_flow_in_control_flow(xs, n):
    def step(carry, x):
        grown = lambda: lax.fori_loop(0, n, lambda i, c: c + x, carry)  # noqa: E731
        carry = lax.cond(x.sum() > 0, grown, lambda: carry * 0.5)
        return carry, lax.while_loop(lambda v: v.min() < 4, lambda v: v + 1, x)

    return {
        "scan": lax.scan(step, xs[0], xs),
        "batched": jax.vmap(lambda x: lax.while_loop(lambda v: v.sum() < 6, lambda v: v + 1, jnp.abs(x)))(xs),
        "of_loops": lax.map(lambda x: lax.fori_loop(0, n, lambda i, c: c * 0.5 + i, x), xs),
    }


@program(
    "s",
    lambda s: (nm.spec((s,), f32), nm.spec((s,), f32), nm.spec((), i32)),
    "elementwise",
    contents={"n": integers(0, 7)},
)
def carries_that_change_places(x, y, n):
    # Rotations, equal first values, and constants as carries: what lies in which buffer is IREE's choice.
    return {
        "swapped": lax.fori_loop(0, n, lambda i, c: (c[1], c[0], c[2] + c[0] * i), (x, y, x)),
        "rotated": lax.fori_loop(0, n, lambda i, c: (c[1], c[2], c[0] + 1), (x, y, x + y)),
        "equal": lax.fori_loop(0, n, lambda i, c: (c[0] + c[1], c[1] + 1), (x * 2, x * 2)),
        "outer": lax.fori_loop(
            0, n, lambda i, c: lax.fori_loop(0, n, lambda j, d: (d[1], d[0] + 1), (y * 2, c[0])), (x, x + 1)
        ),
        "constants": lax.fori_loop(
            0, n, lambda i, c: (c[1], c[0], c[2] + c[0]), (np.arange(3), np.arange(3)[::-1], np.zeros(3, int))
        )[2],
    }  # fmt: skip


@jax.custom_vjp
def _clipped(x):
    return jnp.clip(x, -1, 1)


_clipped.defvjp(lambda x: (_clipped(x), x), lambda x, g: (g * (jnp.abs(x) < 1),))


@jax.custom_jvp
def _smooth(x):
    return jnp.log1p(jnp.exp(x))


_smooth.defjvp(lambda primals, tangents: (_smooth(primals[0]), jax.nn.sigmoid(primals[0]) * tangents[0]))


@program("s, b", lambda s, b: (nm.spec((s, b), f32), nm.spec((b,), f32)), "model", run_at_most={"s": 8})
def derivatives_through_control_flow(xs, w):
    def loss(w):
        step = jax.checkpoint(lambda c, x: (jnp.tanh(c * w + x), _clipped(c).sum()))
        last, sums = lax.scan(step, jnp.zeros_like(w), xs)
        return _smooth(last).sum() + sums.sum()

    return {
        "grad": jax.grad(loss)(w),
        "value": loss(w),
        "cond": jax.grad(lambda v: lax.cond(v.sum() > 0, lambda: (v * v).sum(), lambda: v.sum()))(w),
        "jvp": jax.jvp(lambda v: lax.fori_loop(0, 3, lambda i, c: c * v, v), (w,), (w,)),
    }


@program("s", lambda s: (nm.spec((s, s), f32), nm.spec((s,), f32)), "model", run_at_most={"s": 9})
def conjugate_gradients(a, b):
    # custom_linear_solve and a loop until the residual is small.
    spd = a @ a.T + jnp.eye(a.shape[0]) * 4 * a.shape[0]
    solve = lambda matvec, rhs: jax.scipy.sparse.linalg.cg(matvec, rhs, tol=1e-6)[0]  # noqa: E731
    return lax.custom_linear_solve(lambda v: spd @ v, b, solve, symmetric=True)


@program("s", lambda s: (nm.spec((s, 4), f32), nm.spec((s, 4), f32), nm.spec((4, 6), f32)), "model")
def products_of_rows(xs, ys, w):
    """Products that can leave the loop, and one that cannot: of two rows with different indices."""
    n = xs.shape[0]

    def opposite(i, c):
        x = lax.dynamic_index_in_dim(xs, i, keepdims=False) + 2 * lax.dynamic_index_in_dim(
            xs, n - 1 - i, keepdims=False
        )
        return jnp.tanh(c + x @ w)

    def step(c, rows):
        x, y = rows
        c = jnp.tanh(c + jax.nn.relu(x * y + 0.5) @ w)
        return c, c

    first = jnp.zeros(6)
    return lax.fori_loop(0, n, opposite, first), lax.scan(step, first, (xs, ys[::-1]), reverse=True)


@program(
    "s, b, d",
    lambda s, b, d: (nm.spec((s, b, 4), f32), nm.spec((4, d), f32), nm.spec((d,), f32), nm.spec((), i32)),
    "model",
    contents={"n": integers(0, 4)},
    run_at_most={"s": 7, "b": 6, "d": 9},
)
def products_of_rows_of_symbolic_sizes(xs, w, bias, n):
    """As `products_of_rows`; the batch and the width are symbolic, and the loop is also within another one."""

    def step(c, x):
        c = jnp.tanh(c + (jax.nn.relu(x) * 2 @ w + bias) + (w.T @ x.T).T * 0.5)
        return c, c.sum(axis=0)

    first = jnp.zeros((xs.shape[1], w.shape[1]))
    wide = jnp.zeros((xs.shape[1], 6))

    def outer(i, c):
        scaled = xs * (1 + c.mean())
        return c + lax.scan(lambda d, x: (d + x @ jnp.ones((4, 6)), None), wide, scaled)[0] * 0.1

    return lax.scan(step, first, xs), lax.scan(step, first, xs, reverse=True), lax.fori_loop(0, n, outer, wide)
