"""Programs that draw random numbers, with keys in and out: the bits are JAX's own, at every size."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax, random
from support.programs import f32, floats, integers, program, u32

import nimble_mlir as nm


def _key():
    return jax.eval_shape(lambda: random.key(0))


@program("b, s", lambda b, s: (_key(), nm.spec((b, s), f32)), "exact", run_at_most={"b": 6})
def random_bits(key, x):
    first, second = random.split(key)
    return {
        "keys": [random.split(key, 3), random.fold_in(key, 7), random.fold_in(key, x.shape[1]), first],
        "bits": [random.bits(second, x.shape), random.bits(key, (x.shape[1],), jnp.uint8)],
        "static": random.bits(key, (3,), jnp.uint16),
        "uniform": random.uniform(key, x.shape),
        "integers": [random.randint(first, x.shape, 0, 10), random.randint(second, (5,), -3, 1000)],
        "bernoulli": random.bernoulli(second, 0.3, x.shape),
        "mapped": jax.vmap(lambda k: random.bits(k, (2,)))(random.split(key, 4)),
    }  # fmt: skip


@program("b, s", lambda b, s: (_key(), nm.spec((b, s), f32)), "transcendental", run_at_most={"b": 6})
def distributions(key, x):
    return {
        "normal": random.normal(key, x.shape),
        "exponential": random.exponential(key, x.shape),
        "gumbel": random.gumbel(key, x.shape),
        "laplace": random.laplace(key, x.shape),
        "categorical": random.categorical(key, x),
        "stretched": random.uniform(key, (x.shape[1], 4), minval=-1.0, maxval=3.0),
        "scanned": lax.scan(lambda k, row: (random.split(k)[0], random.normal(k, row.shape) + row), key, x)[1],
    }


@program("s", lambda s: (_key(), nm.spec((s,), f32)), "transcendental", contents={"x": floats(0.5, 4)},
         on_demand=True)  # fmt: skip
def rejection_sampling(key, alpha):
    return {"gamma": random.gamma(key, alpha)}


@program("b, s", lambda b, s: (nm.spec((4,), u32), nm.spec((b, s, 3), f32)), "exact", run_at_most={"b": 6, "s": 7},
         contents={"key": integers(0, 2**32)})  # fmt: skip
def bit_generators(key, x):
    # stablehlo.rng_bit_generator and dynamic_rng_bit_generator by name: capture writes the ciphers out.
    algorithms = [lax.RandomAlgorithm.RNG_DEFAULT, lax.RandomAlgorithm.RNG_PHILOX, lax.RandomAlgorithm.RNG_THREE_FRY]
    return {
        "of_size": [lax.rng_bit_generator(key, x.shape, algorithm=algorithm) for algorithm in algorithms],
        "narrow": [lax.rng_bit_generator(key, (x.shape[1],), jnp.uint8, algorithm=a) for a in algorithms],
        "static": [lax.rng_bit_generator(key, (5,), jnp.uint16, algorithm=algorithm) for algorithm in algorithms],
        "key": random.bits(random.wrap_key_data(key, impl="rbg"), (x.shape[0],)),
    }
