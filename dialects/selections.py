"""Ops about sizes that depend on data: the one that reads such a size, and selections of the elements that are flagged.

A selection is made in two steps, so that its result is allocated with its true size: `count` says how many elements are
flagged, and what defines the size reads that; `nonzero` and `compress` then fill the result. Flags are bytes, 0 or 1: both
steps read the same ones. They are counted by parts, so that the parts can be filled at the same time.
"""

from collections.abc import Sequence

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["PARTS", "CompressOp", "CountOp", "DefineSizeOp", "NonzeroOp", "NonzeroPaddedOp"]

Index = ir.IndexType

# Part p of n flags are those from p * n / PARTS on.
PARTS = 64


def _is_integer(type_: ir.RankedTensorType, width: int) -> bool:
    # Types are made in a context, and a verifier runs in none.
    element = type_.element_type
    return isinstance(element, ir.IntegerType) and element.is_signless and element.width == width


def _check_flags(value: ir.Value) -> None:
    type_ = ir.RankedTensorType(value.type)
    if type_.rank != 1 or not _is_integer(type_, 8):
        raise VerifyError(f"has flags of type {type_}, but they are a vector of i8")


def _check_offsets(value: ir.Value) -> None:
    type_ = ir.RankedTensorType(value.type)
    if list(type_.shape) != [PARTS + 1] or not _is_integer(type_, 32):
        raise VerifyError(f"has offsets of type {type_}, but they are tensor<{PARTS + 1}xi32>")


class DefineSizeOp(Nimble.Operation, name="define_size"):
    """The size that an integer of the program says, read on the host: `nimble.symbol` gives it its symbol.

    The call fails where it is negative, or above `bound` (none, or one). `what` is the function that the user called.

    `%n = "nimble.define_size"(%value, %b) {what = "nm.repeat"} : (tensor<i32>, index) -> index`
    """

    value: ext.Operand[ir.RankedTensorType]
    bound: Sequence[ext.Operand[Index]]
    size: ext.Result[Index]
    what: ir.StringAttr

    @verifier
    def verify_invariants(self) -> None:
        type_ = ir.RankedTensorType(self.value.type)
        if type_.rank != 0 or not isinstance(type_.element_type, ir.IntegerType):
            raise VerifyError(f"reads a size from {type_}, which is no integer")
        if len(self.bound) > 1:
            raise VerifyError(f"has {len(self.bound)} bounds")
        if not self.what.value:
            raise VerifyError("does not say what defines the size")


class CountOp(Nimble.Operation, name="count", traits=[ext.Pure]):
    """How many flags are set before each of the parts; the last element is how many of all.

    `%o = "nimble.count"(%flags) : (tensor<?xi8>) -> tensor<65xi32>`
    """

    flags: ext.Operand[ir.RankedTensorType]
    offsets: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_flags(self.flags)
        _check_offsets(self.offsets)


class NonzeroOp(Nimble.Operation, name="nonzero", traits=[ext.Pure]):
    """The positions of the flags that are set, in order: `size` of them, counted by `nimble.count`.

    `%r = "nimble.nonzero"(%flags, %offsets, %n) : (tensor<?xi8>, tensor<65xi32>, index) -> tensor<?xi32>`
    """

    flags: ext.Operand[ir.RankedTensorType]
    offsets: ext.Operand[ir.RankedTensorType]
    size: ext.Operand[Index]
    result: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_flags(self.flags)
        _check_offsets(self.offsets)
        type_ = ir.RankedTensorType(self.result.type)
        if type_.rank != 1 or not _is_integer(type_, 32):
            raise VerifyError(f"has a result of type {type_}, but positions are a vector of i32")


class NonzeroPaddedOp(Nimble.Operation, name="nonzero_padded", traits=[ext.Pure]):
    """The positions of the flags that are set, in front of a result of a fixed size, and how many flags are set: counted and
    written at once. Nothing is said of what stands behind them; positions for which there is no room are counted only.

    `%r, %count = "nimble.nonzero_padded"(%flags) : (tensor<?xi8>) -> (tensor<100xi32>, tensor<i32>)`
    """

    flags: ext.Operand[ir.RankedTensorType]
    positions: ext.Result[ir.RankedTensorType]
    count: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_flags(self.flags)
        positions, count = (ir.RankedTensorType(value.type) for value in (self.positions, self.count))
        if positions.rank != 1 or not positions.has_static_shape or not _is_integer(positions, 32):
            raise VerifyError(f"has positions of type {positions}, but they are a vector of i32 of a fixed size")
        if count.rank != 0 or not _is_integer(count, 32):
            raise VerifyError(f"has a count of type {count}, which is no i32")


class CompressOp(Nimble.Operation, name="compress", traits=[ext.Pure]):
    """The slices of `operand` along `dimension` whose flags are set: `size` of them, counted by `nimble.count`.

    `%r = "nimble.compress"(%x, %flags, %offsets, %n) {dimension = 0 : i64} : (…) -> tensor<?x4xf32>`
    """

    operand: ext.Operand[ir.RankedTensorType]
    flags: ext.Operand[ir.RankedTensorType]
    offsets: ext.Operand[ir.RankedTensorType]
    size: ext.Operand[Index]
    result: ext.Result[ir.RankedTensorType]
    dimension: ir.IntegerAttr

    @verifier
    def verify_invariants(self) -> None:
        _check_flags(self.flags)
        _check_offsets(self.offsets)
        source, target = ir.RankedTensorType(self.operand.type), ir.RankedTensorType(self.result.type)
        if not 0 <= self.dimension.value < source.rank:
            raise VerifyError(f"dimension {self.dimension.value} is not a dimension of {source}")
        if source.rank != target.rank or source.element_type != target.element_type:
            raise VerifyError(f"selects {target} from {source}")
