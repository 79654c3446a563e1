"""`nimble-hoist-from-loops`: products that do not depend on what a loop carries are computed before it. In: stage shapes,
with `stablehlo.while`. Out: the same; of a product of each iteration's row, the body reads the row of one large product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import BroadcastInDimOp, ReshapeOp, SliceOp, dims_of, opaque, tensor_type
from nimble_mlir.dims import DimExpr, Proof, Scope
from nimble_mlir.mlir import ir, stablehlo

from .base import ModulePass, entry_functions
from .lower_control_flow import counter_of
from .lowering.builders import element_type_of, product
from .regions import is_within, statements
from .shape_functions.elementwise import BINARY, UNARY
from .shape_values import ShapeValues
from .symbol_table import DimBuilder, SymbolTable, constant_index

__all__ = ["HoistFromLoops"]

_PRODUCTS = ("stablehlo.dot_general",)
# What takes a row: the index is the first operand behind the tensor.
_SLICES = ("stablehlo.dynamic_slice", "nimble.slice")

# A row of a hoisted product may be so many times as long as the rows that it is computed from: it is held for all
# iterations at once.
_MOST_GROWTH = 16


@dataclass(frozen=True)
class HoistFromLoops(ModulePass):
    """Moves products out of loops: those of values from outside as they are, those of a row of xs for all rows at once.

    An RNN multiplies each x of a sequence by its input weights. One product for the whole sequence reads the weights once,
    in tiles, on all threads. Elementwise ops between the row and the product come along.

      stablehlo.while(%i = %zero, %h = %h0)
       cond { stablehlo.compare LT, %i, %n } do {
        %x = stablehlo.dynamic_slice %xs, %i, %zero, sizes = [1, 300]
        %y = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] … }
    ==>
      %ys = stablehlo.dot_general %xs, %w, contracting_dims = [2] x [0]
      stablehlo.while(%i = %zero, %h = %h0)
       cond { stablehlo.compare LT, %i, %n } do {
        %y = stablehlo.dynamic_slice %ys, %i, %zero, sizes = [1, 2048] … }
    """

    name: ClassVar[str] = "nimble-hoist-from-loops"

    def run(self, module: ir.Module) -> None:
        """Never fails: what it cannot hoist stays in the loop."""
        for function in entry_functions(module):
            table = SymbolTable(function)
            values = ShapeValues(table.scope)
            for name, value in table.values.items():
                values.set(value, [DimExpr.symbol(name)])
            ops = statements(function)
            for op in ops:
                values.visit(op)
            sizes = DimBuilder(function.entry_block, table.values)
            symbols = dict(table.values)
            # Inner loops first: what leaves an inner one may leave the outer one, too.
            for loop in [op for op in reversed(ops) if op.name == "stablehlo.while"]:
                _Loop(loop, _trips(loop, values), table.scope, sizes, symbols).hoist()


def _trips(loop: Any, values: ShapeValues) -> DimExpr | None:
    """How many iterations a loop has that counts from 0; None where that is not known."""
    counter = counter_of(loop)
    if counter is None:
        return None
    first, bound = values.get(loop.operands[counter.index]), values.get(counter.bound)
    return bound[0] if first is not None and bound is not None and first[0] == 0 else None


class _Loop:
    def __init__(
        self, loop: Any, trips: DimExpr | None, scope: Scope, sizes: DimBuilder, symbols: dict[str, ir.Value]
    ) -> None:
        self.loop, self.trips, self.scope, self.sizes, self._symbols = loop, trips, scope, sizes, symbols
        self.body = loop.regions[1].blocks[0]
        self.rows: dict[ir.Value, ir.Value] = {}  # a value of the body → the tensor of its values in all iterations

    def hoist(self) -> None:
        """Hoists what can be."""
        for view in list(self.body.operations):
            op = view.operation
            if op.name not in _PRODUCTS:
                continue
            leaves = self._leaves(op)
            if leaves is None:
                continue
            if not leaves:
                self._move(op)
                continue
            for operand in op.operands:
                if not self._is_outside(operand) and self._leaves(operand.owner.operation) == []:
                    self._move(operand.owner.operation)
            if self._is_worth_it(op, leaves):
                self._hoist_rows(op, leaves[0])

        # What only hoisted ops read goes, and with it what was noted of it.
        self.rows.clear()
        for view in reversed(list(self.body.operations)):
            op = view.operation
            if op.name in (*_ROW_RULES, *_SLICES) and not any(True for _ in op.results[0].uses):
                op.erase()

    def _leaves(self, op: Any) -> list[Any] | None:
        """The slices of xs that `op` is computed from, all at one index; None where it depends on anything else of the
        loop."""
        found: list[Any] = []
        pending, seen = [op], {op}
        while pending:
            current = pending.pop()
            if self._is_row(current):
                if found and found[0].operands[1] != current.operands[1]:
                    return None
                found.append(current)
                continue
            is_size = current.name.startswith("arith.")  # of an operand's sizes
            if current != op and current.name not in _ROW_RULES and not is_size:
                return None
            for operand in current.operands:
                if self._is_outside(operand):
                    continue
                owner = operand.owner
                if isinstance(owner, ir.Block) or owner.operation.block != self.body:
                    return None
                if owner.operation not in seen:
                    seen.add(owner.operation)
                    pending.append(owner.operation)
        return found

    def _is_outside(self, value: ir.Value) -> bool:
        owner = value.owner
        return not is_within(owner if isinstance(owner, ir.Block) else owner.operation.block, self.body)

    def _is_row(self, op: Any) -> bool:
        """Whether `op` takes one of as many rows as the loop has iterations, from a tensor from outside."""
        if op.name not in _SLICES or self.trips is None or not self._is_outside(op.operands[0]):
            return False
        whole, row = dims_of(op.operands[0].type), dims_of(op.results[0].type)
        if not whole or not row or row[0] != 1 or whole[1:] != row[1:]:
            return False
        return self.scope.equal(whole[0], self.trips) is Proof.PROVED

    def _move(self, op: Any) -> None:
        for operand in op.operands:
            if not self._is_outside(operand):
                self._move(operand.owner.operation)
        op.move_before(self.loop)

    def _is_worth_it(self, op: Any, leaves: Sequence[Any]) -> bool:
        given = sum((product(dims_of(leaf.results[0].type) or ()) for leaf in leaves), DimExpr.constant(0))
        dims = dims_of(op.results[0].type) or ()
        # A row whose index is a tensor is read by an op whose sizes are numbers.
        reads = leaves[0].name == "nimble.slice" or all(dim.is_constant for dim in dims)
        made = self.scope.at_least(given * _MOST_GROWTH, product(dims)) is Proof.PROVED
        return reads and made and _rows_of(op, self) is not None

    def _is_known_before(self, dims: Sequence[DimExpr]) -> bool:
        """Whether all symbols have their values before the loop."""
        symbols = frozenset[str]().union(*(dim.symbols for dim in dims))
        return all(name in self._symbols and self._is_outside(self._symbols[name]) for name in symbols)

    def _hoist_rows(self, op: Any, leaf: Any) -> None:
        result = op.results[0]
        with ir.InsertionPoint(self.loop), op.location:
            rows = self._batched(result)
        if rows is None:
            return
        # The row of the product has the index that the row of xs has; all its other dimensions are whole.
        dims = dims_of(result.type) or ()
        with ir.InsertionPoint(op), op.location:
            new = self._row(rows, leaf, dims, result)
        result.replace_all_uses_with(new)
        op.erase()

    def _row(self, rows: ir.Value, leaf: Any, dims: Sequence[DimExpr], result: ir.Value) -> ir.Value:
        start = leaf.operands[1]
        row_type = tensor_type([DimExpr.constant(1), *dims], element_type_of(result))
        if leaf.name == "nimble.slice":
            zero, one = constant_index(0), constant_index(1)
            after = leaf.operands[1 + len(dims_of(leaf.results[0].type) or ())]
            limits = [after, *self.sizes.values(dims)]
            row = SliceOp(rows, [start, *[zero] * len(dims)], limits, [one] * (1 + len(dims)), row_type).result
        else:
            row = ir.Operation.create(
                "stablehlo.dynamic_slice",
                results=[row_type],
                operands=[rows, start, *[_zero(start.type)] * len(dims)],
                attributes={"slice_sizes": ir.DenseI64ArrayAttr.get([1, *[dim.constant_value for dim in dims]])},
            ).result
        if ir.RankedTensorType(result.type).has_static_shape:
            return ir.Operation.create("stablehlo.reshape", results=[result.type], operands=[row]).result
        return ReshapeOp(row, self.sizes.sizes(dims), result.type).result

    def batched(self, value: ir.Value) -> ir.Value | None:
        """The tensor [iterations, …] of what `value` is in each iteration; None where there is no rule for it."""
        return self._batched(value)

    def _batched(self, value: ir.Value) -> ir.Value | None:
        if value not in self.rows:
            op = value.owner.operation
            rule = _ROW_RULES.get(op.name) if self._is_known_before(dims_of(value.type) or ()) else None
            made = self._of_slice(op) if self._is_row(op) else rule(self, op) if rule is not None else None
            if made is None:
                return None
            self.rows[value] = made
        return self.rows[value]

    def _of_slice(self, op: Any) -> ir.Value:
        dims = dims_of(op.results[0].type) or ()
        return self.reshape(op.operands[0], dims)

    def dims(self, dims: Sequence[DimExpr]) -> list[DimExpr]:
        """The dims of what has `dims` in each iteration."""
        assert self.trips is not None
        return [self.trips, *dims]

    def type(self, value: ir.Value) -> ir.Type:
        """The type of what is `value` in each iteration."""
        return tensor_type(self.dims(dims_of(value.type) or ()), element_type_of(value))

    def reshape(self, value: ir.Value, dims: Sequence[DimExpr]) -> ir.Value:
        """A tensor for all iterations as one that has `dims` in each."""
        target = self.dims(dims)
        type_ = tensor_type(target, element_type_of(value))
        if type_ == value.type:
            return value
        if ir.RankedTensorType(type_).has_static_shape:
            return ir.Operation.create("stablehlo.reshape", results=[type_], operands=[value]).result
        return ReshapeOp(value, self.sizes.sizes(target), type_).result

    def spread(self, value: ir.Value, dims: Sequence[DimExpr], axes: Sequence[int]) -> ir.Value:
        """`value`, whose dimensions are `axes`, as a tensor with `dims`."""
        type_ = tensor_type(dims, element_type_of(value))
        attribute = ir.DenseI64ArrayAttr.get(list(axes))
        if ir.RankedTensorType(type_).has_static_shape:
            return ir.Operation.create(
                "stablehlo.broadcast_in_dim",
                results=[type_],
                operands=[value],
                attributes={"broadcast_dimensions": attribute},
            ).result
        return BroadcastInDimOp(value, self.sizes.sizes(dims), type_, opaque(attribute)).result

    def operand(self, value: ir.Value) -> ir.Value | None:
        """An operand of an elementwise op for all iterations."""
        if not self._is_outside(value):
            return self._batched(value)
        dims = dims_of(value.type) or ()
        return self.spread(value, self.dims(dims), range(1, 1 + len(dims)))


def _zero(type_: ir.Type) -> ir.Value:
    type_ = ir.RankedTensorType(type_)
    zero = ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(type_.element_type, 0))
    return ir.Operation.create("stablehlo.constant", results=[type_], attributes={"value": zero}).result


RowRule = Callable[[_Loop, Any], ir.Value | None]


def _attributes(op: Any) -> dict[str, ir.Attribute]:
    return {name: op.attributes[name] for name in op.attributes}


def _elementwise(loop: _Loop, op: Any) -> ir.Value | None:
    result = op.results[0]
    if any(dims_of(operand.type) != dims_of(result.type) for operand in op.operands):
        return None
    operands = [loop.operand(operand) for operand in op.operands]
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    return ir.Operation.create(op.name, results=[loop.type(result)], operands=known, attributes=_attributes(op)).result


def _constant(loop: _Loop, op: Any) -> ir.Value:
    dims = dims_of(op.results[0].type) or ()
    copy = op.clone()
    return loop.spread(copy.results[0], loop.dims(dims), range(1, 1 + len(dims)))


def _reshape(loop: _Loop, op: Any) -> ir.Value | None:
    rows = loop.operand(op.operands[0])
    return None if rows is None else loop.reshape(rows, dims_of(op.results[0].type) or ())


def _broadcast(loop: _Loop, op: Any) -> ir.Value | None:
    rows = loop.operand(op.operands[0])
    axes = [0, *(int(axis) + 1 for axis in op.attributes["broadcast_dimensions"])]
    return None if rows is None else loop.spread(rows, loop.dims(dims_of(op.results[0].type) or ()), axes)


def _transpose(loop: _Loop, op: Any) -> ir.Value | None:
    rows = loop.operand(op.operands[0])
    if rows is None:
        return None
    permutation = [0, *(int(axis) + 1 for axis in op.attributes["permutation"])]
    return _transposed(rows, loop.type(op.results[0]), permutation)


def _transposed(value: ir.Value, type_: ir.Type, permutation: Sequence[int]) -> ir.Value:
    attributes = {"permutation": ir.DenseI64ArrayAttr.get(list(permutation))}
    return ir.Operation.create("stablehlo.transpose", results=[type_], operands=[value], attributes=attributes).result


def _dot_general(loop: _Loop, op: Any) -> ir.Value | None:
    """The iterations are one more dimension of one operand, which is not contracted."""
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    which = _rows_of(op, loop)
    if which is None:
        return None
    rows = loop.batched(op.operands[which])
    if rows is None:
        return None
    contract = [list(numbers.lhs_contracting_dimensions), list(numbers.rhs_contracting_dimensions)]
    contract[which] = [axis + 1 for axis in contract[which]]
    operands = list(op.operands)
    operands[which] = rows
    attributes = _attributes(op)
    attributes["dot_dimension_numbers"] = stablehlo.DotDimensionNumbers.get([], [], *contract)
    result = op.results[0]
    dims = list(dims_of(result.type) or ())
    # The dimensions of the left operand that are not contracted stand before those of the right one.
    before = len(dims_of(op.operands[0].type) or ()) - len(contract[0]) if which else 0
    made = [*dims[:before], *loop.dims(())[:1], *dims[before:]]
    type_ = tensor_type(made, element_type_of(result))
    value = ir.Operation.create(op.name, results=[type_], operands=operands, attributes=attributes).result
    order = [before, *range(before), *range(before + 1, len(made))]
    return value if before == 0 else _transposed(value, loop.type(result), order)


def _rows_of(op: Any, loop: _Loop) -> int | None:
    """Which operand of a product without batch differs by iteration, where the other is from outside."""
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    inside = [index for index in range(2) if not loop._is_outside(op.operands[index])]
    if list(numbers.lhs_batching_dimensions) or len(inside) != 1:
        return None
    return inside[0]


_ROW_RULES: dict[str, RowRule] = {
    **dict.fromkeys([f"stablehlo.{name}" for name in (*UNARY, *BINARY)], _elementwise),
    "nimble.broadcast_in_dim": _broadcast,
    "nimble.reshape": _reshape,
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.constant": _constant,
    "stablehlo.convert": _elementwise,
    "stablehlo.dot_general": _dot_general,
    "stablehlo.reshape": _reshape,
    "stablehlo.transpose": _transpose,
}
