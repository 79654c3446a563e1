"""What a kernel's body asks of the program: how values are used, and what is known of those from outside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ir

__all__ = ["few_rows", "is_read_after", "is_read_often", "known_scalar", "splat_of"]

# So many rows are stored together.
_FEW_ROWS = 4


def few_rows(dims: Sequence[DimExpr]) -> list[tuple[int, ...]]:
    """The indices of the rows of a tensor with these dimensions before its row, where there are few; none otherwise."""
    if not all(dim.is_constant for dim in dims) or not 1 < prod(dim.constant_value for dim in dims) <= _FEW_ROWS:
        return []
    return list(product(*(range(dim.constant_value) for dim in dims)))


def is_read_often(value: ir.Value) -> bool:
    """Whether a value is read more than once, slices of it counted as one, or inside of a region behind it."""
    users = [use.owner.operation for use in value.uses]
    if any(user.block != value.owner.operation.block for user in users):
        return True
    slices = [user for user in users if user.name == "stablehlo.slice"]
    return len(users) - len(slices) + bool(slices) > 1


def is_read_after(value: ir.Value, op: Any) -> bool:
    """Whether an op in a region of `op`, or behind it in its block, reads a value, itself or in a region."""
    for use in value.uses:
        user = reader = use.owner.operation
        while user is not None and user.block != op.block:
            owner = user.block.owner.operation
            user = owner if owner.name != "func.func" else None
        if user is not None and (op.is_before_in_block(user) or (user == op and reader != op)):
            return True
    return False


def splat_of(value: ir.Value) -> int | float | None:
    """The number that all elements of a tensor from outside are, if that is known."""
    owner = value.owner
    while not isinstance(owner, ir.Block) and owner.name in ("stablehlo.broadcast_in_dim", "nimble.broadcast_in_dim"):
        value = owner.operands[0]
        owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return None
    attribute = owner.attributes["value"]
    return attribute.get_splat_value().value if getattr(attribute, "is_splat", False) else None


def known_scalar(value: ir.Value) -> ir.Value | None:
    """The scalar of the host that a tensor of rank 0 was made from."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "tensor.from_elements" or value.type.rank != 0:
        return None
    return owner.operands[0]
