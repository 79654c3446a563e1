"""`nimble-resolve-dims`: `tensor.dim` ops become the symbol's one SSA value or arithmetic on it. In: linalg with dims on
the types. Out: the same without `tensor.dim`, but for those on entry arguments that give the symbols their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir, tensor

from .base import ModulePass, entry_functions
from .symbol_table import DimBuilder, SymbolTable

__all__ = ["SIZE_SOURCE", "ResolveDims"]

# On the `tensor.dim` ops that read a size from an entry argument.
SIZE_SOURCE = "nimble.size_source"


@dataclass(frozen=True)
class ResolveDims(ModulePass):
    """Replaces each `tensor.dim` by the value of the dim that the tensor's type states.

      %d = tensor.dim %x, %c0 : tensor<?x4xf32, #nimble.dims<["b*s", 4]>>
    ==>
      %d = arith.muli %b, %s : index
    """

    name: ClassVar[str] = "nimble-resolve-dims"

    def run(self, module: ir.Module) -> None:
        """Leaves `tensor.dim` of tensors without dims alone."""
        for function in entry_functions(module):
            builder = DimBuilder(function.entry_block, SymbolTable(function).values)
            for op in list(_size_ops(function.operation)):
                dims = dims_of(op.operands[0].type)
                if dims is not None and SIZE_SOURCE not in op.attributes:
                    _RESOLVE[op.name](op, dims, builder)


def _resolve_dim(op: Any, dims: tuple[DimExpr, ...], builder: DimBuilder) -> None:
    index = op.operands[1].owner
    if isinstance(index, ir.Block) or index.name != "arith.constant":
        return
    dim = dims[ir.IntegerAttr(index.attributes["value"]).value]
    op.results[0].replace_all_uses_with(builder.value(dim))
    op.erase()


def _resolve_shape(op: Any, dims: tuple[DimExpr, ...], builder: DimBuilder) -> None:
    sizes = builder.values(dims)
    with ir.InsertionPoint(op), op.location:
        shape = tensor.from_elements(ir.RankedTensorType.get([len(dims)], ir.IndexType.get()), sizes)
    op.results[0].replace_all_uses_with(shape)
    op.erase()


_RESOLVE = {"tensor.dim": _resolve_dim, "shape.shape_of": _resolve_shape}


def _size_ops(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                if op.operation.name in _RESOLVE:
                    yield op.operation
                else:
                    yield from _size_ops(op.operation)
