"""Whole networks of symbolic size: MLP, vision transformers, decoder, recurrent steps, retrieval, convolutional nets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from support.programs import boolean, f32, i32, integers, program

import nimble_mlir as nm

WIDTH, HEADS, PATCH = 32, 4, 8


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    """Seeded normal weights, scaled so that a layer keeps the size of its activations."""
    return np.random.default_rng([seed, *shape]).normal(0, shape[-2] ** -0.5, shape).astype(np.float32)


def layer_norm(x: jax.Array) -> jax.Array:
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(jnp.square(x - mean).mean(-1, keepdims=True) + 1e-5)


def attention(queries: jax.Array, keys: jax.Array, mask: jax.Array | None, seed: int) -> jax.Array:
    """Multi-head attention of (b, q, WIDTH) over (b, k, WIDTH); `mask` is true where a query may look."""
    batch = queries.shape[0]

    def heads(x: jax.Array, part: int) -> jax.Array:
        return (x @ weights(WIDTH, WIDTH, seed=seed + part)).reshape(batch, x.shape[1], HEADS, WIDTH // HEADS)

    scores = jnp.einsum("bqhd,bkhd->bhqk", heads(queries, 0), heads(keys, 1)) * (WIDTH // HEADS) ** -0.5
    if mask is not None:
        scores = jnp.where(mask, scores, -1e9)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), heads(keys, 2))
    return mixed.reshape(batch, queries.shape[1], WIDTH) @ weights(WIDTH, WIDTH, seed=seed + 3)


def feed_forward(x: jax.Array, seed: int) -> jax.Array:
    hidden = jax.nn.gelu(x @ weights(WIDTH, 2 * WIDTH, seed=seed), approximate=False)
    return hidden @ weights(2 * WIDTH, WIDTH, seed=seed + 1)


@program("b", lambda b: (nm.spec((b, 24), f32),), run_at_most={"b": 130})
def mlp(x):
    for layer, (inputs, outputs) in enumerate([(24, 48), (48, 48), (48, 10)]):
        x = x @ weights(inputs, outputs, seed=layer) + np.linspace(-1, 1, outputs, dtype=np.float32)
        x = jax.nn.relu(x) if layer < 2 else x
    return jax.nn.log_softmax(x)


def positions(height: int, width: int) -> jax.Array:
    """Sines and cosines of row and column numbers: (height * width, WIDTH), for any grid without interpolation."""
    frequencies = 1e-2 ** (jnp.arange(WIDTH // 4) / (WIDTH // 4))
    rows = jnp.arange(height)[:, None] * frequencies
    columns = jnp.arange(width)[:, None] * frequencies
    parts = [
        jnp.broadcast_to(part, (height, width, WIDTH // 4))
        for part in (jnp.sin(rows)[:, None], jnp.cos(rows)[:, None], jnp.sin(columns)[None], jnp.cos(columns)[None])
    ]
    return jnp.concatenate(parts, -1).reshape(height * width, WIDTH)


def encode(patches: jax.Array) -> jax.Array:
    x = patches
    for layer in range(2):
        normed = layer_norm(x)
        x = x + attention(normed, normed, None, 10 * layer)
        x = x + feed_forward(layer_norm(x), 10 * layer + 5)
    return layer_norm(x).mean(1) @ weights(WIDTH, 7, seed=99)


def image_specs(b, h, w):
    return (nm.spec((b, PATCH * h, PATCH * w, 3), f32),)


@program("b, h, w", image_specs, constraints=["h <= 7", "w <= 9"], run_at_most={"b": 3})
def vision_transformer_convolution(image):
    kernel = weights(PATCH, PATCH, 3, WIDTH)[:, :, :, :] / PATCH
    patches = jax.lax.conv_general_dilated(
        image, jnp.asarray(kernel), (PATCH, PATCH), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    batch, height, width, _ = patches.shape
    return encode(patches.reshape(batch, height * width, WIDTH) + positions(height, width))


@program("b, h, w", image_specs, constraints=["h <= 7", "w <= 9"], run_at_most={"b": 3})
def vision_transformer_reshape(image):
    batch, height, width = image.shape[0], image.shape[1] // PATCH, image.shape[2] // PATCH
    tiles = image.reshape(batch, height, PATCH, width, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    patches = tiles.reshape(batch, height * width, PATCH * PATCH * 3) @ weights(PATCH * PATCH * 3, WIDTH)
    return encode(patches + positions(height, width))


@program(
    "b, t, s",
    lambda b, t, s: (nm.spec((b, t), i32), nm.spec((b, s, WIDTH), f32), nm.spec((b, s), boolean)),
    constraints=["t <= 24"],
    contents={
        "ids": integers(0, 50),
        # A row that sees nothing is a softmax over equal numbers, in any order of summation: let each see the first.
        "source_mask": lambda rng, shape, dtype: (rng.random(shape) < 0.6) | (np.arange(shape[-1]) == 0),
    },
    run_at_most={"b": 3, "s": 37},
)
def decoder_layer(ids, source, source_mask):
    x = jnp.asarray(weights(50, WIDTH))[ids] * 7 + jnp.asarray(weights(24, WIDTH, seed=1))[jnp.arange(ids.shape[1])]
    length = ids.shape[1]
    rows = jax.lax.broadcasted_iota(jnp.int32, (length, length), 0)
    columns = jax.lax.broadcasted_iota(jnp.int32, (length, length), 1)
    normed = layer_norm(x)
    x = x + attention(normed, normed, (columns <= rows)[None, None], 2)
    x = x + attention(layer_norm(x), source, source_mask[:, None, None, :], 12)
    x = x + feed_forward(layer_norm(x), 22)
    return x @ weights(WIDTH, 50, seed=3)


@program("b", lambda b: (nm.spec((b, 20), f32), nm.spec((b, WIDTH), f32), nm.spec((b, WIDTH), f32)))
def lstm_step(x, hidden, cell):
    gates = x @ weights(20, 4 * WIDTH) + hidden @ weights(WIDTH, 4 * WIDTH, seed=1)
    entry, forget, candidate, exit_ = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(forget + 1) * cell + jax.nn.sigmoid(entry) * jnp.tanh(candidate)
    return jax.nn.sigmoid(exit_) * jnp.tanh(cell), cell


@program("b", lambda b: (nm.spec((b, 20), f32), nm.spec((b, WIDTH), f32)))
def gru_step(x, hidden):
    reset, update = jnp.split(
        jax.nn.sigmoid(x @ weights(20, 2 * WIDTH) + hidden @ weights(WIDTH, 2 * WIDTH, seed=1)), 2, axis=1
    )
    candidate = jnp.tanh(x @ weights(20, WIDTH, seed=2) + (reset * hidden) @ weights(WIDTH, WIDTH, seed=3))
    return update * hidden + (1 - update) * candidate


@program("q, n", lambda q, n: (nm.spec((q, WIDTH), f32), nm.spec((n, WIDTH), f32)), run_at_most={"n": 301, "q": 5})
def retrieval(queries, documents):
    def unit(x):
        return x / jnp.linalg.norm(x, axis=-1, keepdims=True)

    scores = unit(queries) @ unit(documents).T
    return {"best": jnp.argmax(scores, -1), "score": scores.max(-1)}


@program("n", lambda n: (nm.spec((n, WIDTH), f32), nm.spec((WIDTH,), f32)), constraints=["n >= 3"])
def retrieval_top_k(documents, query):
    scores = documents @ query / (jnp.linalg.norm(documents, axis=-1) * jnp.linalg.norm(query))
    return jax.lax.top_k(scores, 3)


@program(
    "b, s",
    lambda b, s: (nm.spec((b, s, 12), f32), nm.spec((b, s), i32)),
    contents={"mask": lambda rng, shape, dtype: (rng.random(shape) < 0.7) | (np.arange(shape[-1]) == 0)},
    run_at_most={"s": 200},
)
def masked_mean_pooling(tokens, mask):
    chosen = mask[..., None].astype(tokens.dtype)
    pooled = (tokens * chosen).sum(1) / jnp.maximum(chosen.sum(1), 1)
    return pooled / jnp.linalg.norm(pooled, axis=-1, keepdims=True)


@program("b, h, w", lambda b, h, w: (nm.spec((b, 2 * h, 2 * w, 3), f32),), run_at_most={"b": 3, "h": 9, "w": 8})
def residual_convolutions(image):
    def convolution(x, inputs, outputs, seed, stride=1):
        kernel = jnp.asarray(weights(3, 3, inputs, outputs, seed=seed) / 3)
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    x = jax.nn.relu(convolution(image, 3, 8, 0))
    x = x + convolution(jax.nn.relu(convolution(x, 8, 8, 1)), 8, 8, 2)
    x = jax.nn.relu(convolution(x, 8, 16, 3, stride=2))
    return x.mean((1, 2)) @ weights(16, 4)


@program("b, h, w", lambda b, h, w: (nm.spec((b, h, w, 12), f32),), run_at_most={"b": 4})
def group_norm(x):
    batch, height, width, channels = x.shape
    grouped = x.reshape(batch, height * width, 3, channels // 3)
    mean = grouped.mean((1, 3), keepdims=True)
    variance = jnp.square(grouped - mean).mean((1, 3), keepdims=True)
    return ((grouped - mean) * jax.lax.rsqrt(variance + 1e-3)).reshape(x.shape)


@program("b, s", lambda b, s: (nm.spec((b, s, HEADS, 8), f32),), run_at_most={"s": 40, "b": 3})
def rotary_attention(x):
    length = x.shape[1]
    angles = jnp.arange(length)[:, None] * (1e-2 ** (jnp.arange(4) / 4))
    sine, cosine = jnp.sin(angles)[:, None], jnp.cos(angles)[:, None]
    left, right = x[..., :4], x[..., 4:]
    turned = jnp.concatenate([left * cosine - right * sine, left * sine + right * cosine], -1)
    scores = jnp.einsum("bqhd,bkhd->bhqk", turned, turned)
    scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), x)
