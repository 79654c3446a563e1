"""`nimble-fold-extracts`: one element of a slice is read where the slice lies. In: linalg. Out: the same, in which the host
reads single elements of a table without a dispatch that cuts them out first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.mlir import arith, ir

from .base import ModulePass, entry_functions
from .regions import everything

__all__ = ["FoldExtracts"]

_DYNAMIC = -(2**63)  # in static offsets: the offset is an operand


@dataclass(frozen=True)
class FoldExtracts(ModulePass):
    """Replaces `tensor.extract` of a slice of one element, also through a reshape of it, by one of the sliced tensor.

    IREE cuts the slice out on the device, and the host waits for that; an element of an argument is there already.

      %1 = tensor.extract_slice %table[%i, 2] [1, 1] [1, 1] : tensor<?x3xi32> to tensor<1x1xi32>
      %2 = tensor.collapse_shape %1 [] : tensor<1x1xi32> into tensor<i32>
      %3 = tensor.extract %2[] : tensor<i32>
    ==>
      %3 = tensor.extract %table[%i, %c2] : tensor<?x3xi32>
    """

    name: ClassVar[str] = "nimble-fold-extracts"

    def run(self, module: ir.Module) -> None:
        """Never fails; slices that nothing reads any more are erased."""
        for function in entry_functions(module):
            for op in [op for op in everything(function.operation) if op.name == "tensor.extract"]:
                _fold(op)


def _fold(op: Any) -> None:
    value, chain = op.operands[0], []
    while _defines(value, "tensor.collapse_shape") and _is_one(value.owner.operands[0].type):
        chain.append(value.owner.operation)
        value = chain[-1].operands[0]
    if not _defines(value, "tensor.extract_slice") or not _is_one(value.type):
        return
    cut = value.owner.operation
    chain.append(cut)
    source = cut.operands[0]
    if ir.RankedTensorType(cut.results[0].type).rank != ir.RankedTensorType(source.type).rank:
        return
    dynamic = iter(list(cut.operands)[1:])
    with ir.InsertionPoint(op), op.location:
        offsets = [
            next(dynamic) if offset == _DYNAMIC else arith.constant(ir.IndexType.get(), offset)
            for offset in ir.DenseI64ArrayAttr(cut.attributes["static_offsets"])
        ]
        read = ir.Operation.create("tensor.extract", results=[op.results[0].type], operands=[source, *offsets])
    op.results[0].replace_all_uses_with(read.result)
    op.erase()
    for dead in chain:
        if next(iter(dead.results[0].uses), None) is not None:
            break
        dead.erase()


def _defines(value: ir.Value, name: str) -> bool:
    return not isinstance(value.owner, ir.Block) and value.owner.name == name


def _is_one(type_: Any) -> bool:
    return type_.has_static_shape and all(size == 1 for size in type_.shape)
