"""Architectures of the field: T5, a graph network, recurrent encoders, experts, beam search, detection, diffusion."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.programs import boolean, f32, floats, i32, integers, program

import nimble_mlir as nm

from .networks import HEADS, WIDTH, feed_forward, weights

VOCABULARY, BUCKETS = 50, 8


def rms_norm(x: jax.Array) -> jax.Array:
    return x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-6)


def relative_buckets(offsets: jax.Array, bidirectional: bool) -> jax.Array:
    """T5's buckets of key position minus query position: exact near by, logarithmic far off."""
    count, base = BUCKETS, jnp.zeros_like(offsets)
    if bidirectional:
        count //= 2
        base = jnp.where(offsets > 0, count, 0)
        distance = jnp.abs(offsets)
    else:
        distance = jnp.maximum(-offsets, 0)
    exact = count // 2
    # The small addend keeps powers of 2 off the edge between buckets, where a last bit of log would decide.
    scale = jnp.log(jnp.maximum(distance, 1).astype(jnp.float32) / exact + 1e-3) / np.log(16 / exact)
    far = jnp.minimum(exact + (scale * (count - exact)).astype(jnp.int32), count - 1)
    return base + jnp.where(distance < exact, distance, far)


def relative_bias(queries: int, keys: int, bidirectional: bool, seed: int) -> jax.Array:
    offsets = jnp.arange(keys, dtype=jnp.int32)[None] - jnp.arange(queries, dtype=jnp.int32)[:, None]
    table = jnp.asarray(weights(BUCKETS, HEADS, seed=seed))
    return table[relative_buckets(offsets, bidirectional)].transpose(2, 0, 1)[None]


def biased_attention(queries: jax.Array, keys: jax.Array, bias: jax.Array, seed: int) -> jax.Array:
    def heads(x: jax.Array, part: int) -> jax.Array:
        return (x @ weights(WIDTH, WIDTH, seed=seed + part)).reshape(*x.shape[:2], HEADS, WIDTH // HEADS)

    scores = jnp.einsum("bqhd,bkhd->bhqk", heads(queries, 0), heads(keys, 1)) * (WIDTH // HEADS) ** -0.5 + bias
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), heads(keys, 2))
    return mixed.reshape(queries.shape) @ weights(WIDTH, WIDTH, seed=seed + 3)


@program(
    "b, s, t",
    lambda b, s, t: (nm.spec((b, s), i32), nm.spec((b, s), boolean), nm.spec((b, t), i32)),
    contents={
        "source": integers(0, VOCABULARY),
        "seen": lambda rng, shape, dtype: (rng.random(shape) < 0.7) | (np.arange(shape[-1]) == 0),
        "target": integers(0, VOCABULARY),
    },
    run_at_most={"b": 3, "s": 29, "t": 11},
)
def t5_step(source, seen, target):
    embeddings = jnp.asarray(weights(VOCABULARY, WIDTH)) * 7
    hidden = jnp.where(seen, 0.0, -1e9)[:, None, None, :].astype(jnp.float32)
    x = embeddings[source]
    bias = relative_bias(source.shape[1], source.shape[1], True, 1) + hidden
    normed = rms_norm(x)
    x = x + biased_attention(normed, normed, bias, 10)
    encoded = rms_norm(x + feed_forward(rms_norm(x), 15))
    length = target.shape[1]
    y = embeddings[target]
    causal = jnp.where(jnp.tril(jnp.ones((length, length), bool)), 0.0, -1e9).astype(jnp.float32)
    normed = rms_norm(y)
    y = y + biased_attention(normed, normed, relative_bias(length, length, False, 2) + causal, 20)
    y = y + biased_attention(rms_norm(y), encoded, hidden, 30)
    y = y + feed_forward(rms_norm(y), 35)
    return rms_norm(y[:, -1]) @ weights(WIDTH, VOCABULARY, seed=3)


@program(
    "n, e",
    lambda n, e: (nm.spec((n, 12), f32), nm.spec((e, 5), f32), nm.spec((e,), i32), nm.spec((e,), i32)),
    contents={"senders": integers(0, 13), "receivers": integers(0, 13)},
    run_at_most={"n": 13, "e": 47},
)
def graph_network(nodes, edges, senders, receivers):
    count = nodes.shape[0]
    # The numbers are drawn without regard to the number of nodes.
    senders, receivers = senders % count, receivers % count
    for layer in range(2):
        inputs = jnp.concatenate([nodes[senders], nodes[receivers], edges], -1)
        messages = jax.nn.relu(inputs @ weights(29, 12, seed=10 * layer))
        summed = jax.ops.segment_sum(messages, receivers, num_segments=count)
        largest = jax.ops.segment_max(messages, receivers, num_segments=count)
        largest = jnp.where(jnp.isfinite(largest), largest, 0)
        degree = jax.ops.segment_sum(jnp.ones_like(edges[:, 0]), receivers, num_segments=count)
        gathered = jnp.concatenate([summed / jnp.maximum(degree, 1)[:, None], largest, nodes], -1)
        nodes = nodes + jnp.tanh(gathered @ weights(36, 12, seed=10 * layer + 1))
    # Attention over the edges that arrive at a node: a softmax by segments.
    logits = edges @ weights(5, 1, seed=30)[:, 0]
    shifted = jnp.exp(logits - jax.ops.segment_max(logits, receivers, num_segments=count)[receivers])
    share = shifted / jax.ops.segment_sum(shifted, receivers, num_segments=count)[receivers]
    attended = jax.ops.segment_sum(share[:, None] * nodes[senders], receivers, num_segments=count)
    return {"nodes": nodes, "attended": attended, "graph": attended.max(0)}


def lstm(xs: jax.Array, lengths: jax.Array, seed: int, reverse: bool = False) -> tuple[jax.Array, jax.Array]:
    """An LSTM over (time, batch, features) that stops each row at its length; the states and the last one."""
    projected = xs @ weights(xs.shape[-1], 4 * WIDTH, seed=seed)

    def step(carry, inputs):
        hidden, cell = carry
        gates, time = inputs
        entry, forget, candidate, exit_ = jnp.split(gates + hidden @ weights(WIDTH, 4 * WIDTH, seed=seed + 1), 4, -1)
        following = jax.nn.sigmoid(forget + 1) * cell + jax.nn.sigmoid(entry) * jnp.tanh(candidate)
        output = jax.nn.sigmoid(exit_) * jnp.tanh(following)
        alive = (time < lengths)[:, None]
        carry = (jnp.where(alive, output, hidden), jnp.where(alive, following, cell))
        return carry, jnp.where(alive, output, 0)

    start = jnp.zeros((xs.shape[1], WIDTH), jnp.float32)
    times = jnp.arange(xs.shape[0], dtype=jnp.int32)
    (last, _), states = lax.scan(step, (start, start), (projected, times), reverse=reverse)
    return states, last


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s), i32), nm.spec((b,), i32)),
    contents={"tokens": integers(0, VOCABULARY), "lengths": integers(1, 14)},
    run_at_most={"b": 5, "s": 13},
)
def bidirectional_lstm(tokens, lengths):
    xs = jnp.asarray(weights(VOCABULARY, 20))[tokens].transpose(1, 0, 2)
    forward, last = lstm(xs, lengths, 1)
    backward, first = lstm(xs, lengths, 5, reverse=True)
    states = jnp.concatenate([forward, backward], -1).transpose(1, 0, 2)
    return states, jnp.concatenate([last, first], -1) @ weights(2 * WIDTH, 4, seed=9)


@program(
    "b, s",
    lambda b, s: (nm.spec((s, b, 20), f32), nm.spec((b, WIDTH), f32)),
    run_at_most={"b": 5, "s": 17},
)
def gru_encoder(xs, hidden):
    def step(hidden, x):
        both = jax.nn.sigmoid(x @ weights(20, 2 * WIDTH) + hidden @ weights(WIDTH, 2 * WIDTH, seed=1))
        reset, update = jnp.split(both, 2, -1)
        candidate = jnp.tanh(x @ weights(20, WIDTH, seed=2) + (reset * hidden) @ weights(WIDTH, WIDTH, seed=3))
        hidden = update * hidden + (1 - update) * candidate
        return hidden, hidden

    last, states = lax.scan(step, hidden, xs)
    scores = jnp.einsum("sbd,bd->bs", states, last)
    return last, jnp.einsum("bs,sbd->bd", jax.nn.softmax(scores), states)


EXPERTS, CHOSEN = 5, 2


@program("n", lambda n: (nm.spec((n, WIDTH), f32),), run_at_most={"n": 70})
def mixture_of_experts(tokens):
    """Each token goes to its two best experts: once by masks over all experts, once sorted by expert."""
    count = tokens.shape[0]
    first = jnp.asarray(np.stack([weights(WIDTH, 48, seed=i) for i in range(EXPERTS)]))
    second = jnp.asarray(np.stack([weights(48, WIDTH, seed=10 + i) for i in range(EXPERTS)]))
    values, experts = lax.top_k(tokens @ weights(WIDTH, EXPERTS, seed=20), CHOSEN)
    shares = jax.nn.softmax(values)
    gates = jnp.einsum("nk,nke->ne", shares, jax.nn.one_hot(experts, EXPERTS))
    all_experts = jnp.einsum("enh,ehd->end", jax.nn.silu(jnp.einsum("nd,edh->enh", tokens, first)), second)
    dense = jnp.einsum("ne,end->nd", gates, all_experts)

    order = jnp.argsort(experts.reshape(count * CHOSEN), stable=True)
    rows, assigned = order // CHOSEN, experts.reshape(count * CHOSEN)[order]
    hidden = jax.nn.silu(jnp.einsum("nd,ndh->nh", tokens[rows], first[assigned]))
    outputs = jnp.einsum("nh,nhd->nd", hidden, second[assigned])
    weighted = outputs * shares.reshape(count * CHOSEN)[order][:, None]
    sparse = jnp.zeros_like(tokens).at[rows].add(weighted)
    load = jnp.zeros((EXPERTS,), jnp.int32).at[experts].add(1)
    return {"dense": dense, "sparse": sparse, "load": load}


BEAMS = 3


@program(
    "b, t, v",
    lambda b, t, v: (nm.spec((b, BEAMS, t), i32), nm.spec((b, BEAMS), f32), nm.spec((b, BEAMS, v), f32)),
    constraints=["v >= 3"],
    contents={"tokens": integers(0, 9)},
    run_at_most={"b": 4, "v": 101},
)
def beam_search_step(tokens, scores, logits):
    batch, _, vocabulary = logits.shape
    finished = tokens[:, :, -1] == 0
    following = jax.nn.log_softmax(logits)
    ended = jnp.where(jnp.arange(vocabulary) == 0, 0.0, -1e9).astype(jnp.float32)
    following = jnp.where(finished[..., None], ended, following)
    total = (scores[..., None] + following).reshape(batch, BEAMS * vocabulary)
    best, flat = lax.top_k(total, BEAMS)
    parents, chosen = flat // vocabulary, flat % vocabulary
    kept = jnp.take_along_axis(tokens, parents[..., None], axis=1)
    return {
        "scores": best,
        "tokens": jnp.concatenate([kept, chosen[..., None].astype(tokens.dtype)], -1),
        "finished": jnp.take_along_axis(finished, parents, axis=1) | (chosen == 0),
    }


@program("b, h, w", lambda b, h, w: (nm.spec((b, h, w, 16), f32),), constraints=["h*w >= 4"], run_at_most={"b": 3})
def detection_head(features):
    """Class scores and boxes of each cell; the best four of each image by the score of their best class."""
    batch, height, width, channels = features.shape
    cells = features.reshape(batch, height * width, channels)
    classes = jax.nn.sigmoid(cells @ weights(16, 6, seed=1))
    distances = jax.nn.softplus(cells @ weights(16, 4, seed=2))
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    centres = jnp.stack([columns, rows], -1).reshape(height * width, 2).astype(jnp.float32) + 0.5
    boxes = jnp.concatenate([centres - distances[..., :2], centres + distances[..., 2:]], -1)
    limits = jnp.stack([width, height, width, height]).astype(jnp.float32)
    boxes = jnp.clip(boxes, 0, limits) / limits
    scores, chosen = lax.top_k(classes.max(-1), 4)
    return {
        "scores": scores,
        "boxes": jnp.take_along_axis(boxes, chosen[..., None], axis=1),
        "labels": jnp.take_along_axis(jnp.argmax(classes, -1), chosen, axis=1),
    }


def convolve(x: jax.Array, inputs: int, outputs: int, seed: int, stride: int = 1) -> jax.Array:
    kernel = jnp.asarray(weights(3, 3, inputs, outputs, seed=seed) / 3)
    return lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def time_block(x: jax.Array, embedded: jax.Array, channels: int, seed: int) -> jax.Array:
    grouped = x.reshape(*x.shape[:3], 2, channels // 2)
    mean = grouped.mean((1, 2, 4), keepdims=True)
    variance = jnp.square(grouped - mean).mean((1, 2, 4), keepdims=True)
    normed = ((grouped - mean) * lax.rsqrt(variance + 1e-3)).reshape(x.shape)
    shift = embedded @ weights(16, channels, seed=seed + 1)
    hidden = convolve(jax.nn.silu(normed), channels, channels, seed) + shift[:, None, None, :]
    return x + convolve(jax.nn.silu(hidden), channels, channels, seed + 2)


@program(
    "b, h, w",
    lambda b, h, w: (nm.spec((b, 2 * h, 2 * w, 3), f32), nm.spec((b,), f32), jax.random.key(0)),
    contents={"time": floats(1, 99)},
    run_at_most={"b": 3, "h": 7, "w": 6},
)
def diffusion_step(image, time, key):
    """Predicts the noise of an image at a time, and takes one step towards the image with fresh noise."""
    angles = time[:, None] * (1e-2 ** (jnp.arange(8) / 8))
    embedded = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1) @ weights(16, 16, seed=1)
    embedded = jax.nn.silu(embedded)
    outer = time_block(convolve(image, 3, 8, 2), embedded, 8, 10)
    inner = time_block(convolve(outer, 8, 12, 3, stride=2), embedded, 12, 20)
    batch, height, width, channels = inner.shape
    flat = inner.reshape(batch, height * width, channels)
    scores = jnp.einsum("bqd,bkd->bqk", flat @ weights(12, 12, seed=4), flat) * channels**-0.5
    inner = (flat + jnp.einsum("bqk,bkd->bqd", jax.nn.softmax(scores), flat)).reshape(inner.shape)
    upper = jnp.repeat(jnp.repeat(inner, 2, axis=1), 2, axis=2)
    joined = jnp.concatenate([outer, upper], -1)
    noise = convolve(jax.nn.silu(convolve(joined, 20, 8, 5)), 8, 3, 6)
    kept = jnp.cos(time / 100 * jnp.pi / 2)[:, None, None, None]
    fresh = jax.random.normal(key, image.shape)
    return (image - jnp.sqrt(1 - kept) * noise) / jnp.sqrt(kept + 0.05) + 0.1 * jnp.sqrt(1 - kept) * fresh
