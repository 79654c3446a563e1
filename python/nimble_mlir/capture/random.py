"""Random bits: the block ciphers ThreeFry and Philox in JAX's own array operations, bit for bit what XLA gives on the CPU.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): Threefry-2x32 of 20 rounds and Philox-4x32 of
10. JAX lowers ThreeFry for the CPU to a loop of five iterations over whole arrays, to spare XLA compile time; straight on,
its rounds are one fused kernel. How `rng_bit_generator` numbers its blocks and orders their words is XLA's own
(xla/hlo/builder/lib/prng.cc). All is in 32-bit words, so that it does not depend on x64.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["rng_bit_generator", "threefry2x32"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)

_PHILOX_MULTIPLIERS = (np.uint32(0xD2511F53), np.uint32(0xCD9E8D57))
_PHILOX_KEY_STEPS = (np.uint32(0x9E3779B9), np.uint32(0xBB67AE85))


def threefry2x32(key1: Any, key2: Any, x1: Any, x2: Any) -> tuple[Any, Any]:
    """The 20 rounds on blocks (x1, x2) under keys (key1, key2); all uint32 of one shape, and so are the results."""
    keys = (key1, key2, key1 ^ key2 ^ _PARITY)
    x1, x2 = x1 + keys[0], x2 + keys[1]
    for group in range(5):
        for distance in _ROTATIONS[group % 2]:
            x1 = x1 + x2
            x2 = x1 ^ _rotate_left(x2, distance)
        x1 = x1 + keys[(group + 1) % 3]
        x2 = x2 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x1, x2


def _rotate_left(x: Any, distance: int) -> Any:
    return (x << np.uint32(distance)) | (x >> np.uint32(32 - distance))


def _philox4x32(counter: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    """The 10 rounds on a block of four words under two key words."""
    state, keys = list(counter), list(keys)
    for number in range(10):
        if number:
            keys = [key + step for key, step in zip(keys, _PHILOX_KEY_STEPS, strict=True)]
        (high0, low0), (high1, low1) = (
            _multiply(word, multiplier) for word, multiplier in zip(state[::2], _PHILOX_MULTIPLIERS, strict=True)
        )
        state = [high1 ^ state[1] ^ keys[0], low1, high0 ^ state[3] ^ keys[1], low0]
    return state


def _multiply(x: Any, y: np.uint32) -> tuple[Any, Any]:
    """The high and the low word of a product of two words, from products of half words."""
    mask, half = np.uint32(0xFFFF), np.uint32(16)
    x0, x1 = x & mask, x >> half
    y0, y1 = np.uint32(int(y) & 0xFFFF), np.uint32(int(y) >> 16)
    middle = x1 * y0 + ((x0 * y0) >> half)
    carry = (middle & mask) + x0 * y1
    return x1 * y1 + (middle >> half) + (carry >> half), x * y


def _add(low: Any, high: Any, value: Any) -> tuple[Any, Any]:
    """A 64-bit number in two words plus one word."""
    total = low + value
    return total, high + (total < value).astype(jnp.uint32)


def rng_bit_generator(key: Any, *, shape: Any, dtype: Any, algorithm: Any, out_sharding: Any = None) -> tuple[Any, Any]:
    """`lax.rng_bit_generator`: the next key, and bits of `dtype`; key is uint32[4] or uint64[2]."""
    words = key if key.dtype == jnp.uint32 else lax.bitcast_convert_type(key, jnp.uint32).reshape(4)
    generate = _threefry_bits if algorithm == lax.RandomAlgorithm.RNG_THREE_FRY else _philox_bits
    dtype = np.dtype(dtype)
    (low, high), next_state = generate(words, tuple(shape), wide=dtype.itemsize == 8)
    bits = low.astype(dtype)
    if high is not None:
        bits = bits | (high.astype(dtype) << dtype.type(32))
    following = jnp.stack([words[0], words[1], *next_state])
    if key.dtype != jnp.uint32:
        following = lax.bitcast_convert_type(following.reshape(2, 2), key.dtype)
    return following, bits


def _philox_bits(words: Any, shape: tuple[Any, ...], wide: bool) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Block i is the cipher of state + i; its four words (two pairs of words) are elements one after the other."""
    size = prod(shape)
    per_block = 2 if wide else 4
    blocks = (size + per_block - 1) // per_block
    index = lax.broadcasted_iota(jnp.uint32, (blocks,), 0)
    low, high = _add(words[2], words[3], index)
    # The key is the upper half of the counter, too, and gets the carry.
    carry = ((high < words[3]) | ((high == words[3]) & (low < words[2]))).astype(jnp.uint32)
    upper = _add(words[0], words[1], carry)
    outputs = _philox4x32([low, high, *upper], [words[0], words[1]])

    def in_order(parts: Sequence[Any]) -> Any:
        flat = jnp.stack(parts, axis=1).reshape(blocks * len(parts))
        return lax.slice_in_dim(flat, 0, size).reshape(shape)

    bits = (in_order(outputs[::2]), in_order(outputs[1::2])) if wide else (in_order(outputs), None)
    return bits, _add(words[2], words[3], _as_word(blocks))


def _threefry_bits(words: Any, shape: tuple[Any, ...], wide: bool) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Wide: element i is the cipher of state + i. Otherwise a dimension is halved: the first of even size, or the largest;
    its elements 2j and 2j + 1 are the two words of block j."""
    sizes = [_as_word(size) for size in shape]
    indices = [lax.broadcasted_iota(jnp.uint32, shape, axis) for axis in range(len(shape))]
    odd = jnp.zeros(shape, jnp.bool_)
    if not wide and shape:
        halved = _halved_axis(sizes)
        for axis, index in enumerate(indices):
            chosen = halved == axis
            odd = odd | (chosen & (index % 2 == 1))
            indices[axis] = jnp.where(chosen, index // 2, index)
            sizes[axis] = jnp.where(chosen, (sizes[axis] + 1) // 2, sizes[axis])
    number, count = jnp.zeros(shape, jnp.uint32), np.uint32(1)
    for index, size in zip(reversed(indices), reversed(sizes), strict=True):
        number, count = number + index * count, count * size
    low, high = _add(words[2], words[3], number)
    keys = (jnp.broadcast_to(words[0], low.shape), jnp.broadcast_to(words[1], low.shape))
    first, second = threefry2x32(*keys, low, high)
    bits = (first, second) if wide else (jnp.where(odd, second, first), None)
    return bits, _add(words[2], words[3], jnp.asarray(count, jnp.uint32))


def _halved_axis(sizes: Sequence[Any]) -> Any:
    """The first axis of even size, or else the first of the largest."""
    stacked = jnp.stack(sizes)
    even = stacked % 2 == 0
    return jnp.where(jnp.any(even), jnp.argmax(even), jnp.argmax(stacked))


def _as_word(size: Any) -> Any:
    return jnp.asarray(size, jnp.int32).astype(jnp.uint32)
