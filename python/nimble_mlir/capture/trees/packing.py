"""Several small arrays as one vector a dtype: so that what nodes have lies in one buffer, and one gather reads all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import jax.numpy as jnp

__all__ = ["Packing", "widest"]


class Packing:
    """How arrays of the shapes and dtypes `specs` lie side by side; `widths` and `dtypes` are those of the vectors."""

    def __init__(self, specs: Sequence[Any]) -> None:
        self._specs = list(specs)
        self.dtypes = list(dict.fromkeys(spec.dtype for spec in specs))
        self._of = [[index for index, spec in enumerate(specs) if spec.dtype == dtype] for dtype in self.dtypes]
        self.widths = [sum(self._size(index) for index in group) for group in self._of]

    @property
    def places(self) -> list[int]:
        """Where each array begins in its vector."""
        places = [0] * len(self._specs)
        for group in self._of:
            start = 0
            for index in group:
                places[index] = start
                start += self._size(index)
        return places

    def _size(self, index: int) -> int:
        return prod(self._specs[index].shape)

    def pack(self, arrays: Sequence[Any]) -> list[Any]:
        """The vectors of these arrays."""
        return [jnp.concatenate([jnp.asarray(arrays[index]).reshape(-1) for index in group]) for group in self._of]

    def unpack(self, vectors: Sequence[Any]) -> list[Any]:
        """The arrays, whose vectors may have leading axes."""
        arrays: list[Any] = [None] * len(self._specs)
        for vector, group in zip(vectors, self._of, strict=True):
            start = 0
            for index in group:
                part = vector[..., start : start + self._size(index)]
                arrays[index] = part.reshape(*vector.shape[:-1], *self._specs[index].shape)
                start += self._size(index)
        return arrays


def widest(packings: Iterable[Packing]) -> dict[Any, int]:
    """For each dtype, the width of the vector that holds what any of the packings does."""
    widths: dict[Any, int] = {}
    for packing in packings:
        for dtype, width in zip(packing.dtypes, packing.widths, strict=True):
            widths[dtype] = max(widths.get(dtype, 0), width)
    return widths
