"""Tensors as views of what is stored: which element of a buffer an element of a slice, a transpose or a reshape is.

A kernel that reads through such a view needs no copy of it. Followed are slices with steps of 1, transposes, and dimensions
of size 1 that come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nimble_mlir.dialects import DYNAMIC
from nimble_mlir.mlir import arith, ir

from ..symbol_table import constant_index
from .builders import LoweringContext
from .kernels import binding_sizes

__all__ = ["View", "view_of"]


@dataclass(frozen=True)
class View:
    """`base`, of whose dimension i the index is that along dimension `axes[i]` of the view (0 where that is None) behind
    `offsets[i]`."""

    base: ir.Value
    axes: tuple[int | None, ...]
    offsets: tuple[ir.Value | int, ...]

    @property
    def innermost(self) -> int | None:
        """The dimension of the view along which adjacent elements lie side by side."""
        return self.axes[-1] if self.axes else None

    def indices(self, of_view: Sequence[ir.Value]) -> list[ir.Value]:
        """The indices in the base of an element of the view."""
        return [
            _sum(constant_index(0) if axis is None else of_view[axis], offset)
            for axis, offset in zip(self.axes, self.offsets, strict=True)
        ]


def view_of(ctx: LoweringContext, value: ir.Value) -> View:
    """The view that `value` is, of the furthest tensor that a kernel can take."""
    owner = value.owner
    if not isinstance(owner, ir.Block) and owner.name in _STEPS:
        op = owner.operation
        view = _STEPS[op.name](op, view_of(ctx, op.operands[0]))
        if view is not None and binding_sizes(ctx, view.base) is not None:
            return view
    rank = ir.RankedTensorType(value.type).rank
    return View(value, tuple(range(rank)), (0,) * rank)


def _same(op: Any, view: View) -> View | None:
    return view


def _transpose(op: Any, view: View) -> View | None:
    permutation = list(op.attributes["permutation"])
    return _renamed(view, {axis: place for place, axis in enumerate(permutation)})


def _slice(op: Any, view: View) -> View | None:
    static, steps = (list(op.attributes[name]) for name in ("static_offsets", "static_strides"))
    if any(step != 1 for step in steps) or len(static) != ir.RankedTensorType(op.results[0].type).rank:
        return None
    dynamic = iter(list(op.operands)[1:])  # the offsets come first
    starts = [next(dynamic) if start == DYNAMIC else start for start in static]
    offsets = [
        offset if axis is None else _sum(offset, starts[axis])
        for axis, offset in zip(view.axes, view.offsets, strict=True)
    ]
    return replace(view, offsets=tuple(offsets))


def _collapse(op: Any, view: View) -> View | None:
    names: dict[int, int | None] = {}
    for place, axes in enumerate(_groups(op)):
        large = _large(op.operands[0], axes)
        if len(large) > 1:
            return None
        names |= {axis: place if axis in large else None for axis in axes}
    return _renamed(view, names)


def _expand(op: Any, view: View) -> View | None:
    names: dict[int, int | None] = {}
    for axis, places in enumerate(_groups(op)):
        large = _large(op.results[0], places)
        if len(large) > 1:
            return None
        names[axis] = large[0] if large else None
    return _renamed(view, names)


def _renamed(view: View, names: dict[int, int | None]) -> View:
    return replace(view, axes=tuple(None if axis is None else names[axis] for axis in view.axes))


def _groups(op: Any) -> list[list[int]]:
    return [[ir.IntegerAttr(axis).value for axis in group] for group in op.attributes["reassociation"]]


def _large(value: ir.Value, axes: Sequence[int]) -> list[int]:
    """Those of `axes` whose size is not 1."""
    shape = ir.RankedTensorType(value.type).shape
    return [axis for axis in axes if shape[axis] != 1]


def _sum(lhs: ir.Value | int, rhs: ir.Value | int) -> Any:
    if isinstance(lhs, int) and isinstance(rhs, int):
        return lhs + rhs
    if isinstance(lhs, int):
        lhs, rhs = rhs, lhs
    if isinstance(rhs, int):
        return arith.addi(lhs, constant_index(rhs)) if rhs else lhs
    return arith.addi(lhs, rhs)


_STEPS: dict[str, Callable[[Any, View], View | None]] = {
    "linalg.transpose": _transpose,
    "nimble.cast": _same,
    "nimble.tie_shape": _same,
    "tensor.cast": _same,
    "tensor.collapse_shape": _collapse,
    "tensor.expand_shape": _expand,
    "tensor.extract_slice": _slice,
}
