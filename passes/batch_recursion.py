"""`nimble-batch-recursion`: recursion over trees becomes loops whose steps compute many nodes at once. In: stage stablehlo,
calls inlined. Out: the same without `nimble.recursive` and data types.

Arguments that nodes hand down go from the highest level to the lowest one, results from the lowest to the highest. Each
node has a row in a table of results, and in one of arguments, where its number says (docs/abi.md): the nodes of a
constructor on a level lie side by side, so that a step writes its results in place, and gathers what it needs of the parts.

There are two such loops (recursion_blocks.py has the other), and loops_to_kernels.py chooses: where it can make one dispatch
of the loop over groups of trees, that is the faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import Constructor, constructors_of
from nimble_mlir.mlir import ir

from .base import ModulePass, entry_functions, fail
from .recursion_arms import Arm
from .recursion_blocks import Blocks
from .regions import everything
from .signature import argument_attribute, erase_arguments
from .stablehlo_builders import (
    binary,
    broadcast_rows,
    case,
    convert,
    counted_loop,
    custom_call,
    entry,
    gather_rows,
    integer,
    integer_type,
    replace_tuple,
    scatter_rows,
    size_of,
    slice_rows,
    tuple_elements,
    write_rows,
)

__all__ = ["BatchRecursion"]

Buffers = list[ir.Value]

_MADE = ("nimble.tree", "stablehlo.tuple")


@dataclass(frozen=True)
class BatchRecursion(ModulePass):
    """Lowers each recursion to a loop over levels, beside one over groups of trees that may be one dispatch.

      %r = "nimble.recursive"(%t, %args, %empty) ({ "nimble.match"() … }) {function = "f", rows = "_n0"}
    ==>
      %table = stablehlo.dynamic_broadcast_in_dim %zeros, …
      %which = stablehlo.custom_call @nimble.one_dispatch()
      %made = stablehlo.case(%which) {
        %leaves = stablehlo.dynamic_update_slice %table, …
        stablehlo.while(%level, %rows = %leaves) do { … stablehlo.gather … stablehlo.dynamic_update_slice … }
      }, {
        stablehlo.while(%group, %rows = %table) do { stablehlo.while(%level, …) … }
      }
      %r = stablehlo.gather %made, %roots
    """

    name: ClassVar[str] = "nimble-batch-recursion"

    def run(self, module: ir.Module) -> None:
        """Raises CompileError for calls in an arm that cannot be made at once, and for values that no arrays stand for."""
        for function in entry_functions(module):
            symbols = set()
            # Inner ones first: an outer arm is copied, with all that it holds.
            for op in reversed([op for op in everything(function.operation) if op.name == "nimble.recursive"]):
                symbols.add(op.attributes["rows"].value)
                with ir.InsertionPoint(op), op.location:
                    _lower(op)
            _erase_variables(function, symbols)
        for op in [op for op in module.body.operations if op.operation.name == "nimble.datatype"]:
            op.operation.erase()


def _lower(op: Any) -> None:
    recursion = Recursion(op)
    replace_tuple(op.results[0], recursion.lowered())
    tree, *tuples = op.operands
    op.erase()
    # What only the recursion has read, the values before the arrays that they are made of.
    for made in dict.fromkeys((tree, *tuples, tree.owner.operands[0])):
        if not isinstance(made.owner, ir.Block) and made.owner.name in _MADE and not any(True for _ in made.uses):
            made.owner.erase()


def _erase_variables(function: Any, symbols: set[str]) -> None:
    """Drops JAX's variables for the numbers of rows, for which each loop defines sizes of its own."""
    arguments = list(function.entry_block.arguments)

    def is_unused(position: int) -> bool:
        variable = argument_attribute(function, position, "jax.global_constant")
        return variable is not None and variable.value in symbols and not any(True for _ in arguments[position].uses)

    if symbols and any(map(is_unused, range(len(arguments)))):
        unused = set(filter(is_unused, range(len(arguments))))
        erase_arguments(function, unused.__contains__)


class Recursion:
    """A recursive function of a batch: its arms, and the arrays that the batch crosses as."""

    def __init__(self, op: Any) -> None:
        self.op = op
        value, arguments, empty = op.operands
        tree = value.owner
        if isinstance(tree, ir.Block) or tree.name != "nimble.tree":
            raise fail(op, "the recursion is over a value that is not made by 'nimble.tree' in this function")
        self.constructors: Sequence[Constructor] = constructors_of(tree, value.type)
        arrays = iter(tuple_elements(tree.operands[0]))
        self.roots, self.blocks, self.groups = next(arrays), next(arrays), next(arrays)
        self.columns = [{field.name: next(arrays) for field in one.fields} for one in self.constructors]
        firsts = [next(iter(columns.values()), None) for columns in self.columns]
        # A constructor without fields has an array without columns, which says how many nodes it has.
        self.rows = [next(arrays) if first is None else first for first in firsts]
        self.first, self.empty = tuple_elements(arguments), tuple_elements(empty)
        arms = [view.operation for view in op.regions[0].blocks[0].operations]
        self.arms = [Arm(arm, one) for arm, one in zip(arms, self.constructors, strict=True)]
        self.inner = [index for index, one in enumerate(self.constructors) if one.parts]
        self.levels = _as_value(size_of(self.blocks, 0))

    def lowered(self) -> Buffers:
        """The results of the roots."""
        counts = [_as_value(size_of(rows, 0)) for rows in self.rows]  # one row too many for each constructor
        size = counts[0]
        for count in counts[1:]:
            size = binary("add", size, count)
        results = self._results([broadcast_rows(row, size) for row in self.empty], self._arguments(size))
        return [gather_rows(buffer, self.roots) for buffer in results]

    def _arguments(self, size: ir.Value) -> Buffers:
        """The arguments of all nodes: those of the roots, until the node above hands down others."""
        buffers = [broadcast_rows(row, size) for row in self.first]
        calling = [index for index, arm in enumerate(self.arms) if arm.calls]
        if not buffers or not calling:
            return buffers

        def step(below: ir.Value, buffers: Buffers) -> Buffers:
            level = binary("subtract", binary("subtract", self.levels, integer(1)), below)
            for index in calling:
                buffers = self._handed_down(level, index, buffers)
            return buffers

        def by_levels() -> Buffers:
            return counted_loop(binary("subtract", self.levels, integer(1)), buffers, step)

        return _either(lambda: Blocks(self).handed_down(buffers), by_levels, buffers)

    def _results(self, buffers: Buffers, arguments: Buffers) -> Buffers:
        """The results of all nodes, leaves first."""

        def step(below: ir.Value, buffers: Buffers) -> Buffers:
            level = binary("add", below, integer(1))
            for index in self.inner:
                buffers = self._of_level(level, index, buffers, arguments)
            return buffers

        def by_levels() -> Buffers:
            made = buffers
            for index in range(len(self.arms)):
                if index not in self.inner:
                    made = self._of_leaves(index, made, arguments)
            return counted_loop(binary("subtract", self.levels, integer(1)), made, step) if self.inner else made

        return _either(lambda: Blocks(self).results(buffers, arguments), by_levels, buffers)

    def _of_leaves(self, index: int, buffers: Buffers, arguments: Buffers) -> Buffers:
        """With the row behind the last: the next constructor's first one, or one that nobody reads, is written later."""
        arm = self.arms[index]
        start = entry(self.blocks, integer(0), integer(index), integer(0))
        count = _as_value(size_of(self.rows[index], 0))
        args = _sliced(arguments, start, count, arm.argument_types)
        made = arm.results(count, self.columns[index], args, {})
        return [write_rows(buffer, result, start) for buffer, result in zip(buffers, made, strict=True)]

    def _of_level(self, level: ir.Value, index: int, buffers: Buffers, arguments: Buffers) -> Buffers:
        arm = self.arms[index]
        first, count, columns = self._block(level, index)
        args = _sliced(arguments, first, count, arm.argument_types)
        given = {part: [gather_rows(buffer, columns[part]) for buffer in buffers] for part in arm.calls}
        made = arm.results(count, columns, args, given)
        return [write_rows(buffer, result, first) for buffer, result in zip(buffers, made, strict=True)]

    def _handed_down(self, level: ir.Value, index: int, buffers: Buffers) -> Buffers:
        arm = self.arms[index]
        first, count, columns = self._block(level, index)
        own = _sliced(buffers, first, count, arm.argument_types)
        for part, handed in arm.handed_down(count, columns, own).items():
            buffers = [scatter_rows(buffer, columns[part], rows) for buffer, rows in zip(buffers, handed, strict=True)]
        return buffers

    def _block(self, level: ir.Value, index: int) -> tuple[ir.Value, ir.Value, dict[str, ir.Value]]:
        """Of a level and a constructor: the number of the first node, how many there are, and their fields."""
        first, row, count = (entry(self.blocks, level, integer(index), integer(each)) for each in range(3))
        what = f"the level of {self.op.operands[0].type.name}.{self.constructors[index].name}"
        symbol = self.op.attributes["rows"].value
        size = custom_call("nimble.define_size", integer_type(), [count], effect=True, symbol=symbol, what=what)
        types = {name: _open(column.type) for name, column in self.columns[index].items()}
        columns = {name: slice_rows(column, row, size, types[name]) for name, column in self.columns[index].items()}
        return first, size, columns


def _sliced(buffers: Buffers, start: ir.Value, count: ir.Value, types: Sequence[ir.Type]) -> Buffers:
    return [slice_rows(buffer, start, count, type_) for buffer, type_ in zip(buffers, types, strict=True)]


def _open(type_: ir.Type) -> ir.Type:
    """A type whose first size is open."""
    source = ir.RankedTensorType(type_)
    return ir.RankedTensorType.get([ir.ShapedType.get_dynamic_size(), *list(source.shape)[1:]], source.element_type)


def _as_value(size: int | ir.Value) -> ir.Value:
    return integer(size) if isinstance(size, int) else size


def _either(one_dispatch: Callable[[], Buffers], otherwise: Callable[[], Buffers], like: Buffers) -> Buffers:
    """What the compiler can make each loop of one dispatch of, or else `otherwise` (kernel_choices.py)."""
    boolean = ir.RankedTensorType.get([], ir.IntegerType.get_signless(1))
    which = convert(custom_call("nimble.one_dispatch", boolean, []), integer_type())
    return case(which, [otherwise, one_dispatch], [value.type for value in like])
