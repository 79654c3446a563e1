"""Boolean arguments that kernels read: a view of their bytes instead of a dispatch that makes bytes of them. A part of
`nimble-emit-iree`.

IREE stores a boolean as a byte, and numpy's and JAX's are 0 or 1. On CPUs without AVX-512 its code for elementwise ops on
bytes takes 1.4 ns an element (IREE 3.13: masked stores of bytes become branches): as long as NumPy needs for `x[mask]`.
"""

from __future__ import annotations

from typing import Any

from nimble_mlir.mlir import ir

from .lowering.builders import element_type_of
from .regions import everything

__all__ = ["view_booleans"]


def view_booleans(operation: Any) -> None:
    """Binds the bytes of boolean arguments to the kernels that only read them."""
    views: dict[ir.Value, ir.Value] = {}
    for op in [op for op in everything(operation) if op.name == "nimble.bind"]:
        value, *sizes = op.operands
        argument = _widened_argument(value)
        if argument is None or not all(_is_read(use) for use in op.results[0].uses):
            continue
        if value not in views:
            with ir.InsertionPoint(value.owner), op.location:
                views[value] = ir.Operation.create(
                    "flow.tensor.bitcast",
                    results=[value.type],
                    operands=[argument, *sizes, *sizes],
                    attributes={"operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, len(sizes), len(sizes)])},
                ).result
        op.operands[0] = views[value]
    for value in views:
        if not list(value.uses):
            value.owner.erase()


def _is_read(use: Any) -> bool:
    kernel = use.owner.operation
    return kernel.name == "nimble.kernel" and use.operand_number < len(kernel.opview.inputs)


def _widened_argument(value: ir.Value) -> ir.Value | None:
    """The boolean argument of a function that `value` has as bytes: `linalg.generic` with `arith.extui` and no more."""
    if isinstance(value.owner, ir.Block) or value.owner.name != "linalg.generic":
        return None
    op = value.owner.operation
    source, byte = op.operands[0], ir.IntegerType.get_signless(8)
    identity = ir.AffineMap.get_identity(ir.RankedTensorType(value.type).rank)
    if (
        [inner.operation.name for inner in op.regions[0].blocks[0].operations] != ["arith.extui", "linalg.yield"]
        or [element_type_of(tensor) for tensor in op.operands] != [ir.IntegerType.get_signless(1), byte]
        or any(ir.AffineMapAttr(map_).value != identity for map_ in op.attributes["indexing_maps"])
    ):
        return None
    argument = source
    if not isinstance(argument.owner, ir.Block) and argument.owner.name == "flow.tensor.tie_shape":
        argument = argument.owner.operands[0]
    block = argument.owner
    if not isinstance(block, ir.Block) or block.owner.operation.name != "func.func":
        return None
    return source
