"""Batches of matrices with any number of dimensions, as batches with one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax

__all__ = ["over_batches"]


def over_batches(algorithm: Callable[..., Any], ranks: Sequence[int]) -> Callable[..., Any]:
    """`algorithm` for operands with any equal batch dimensions before those of `ranks`, made one for the algorithm.

    Fewer and simpler loops for IREE, whose 3.13 fails on some reductions of matrices under two batch dimensions of which
    one is dynamic ("'vector.store' op write affecting operations on global resources").
    """

    def batched(*operands: jax.Array, **params: Any) -> Any:
        batch = operands[0].shape[: operands[0].ndim - ranks[0]]
        if len(batch) < 2:
            return algorithm(*operands, **params)
        flat = [x.reshape(math.prod(batch), *x.shape[len(batch) :]) for x in operands]
        return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), algorithm(*flat, **params))

    return batched
