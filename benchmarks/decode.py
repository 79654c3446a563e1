"""Decoding with a cache that grows, against JAX's ways: a cache of fixed size, buckets, and a compile for each length.

    python benchmarks/decode.py [--tokens 256] [--prompt 32] [--rounds 5]

The model is that of examples/decode.py. All give the same tokens, which is checked. The first three are warm: what they
compile is not counted. Recompiling for each length is measured over a few tokens only, its compiles counted, since they are
what it does; its time is given for all tokens at that rate. Wall time; the calls take turns. The last line is CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measure import example, interleaved, show

import nimble_mlir as nm

decode = example("decode")


def with_buckets(config: Any, prefill: Any, step: Any, prompt: np.ndarray, limit: int, bucket: int) -> np.ndarray:
    """A cache that grows by `bucket` rows: the step is compiled once for each number of buckets."""
    rows = -(-(len(prompt) + 1) // bucket) * bucket
    cache, made = prefill(prompt, rows)
    tokens = [int(made)]
    while len(tokens) < limit and tokens[-1] != decode.STOP:
        used = len(prompt) + len(tokens) - 1
        if used == cache.shape[2]:
            cache = jnp.pad(cache, ((0, 0), (0, 0), (0, bucket), (0, 0), (0, 0)))
        cache, made = step(cache, jnp.int32(used), made)
        tokens.append(int(made))
    return np.array(tokens, np.int32)


def in_one_program(config: Any, params: Any) -> Callable[..., Any]:
    """The whole loop in one jitted function, over a cache of fixed size."""
    step = decode.static_step(config, params)

    @jax.jit
    def run(cache: jax.Array, made: jax.Array, used: jax.Array, limit: jax.Array) -> tuple[jax.Array, jax.Array]:
        def body(carry: Any) -> Any:
            cache, tokens, count = carry
            cache, token = step(cache, used + count - 1, tokens[count - 1])
            return cache, tokens.at[count].set(token), count + 1

        def goes_on(carry: Any) -> Any:
            _, tokens, count = carry
            return (count < limit) & (tokens[count - 1] != decode.STOP)

        tokens = jnp.zeros(config.positions, jnp.int32).at[0].set(made)
        _, tokens, count = jax.lax.while_loop(goes_on, body, (cache, tokens, jnp.int32(1)))
        return tokens, count

    return run


def main() -> None:
    """Compiles, checks the tokens and prints milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--prompt", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--bucket", type=int, default=64)
    parser.add_argument(
        "--recompiled", type=int, default=8, help="tokens that are decoded with a compile for each length"
    )
    args = parser.parse_args()
    config = decode.Config(layers=args.layers, width=args.width)
    params = decode.init(config)
    (n,) = nm.dims("n", constraints=["n <= 128"])
    module = nm.compile(
        lambda prompt, limit: decode.decode(config, params, prompt, limit),
        (nm.spec((n,), jnp.int32), nm.spec((), jnp.int32)),
    )
    prefill, step = decode.static_prefill(config, params), decode.static_step(config, params)
    whole = in_one_program(config, params)
    limit = args.tokens
    # A prompt behind which the stop token does not come before the limit.
    for seed in range(100):
        prompt = np.random.default_rng(seed).integers(1, config.vocabulary, args.prompt).astype(np.int32)
        expected = decode.decode_static(config, prefill, step, prompt, limit)
        if len(expected) == limit:
            break

    def one_program() -> np.ndarray:
        cache, made = prefill(prompt, config.positions)
        tokens, count = whole(cache, made, jnp.int32(len(prompt)), jnp.int32(limit))
        return np.asarray(tokens)[: int(count)]

    calls: dict[str, Callable[[], np.ndarray]] = {
        "nimble, a cache that grows": lambda: module(prompt, np.int32(limit))[0],
        f"jax, a static cache of {config.positions}, a jitted step": lambda: decode.decode_static(
            config, prefill, step, prompt, limit
        ),
        f"jax, buckets of {args.bucket}, a jitted step": lambda: with_buckets(
            config, prefill, step, prompt, limit, args.bucket
        ),
        f"jax, a static cache of {config.positions}, the loop jitted": one_program,
    }
    for name, call in calls.items():
        assert np.array_equal(call(), expected), f"{name}: other tokens"
    medians = interleaved(calls, args.rounds)
    start = time.perf_counter()
    few = with_buckets(config, prefill, decode.static_step(config, params), prompt, args.recompiled, 1)
    rate = (time.perf_counter() - start) / len(few)
    assert np.array_equal(few, expected[: len(few)])
    medians["jax, a compile for each length"] = rate * limit
    ours = next(iter(medians.values()))
    rows = [
        [name, f"{value * 1e3:.0f}", f"{value / limit * 1e3:.2f}", f"{value / ours:.2f}"]
        for name, value in medians.items()
    ]
    title = f"{len(expected)} tokens behind {len(prompt)}, {config.layers} layers of {config.width}; tokens identical"
    show(title, ["", "ms", "ms a token", "to nimble"], rows)
    cpu = interleaved(calls, max(args.rounds // 2, 1), clock=time.process_time)
    print("CPU ms: " + ", ".join(f"{name}: {value * 1e3:.0f}" for name, value in cpu.items()))


if __name__ == "__main__":
    main()
