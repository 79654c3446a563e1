"""`nimble-fold-extracts`: elements of a slice are read where the slice lies. In: linalg. Out: the same, in which the host
reads single elements of a table without a dispatch that cuts them out first, and gathers read no slices."""

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

    IREE cuts the slice out on the device, and the host waits for that; an element of an argument is there already. In a
    `linalg.generic`, which gathers, the slice may have any sizes: IREE 3.13 makes one of a transposed tensor a view whose
    elements lie apart, and has no lowering for a gather from that ("LLVM Translation failed for operation:
    builtin.unrealized_conversion_cast").

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
                if op.parent.name == "linalg.generic":
                    _fold_gather(op)
                else:
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
    with ir.InsertionPoint(op), op.location:
        _replace(op, source, _offsets(cut), chain)


def _fold_gather(op: Any) -> None:
    """An element of a slice without strides, also where dimensions of one element are dropped."""
    value, chain = op.operands[0], []
    # Which index is that of each dimension, None for 0.
    kept: list[int | None] = list(range(ir.RankedTensorType(value.type).rank))
    while _defines(value, "tensor.collapse_shape"):
        chain.append(value.owner.operation)
        value = chain[-1].operands[0]
        spread = _kept_of_collapse(chain[-1], kept)
        if spread is None:
            return
        kept = spread
    if not _defines(value, "tensor.extract_slice"):
        return
    cut = value.owner.operation
    chain.append(cut)
    if any(stride != 1 for stride in ir.DenseI64ArrayAttr(cut.attributes["static_strides"])):
        return
    source, given = cut.operands[0], list(op.operands)[1:]
    with ir.InsertionPoint(op), op.location:
        indices = [
            offset if index is None else arith.addi(offset, given[index])
            for offset, index in zip(_offsets(cut), _kept_of_slice(cut, kept), strict=True)
        ]
        _replace(op, source, indices, chain)


def _kept_of_collapse(op: Any, kept: list[int | None]) -> list[int | None] | None:
    """The indices of the dimensions before a collapse that joins none of several elements, None for another."""
    type_ = ir.RankedTensorType(op.operands[0].type)
    found: list[int | None] = [None] * type_.rank
    for group, index in zip(op.attributes["reassociation"], kept, strict=True):
        axes = [ir.IntegerAttr(axis).value for axis in ir.ArrayAttr(group)]
        large = [axis for axis in axes if type_.is_dynamic_dim(axis) or type_.get_dim_size(axis) != 1]
        if len(large) > 1:
            return None
        for axis in large:
            found[axis] = index
    return found


def _kept_of_slice(cut: Any, kept: list[int | None]) -> list[int | None]:
    """The indices of the dimensions of what is sliced; a dimension that the slice drops has one element."""
    sizes = list(ir.DenseI64ArrayAttr(cut.attributes["static_sizes"]))
    spare = len(sizes) - len(kept)
    result, left, found = ir.RankedTensorType(cut.results[0].type), iter(range(len(kept))), []
    position = next(left, None)
    for size in sizes:
        one = position is not None and not result.is_dynamic_dim(position) and result.get_dim_size(position) == 1
        if spare and size == 1 and not one:
            spare -= 1
            found.append(None)
            continue
        assert position is not None
        found.append(None if size == 1 else kept[position])
        position = next(left, None)
    return found


def _offsets(cut: Any) -> list[ir.Value]:
    """Where a slice begins: an index of each dimension."""
    dynamic = iter(list(cut.operands)[1:])
    return [
        next(dynamic) if offset == _DYNAMIC else arith.constant(ir.IndexType.get(), offset)
        for offset in ir.DenseI64ArrayAttr(cut.attributes["static_offsets"])
    ]


def _replace(op: Any, source: ir.Value, indices: list[ir.Value], chain: list[Any]) -> None:
    read = ir.Operation.create("tensor.extract", results=[op.results[0].type], operands=[source, *indices])
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
