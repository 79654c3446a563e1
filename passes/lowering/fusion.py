"""Where IREE 3.13's fusion must be stopped: what it does wrong with data-tiled contractions, and how it is kept from it.

A `tensor.reshape` of a tensor to its own shape, with the sizes as values, is no op that IREE fuses, and costs nothing else.
test/python/models/test_workarounds.py holds the failing programs, and fails itself when IREE has been mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nimble_mlir.mlir import ir

from ..shape_functions.elementwise import BINARY, UNARY
from .builders import LoweringContext, product

__all__ = ["apart", "epilogue_reads_slice", "holds_as_much"]

_ELEMENTWISE = frozenset(f"stablehlo.{name}" for name in (*UNARY, *BINARY, "select", "clamp"))
_PASSED_THROUGH = _ELEMENTWISE | {
    "nimble.broadcast_in_dim",
    "stablehlo.broadcast_in_dim",
    "tensor.cast",
    "tensor.collapse_shape",
    "tensor.expand_shape",
}
_SLICES = frozenset(
    [
        "nimble.gather",
        "nimble.slice",
        "stablehlo.dynamic_slice",
        "stablehlo.gather",
        "stablehlo.slice",
        "tensor.extract_slice",
    ]
)
# How far an epilogue and its operands are followed; beyond it, fusion has long stopped.
_LIMIT = 64


def apart(ctx: LoweringContext, value: ir.Value) -> ir.Value:
    """`value`, not fused with what computes it.

    IREE fuses an elementwise op or transpose with the packing of a data-tiled contraction's operand, and fails where the
    contracted size is dynamic: "'affine.delinearize_index' op no basis element may be statically non-positive" or
    "'memref.alloca' op all stack allocations need to be hoisted" (its loop over the padding has a zero bound).
    Where there is a batch, it packs what elementwise ops compute (a softmax, a layer over batch and length together) into
    wrong numbers for every batch but the first, whatever size is dynamic.

    Only operands: with the result apart too, BERT was right in its first call and wrong from the second on (IREE 3.13).
    """
    if isinstance(value.owner, ir.Block) or value.type.has_static_shape:
        return value
    return ctx.reshape_by_size(value, ctx.dims(value))


def epilogue_reads_slice(op: Any) -> bool:
    """Whether the elementwise ops that follow a contraction read a slice of another tensor, as the gates of a GRU do.

    IREE fuses them with the contraction, packs the slice inside of its kernel and fails there: "One or more operations
    with large vector sizes". The result of such a contraction is kept `apart`.
    """
    seen = 0
    pending = [op.results[0]]
    visited: set[Any] = set()
    while pending and seen < _LIMIT:
        value = pending.pop()
        for use in value.uses:
            user = use.owner.operation
            if user.name not in _ELEMENTWISE or user in visited:
                continue
            visited.add(user)
            seen += 1
            if any(operand != value and _is_from_slice(operand) for operand in user.operands):
                return True
            pending.append(user.results[0])
    return False


def holds_as_much(ctx: LoweringContext, value: ir.Value) -> bool:
    """Whether a tensor of as many elements as `value` stands at the start of the elementwise ops that compute it.

    If so, a kernel may read `value`: to hold it takes no more memory than what is held anyway. A broadcast that has no such
    tensor (all differences of two vectors, say) is best fused with its reduction.
    """
    size = product(ctx.dims(value))
    pending, count = [value], 0
    while pending and count < _LIMIT:
        count += 1
        source = pending.pop()
        owner = source.owner
        inputs = None if isinstance(owner, ir.Block) else _elementwise_inputs(owner)
        if inputs is not None:
            pending += [operand for operand in inputs if isinstance(operand.type, ir.RankedTensorType)]
        elif ctx.same(product(ctx.dims(source)), size):
            return True
    return False


def _elementwise_inputs(owner: Any) -> list[ir.Value] | None:
    op = owner.operation if hasattr(owner, "operation") else owner
    if op.name in _PASSED_THROUGH or op.name in ("stablehlo.convert", "stablehlo.constant", "nimble.iota"):
        return list(op.operands)
    if op.name == "linalg.generic" and "reduction" not in str(op.attributes["iterator_types"]):
        return list(op.operands)[: list(op.attributes["operandSegmentSizes"])[0]]
    return None


def _is_from_slice(value: ir.Value) -> bool:
    return any(op.name in _SLICES for op in _elementwise_producers(value))


def _elementwise_producers(value: ir.Value) -> Iterator[Any]:
    """The ops that compute `value`, through elementwise ones."""
    pending, count = [value], 0
    while pending and count < _LIMIT:
        owner = pending.pop().owner
        if isinstance(owner, ir.Block):
            continue
        op = owner.operation if hasattr(owner, "operation") else owner
        count += 1
        yield op
        if op.name in _PASSED_THROUGH:
            pending += list(op.operands)
