"""Buffer views: tensors that carry their sizes with them, as they cross the edges of control flow that changes sizes.

A tensor type says its sizes by symbols, and a symbol has one value. A value that has another size in each iteration, or by
each branch, has no such type at the edge: there it is a `!nimble.buffer_view`, whose sizes are read where it arrives.
"""

from collections.abc import Sequence

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["BufferView", "ExportOp", "ImportOp", "ViewSizeOp"]

Index = ir.IndexType


class BufferView(Nimble.Type, name="buffer_view"):
    """A buffer with the shape and element type of what it holds, known when it runs."""


def _check_sizes(type_: ir.Type, sizes: Sequence[ir.Value]) -> None:
    type_ = ir.RankedTensorType(type_)
    dynamic = sum(type_.is_dynamic_dim(axis) for axis in range(type_.rank))
    if dynamic != len(sizes):
        raise VerifyError(f"has {len(sizes)} sizes, but its tensor has {dynamic} dynamic dimensions")


class ExportOp(Nimble.Operation, name="export"):
    """The buffer view of a tensor, with one size for each of its dynamic dimensions.

    `%v = "nimble.export"(%x, %n) : (tensor<?xf32>, index) -> !nimble.buffer_view`
    """

    tensor: ext.Operand[ir.RankedTensorType]
    sizes: Sequence[ext.Operand[Index]]
    view: ext.Result[BufferView]

    @verifier
    def verify_invariants(self) -> None:
        _check_sizes(self.tensor.type, self.sizes)


class ImportOp(Nimble.Operation, name="import", traits=[ext.Pure]):
    """The tensor of a buffer view, with one size for each of its dynamic dimensions: the view's own.

    `%x = "nimble.import"(%v, %n) : (!nimble.buffer_view, index) -> tensor<?xf32>`
    """

    view: ext.Operand[BufferView]
    sizes: Sequence[ext.Operand[Index]]
    tensor: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_sizes(self.tensor.type, self.sizes)


class ViewSizeOp(Nimble.Operation, name="view_size", traits=[ext.Pure]):
    """The size of a buffer view along `dimension`; the host knows it and waits for nothing.

    `%n = "nimble.view_size"(%v) {dimension = 0 : i64} : (!nimble.buffer_view) -> index`
    """

    view: ext.Operand[BufferView]
    size: ext.Result[Index]
    dimension: ir.IntegerAttr

    @verifier
    def verify_invariants(self) -> None:
        if self.dimension.value < 0:
            raise VerifyError(f"has the dimension {self.dimension.value}")
