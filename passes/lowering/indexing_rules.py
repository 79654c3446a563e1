"""Lowering of gathers whose slice sizes are values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, stablehlo

from ..symbol_table import constant_index
from .builders import LoweringContext, clamp_index, extract, index_of
from .registry import lowering


@lowering("nimble.gather", "stablehlo.gather")
def gather(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Reads `operand[clamped start + offset]` for each result element, as StableHLO's specification defines gather."""
    operand, starts, result = op.operands[0], op.operands[1], op.results[0]
    numbers = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
    operand_dims, start_dims = ctx.dims(operand), ctx.dims(starts)
    rank = len(ctx.dims(result))
    if op.name == "nimble.gather":
        slice_sizes = list(op.operands[2:])
    else:
        slice_sizes = [constant_index(int(size)) for size in op.attributes["slice_sizes"]]
    offset_dims, start_map = list(numbers.offset_dims), list(numbers.start_index_map)
    operand_batch = list(numbers.operand_batching_dims)
    start_batch = list(numbers.start_indices_batching_dims)
    dropped = {*numbers.collapsed_slice_dims, *operand_batch}
    vector_dim = numbers.index_vector_dim
    batch_axes = [axis for axis in range(rank) if axis not in offset_dims]
    offset_of = dict(zip([a for a in range(len(operand_dims)) if a not in dropped], offset_dims, strict=True))
    sizes = ctx.sizes.values(operand_dims)
    last = [arith.subi(size, taken) for size, taken in zip(sizes, slice_sizes, strict=True)]
    # Where the batch index of each dimension of `starts` is found among the loops.
    start_axes = [axis for axis in range(len(start_dims)) if axis != vector_dim]
    loop_of = dict(zip(start_axes, batch_axes, strict=True))

    def start(component: int) -> ir.Value:
        indices = [
            constant_index(component) if axis == vector_dim else index_of(loop_of[axis])
            for axis in range(len(start_dims))
        ]
        return _to_index(extract(starts, indices))

    def body() -> ir.Value:
        indices = []
        for axis in range(len(operand_dims)):
            if axis in operand_batch:
                indices.append(index_of(loop_of[start_batch[operand_batch.index(axis)]]))
                continue
            index = index_of(offset_of[axis]) if axis in offset_of else None
            if axis in start_map:
                base = clamp_index(start(start_map.index(axis)), last[axis])
                index = base if index is None else arith.addi(base, index)
            indices.append(constant_index(0) if index is None else index)
        return extract(operand, indices)

    return [ctx.generic([], [], result.type, body)]


def _to_index(value: ir.Value) -> ir.Value:
    """A start index as `index`: unsigned types are extended with zeros."""
    index = ir.IndexType.get()
    type_ = value.type
    if isinstance(type_, ir.IntegerType) and type_.is_unsigned:
        signless = ir.IntegerType.get_signless(type_.width)
        view = ir.Operation.create(
            "builtin.unrealized_conversion_cast", results=[signless], operands=[value]
        ).result
        return arith.index_castui(index, view)
    return value if type_ == index else arith.index_cast(index, value)


