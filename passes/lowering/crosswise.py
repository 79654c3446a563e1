"""Results of reductions and contractions that are read along two different dimensions, as in `p[:, None] + p[None, :]`.

IREE 3.13 fuses the reduction that computes `p` with the op that reads it both ways: each workgroup computes its own rows
of `p`, and reads others' rows before they are there. Such a result goes through an optimization barrier: a reshape, which
keeps other values apart (fusion.py), is folded where there is one dimension.
test/python/models/test_workarounds.py fails when IREE has been mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import TieShapeOp, dims_of
from nimble_mlir.mlir import ir

from ..marks import APART
from ..shape_functions.elementwise import BINARY, UNARY
from .builders import LoweringContext

__all__ = ["REDUCING", "materialized", "read_crosswise"]

REDUCING = frozenset(
    f"stablehlo.{name}" for name in ("convolution", "dot", "dot_general", "reduce", "reduce_window")
) | {"nimble.reduce_window"}

_ELEMENTWISE = frozenset(f"stablehlo.{name}" for name in (*UNARY, *BINARY, "select", "clamp", "map"))
_BARRIER = "stablehlo.optimization_barrier"
_BROADCASTS = frozenset(["nimble.broadcast_in_dim", "stablehlo.broadcast_in_dim"])
_RESHAPES = frozenset(["nimble.cast", "nimble.reshape", "nimble.tie_shape", "stablehlo.reshape"])
# How far the readers are followed; beyond it, fusion has long stopped.
_LIMIT = 256

# For each dimension of the reduction's result, the dimension of a reader's result that it is.
_Places = tuple[int, ...]


def read_crosswise(value: ir.Value) -> bool:
    """Whether some op reads `value`, through broadcasts, transposes and elementwise ops, in two different ways."""
    if not isinstance(value.type, ir.RankedTensorType) or value.type.rank == 0:
        return False
    reached: dict[ir.Value, set[_Places]] = {value: {tuple(range(value.type.rank))}}
    pending = [value]
    while pending and len(reached) < _LIMIT:
        current = pending.pop()
        for use in current.uses:
            reader = use.owner.operation
            for result in _readers_results(reader, use.operand_number):
                places = {found for old in reached[current] if (found := _followed(reader, current, old)) is not None}
                known = reached.setdefault(result, set())
                if places - known:
                    known |= places
                    pending.append(result)
                if len(known) > 1:
                    return True
    return False


def materialized(ctx: LoweringContext, value: ir.Value) -> ir.Value:
    """`value` as a buffer of its own, which nothing is fused with."""
    tie = TieShapeOp(value, ctx.sizes.sizes(ctx.dims(value)), value.type)
    tie.operation.attributes[APART] = ir.UnitAttr.get()
    return tie.result


def _readers_results(reader: Any, operand: int) -> Sequence[ir.Value]:
    # JAX's barrier is taken away when it is lowered: result i is operand i.
    return [reader.results[operand]] if reader.name == _BARRIER else list(reader.results)


def _followed(reader: Any, operand: ir.Value, places: _Places) -> _Places | None:
    """Where the dimensions are in the reader's result; None where it is no op that fusion goes through."""
    if reader.name in _ELEMENTWISE or reader.name == _BARRIER:
        return places
    if reader.operands[0] != operand:
        return None
    if reader.name in _BROADCASTS:
        dimensions = list(ir.DenseI64ArrayAttr(reader.attributes["broadcast_dimensions"]))
        return tuple(int(dimensions[place]) for place in places)
    if reader.name == "stablehlo.transpose":
        permutation = [int(axis) for axis in reader.attributes["permutation"]]
        return tuple(permutation.index(place) for place in places)
    if reader.name in _RESHAPES:
        before, after = (_larger_than_one(value) for value in (operand, reader.results[0]))
        if [dim for _, dim in before] != [dim for _, dim in after]:
            return None
        moved = {old: new for (old, _), (new, _) in zip(before, after, strict=True)}
        return tuple(moved.get(place, 0) for place in places)
    return None


def _larger_than_one(value: ir.Value) -> list[tuple[int, Any]]:
    """The dimensions that are not 1, and their sizes."""
    return [(axis, dim) for axis, dim in enumerate(dims_of(value.type) or ()) if dim != 1]
