"""Lowering of scatters and selections: kernels that apply their updates in order, one after the other.

So results are the same in every run, and any computation may combine an update with what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, stablehlo

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of
from .kernels import branch, flag, kernel, nest, read, restored, stored, write
from .registry import lowering
from .scalar_body import outer_scalars, scalar_body
from .slice_rules import to_index

_SGE, _ULE = 5, 7  # arith.cmpi predicates


@lowering("stablehlo.scatter")
def scatter(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """One loop over the scatter indices, and in it one over the update's window.

    A window that does not lie inside of the operand is dropped whole, as XLA does it (ScatterExpander) and JAX documents
    it; the specification of StableHLO would drop its outer elements only.
    """
    count = len(op.results)
    operands, starts, updates = op.operands[:count], op.operands[count], op.operands[count + 1 :]
    numbers = stablehlo.ScatterDimensionNumbers(op.attributes["scatter_dimension_numbers"])
    window_dims = list(numbers.update_window_dims)
    operand_batch, start_batch = list(numbers.input_batching_dims), list(numbers.scatter_indices_batching_dims)
    start_map, vector_dim = list(numbers.scattered_dims_to_operand_dims), numbers.index_vector_dim
    update_dims = ctx.dims(updates[0])
    rank = len(ctx.dims(operands[0]))
    scatter_dims = [axis for axis in range(len(update_dims)) if axis not in window_dims]
    kept = [axis for axis in range(rank) if axis not in {*numbers.inserted_window_dims, *operand_batch}]
    window_of = dict(zip(kept, window_dims, strict=True))
    start_rank = len(ctx.dims(starts))
    start_axes = [axis for axis in range(start_rank) if axis != vector_dim]
    elements = [element_type_of(value) for value in operands]
    outside = outer_scalars(op.regions[0])
    start_type = element_type_of(starts)
    operand_sizes, update_sizes = ctx.sizes.values(ctx.dims(operands[0])), ctx.sizes.values(update_dims)
    # The last index at which a window starts inside of each dimension.
    last = [
        arith.subi(size, update_sizes[window_of[axis]] if axis in window_of else constant_index(1))
        for axis, size in enumerate(operand_sizes)
    ]

    def start_of(axis: int, at: Sequence[ir.Value], buffer: ir.Value) -> ir.Value | None:
        """Where the window of the update at scatter indices `at` starts in a dimension; None where at its beginning."""
        if axis in operand_batch:
            return at[start_axes.index(start_batch[operand_batch.index(axis)])]
        if axis not in start_map:
            return None
        indices = list(at)
        if vector_dim < start_rank:
            indices.insert(vector_dim, constant_index(start_map.index(axis)))
        return to_index(read(buffer, indices, start_type))

    def body(_: ir.Value, inputs: list[ir.Value], outputs: list[ir.Value]) -> Sequence[ir.Value]:
        start_buffer, *update_buffers = inputs

        def one_update(at: list[ir.Value], results: list[ir.Value]) -> Sequence[ir.Value]:
            first = [start_of(axis, at, start_buffer) for axis in range(rank)]
            inside = flag(True)
            for axis, start in enumerate(first):
                if start is not None and axis in start_map:
                    # Both unsigned: a negative start is a large one.
                    fits = arith.cmpi(_ULE, start, last[axis])
                    # No start is inside where the dimension is smaller than the window, of size 0 for example.
                    possible = arith.cmpi(_SGE, last[axis], constant_index(0))
                    inside = arith.andi(inside, arith.andi(possible, fits))

            def one_element(window: list[ir.Value], targets: list[ir.Value]) -> Sequence[ir.Value]:
                inner = dict(zip(window_dims, window, strict=True))
                outer = dict(zip(scatter_dims, at, strict=True))
                update_at = [inner.get(axis, outer.get(axis)) for axis in range(len(update_dims))]
                target_at = []
                for axis in range(rank):
                    offset = inner[window_of[axis]] if axis in window_of else None
                    start = first[axis]
                    both = offset is not None and start is not None
                    target_at.append(arith.addi(start, offset) if both else start if offset is None else offset)
                target_at = [constant_index(0) if index is None else index for index in target_at]
                old = [read(t, target_at, element) for t, element in zip(targets, elements, strict=True)]
                new = [read(u, update_at, element) for u, element in zip(update_buffers, elements, strict=True)]
                combined = scalar_body(op.regions[0], [*old, *new], outside)
                return [write(value, t, target_at) for value, t in zip(combined, targets, strict=True)]

            sizes = [update_sizes[axis] for axis in window_dims]
            return branch(
                inside,
                [value.type for value in results],
                lambda: nest(sizes, results, one_element),
                lambda: results,
            )

        return nest([update_sizes[axis] for axis in scatter_dims], outputs, one_update)

    inputs = [stored(ctx, starts), *[stored(ctx, update) for update in updates]]
    results = kernel(ctx, inputs, [stored(ctx, operand) for operand in operands], body)
    return [restored(ctx, value, result.type) for value, result in zip(results, op.results, strict=True)]
