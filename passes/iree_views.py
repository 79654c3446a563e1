"""Buffer views as IREE has them. A part of `nimble-emit-iree`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.dialects import BufferView
from nimble_mlir.mlir import arith, ir

from .capacity import CONSUME, FRONT
from .regions import statements

__all__ = ["emit_views"]


def emit_views(function: Any) -> None:
    """Turns `!nimble.buffer_view` into `!hal.buffer_view`, and the ops on it into those of IREE's hal dialect."""
    hal = ir.Type.parse("!hal.buffer_view")
    for op in statements(function):
        for region in op.regions:
            for block in region.blocks:
                for argument in block.arguments:
                    _set_type(argument, hal)
        for result in op.results:
            _set_type(result, hal)
        emit = _EMIT.get(op.name)
        if emit is not None:
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(emit(op))
            op.erase()


def _set_type(value: ir.Value, hal: ir.Type) -> None:
    if isinstance(value.type, BufferView):
        value.set_type(hal)


def _export(op: Any) -> ir.Value:
    attributes = {"source_encoding": ir.TypeAttr.get(op.operands[0].type)}
    return ir.Operation.create(
        "hal.tensor.export", [op.results[0].type], list(op.operands), attributes=attributes
    ).result


def _import(op: Any) -> ir.Value:
    type_ = op.results[0].type
    source, *sizes = op.operands
    if FRONT in op.attributes:
        source = _front(source, sizes, type_)
    # The source, its sizes, a fence to wait for, an affinity.
    segments = ir.DenseI32ArrayAttr.get([1, len(sizes), 0, 0])
    attributes = {"target_encoding": ir.TypeAttr.get(type_), "operandSegmentSizes": segments}
    if CONSUME in op.attributes:
        attributes["consume"] = ir.UnitAttr.get()
    return ir.Operation.create("hal.tensor.import", [type_], [source, *sizes], attributes=attributes).result


def _front(view: ir.Value, sizes: Sequence[ir.Value], type_: ir.RankedTensorType) -> ir.Value:
    """A view of the beginning of a view's buffer, with the shape of `type_`."""
    index, i32 = ir.IndexType.get(), ir.IntegerType.get_signless(32)
    dynamic = iter(sizes)
    shape = [next(dynamic) if type_.is_dynamic_dim(i) else arith.constant(index, n) for i, n in enumerate(type_.shape)]
    length = arith.constant(index, _bytes(type_.element_type))
    for size in shape:
        length = arith.muli(length, size)
    buffer = ir.Operation.create("hal.buffer_view.buffer", [ir.Type.parse("!hal.buffer")], [view]).result
    element = ir.Operation.create("hal.element_type", [i32], attributes={"type": ir.TypeAttr.get(type_.element_type)})
    encoding = ir.Operation.create("hal.encoding_type", [i32])
    operands = [buffer, arith.constant(index, 0), length, element.result, encoding.result, *shape]
    return ir.Operation.create("hal.buffer_view.create", [view.type], operands).result


def _bytes(element: ir.Type) -> int:
    """Of an element in a buffer, where a boolean is a byte."""
    if isinstance(element, ir.ComplexType):
        return 2 * _bytes(element.element_type)
    return -(-element.width // 8)


def _view_size(op: Any) -> ir.Value:
    index = ir.IntegerAttr.get(ir.IndexType.get(), ir.IntegerAttr(op.attributes["dimension"]).value)
    return ir.Operation.create(
        "hal.buffer_view.dim", [ir.IndexType.get()], list(op.operands), attributes={"index": index}
    ).result


_EMIT: dict[str, Callable[[Any], ir.Value]] = {
    "nimble.export": _export,
    "nimble.import": _import,
    "nimble.view_size": _view_size,
}
