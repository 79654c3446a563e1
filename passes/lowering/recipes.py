"""Recipes: the computation of one element, emitted on scalars or on vectors.

A rule for scalars (scalar_rules.py, scalar_body.py) is run once, into a block that stands nowhere; its ops are copied to
where they are needed. Ops of arith and math mean the same on vectors, element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nimble_mlir.mlir import arith, ir, vector

from .signedness import signless

__all__ = ["Recipe", "splat"]

_CAST = "builtin.unrealized_conversion_cast"


class Recipe:
    """What `build` computes from scalars of signless `types`."""

    def __init__(self, build: Callable[..., ir.Value], types: Sequence[ir.Type]) -> None:
        # The op is never inserted anywhere; it keeps its block alive.
        self._holder = ir.Operation.create("scf.execute_region", regions=1, ip=False)
        self._block = self._holder.regions[0].blocks.append(*types)
        with ir.InsertionPoint(self._block):
            self._result = build(*self._block.arguments)
        self._ops = [op.operation for op in self._block.operations]

    @property
    def cost(self) -> int:
        """The number of ops that compute."""
        return sum(op.name not in ("arith.constant", _CAST) for op in self._ops)

    @property
    def is_flat(self) -> bool:
        """Whether all ops are elementwise: those of arith and math without regions, and casts of signedness."""
        return all(op.name == _CAST or op.name.startswith(("arith.", "math.")) for op in self._ops)

    def emit(self, operands: Sequence[ir.Value], lanes: int) -> ir.Value:
        """The result on `operands`: scalars where `lanes` is 1, else vectors of so many."""
        values: dict[ir.Value, ir.Value] = dict(zip(self._block.arguments, operands, strict=True))
        for op in self._ops:
            values[op.results[0]] = self._copy(op, [values[operand] for operand in op.operands], lanes)
        return values[self._result]

    def _copy(self, op: Any, operands: Sequence[ir.Value], lanes: int) -> ir.Value:
        if op.name == _CAST:
            return operands[0]
        type_ = signless(op.results[0].type)
        if op.name == "arith.constant":
            constant = arith.constant(type_, op.attributes["value"])
            return constant if lanes == 1 else splat(constant, lanes)
        result = type_ if lanes == 1 else ir.VectorType.get([lanes], type_)
        attributes = {name: op.attributes[name] for name in op.attributes}
        return ir.Operation.create(op.name, results=[result], operands=list(operands), attributes=attributes).result


def splat(scalar: ir.Value, lanes: int) -> ir.Value:
    """A vector of equal elements; the scalar itself where `lanes` is 1."""
    return scalar if lanes == 1 else vector.broadcast(ir.VectorType.get([lanes], scalar.type), scalar)
