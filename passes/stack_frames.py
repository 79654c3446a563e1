"""How the values of a frame lie side by side: one vector for each element type, so that few buffers hold them all. A part of
`nimble-explicit-stack`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from nimble_mlir.mlir import ir

from . import stablehlo_ops as hlo

__all__ = ["Packing", "Vectors", "Widths", "joined", "parted", "widest"]

Widths = dict[ir.Type, int]  # of the vector of each element type
Vectors = dict[ir.Type, ir.Value]


class Packing:
    """How tensors of the static types `types` lie in such vectors, each behind the one before it of its element type."""

    def __init__(self, types: Sequence[ir.Type]) -> None:
        self._types = [ir.RankedTensorType(type_) for type_ in types]
        self.widths: Widths = {}
        for type_ in self._types:
            element = type_.element_type
            self.widths[element] = self.widths.get(element, 0) + prod(type_.shape)

    def pack(self, values: Sequence[ir.Value], widths: Widths) -> Vectors:
        """The vectors of these widths that begin with the values; zeros stand behind them."""
        parts: dict[ir.Type, list[ir.Value]] = {element: [] for element in widths}
        for type_, value in zip(self._types, values, strict=True):
            parts[type_.element_type].append(hlo.reshape(value, [prod(type_.shape)]))
        for element, width in widths.items():
            rest = width - self.widths.get(element, 0)
            if rest:
                parts[element].append(hlo.zeros([rest], element))
        return {element: _side_by_side(part) for element, part in parts.items()}

    def unpack(self, vectors: Vectors) -> list[ir.Value]:
        """The values again."""
        starts: Widths = {}
        values = []
        for type_ in self._types:
            element, size = type_.element_type, prod(type_.shape)
            start = starts.get(element, 0)
            starts[element] = start + size
            values.append(hlo.reshape(hlo.slice_in_dim(vectors[element], start, start + size), list(type_.shape)))
        return values


def widest(packings: Iterable[Packing]) -> Widths:
    """For each element type, the width of the vector that holds what any of the packings does."""
    widths: Widths = {}
    for packing in packings:
        for element, width in packing.widths.items():
            widths[element] = max(widths.get(element, 0), width)
    return widths


def joined(parts: Sequence[Vectors]) -> Vectors:
    """One vector of each element type, with those of all parts side by side."""
    elements = dict.fromkeys(element for part in parts for element in part)
    return {element: _side_by_side([part[element] for part in parts if element in part]) for element in elements}


def parted(vectors: Vectors, parts: Sequence[Mapping[ir.Type, int]]) -> list[Vectors]:
    """The parts of these widths again."""
    starts = dict.fromkeys(vectors, 0)
    made: list[Vectors] = []
    for widths in parts:
        made.append({})
        for element, width in widths.items():
            start = starts[element]
            made[-1][element] = hlo.slice_in_dim(vectors[element], start, start + width)
            starts[element] = start + width
    return made


def _side_by_side(vectors: Sequence[ir.Value]) -> ir.Value:
    return vectors[0] if len(vectors) == 1 else hlo.concatenate(vectors)
