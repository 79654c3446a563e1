"""Lowering of top_k by repeated selection: each step is a reduction that finds the next element in order.

O(k n) work in k dispatches of one kind, without a sort (IREE 3.13's is a bubble sort); meant for a k of a few dozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nimble_mlir.dialects import tensor_type
from nimble_mlir.dims import DimExpr
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import arith, ir, tensor

from ..base import fail
from ..symbol_table import constant_index
from .builders import LoweringContext, element_type_of, extract, index_of
from .registry import lowering
from .signedness import as_signless, is_unsigned

MAX_K = 128

_EQ, _SLT, _SGT = 0, 2, 4  # arith.cmpi predicates


@lowering("custom_call:nimble.chlo.top_k")
def top_k(ctx: LoweringContext, op: Any) -> Sequence[ir.Value]:
    """Values and i32 indices in descending order, the lower index first among equal ones; floats in total order (NaN
    with the sign bit clear is the largest), as XLA's CPU runtime compares them."""
    operand = op.operands[0]
    k = ctx.dims(op.results[0])[-1].constant_value
    element = element_type_of(operand)
    if k > MAX_K or isinstance(element, ir.ComplexType):
        raise fail(op, f"top_k of {element} with k = {k} is not supported; k is at most {MAX_K}", UnsupportedOpError)
    dims = ctx.dims(operand)
    rank = len(dims) - 1
    ordered = as_signless(operand)
    integer = ir.IntegerType.get_signless(element.width)
    keys = ctx.elementwise([ordered], integer, lambda x: _key(x, is_unsigned(element)))
    found: list[tuple[ir.Value, ir.Value]] = []
    for _ in range(k):
        found.append(_next(ctx, keys, found[-1] if found else None))
    with_one = [*dims[:-1], DimExpr.constant(1)]
    groups = [*[[axis] for axis in range(rank - 1)], [rank - 1, rank]] if rank else []
    columns = [ctx.expand(index, groups, with_one) for _, index in found]
    indices = columns[0] if k == 1 else tensor.ConcatOp(op.results[1].type, rank, columns).result

    def value_at() -> ir.Value:
        position = extract(indices, [index_of(axis) for axis in range(rank + 1)])
        # A NaN key cannot leave it undefined: each step finds an element as long as k <= n.
        safe = arith.maxsi(arith.index_cast(ir.IndexType.get(), position), constant_index(0))
        return extract(operand, [*[index_of(axis) for axis in range(rank)], safe])

    values = ctx.generic([], [], tensor_type(ctx.dims(indices), element), value_at)
    return [ctx.cast(values, ctx.dims(op.results[0])), ctx.cast(indices, ctx.dims(op.results[1]))]


def _key(scalar: ir.Value, unsigned: bool) -> ir.Value:
    """A signed integer in the order of the elements."""
    integer = ir.IntegerType.get_signless(scalar.type.width)
    lowest = arith.constant(integer, -(1 << (integer.width - 1)))
    if isinstance(scalar.type, ir.IntegerType):
        return arith.xori(scalar, lowest) if unsigned or integer.width == 1 else scalar
    bits = arith.bitcast(integer, scalar)
    # The bits of a negative float grow with its magnitude.
    negative = arith.cmpi(_SLT, bits, arith.constant(integer, 0))
    return arith.select(negative, arith.xori(bits, arith.constant(integer, (1 << (integer.width - 1)) - 1)), bits)


def _next(
    ctx: LoweringContext, keys: ir.Value, previous: tuple[ir.Value, ir.Value] | None
) -> tuple[ir.Value, ir.Value]:
    """Key and index of the largest element behind `previous` along the last dimension."""
    dims = ctx.dims(keys)
    rank = len(dims) - 1
    integer, i32 = element_type_of(keys), ir.IntegerType.get_signless(32)
    identity = ir.AffineMap.get_identity(rank + 1)
    outer = ir.AffineMap.get(rank + 1, 0, [ir.AffineDimExpr.get(axis) for axis in range(rank)])
    lowest = arith.constant(integer, -(1 << (integer.width - 1)))
    none = arith.constant(i32, -1)
    starts = [ctx.fill(dims[:-1], lowest), ctx.fill(dims[:-1], none)]

    def body(key: ir.Value, *rest: ir.Value) -> Sequence[ir.Value]:
        best, best_index = rest[-2:]
        index = arith.index_cast(i32, index_of(rank))
        first = arith.cmpi(_SLT, best_index, arith.constant(i32, 0))
        tie = arith.andi(arith.cmpi(_EQ, key, best), arith.cmpi(_SLT, index, best_index))
        better = arith.ori(first, arith.ori(arith.cmpi(_SGT, key, best), tie))
        if previous is not None:
            last, last_index = rest[:2]
            later = arith.andi(arith.cmpi(_EQ, key, last), arith.cmpi(_SGT, index, last_index))
            better = arith.andi(better, arith.ori(arith.cmpi(_SLT, key, last), later))
        return arith.select(better, key, best), arith.select(better, index, best_index)

    inputs = [keys, *(previous or ())]
    results = ctx.reduction(inputs, [identity, *[outer] * (len(inputs) - 1)], starts, 1, body)
    return results[0], results[1]
