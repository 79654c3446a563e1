"""What the runtime wants to know of a function: which arguments it may update in place (asked at stage linalg), and a
bound of its work (asked at stage shapes, where the types still have their dims).

IREE 3.13 writes into the buffer of an argument where an op updates the argument's tensor (a destination of
`tensor.insert_slice`, an `outs` of linalg, a loop's carry), also when the caller keeps the buffer; a clone in between does
not help. So the runtime copies such arguments, and only those.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nimble_mlir.dialects import dims_of
from nimble_mlir.dims import DimExpr, Scope
from nimble_mlir.mlir import ir

__all__ = ["updated_arguments", "work_bound"]

# Ops whose result may share its operand's buffer.
_VIEWS = frozenset(
    "tensor.cast tensor.collapse_shape tensor.expand_shape tensor.extract_slice tensor.reshape nimble.cast".split()
)


def updated_arguments(function: Any) -> set[int]:
    """Positions of the arguments whose buffer an op may write to; control flow that carries one counts as writing."""
    updated: set[int] = set()
    for position, argument in enumerate(function.entry_block.arguments):
        pending = [argument]
        while pending:
            value = pending.pop()
            for use in value.uses:
                op = use.owner.operation
                if op.name in _VIEWS:
                    pending.append(op.results[0])
                elif _writes(op, use.operand_number):
                    updated.add(position)
    return updated


def _writes(op: Any, operand: int) -> bool:
    if op.name == "tensor.insert_slice":
        return operand == 1
    if op.name.startswith("linalg.") and "operandSegmentSizes" in op.attributes:
        return operand >= list(op.attributes["operandSegmentSizes"])[0]
    if op.name.startswith("linalg.") and op.results:
        return operand >= len(op.operands) - len(op.results)
    return op.name.startswith("scf.") or op.name in ("tensor.insert", "tensor.scatter")


def work_bound(function: Any, scope: Scope) -> int | None:
    """An upper bound of the scalar operations of a call, None where no bound of the sizes gives one."""
    total = 0
    for op in _operations(function.operation):
        sizes = [_bound(value.type, scope) for value in (*op.results, *op.operands)]
        known = sorted(size for size in sizes if size is not None)
        if len(known) != len(sizes):
            return None
        # n*k times k*m elements bound the n*k*m of a contraction; for other ops the largest tensor does.
        total += known[-1] * known[-2] if op.name in _CONTRACTIONS else max(known, default=0)
    return total


_CONTRACTIONS = ("stablehlo.dot_general", "stablehlo.convolution")


def _bound(type_: ir.Type, scope: Scope) -> int | None:
    if not isinstance(type_, ir.RankedTensorType):
        return 0
    dims = dims_of(type_)
    if dims is None:
        return None
    size = DimExpr.constant(1)
    for dim in dims:
        size = size * dim
    return scope.bounds(size)[1]


def _operations(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region.blocks:
            for op in block.operations:
                yield op.operation
