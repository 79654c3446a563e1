"""Window reductions whose window has a symbolic size, and scans: StableHLO has an op for neither.

`dynamic_reduce_window` stands for JAX's custom call of that name at stage nimble, `reduce_window` for it at stage shapes,
and `scan` for what runs over a whole dimension in linear time, from stage linalg on.
"""

from collections.abc import Sequence
from typing import Any

from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, verifier

__all__ = ["DynamicReduceWindowOp", "ReduceWindowOp", "ScanOp", "YieldOp"]


def _check_counts(op: ext.Operation) -> int:
    """One initial value and one result an input; returns how many dimensions they have."""
    count = len(op.inputs)
    if count == 0 or count != len(op.inits) or count != len(op.outputs):
        raise VerifyError(f"has {count} inputs, {len(op.inits)} initial values and {len(op.outputs)} results")
    return ir.RankedTensorType(op.inputs[0].type).rank


class DynamicReduceWindowOp(Nimble.Operation, name="dynamic_reduce_window", traits=[ext.Pure]):
    """`stablehlo.reduce_window` whose window, strides, dilations (vectors) and padding (rank x 2) are integer tensors."""

    inputs: Sequence[ext.Operand[ir.RankedTensorType]]
    inits: Sequence[ext.Operand[ir.RankedTensorType]]
    window: ext.Operand[ir.RankedTensorType]
    strides: ext.Operand[ir.RankedTensorType]
    base_dilations: ext.Operand[ir.RankedTensorType]
    window_dilations: ext.Operand[ir.RankedTensorType]
    padding: ext.Operand[ir.RankedTensorType]
    outputs: Sequence[ext.Result[ir.RankedTensorType]]
    body: ext.Region

    @verifier
    def verify_invariants(self) -> None:
        rank = _check_counts(self)
        for name in ("window", "strides", "base_dilations", "window_dilations"):
            if list(getattr(self, name).type.shape) != [rank]:
                raise VerifyError(f"has {name} of type {getattr(self, name).type}, but its inputs have rank {rank}")


class ReduceWindowOp(Nimble.Operation, name="reduce_window", traits=[ext.Pure]):
    """`stablehlo.reduce_window` over windows with the dims of `window`, whose elements are never read."""

    inputs: Sequence[ext.Operand[ir.RankedTensorType]]
    inits: Sequence[ext.Operand[ir.RankedTensorType]]
    window: ext.Operand[ir.RankedTensorType]
    low: Sequence[ext.Operand[ir.IndexType]]
    high: Sequence[ext.Operand[ir.IndexType]]
    outputs: Sequence[ext.Result[ir.RankedTensorType]]
    window_strides: Any  # DenseI64ArrayAttr, as in StableHLO
    base_dilations: Any
    window_dilations: Any
    body: ext.Region

    @verifier
    def verify_invariants(self) -> None:
        rank = _check_counts(self)
        if self.window.type.rank != rank:
            raise VerifyError(f"has a window of type {self.window.type}, but its inputs have rank {rank}")
        for name in ("low", "high"):
            if len(getattr(self, name)) != rank:
                raise VerifyError(f"has {len(getattr(self, name))} {name}, but its inputs have rank {rank}")


class ScanOp(Nimble.Operation, name="scan", traits=[ext.Pure]):
    """The inclusive scan along `dimension`: element i is `body(element i - 1, input i)`, the first one is the input's.

    `output` and `carry` (without `dimension`) give the results their shapes, as in IREE's scan, and are never read.
    """

    input: ext.Operand[ir.RankedTensorType]
    output: ext.Operand[ir.RankedTensorType]
    carry: ext.Operand[ir.RankedTensorType]
    result: ext.Result[ir.RankedTensorType]
    last: ext.Result[ir.RankedTensorType]
    dimension: ir.IntegerAttr
    body: ext.Region

    @verifier
    def verify_invariants(self) -> None:
        type_ = self.input.type
        if self.output.type != self.result.type or self.carry.type != self.last.type:
            raise VerifyError("has results of other types than its output and carry")
        if not 0 <= self.dimension.value < type_.rank:
            raise VerifyError(f"dimension {self.dimension.value} is not a dimension of {type_}")
        if self.carry.type.rank != type_.rank - 1:
            raise VerifyError(f"has a carry of type {self.carry.type} for an input of type {type_}")


class YieldOp(Nimble.Operation, name="yield", traits=[ext.Pure, ir.IsTerminatorTrait]):
    """Ends the body of a `nimble.scan` or an arm of a `nimble.match`."""

    value: ext.Operand[Any]
