"""Lowering of scatters: a kernel that applies the updates in order, one after the other.

So results are the same in every run, and any computation may combine an update with what is there. Where rows are updated,
their elements are combined as vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, stablehlo

from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of
from .kernels import branch, flag, kernel, nest, read, restored, stored, write
from .recipes import Recipe
from .registry import lowering
from .scalar_body import outer_scalars, scalar_body
from .signedness import reinterpret, signless
from .slice_rules import to_index
from .vectors import along, has_lanes, lanes_of, read_lanes, write_lanes

Values = Sequence[ir.Value]
# Where a window starts in each dimension of the operand; None where at its beginning.
Starts = Sequence[ir.Value | None]

_SGE, _ULE = 5, 7  # arith.cmpi predicates


@lowering("stablehlo.scatter")
def scatter(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """One loop over the scatter indices, and in it one over the update's window.

    A window that does not lie inside of the operand is dropped whole, as XLA does it (ScatterExpander) and JAX documents
    it; the specification of StableHLO would drop its outer elements only.
    """
    count = len(op.results)
    operands, starts, updates = op.operands[:count], op.operands[count], op.operands[count + 1 :]
    emitter = Scatter(ctx, op, operands, starts, updates)
    inputs = [stored(ctx, starts), *[stored(ctx, update) for update in updates]]
    outputs = [stored(ctx, operand) for operand in operands]
    results = kernel(ctx, inputs, outputs, lambda _, x, y: emitter.all_updates(x, y))
    return [restored(ctx, value, result.type) for value, result in zip(results, op.results, strict=True)]


class Scatter:
    """Emits the body of a scatter's kernel; what does not change in it is computed before."""

    def __init__(self, ctx: LoweringContext, op: Any, operands: Values, starts: ir.Value, updates: Values) -> None:
        numbers = stablehlo.ScatterDimensionNumbers(op.attributes["scatter_dimension_numbers"])
        self.combine = op.regions[0]
        self.outside = outer_scalars(self.combine)
        self.elements = [element_type_of(value) for value in operands]
        self.start_type, self.start_rank = element_type_of(starts), len(ctx.dims(starts))
        self.operand_sizes = ctx.sizes.values(ctx.dims(operands[0]))
        self.update_sizes = ctx.sizes.values(ctx.dims(updates[0]))
        self.window_dims = list(numbers.update_window_dims)
        self.scatter_dims = [axis for axis in range(len(self.update_sizes)) if axis not in self.window_dims]
        self.operand_batch = list(numbers.input_batching_dims)
        self.start_batch = list(numbers.scatter_indices_batching_dims)
        self.start_map, self.vector_dim = list(numbers.scattered_dims_to_operand_dims), numbers.index_vector_dim
        self.start_axes = [axis for axis in range(self.start_rank) if axis != self.vector_dim]
        rank = len(self.operand_sizes)
        kept = [axis for axis in range(rank) if axis not in {*numbers.inserted_window_dims, *self.operand_batch}]
        self.window_of = dict(zip(kept, self.window_dims, strict=True))
        # The last index at which a window starts inside of each dimension.
        one = constant_index(1)
        self.last = [
            arith.subi(size, self.update_sizes[self.window_of[axis]] if axis in self.window_of else one)
            for axis, size in enumerate(self.operand_sizes)
        ]
        # Windows have rows where their last dimension is the last of both the operand and the updates.
        self.recipe = self._recipe() if self.window_of.get(rank - 1) == len(self.update_sizes) - 1 else None

    def _recipe(self) -> Recipe | None:
        """The combination of two elements, if vectors can be combined by it."""
        element = self.elements[0]
        if len(self.elements) > 1 or self.outside or not has_lanes(element):
            return None
        plain = signless(element)

        def build(*scalars: ir.Value) -> ir.Value:
            result = scalar_body(self.combine, [reinterpret(scalar, element) for scalar in scalars])[0]
            return reinterpret(result, plain)

        recipe = Recipe(build, [plain, plain])
        return recipe if recipe.is_flat else None

    def all_updates(self, inputs: list[ir.Value], outputs: list[ir.Value]) -> Values:
        """The outputs after all updates; `inputs` are the start indices and the updates."""
        starts, *updates = inputs

        def one_update(at: list[ir.Value], results: list[ir.Value]) -> Values:
            first = [self._start(axis, at, starts) for axis in range(len(self.operand_sizes))]
            return branch(
                self._fits(first),
                [value.type for value in results],
                lambda: self._window(at, first, updates, results),
                lambda: results,
            )

        return nest([self.update_sizes[axis] for axis in self.scatter_dims], outputs, one_update)

    def _start(self, axis: int, at: Values, starts: ir.Value) -> ir.Value | None:
        """Where the window of the update at scatter indices `at` starts in a dimension; None where at its beginning."""
        if axis in self.operand_batch:
            return at[self.start_axes.index(self.start_batch[self.operand_batch.index(axis)])]
        if axis not in self.start_map:
            return None
        indices = list(at)
        if self.vector_dim < self.start_rank:
            indices.insert(self.vector_dim, constant_index(self.start_map.index(axis)))
        return to_index(read(starts, indices, self.start_type))

    def _fits(self, first: Starts) -> ir.Value:
        inside = flag(True)
        for axis, start in enumerate(first):
            if start is None or axis not in self.start_map:
                continue
            # Unsigned: a negative start is a large one. Nothing fits where the dimension is smaller than the window.
            fits = arith.cmpi(_ULE, start, self.last[axis])
            possible = arith.cmpi(_SGE, self.last[axis], constant_index(0))
            inside = arith.andi(inside, arith.andi(possible, fits))
        return inside

    def _window(self, at: Values, first: Starts, updates: Values, results: Values) -> Values:
        """Combines a window with what is there."""
        sizes = [self.update_sizes[axis] for axis in self.window_dims]

        def element(window: Values, into: Values) -> Values:
            source, target = self._places(at, window, first)
            old = [read(buffer, target, element) for buffer, element in zip(into, self.elements, strict=True)]
            new = [read(buffer, source, element) for buffer, element in zip(updates, self.elements, strict=True)]
            combined = scalar_body(self.combine, [*old, *new], self.outside)
            return [write(value, buffer, target) for value, buffer in zip(combined, into, strict=True)]

        recipe = self.recipe
        if recipe is None:
            return nest(sizes, results, element)
        lanes = lanes_of(self.elements[0])

        def several(window: Values, into: ir.Value) -> Values:
            source, target = self._places(at, window, first)
            old, new = read_lanes(into, target, lanes), read_lanes(updates[0], source, lanes)
            return [write_lanes(recipe.emit([old, new], lanes), into, target)]

        def row(outer: list[ir.Value], into: Values) -> Values:
            return along(
                sizes[-1],
                lanes,
                into,
                lambda position, carried: several([*outer, position], carried),
                lambda position, *carried: element([*outer, position], carried),
            )

        return nest(sizes[:-1], results, row)

    def _places(self, at: Values, window: Values, first: Starts) -> tuple[list[ir.Value], list[ir.Value]]:
        """The indices into the updates and into the operand for those of an update and in its window."""
        of_update = dict(zip([*self.window_dims, *self.scatter_dims], [*window, *at], strict=True))
        target = []
        for axis, start in enumerate(first):
            offset = of_update[self.window_of[axis]] if axis in self.window_of else None
            parts = [part for part in (start, offset) if part is not None]
            target.append(arith.addi(*parts) if len(parts) == 2 else parts[0] if parts else constant_index(0))
        return [of_update[axis] for axis in range(len(self.update_sizes))], target
