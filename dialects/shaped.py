"""StableHLO's dynamic ops with their sizes as `index` operands: what stands at stage `shapes` in their place.

Each takes one `index` for each dynamic dimension of its result (as `tensor.empty` does), so that no shape lives in a
tensor. `pad`, `slice` and `gather` take one value for each dimension of the operand.
"""

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import ext, ir, stablehlo

from .core import Nimble, VerifyError, verifier

__all__ = ["BroadcastInDimOp", "GatherOp", "IotaOp", "PadOp", "ReshapeOp", "SliceOp", "TieShapeOp"]

Index = ir.IndexType


def _check_sizes(op: ext.Operation, result: ir.Value, sizes: Sequence[ir.Value]) -> None:
    type_ = ir.RankedTensorType(result.type)
    dynamic = sum(type_.is_dynamic_dim(axis) for axis in range(type_.rank))
    if dynamic != len(sizes):
        raise VerifyError(f"has {len(sizes)} sizes, but its result has {dynamic} dynamic dimensions")


def _check_per_dim(name: str, values: Sequence[ir.Value], rank: int) -> None:
    if len(values) != rank:
        raise VerifyError(f"has {len(values)} {name}, but its operand has rank {rank}")


def _check_rank(result: ir.Value, rank: int) -> None:
    if result.type.rank != rank:
        raise VerifyError(f"has a result of rank {result.type.rank}, but its operands give rank {rank}")


class ReshapeOp(Nimble.Operation, name="reshape", traits=[ext.Pure]):
    """`stablehlo.dynamic_reshape`: the same elements in row-major order under other dims; the products are equal."""

    operand: ext.Operand[ir.RankedTensorType]
    sizes: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_sizes(self, self.result, self.sizes)


class BroadcastInDimOp(Nimble.Operation, name="broadcast_in_dim", traits=[ext.Pure]):
    """`stablehlo.dynamic_broadcast_in_dim`: operand dimension i becomes result dimension `broadcast_dimensions[i]`."""

    operand: ext.Operand[ir.RankedTensorType]
    sizes: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]
    broadcast_dimensions: Any  # DenseI64ArrayAttr, which ext cannot name

    @verifier
    def verify_invariants(self) -> None:
        _check_sizes(self, self.result, self.sizes)
        if not isinstance(self.broadcast_dimensions, ir.DenseI64ArrayAttr):
            raise VerifyError(f"has broadcast_dimensions that are no i64 array: {self.broadcast_dimensions}")
        rank = self.result.type.rank
        dimensions = list(self.broadcast_dimensions)
        if len(dimensions) != self.operand.type.rank:
            raise VerifyError(
                f"has {len(dimensions)} broadcast_dimensions, but its operand has rank {self.operand.type.rank}"
            )
        if len(set(dimensions)) != len(dimensions) or any(not 0 <= axis < rank for axis in dimensions):
            raise VerifyError(f"broadcast_dimensions {dimensions} are not distinct dimensions of a rank {rank} result")


class IotaOp(Nimble.Operation, name="iota", traits=[ext.Pure]):
    """`stablehlo.dynamic_iota`: each element is its index in `iota_dimension`."""

    sizes: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]
    iota_dimension: ir.IntegerAttr

    @verifier
    def verify_invariants(self) -> None:
        _check_sizes(self, self.result, self.sizes)
        if not 0 <= self.iota_dimension.value < self.result.type.rank:
            raise VerifyError(f"iota_dimension {self.iota_dimension.value} is not a dimension of {self.result.type}")


class PadOp(Nimble.Operation, name="pad", traits=[ext.Pure]):
    """`stablehlo.dynamic_pad`: `low`, `high` (may be negative) and `interior` padding of each operand dimension."""

    operand: ext.Operand[ir.RankedTensorType]
    padding_value: ext.Operand[ir.RankedTensorType]
    low: Sequence[ext.Operand[Index]]
    high: Sequence[ext.Operand[Index]]
    interior: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        for name in ("low", "high", "interior"):
            _check_per_dim(name, getattr(self, name), self.operand.type.rank)
        _check_rank(self.result, self.operand.type.rank)


class SliceOp(Nimble.Operation, name="slice", traits=[ext.Pure]):
    """`stablehlo.real_dynamic_slice`: rows `start`, `start + stride`, … below `limit` of each dimension."""

    operand: ext.Operand[ir.RankedTensorType]
    start: Sequence[ext.Operand[Index]]
    limit: Sequence[ext.Operand[Index]]
    stride: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        for name in ("start", "limit", "stride"):
            _check_per_dim(name, getattr(self, name), self.operand.type.rank)
        _check_rank(self.result, self.operand.type.rank)


class GatherOp(Nimble.Operation, name="gather", traits=[ext.Pure]):
    """`stablehlo.dynamic_gather`: `gather` whose slice sizes are values."""

    operand: ext.Operand[ir.RankedTensorType]
    start_indices: ext.Operand[ir.RankedTensorType]
    slice_sizes: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]
    dimension_numbers: Any  # #stablehlo.gather, which ext cannot name

    @verifier
    def verify_invariants(self) -> None:
        if not str(self.dimension_numbers).startswith("#stablehlo.gather<"):
            raise VerifyError(f"has dimension_numbers that are no #stablehlo.gather: {self.dimension_numbers}")
        _check_per_dim("slice_sizes", self.slice_sizes, self.operand.type.rank)
        numbers = stablehlo.GatherDimensionNumbers(self.dimension_numbers)
        indices = self.start_indices.type.rank
        batch = indices - (numbers.index_vector_dim < indices)
        _check_rank(self.result, batch + len(numbers.offset_dims))


class TieShapeOp(Nimble.Operation, name="tie_shape", traits=[ext.Pure]):
    """The operand, whose dynamic sizes are known to be `sizes`: what a loop carries or a branch gives says so to IREE."""

    operand: ext.Operand[ir.RankedTensorType]
    sizes: Sequence[ext.Operand[Index]]
    result: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        _check_sizes(self, self.result, self.sizes)
        if self.operand.type != self.result.type:
            raise VerifyError(f"changes the type from {self.operand.type} to {self.result.type}")
