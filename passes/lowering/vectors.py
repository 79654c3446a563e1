"""Vectors in kernels: adjacent elements are read and written together, what is left of a run one by one.

A vector has the bytes of the widest registers in use (AVX-512); IREE splits it where registers are narrower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nimble_mlir.mlir import arith, ir, vector

from ..symbol_table import constant_index
from .arithmetic import zero
from .builders import element_type_of
from .kernels import loop

__all__ = ["along", "has_lanes", "lanes_of", "read_lanes", "write_lanes"]

Values = Sequence[ir.Value]

_BYTES = 64


def has_lanes(element: ir.Type) -> bool:
    """Whether elements of a type may stand in vectors: integers of whole bytes and floats, but for those of 8 bits."""
    return isinstance(element, ir.IntegerType | ir.FloatType) and (
        element.width > 8 or (element.width == 8 and isinstance(element, ir.IntegerType))
    )


def lanes_of(element: ir.Type) -> int:
    """The number of elements of a vector."""
    assert isinstance(element, ir.IntegerType | ir.FloatType)
    return _BYTES * 8 // element.width


def read_lanes(buffer: ir.Value, indices: Values, lanes: int, beyond: ir.Value | None = None) -> ir.Value:
    """`lanes` adjacent elements of a kernel's tensor, from `indices` on along its last dimension.

    Those past its end are `beyond`; without it there must be none."""
    type_ = ir.VectorType.get([lanes], element_type_of(buffer))
    filler = zero(type_.element_type) if beyond is None else beyond
    return vector.transfer_read(type_, buffer, list(indices), _last_of(buffer), filler, [beyond is None])


def write_lanes(value: ir.Value, buffer: ir.Value, indices: Values) -> ir.Value:
    """`buffer` with adjacent elements replaced, from `indices` on along its last dimension."""
    return vector.transfer_write(buffer.type, value, buffer, list(indices), _last_of(buffer), [True])


def _last_of(buffer: ir.Value) -> ir.AffineMapAttr:
    rank = ir.RankedTensorType(buffer.type).rank
    return ir.AffineMapAttr.get(ir.AffineMap.get(rank, 0, [ir.AffineDimExpr.get(rank - 1)]))


def along(
    size: ir.Value,
    lanes: int,
    carries: Values,
    of_lanes: Callable[..., Values],
    of_element: Callable[..., Values],
) -> list[ir.Value]:
    """Goes over 0 … size: `of_lanes` takes `lanes` positions at once, `of_element` one of those that are left (of a run of
    elements, or of anything else that is done by blocks).

    Both get the (first) position and the carries, and return the carries.
    """
    zero_, step = constant_index(0), constant_index(lanes)
    whole = arith.muli(arith.divui(size, step), step)
    carried = loop(zero_, whole, carries, of_lanes, step)
    return loop(whole, size, carried, of_element)
