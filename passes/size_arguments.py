"""Which arguments of somebody else's StableHLO are sizes: integers that reach a shape operand, found by data flow.

Programs may be given their dimension sizes as values (`%n: tensor<i32>` beside `%x: tensor<?xf32>`), as JAX's exports have
them. Each element of such an argument is a symbol, whose one value is the element as the host reads it. Sizes are at least
0; amounts of padding may be negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from nimble_mlir.dialects import is_dynamic
from nimble_mlir.dims import Scope
from nimble_mlir.mlir import ir

from .regions import statements
from .shape_functions import custom_call_target
from .shape_values import MAX_ELEMENTS, Element, ShapeValues, propagates
from .signature import argument_attribute, set_argument_attribute

__all__ = ["mark_size_arguments"]

# Op or custom call → the operands that its result's sizes are computed from. Those of real_dynamic_slice are apart.
_SIZES: dict[str, Sequence[int] | slice] = {
    "nimble.dynamic_reduce_window": slice(-5, None),
    "nimble.with_shape": slice(1, None),
    "stablehlo.dynamic_broadcast_in_dim": (1,),
    "stablehlo.dynamic_gather": (2,),
    "stablehlo.dynamic_iota": (0,),
    "stablehlo.dynamic_reshape": (1,),
    "stablehlo.set_dimension_size": (1,),
}
# The same for operands that may be negative.
_SIGNED: dict[str, Sequence[int]] = {"stablehlo.dynamic_conv": (2,), "stablehlo.dynamic_pad": (2, 3, 4)}


def mark_size_arguments(function: Any) -> None:
    """Puts `nimble.values` on the arguments of an entry function that are sizes, and `nimble.signed` where negative
    values are meant, too; a function that states its symbols is left alone."""
    if "nimble.symbols" in function.attributes:
        return
    sizes: set[int] = set()
    signed: set[int] = set()
    values = ShapeValues(Scope({}))
    for op in statements(function):
        values.visit(op)
        if op.name == "stablehlo.real_dynamic_slice":
            sizes |= _slice_sources(op, function, values)
        sizes.update(*(_sources(op.operands[i], function) for i in _size_operands(op)))
        if any(is_dynamic(value.type) for value in (*op.results, *op.operands)):
            signed.update(*(_sources(op.operands[i], function) for i in _SIGNED.get(op.name, ())))
    for position in sorted(sizes | signed):
        count = prod(function.entry_block.arguments[position].type.shape)
        name = _argument_name(function, position)
        rank = function.entry_block.arguments[position].type.rank
        symbols = [f"{name}_{element}" for element in range(count)] if rank else [name]
        values = ir.ArrayAttr.get([ir.FlatSymbolRefAttr.get(symbol) for symbol in symbols])
        set_argument_attribute(function, position, "nimble.values", values)
        if position not in sizes:
            set_argument_attribute(function, position, "nimble.signed", ir.UnitAttr.get())


def _argument_name(function: Any, position: int) -> str:
    """The name that `read_signature` gives the argument."""
    name = argument_attribute(function, position, "nimble.name")
    if name is not None:
        return ir.StringAttr(name).value
    variables = sum(
        argument_attribute(function, before, "jax.global_constant") is not None for before in range(position)
    )
    return f"arg{position - variables}"


def _size_operands(op: Any) -> Iterator[int]:
    operands = _SIZES.get(custom_call_target(op) or op.name, ())
    yield from range(len(op.operands))[operands] if isinstance(operands, slice) else operands


def _slice_sources(op: Any, function: Any, values: ShapeValues) -> set[int]:
    """The size of a slice is `limit - start`, both of which may be data: what cancels out is such a start."""
    start, limit, stride = (_sources(op.operands[index], function) for index in (1, 2, 3))
    starts, limits = (values.elements(op.operands[index]) for index in (1, 2))
    if starts is None or limits is None:
        return (start ^ limit) | stride
    left: set[int] = set()
    for low, high in zip(starts, limits, strict=True):
        difference = values.difference(high, low)
        if difference is None:
            return (start ^ limit) | stride
        left = left.union(*(_term_sources(term, function) for term in difference[1]))
    return left | stride


def _term_sources(term: Element, function: Any) -> set[int]:
    if not isinstance(term, tuple):
        return set()
    if term[0] == "data":
        return _sources(term[1], function)
    return set().union(*(_term_sources(operand, function) for operand in term[1:]))


def _sources(value: ir.Value, function: Any) -> set[int]:
    """Positions of the integer arguments that `value` is computed from by arithmetic on sizes."""
    found: set[int] = set()
    pending, seen = [value], set()
    while pending:
        value = pending.pop()
        if value in seen or not _is_small(value.type):
            continue
        seen.add(value)
        owner = value.owner
        if isinstance(owner, ir.Block):
            position = ir.BlockArgument(value).arg_number
            is_size = owner == function.entry_block and ir.RankedTensorType(value.type).rank <= 1
            if is_size and argument_attribute(function, position, "jax.global_constant") is None:
                found.add(position)
        elif propagates(owner.operation):
            pending.extend(owner.operation.operands)
    return found


def _is_small(type_: ir.Type) -> bool:
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        return False
    element = type_.element_type
    return isinstance(element, ir.IntegerType) and element.width > 1 and 0 < prod(type_.shape) <= MAX_ELEMENTS
