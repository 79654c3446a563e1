"""Greedy decoding with a small GPT whose key/value cache grows, compiled once for every prompt and number of tokens.

    python examples/decode.py

Random weights, seeded. Tokens and time are compared with the usual way in JAX, a cache of fixed size and one jitted step.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

STOP = 0


@dataclass(frozen=True)
class Config:
    """Sizes of the model; `positions` is how long a sequence may get."""

    layers: int = 6
    width: int = 384
    heads: int = 6
    vocabulary: int = 1000
    positions: int = 512


def init(config: Config, seed: int = 0) -> dict[str, Any]:
    """Random weights."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape) / math.sqrt(shape[0]), jnp.float32)

    width = config.width
    return {
        "tokens": normal(config.vocabulary, width) * math.sqrt(config.vocabulary),
        "positions": normal(config.positions, width) * math.sqrt(config.positions),
        "layers": [
            {
                "qkv": normal(width, 3 * width),
                "out": normal(width, width),
                "up": normal(width, 4 * width),
                "down": normal(4 * width, width),
            }
            for _ in range(config.layers)
        ],
        "head": normal(width, config.vocabulary),
    }


def normalize(x: jax.Array) -> jax.Array:
    """A layer norm without weights."""
    return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


def attend(config: Config, query: jax.Array, keys: jax.Array, values: jax.Array, mask: jax.Array | None) -> jax.Array:
    """`query` [q, h, d], `keys` and `values` [k, h, d], `mask` [q, k] of what may be seen → [q, h*d]."""
    scores = jnp.einsum("qhd,khd->hqk", query, keys) / math.sqrt(config.width // config.heads)
    if mask is not None:
        scores = jnp.where(mask, scores, -1e9)
    return jnp.einsum("hqk,khd->qhd", jax.nn.softmax(scores), values).reshape(query.shape[0], config.width)


def layer(config: Config, weights: Any, x: jax.Array, cache: Any, mask: jax.Array | None) -> tuple[jax.Array, Any]:
    """One layer over new positions `x` [q, width]; `cache` is (keys, values) of what came before."""
    split = (x.shape[0], 3, config.heads, config.width // config.heads)
    new = (normalize(x) @ weights["qkv"]).reshape(split)
    cache = cache.extend(new[:, 1:])
    keys, values = cache.stack().transpose(1, 0, 2, 3)
    x = x + attend(config, new[:, 0], keys, values, mask) @ weights["out"]
    x = x + jax.nn.gelu(normalize(x) @ weights["up"]) @ weights["down"]
    return x, cache


def decode(config: Config, params: Any, prompt: jax.Array, limit: jax.Array) -> tuple[jax.Array, jax.Array]:
    """At most `limit` tokens behind `prompt` [p], up to and with the stop token; and how many steps that took."""
    size = config.width // config.heads
    mask = jnp.tril(jnp.ones((prompt.shape[0], prompt.shape[0]), bool))
    x = params["tokens"][prompt] + params["positions"][: prompt.shape[0]]
    caches = []
    for weights in params["layers"]:
        empty = nm.TensorList.empty((2, config.heads, size), jnp.float32, bound=config.positions)
        x, cache = layer(config, weights, x, empty, mask)
        caches.append(cache)
    first = jnp.argmax(normalize(x[-1]) @ params["head"]).astype(jnp.int32)

    def step(carry: Any) -> Any:
        caches, made, token = carry
        x = (params["tokens"][token] + params["positions"][caches[0].length])[None]
        after = []
        for weights, cache in zip(params["layers"], caches, strict=True):
            x, longer = layer(config, weights, x, cache, None)
            after.append(longer)
        token = jnp.argmax(normalize(x[0]) @ params["head"]).astype(jnp.int32)
        return after, made.append(token), token

    def goes_on(carry: Any) -> Any:
        _, made, token = carry
        return (made.length < limit) & (token != STOP)

    made = nm.TensorList(first[None])
    _, made, _ = nm.while_loop(goes_on, step, (caches, made, first))
    return made.stack(), made.length


def static_prefill(config: Config, params: Any) -> Any:
    """The prompt the usual way in JAX, compiled for each length: its cache [layers, 2, positions, h, d], the first token."""

    @partial(jax.jit, static_argnums=1)
    def prefill(prompt: jax.Array, positions: int) -> tuple[jax.Array, jax.Array]:
        length = prompt.shape[0]
        split = (length, 3, config.heads, config.width // config.heads)
        mask = jnp.tril(jnp.ones((length, length), bool))
        x = params["tokens"][prompt] + params["positions"][:length]
        cache = []
        for weights in params["layers"]:
            new = (normalize(x) @ weights["qkv"]).reshape(split)
            cache.append(jnp.pad(new[:, 1:].swapaxes(0, 1), ((0, 0), (0, positions - length), (0, 0), (0, 0))))
            x = x + attend(config, new[:, 0], new[:, 1], new[:, 2], mask) @ weights["out"]
            x = x + jax.nn.gelu(normalize(x) @ weights["up"]) @ weights["down"]
        return jnp.stack(cache), jnp.argmax(normalize(x[-1]) @ params["head"]).astype(jnp.int32)

    return prefill


def static_step(config: Config, params: Any) -> Any:
    """One step of the usual way in JAX: a cache of fixed size [layers, 2, positions, h, d], of which `used` rows hold."""

    @jax.jit
    def step(cache: jax.Array, used: jax.Array, token: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = (params["tokens"][token] + params["positions"][used])[None]
        seen = (jnp.arange(cache.shape[2]) <= used)[None]
        for index, weights in enumerate(params["layers"]):
            split = (1, 3, config.heads, config.width // config.heads)
            new = (normalize(x) @ weights["qkv"]).reshape(split)
            cache = jax.lax.dynamic_update_slice(cache, new[0, 1:][None, :, None], (index, 0, used, 0, 0))
            x = x + attend(config, new[:, 0], cache[index, 0], cache[index, 1], seen) @ weights["out"]
            x = x + jax.nn.gelu(normalize(x) @ weights["up"]) @ weights["down"]
        return cache, jnp.argmax(normalize(x[0]) @ params["head"]).astype(jnp.int32)

    return step


def decode_static(config: Config, prefill: Any, step: Any, prompt: np.ndarray, limit: int) -> np.ndarray:
    """The same tokens as `decode`, a step at a time."""
    cache, made = prefill(prompt, config.positions)
    tokens = [int(made)]
    while len(tokens) < limit and tokens[-1] != STOP:
        cache, made = step(cache, jnp.int32(len(prompt) + len(tokens) - 1), made)
        tokens.append(int(made))
    return np.array(tokens, np.int32)


def main() -> None:
    """Compiles, compares and prints times."""
    parser = argparse.ArgumentParser(description="Greedy decoding with a key/value cache that grows.")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--tokens", type=int, default=256)
    args = parser.parse_args()
    config = Config(layers=args.layers, width=args.width)
    params = init(config)
    (n,) = nm.dims("n", constraints=["n <= 128"])
    start = time.perf_counter()
    module = nm.compile(
        lambda prompt, limit: decode(config, params, prompt, limit), (nm.spec((n,), jnp.int32), nm.spec((), jnp.int32))
    )
    print(f"compiled in {time.perf_counter() - start:.0f} s")
    prefill, step = static_prefill(config, params), static_step(config, params)
    rng = np.random.default_rng(1)
    same = True
    for size in (1, 7, 32, 100):
        prompt = rng.integers(1, config.vocabulary, size).astype(np.int32)
        module(prompt, np.int32(2))
        decode_static(config, prefill, step, prompt, 2)  # it compiles
        start = time.perf_counter()
        tokens, count = module(prompt, np.int32(args.tokens))
        ours = time.perf_counter() - start
        start = time.perf_counter()
        expected = decode_static(config, prefill, step, prompt, args.tokens)
        theirs = time.perf_counter() - start
        agree = int(count) == len(expected) and np.array_equal(tokens, expected)
        same = same and agree
        print(
            f"prompt {size:3}, {len(tokens):3} tokens: {ours * 1e3:7.1f} ms, jax with a static cache {theirs * 1e3:7.1f} ms,"
            f" tokens {'identical' if agree else 'DIFFER'}"
        )
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
