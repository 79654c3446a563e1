"""CHLO ops into StableHLO: an elementwise function becomes a `stablehlo.map` whose body is CHLO's own expansion.

In: a CHLO op in jaxlib's context. Out: ops that the other MLIR distribution, which has no CHLO, can read. The expansion is
what XLA computes, too; made on scalars, it knows nothing of sizes. What has a lowering of its own (`KEPT`), or is not
elementwise, becomes `stablehlo.custom_call @nimble.chlo.X` with the op's attributes in a dictionary.
"""

from __future__ import annotations

import threading
from typing import Any

from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jaxlib.mlir.passmanager import PassManager

__all__ = ["CHLO_PREFIX", "replace_chlo"]

CHLO_PREFIX = "nimble.chlo."

# Elementwise functions that IREE computes well and faster than their expansions, by the element types for which it does.
KEPT: dict[str, tuple[str, ...]] = {"erf": ("bf16", "f16", "f32")}

# Not elementwise.
_STRUCTURAL = ("ragged_dot", "scan", "top_k")

_EXPAND = "builtin.module(func.func(chlo-legalize-to-stablehlo))"
_lock = threading.Lock()
_registered: list[bool] = []


def replace_chlo(op: Any) -> None:
    """Replaces a CHLO op in place."""
    name = op.name.removeprefix("chlo.")
    element = str(ir.RankedTensorType(op.operands[0].type).element_type) if len(op.operands) else ""
    if name in _STRUCTURAL or element in KEPT.get(name, ()) or not _to_map(op):
        _to_custom_call(op, name)


def _to_custom_call(op: Any, name: str) -> None:
    with ir.InsertionPoint(op), op.location:
        call = stablehlo.CustomCallOp(
            [result.type for result in op.results],
            list(op.operands),
            CHLO_PREFIX + name,
            backend_config=ir.DictAttr.get({name: op.attributes[name] for name in op.attributes}),
            api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        )
    _replace(op, call)


def _to_map(op: Any) -> bool:
    """False where the expansion leaves CHLO ops or calls."""
    rank = ir.RankedTensorType(op.results[0].type).rank
    if len(op.results) != 1 or not op.operands:
        return False
    if any(ir.RankedTensorType(operand.type).rank != rank for operand in op.operands):
        return False
    with op.location:
        holder = ir.Module.create()
        function = _on_scalars(holder, op)
        _register_passes()
        PassManager.parse(_EXPAND).run(holder.operation)
    block = function.regions[0].blocks[0]
    inner = [inner.operation for inner in block.operations]
    if any(not each.name.startswith("stablehlo.") for each in inner[:-1]):
        return False
    with ir.InsertionPoint(op), op.location:
        call = ir.Operation.create(
            "stablehlo.map",
            results=[op.results[0].type],
            operands=list(op.operands),
            attributes={"dimensions": ir.DenseI64ArrayAttr.get(list(range(rank)))},
            regions=1,
        )
        block.append_to(call.regions[0])
        returned = inner[-1]
        with ir.InsertionPoint(returned):
            ir.Operation.create("stablehlo.return", operands=list(returned.operands))
        returned.erase()
    _replace(op, call)
    return True


def _on_scalars(holder: Any, op: Any) -> Any:
    """A function in the module `holder` with the op on tensors without dimensions."""
    scalars = [_scalar(operand.type) for operand in op.operands]
    results = [_scalar(result.type) for result in op.results]
    with ir.InsertionPoint(holder.body):
        function = ir.Operation.create(
            "func.func",
            attributes={
                "sym_name": ir.StringAttr.get("scalar"),
                "function_type": ir.TypeAttr.get(ir.FunctionType.get(scalars, results)),
            },
            regions=1,
        )
    block = function.regions[0].blocks.append(*scalars, arg_locs=[op.location] * len(scalars))
    with ir.InsertionPoint(block):
        attributes = {name: op.attributes[name] for name in op.attributes}
        inner = ir.Operation.create(op.name, results=results, operands=list(block.arguments), attributes=attributes)
        ir.Operation.create("func.return", operands=list(inner.results))
    return function


def _scalar(type_: Any) -> Any:
    return ir.RankedTensorType.get([], ir.RankedTensorType(type_).element_type)


def _register_passes() -> None:
    with _lock:
        if not _registered:
            stablehlo.register_stablehlo_passes()
            _registered.append(True)


def _replace(op: Any, new: Any) -> None:
    for before, after in zip(op.results, new.results, strict=True):
        before.replace_all_uses_with(after)
    op.erase()
