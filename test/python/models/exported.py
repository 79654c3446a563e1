"""Programs for test_exported.py: whole algorithms as people export them from JAX, which know nothing of nimble_mlir."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.optimize
import numpy as np
from jax import lax
from jax.experimental.ode import odeint
from support.programs import Contents, TestProgram, f32, floats, i32, integers, u32

__all__ = ["EXPORTED"]

EXPORTED: dict[str, TestProgram] = {}
Spec = jax.ShapeDtypeStruct


def export(
    dims: str,
    specs: Callable[..., tuple[Any, ...]],
    *,
    constraints: Sequence[str] = (),
    contents: dict[str, Contents] | None = None,
    run_at_most: dict[str, int] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers the function below."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        EXPORTED[name] = TestProgram(
            name, function, dims, specs, "model", tuple(constraints), contents or {}, run_at_most or {}
        )
        return function

    return register


def matrix(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, *shape]).normal(0, shape[-2] ** -0.5, shape).astype(np.float32))


def normed(x):
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


@export("b, s", lambda b, s: (Spec((b, s), i32),), contents={"prompt": integers(0, 19)}, run_at_most={"b": 3})
def greedy_decoding_with_cache(prompt):
    """A prefill, then four tokens, each attending to a cache of the prompt and what came after it."""
    width, new = 16, 4
    table, wq, wk, wv = (
        matrix(19, width),
        matrix(width, width),
        matrix(width, width, seed=1),
        matrix(width, width, seed=2),
    )
    batch, length = prompt.shape
    x = table[prompt]
    keys, values = (jnp.pad(x @ w, ((0, 0), (0, new), (0, 0))) for w in (wk, wv))

    def step(i, carry):
        keys, values, token, found = carry
        x = table[token]
        place = length + i
        keys = lax.dynamic_update_slice(keys, (x @ wk)[:, None], (0, place, 0))
        values = lax.dynamic_update_slice(values, (x @ wv)[:, None], (0, place, 0))
        scores = jnp.einsum("bd,btd->bt", x @ wq, keys) / 4
        scores = jnp.where(jnp.arange(keys.shape[1]) <= place, scores, -jnp.inf)
        logits = jnp.einsum("bt,btd->bd", jax.nn.softmax(scores), values) @ table.T
        token = jnp.argmax(logits, -1).astype(jnp.int32)
        return keys, values, token, found.at[:, i].set(token)

    carry = (keys, values, prompt[:, -1], jnp.zeros((batch, new), jnp.int32))
    return lax.fori_loop(0, new, step, carry)[2:]


@export("b, s", lambda b, s: (Spec((b, s, 8), f32),), run_at_most={"b": 3, "s": 40})
def selective_scan(x):
    """A state-space layer as Mamba has it: input-dependent steps and a scan over time."""
    delta = jax.nn.softplus(x @ matrix(8, 8))
    a = -jnp.exp(matrix(8, 4, seed=1))
    into, out = x @ matrix(8, 4, seed=2), x @ matrix(8, 4, seed=3)

    def step(state, inputs):
        d, u, b, c = inputs
        state = jnp.exp(d[..., None] * a) * state + (d * u)[..., None] * b[:, None]
        return state, jnp.einsum("bdn,bn->bd", state, c)

    start = jnp.zeros((x.shape[0], 8, 4))
    _, y = lax.scan(step, start, jax.tree.map(lambda v: v.swapaxes(0, 1), (delta, x, into, out)))
    return y.swapaxes(0, 1) * jax.nn.silu(x)


@export("b, h, w", lambda b, h, w: (Spec((b, 4 * h, 4 * w, 8), f32),), run_at_most={"b": 2, "h": 3, "w": 5})
def shifted_window_attention(x):
    """A Swin block: windows of 4 by 4, shifted by 2."""
    batch, height, width, channels = x.shape
    shifted = jnp.roll(x, (-2, -2), axis=(1, 2))
    tiles = shifted.reshape(batch, height // 4, 4, width // 4, 4, channels).transpose(0, 1, 3, 2, 4, 5)
    tokens = normed(tiles.reshape(-1, 16, channels))
    scores = jax.nn.softmax(jnp.einsum("nqc,nkc->nqk", tokens @ matrix(8, 8), tokens))
    mixed = (scores @ tokens).reshape(batch, height // 4, width // 4, 4, 4, channels).transpose(0, 1, 3, 2, 4, 5)
    return x + jnp.roll(mixed.reshape(x.shape), (2, 2), axis=(1, 2))


@export("b, h, w", lambda b, h, w: (Spec((b, 2 * h, 2 * w, 3), f32),), run_at_most={"b": 2, "h": 5, "w": 4})
def convnext_block(x):
    x = x @ matrix(3, 8)
    depthwise = lax.conv_general_dilated(
        x, matrix(7, 7, 1, 8) / 7, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=8
    )
    x = x + jax.nn.gelu(normed(depthwise) @ matrix(8, 16), approximate=False) @ matrix(16, 8)
    down = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return jnp.concatenate([x, jax.image.resize(down, x.shape, "nearest")], -1).mean((1, 2))


@export("t", lambda t: (Spec((t, 12), f32),), run_at_most={"t": 50})
def mixture_of_experts(x):
    gates, chosen = lax.top_k(jax.nn.softmax(x @ matrix(12, 4)), 2)
    weights = jnp.zeros((x.shape[0], 4)).at[jnp.arange(x.shape[0])[:, None], chosen].add(gates)
    outputs = jnp.einsum("td,edf->tef", x, matrix(4, 12, 6))
    return jnp.einsum("te,tef->tf", weights, jnp.tanh(outputs)), jnp.bincount(chosen.reshape(-1), length=4)


@export(
    "n, e",
    lambda n, e: (Spec((n, 6), f32), Spec((e,), i32), Spec((e,), i32)),
    contents={"source": integers(0, 3), "target": integers(-2, 40)},
    run_at_most={"n": 30, "e": 90},
)
def message_passing(nodes, source, target):
    """Two rounds over a graph; edges to nodes that do not exist are dropped."""
    count = nodes.shape[0]
    for layer in range(2):
        messages = jax.nn.relu(nodes[source % count] @ matrix(6, 6, seed=layer))
        total = jax.ops.segment_sum(messages, target, num_segments=count)
        degree = jax.ops.segment_sum(jnp.ones_like(target, f32), target, num_segments=count)
        nodes = nodes + total / jnp.maximum(degree, 1)[:, None]
    return nodes, jax.ops.segment_max(nodes[:, 0][source % count], target, num_segments=count)


@export("b, n", lambda b, n: (Spec((2,), u32), Spec((b, n), f32)), run_at_most={"b": 3})
def diffusion_sampler(key, x):
    alphas = jnp.linspace(0.99, 0.9, 5)

    def step(carry, alpha):
        x, key = carry
        key, part = jax.random.split(key)
        noise = jnp.tanh(x + alpha)
        x = (x - (1 - alpha) * noise) / jnp.sqrt(alpha) + 0.1 * jax.random.normal(part, x.shape)
        return (x, key), x.mean()

    (x, _), means = lax.scan(step, (x, jax.random.wrap_key_data(key)), alphas)
    return x, means


@export("b, v", lambda b, v: (Spec((2,), u32), Spec((b, v), f32)), run_at_most={"b": 4, "v": 70})
def top_p_sampling(key, logits):
    order = jnp.argsort(-logits, axis=-1)
    probabilities = jax.nn.softmax(jnp.take_along_axis(logits, order, -1))
    kept = jnp.cumsum(probabilities, -1) - probabilities < 0.8
    limited = jnp.where(kept, jnp.log(probabilities), -jnp.inf)
    choice = jax.random.categorical(jax.random.wrap_key_data(key), limited)
    return jnp.take_along_axis(order, choice[:, None], -1)[:, 0], kept.sum(-1)


@export("b, v", lambda b, v: (Spec((b, 3), f32), Spec((b, 3, v), f32)), constraints=["v >= 3"], run_at_most={"b": 3})
def beam_search_step(scores, logits):
    batch, beams, words = logits.shape
    total = (scores[..., None] + jax.nn.log_softmax(logits)).reshape(batch, beams * words)
    best, where = lax.top_k(total, 3)
    return best, where // words, where % words


@export("t, s", lambda t, s: (Spec((t, 7), f32), Spec((s,), i32)), contents={"labels": integers(1, 7)})
def ctc_loss(logits, labels):
    """The forward algorithm in the log domain over labels with blanks between them, and its gradient."""

    def loss(logits):
        count = labels.shape[0]
        extended = jnp.zeros(2 * count + 1, jnp.int32).at[1::2].set(labels)
        repeated = jnp.concatenate([jnp.zeros(2, bool), extended[2:] == extended[:-2]])
        skips = (jnp.arange(2 * count + 1) % 2 == 1) & ~repeated
        start = jnp.where(jnp.arange(2 * count + 1) < 2, 0.0, -1e9)

        def step(alpha, row):
            one = jnp.concatenate([jnp.full(1, -1e9), alpha[:-1]])
            two = jnp.where(skips, jnp.concatenate([jnp.full(2, -1e9), alpha[:-2]]), -1e9)
            return jax.nn.logsumexp(jnp.stack([alpha, one, two]), axis=0) + row[extended], None

        rows = jax.nn.log_softmax(logits)
        alpha, _ = lax.scan(step, start, rows)
        return -jax.nn.logsumexp(alpha[-2:])

    return jax.value_and_grad(loss)(logits)


@export("t", lambda t: (Spec((t, 2), f32),), run_at_most={"t": 30})
def kalman_filter(observed):
    f, h = jnp.eye(4) + 0.1 * jnp.eye(4, k=2), jnp.eye(2, 4)

    def step(carry, z):
        mean, cov = f @ carry[0], f @ carry[1] @ f.T + 0.01 * jnp.eye(4)
        s = h @ cov @ h.T + 0.1 * jnp.eye(2)
        gain = jnp.linalg.solve(s, h @ cov).T
        mean, cov = mean + gain @ (z - h @ mean), (jnp.eye(4) - gain @ h) @ cov
        return (mean, cov), (mean, jnp.linalg.slogdet(s)[1])

    return lax.scan(step, (jnp.zeros(4), jnp.eye(4)), observed)[1]


@export("n", lambda n: (Spec((n, 3), f32),), constraints=["n >= 4"], run_at_most={"n": 60})
def k_means(points):
    def step(_, centers):
        nearest = jnp.argmin(((points[:, None] - centers[None]) ** 2).sum(-1), 1)
        members = jax.nn.one_hot(nearest, 4)
        counts = members.sum(0)[:, None]
        return jnp.where(counts > 0, members.T @ points / jnp.maximum(counts, 1), centers)

    return lax.fori_loop(0, 6, step, points[:4])


@export("n", lambda n: (Spec((n,), f32), Spec((n,), f32)), contents={"x": floats(0, 2)}, run_at_most={"n": 40})
def gauss_newton(x, y):
    """A fit of a·exp(-b·x) with damped normal equations."""

    def residual(p):
        return p[0] * jnp.exp(-p[1] * x) - y

    def step(_, p):
        jacobian, r = jax.jacfwd(residual)(p), residual(p)
        return p - jax.scipy.linalg.solve(jacobian.T @ jacobian + jnp.eye(2), jacobian.T @ r, assume_a="pos")

    return lax.fori_loop(0, 5, step, jnp.ones(2))


@export("n", lambda n: (Spec((n,), f32), Spec((5,), f32)), contents={"times": lambda r, s, d: np.linspace(0, 1, 5)})
def adaptive_ode(start, times):
    """Dormand-Prince steps of a size that the error decides, in a while loop."""
    return odeint(lambda y, t: -y + jnp.sin(3 * t) * jnp.roll(y, 1), start, times, rtol=1e-5, atol=1e-5)


@export("n", lambda n: (Spec((n,), f32),), constraints=["n >= 2"], run_at_most={"n": 9})
def bfgs(start):
    result = jax.scipy.optimize.minimize(
        lambda x: ((x - 1) ** 2 * jnp.arange(1, x.shape[0] + 1)).sum(), start, method="BFGS"
    )
    return jnp.round(result.x, 2), result.success


@export("b", lambda b: (Spec((b, 40), f32), Spec((7,), f32)))
def fft_convolution(signal, kernel):
    size = 64
    product = jnp.fft.rfft(signal, size) * jnp.fft.rfft(kernel, size)
    return jnp.fft.irfft(product, size)[:, :46]


@export("n", lambda n: (Spec((n, 4), f32), Spec((n,), f32)), contents={"boxes": floats(0, 1)}, run_at_most={"n": 40})
def non_maximum_suppression(boxes, scores):
    low, size = boxes[:, :2], boxes[:, 2:]
    high, area = low + size, size.prod(-1)
    overlap = jnp.clip(jnp.minimum(high[:, None], high[None]) - jnp.maximum(low[:, None], low[None]), 0).prod(-1)
    iou = overlap / (area[:, None] + area[None] - overlap + 1e-6)
    order = jnp.argsort(-scores)

    def step(i, kept):
        me = order[i]
        earlier = kept & (jnp.argsort(order) < i)
        return kept.at[me].set(~jnp.any(earlier & (iou[me] > 0.3)))

    return lax.fori_loop(0, boxes.shape[0], step, jnp.zeros(boxes.shape[0], bool))


@export("h, w", lambda h, w: (Spec((h, w), f32),), run_at_most={"h": 9, "w": 8})
def connected_components(image):
    """Labels spread to neighbours until none changes."""
    mask = image > 0
    height, width = image.shape
    start = jnp.where(mask, 1 + jnp.arange(height * width).reshape(height, width), 0)

    def spread(carry):
        labels, _ = carry
        around = jnp.pad(labels, 1)
        best = labels
        for shift in (around[2:, 1:-1], around[:-2, 1:-1], around[1:-1, 2:], around[1:-1, :-2]):
            best = jnp.maximum(best, shift)
        best = jnp.where(mask, best, 0)
        return best, jnp.any(best != labels)

    return lax.while_loop(lambda carry: carry[1], spread, (start, jnp.bool_(True)))[0]


@export("t, n", lambda t, n: (Spec((t, n), f32), Spec((n, n), f32)), run_at_most={"t": 20, "n": 8})
def viterbi(emissions, transitions):
    def forward(score, row):
        paths = score[:, None] + transitions
        return paths.max(0) + row, paths.argmax(0)

    last, back = lax.scan(forward, emissions[0], emissions)
    state, path = lax.scan(lambda s, row: (row[s], s), jnp.argmax(last), back, reverse=True)
    return state, path, last.max()


@export("n", lambda n: (Spec((n, 2), f32), Spec((n,), f32), Spec((3, 2), f32)), run_at_most={"n": 12})
def gaussian_process(x, y, at):
    def kernel(a, b):
        return jnp.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(-1))

    factor = jax.scipy.linalg.cho_factor(kernel(x, x) + 0.1 * jnp.eye(x.shape[0]), lower=True)
    across = kernel(x, at)
    mean = across.T @ jax.scipy.linalg.cho_solve(factor, y)
    half = jax.scipy.linalg.solve_triangular(factor[0], across, lower=True)
    return mean, kernel(at, at) - half.T @ half, jnp.log(jnp.diagonal(factor[0])).sum()


@export("b, n", lambda b, n: (Spec((b, n, 4), f32),), constraints=["n >= 6"], run_at_most={"b": 3, "n": 20})
def principal_components(x):
    """Eigenvalues and singular values agree with each other; signs of vectors do not matter for what they span."""
    centered = x - x.mean(1, keepdims=True)
    covariance = jnp.einsum("bni,bnj->bij", centered, centered) / x.shape[1]
    values, vectors = jnp.linalg.eigh(covariance)
    return values, (vectors * values[:, None]) @ vectors.swapaxes(1, 2), jnp.linalg.svd(covariance, compute_uv=False)


@export("b", lambda b: (Spec((b, 5, 3), f32), Spec((b, 5), f32), Spec((b, 3, 3), f32)))
def least_squares(a, y, m):
    q, r = jnp.linalg.qr(a)
    solution = jax.scipy.linalg.solve_triangular(r, jnp.einsum("bij,bi->bj", q, y)[..., None])
    return solution[..., 0], jnp.linalg.det(m), jnp.linalg.inv(m + 4 * jnp.eye(3))


@export("n", lambda n: (Spec((2,), u32), Spec((n,), f32)), run_at_most={"n": 50})
def metropolis(key, x):
    def step(carry, key):
        x, accepted = carry
        move, accept = jax.random.split(key)
        proposal = x + 0.5 * jax.random.normal(move, x.shape)
        ok = jnp.log(jax.random.uniform(accept, x.shape)) < (x**2 - proposal**2) / 2
        return (jnp.where(ok, proposal, x), accepted + ok), None

    keys = jax.random.split(jax.random.wrap_key_data(key), 6)
    return lax.scan(step, (x, jnp.zeros_like(x)), keys)[0]


@export("b, n", lambda b, n: (Spec((b, n), f32),), constraints=["mod(n, 4) == 0", "n <= 64"])
def blocks_and_branches(x):
    batch, size = x.shape
    blocks = x.reshape(batch, size // 4, 4)
    chosen = lax.switch(jnp.int32(size // 4) % 3, [lambda v: v, jnp.sin, lambda v: v * 2], blocks)
    return {"chosen": chosen, "odd": x[:, 1::2], "even": x[:, ::2], "rolled": jnp.roll(x, 3, axis=1)}


@export("b, s", lambda b, s: (Spec((b, 2 * s + 1), f32), Spec((b * s,), f32)), run_at_most={"b": 4})
def expressions_of_symbols(x, y):
    batch, size = x.shape[0], x.shape[1] // 2
    return x[:, 1:].reshape(batch, size, 2).sum(-1) * y.reshape(batch, size), jnp.arange(x.shape[1]) * batch
