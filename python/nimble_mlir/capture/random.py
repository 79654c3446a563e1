"""Random bits: the ThreeFry block cipher without a loop.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): Threefry-2x32 of 20 rounds. JAX lowers it for
the CPU to a loop of five iterations over whole arrays, to spare XLA compile time; straight on, its rounds are one fused
kernel.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

__all__ = ["threefry2x32"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


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
    return jnp.left_shift(x, np.uint32(distance)) | jnp.right_shift(x, np.uint32(32 - distance))
