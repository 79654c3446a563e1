"""Beam search with a small GPT, compiled once for every prompt and number of tokens.

    python examples/beam_search.py

The keys and values of the prompt are held once for all beams. Those of the tokens behind it, the tokens and the beams that
they continue are lists that grow in place: a beam's history is found through the ancestors of its last token, so no cache is
ever reordered. Random weights, seeded. Sequences, scores and time are compared with the usual way in JAX: caches of fixed
size for each beam, one jitted step that reorders them.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from decode import STOP, Config, attend, init, normalize

import nimble_mlir as nm


def prefill(config: Config, params: Any, prompt: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """The keys and values of `prompt` [p] by layer, [p, 2, h, d], and the log probabilities [v] of the token behind it."""
    size = prompt.shape[0]
    mask = jnp.tril(jnp.ones((size, size), bool))
    x = params["tokens"][prompt] + params["positions"][:size]
    seen = []
    for weights in params["layers"]:
        new = (normalize(x) @ weights["qkv"]).reshape(size, 3, config.heads, config.width // config.heads)
        seen.append(new[:, 1:])
        x = x + attend(config, new[:, 0], new[:, 1], new[:, 2], mask) @ weights["out"]
        x = x + jax.nn.gelu(normalize(x) @ weights["up"]) @ weights["down"]
    return seen, jax.nn.log_softmax(normalize(x[-1]) @ params["head"])


def attend_both(config: Config, query: jax.Array, prompt: jax.Array, own: jax.Array) -> jax.Array:
    """`query` [k, h, d] over the rows of the prompt [p, 2, h, d] and the beam's own [t, k, 2, h, d] → [k, h*d]."""
    scale = 1 / math.sqrt(config.width // config.heads)
    shared = jnp.einsum("khd,phd->khp", query, prompt[:, 0]) * scale
    beams = jnp.einsum("khd,tkhd->kht", query, own[:, :, 0]) * scale
    largest = jnp.maximum(shared.max(-1, keepdims=True), beams.max(-1, keepdims=True))
    shared, beams = jnp.exp(shared - largest), jnp.exp(beams - largest)
    total = shared.sum(-1, keepdims=True) + beams.sum(-1, keepdims=True)
    values = jnp.einsum("khp,phd->khd", shared, prompt[:, 1]) + jnp.einsum("kht,tkhd->khd", beams, own[:, :, 1])
    return (values / total).reshape(query.shape[0], config.width)


def best(scores: jax.Array, done: jax.Array, following: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The best continuations of beams with `scores` [k] by the log probabilities `following` [k, v]: their scores, the
    beams that they continue and their tokens. A beam that is `done` goes on with stop tokens, which cost nothing."""
    beams, vocabulary = following.shape
    held = jnp.where(jnp.arange(vocabulary) == STOP, 0.0, -jnp.inf)
    total = scores[:, None] + jnp.where(done[:, None], held, following)
    scores, chosen = jax.lax.top_k(total.reshape(beams * vocabulary), beams)
    return scores, chosen // vocabulary, (chosen % vocabulary).astype(jnp.int32)


def search(config: Config, params: Any, beams: int, prompt: jax.Array, limit: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The `beams` likeliest sequences of at most `limit` tokens behind `prompt` [p], the likeliest first: tokens [k, t],
    with stop tokens behind the first, and their log probabilities [k]."""
    shape = (beams, 2, config.heads, config.width // config.heads)
    seen, following = prefill(config, params, prompt)
    scores, first = jax.lax.top_k(following, beams)
    first = first.astype(jnp.int32)
    each = jnp.arange(beams, dtype=jnp.int32)

    def step(carry: Any) -> Any:
        caches, ancestors, made, parents, scores, token = carry
        x = params["tokens"][token] + params["positions"][prompt.shape[0] + made.length - 1]
        ancestors = jnp.concatenate([ancestors, each[None]])
        longer = []
        for weights, rows, cache in zip(params["layers"], seen, caches, strict=True):
            new = (normalize(x) @ weights["qkv"]).reshape(beams, 3, *shape[2:])
            longer.append(cache.append(new[:, 1:]))
            own = jnp.take_along_axis(longer[-1].stack(), ancestors[:, :, None, None, None], axis=1)
            x = x + attend_both(config, new[:, 0], rows, own) @ weights["out"]
            x = x + jax.nn.gelu(normalize(x) @ weights["up"]) @ weights["down"]
        following = jax.nn.log_softmax(normalize(x) @ params["head"])
        scores, parent, token = best(scores, token == STOP, following)
        return longer, ancestors[:, parent], made.append(token), parents.append(parent), scores, token

    def goes_on(carry: Any) -> Any:
        *_, made, _, _, token = carry
        return (made.length < limit) & (token != STOP).any()

    caches = [nm.TensorList.empty(shape, jnp.float32, bound=config.positions) for _ in seen]
    ancestors = jnp.zeros((0, beams), jnp.int32)
    start = (caches, ancestors, nm.TensorList(first[None]), nm.TensorList(each[None]), scores, first)
    _, _, made, parents, scores, _ = nm.while_loop(goes_on, step, start)

    def back(beam: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        tokens, parents = row
        return parents[beam], tokens[beam]

    _, tokens = jax.lax.scan(back, each, (made.stack(), parents.stack()), reverse=True)
    return tokens.T, scores


def static_step(config: Config, params: Any, beams: int) -> Any:
    """One step of the usual way in JAX: caches [layers, positions, k, 2, h, d] of which `used` rows hold."""

    @jax.jit
    def step(cache: jax.Array, used: jax.Array, scores: jax.Array, token: jax.Array) -> Any:
        x = params["tokens"][token] + params["positions"][used]
        hidden = jnp.where(jnp.arange(cache.shape[1]) <= used, 0.0, -1e9)
        for index, weights in enumerate(params["layers"]):
            new = (normalize(x) @ weights["qkv"]).reshape(beams, 3, config.heads, config.width // config.heads)
            cache = jax.lax.dynamic_update_slice(cache, new[None, None, :, 1:], (index, used, 0, 0, 0, 0))
            keys, values = cache[index, :, :, 0], cache[index, :, :, 1]
            weight = jnp.einsum("khd,tkhd->kht", new[:, 0], keys) / math.sqrt(config.width // config.heads)
            seen = jnp.einsum("kht,tkhd->khd", jax.nn.softmax(weight + hidden), values)
            x = x + seen.reshape(beams, config.width) @ weights["out"]
            x = x + jax.nn.gelu(normalize(x) @ weights["up"]) @ weights["down"]
        following = jax.nn.log_softmax(normalize(x) @ params["head"])
        scores, parent, token = best(scores, token == STOP, following)
        return cache[:, :, parent], scores, parent, token

    return step


def search_static(
    config: Config, params: Any, beams: int, first: Any, step: Any, prompt: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same sequences as `search`, a step at a time; `first` is the jitted `prefill`."""
    seen, following = first(prompt)
    rows = jnp.stack(seen)
    shape = (config.layers, config.positions, beams, *rows.shape[2:])
    cache = jnp.zeros(shape, jnp.float32).at[:, : len(prompt)].set(rows[:, :, None])
    scores, token = jax.lax.top_k(following, beams)
    sequences = np.asarray(token)[:, None]
    while sequences.shape[1] < limit and (sequences[:, -1] != STOP).any():
        used = len(prompt) + sequences.shape[1] - 1
        cache, scores, parent, token = step(cache, jnp.int32(used), scores, token)
        sequences = np.concatenate([sequences[np.asarray(parent)], np.asarray(token)[:, None]], axis=1)
    return sequences, np.asarray(scores)


def main() -> None:
    """Compiles, compares and prints times."""
    parser = argparse.ArgumentParser(description="Beam search with sequences and caches that grow.")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 7, 32])
    args = parser.parse_args()
    config = Config(layers=args.layers, width=args.width, vocabulary=args.vocabulary)
    params = init(config)
    (n,) = nm.dims("n", constraints=["n <= 128"])
    start = time.perf_counter()
    module = nm.compile(partial(search, config, params, args.beams), (nm.spec((n,), jnp.int32), nm.spec((), jnp.int32)))
    print(f"compiled in {time.perf_counter() - start:.0f} s")
    first, step = jax.jit(partial(prefill, config, params)), static_step(config, params, args.beams)
    rng = np.random.default_rng(1)
    same = True
    for size in args.prompts:
        prompt = rng.integers(1, config.vocabulary, size).astype(np.int32)
        module(prompt, np.int32(2))
        search_static(config, params, args.beams, first, step, prompt, 2)  # it compiles
        start = time.perf_counter()
        tokens, scores = module(prompt, np.int32(args.tokens))
        ours = time.perf_counter() - start
        start = time.perf_counter()
        expected, likelihoods = search_static(config, params, args.beams, first, step, prompt, args.tokens)
        theirs = time.perf_counter() - start
        agree = np.array_equal(tokens, expected) and np.allclose(scores, likelihoods, rtol=1e-4, atol=1e-4)
        same = same and agree
        print(
            f"prompt {size:3}, {tokens.shape[1]:3} tokens, {args.beams} beams: {ours * 1e3:7.1f} ms, jax with static caches"
            f" {theirs * 1e3:7.1f} ms, sequences {'identical' if agree else 'DIFFER'}, best {scores[0]:.3f}"
        )
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
