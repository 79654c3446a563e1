"""A JAX-lowered module into a portable artifact that the other MLIR distribution reads.

In: an `ir.Module` in jaxlib's context, with CHLO, Shardy and JAX's own marks. Out: StableHLO as portable artifact bytes,
in which no `chlo` (chlo.py) and no `sdy` is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo

from nimble_mlir.errors import CaptureError, NimbleError, UnsupportedOpError
from nimble_mlir.passes.library_ops import STORED_CHLO
from nimble_mlir.passes.regions import everything

from .chlo import CHLO_PREFIX, replace_chlo

__all__ = ["to_portable_artifact"]


def to_portable_artifact(module: Any, reader_version: str) -> bytes:
    """Rewrites `module` in place and serializes it for a reader that knows StableHLO up to `reader_version`."""
    with module.context:
        for op in [op for op in everything(module.operation) if op.name == "sdy.manual_computation"]:
            _inline_manual_computation(op)
        for op in list(everything(module.operation)):
            for name in [name for name in op.attributes if name.startswith("sdy.")]:
                del op.attributes[name]
            rewrite = _REWRITES.get(op.name.partition(".")[0])
            if rewrite is not None:
                rewrite(op)
        for function in module.body.operations:
            _drop_shardings(function.operation)
        version = stablehlo.get_smaller_version(stablehlo.get_current_version(), reader_version)
        try:
            return stablehlo.serialize_portable_artifact(module, version)
        except ValueError as error:
            raise _unserializable(module) from error


def _unserializable(module: Any) -> NimbleError:
    """The error for a module that is more than StableHLO: JAX's calls into libraries are what there is of that kind."""
    for op in everything(module.operation):
        if op.name == "stablehlo.custom_call":
            target = ir.StringAttr(op.attributes["call_target_name"]).value
            if not target.startswith(CHLO_PREFIX):
                return UnsupportedOpError(f"{_place(op)}custom call '{target}' is not supported")
    return CaptureError("JAX lowers this function to more than StableHLO, which cannot be captured")


def _place(op: Any) -> str:
    where = re.search(r'"([^"]+)":(\d+):\d+', str(op.location))
    return f"{where[1]}:{where[2]}: " if where else ""


def _drop_sdy(op: Any) -> None:
    # Capture refuses shardings over several devices beforehand: what is left are annotations that JAX adds to key
    # arrays and the like on one device.
    for before, after in zip(op.results, op.operands, strict=False):
        before.replace_all_uses_with(after)
    op.erase()


def _inline_manual_computation(op: Any) -> None:
    """The body of a `shard_map` over one device takes its place."""
    (block,) = op.regions[0].blocks
    *body, returned = list(block.operations)
    inside = [value.type for value in (*block.arguments, *returned.operation.operands)]
    if inside != [value.type for value in (*op.operands, *op.results)]:
        raise UnsupportedOpError(f"{_place(op)}'{op.name}' over several devices is not supported: a module runs on one")
    for argument, operand in zip(block.arguments, op.operands, strict=True):
        argument.replace_all_uses_with(operand)
    for inner in body:
        inner.operation.move_before(op)
    for result, value in zip(op.results, returned.operation.operands, strict=True):
        result.replace_all_uses_with(value)
    op.erase()


def _recompose(op: Any) -> None:
    """`custom_call @mhlo.topk(…) {mhlo.attributes = {…}}`, as older versions of JAX stored ops of CHLO, as if it were one.

    XLA reads such calls likewise (its pass stablehlo-ext-chlo-recompose-ops).
    """
    if op.name != "stablehlo.custom_call":
        return
    name = STORED_CHLO.get(ir.StringAttr(op.attributes["call_target_name"]).value)
    attributes = {}
    if "mhlo.attributes" in op.attributes:
        attributes = {entry.name: entry.attr for entry in ir.DictAttr(op.attributes["mhlo.attributes"])}
    if name is None or str(attributes.pop("largest", "true")) != "true":
        return
    with ir.InsertionPoint(op), op.location:
        types, operands = [result.type for result in op.results], list(op.operands)
        new = ir.Operation.create(f"chlo.{name}", results=types, operands=operands, attributes=attributes)
    for before, after in zip(op.results, new.results, strict=True):
        before.replace_all_uses_with(after)
    op.erase()
    replace_chlo(new)


_REWRITES: dict[str, Callable[[Any], None]] = {"chlo": replace_chlo, "sdy": _drop_sdy, "stablehlo": _recompose}


def _drop_shardings(function: Any) -> None:
    for key in ("arg_attrs", "res_attrs"):
        if key in function.attributes:
            function.attributes[key] = ir.ArrayAttr.get(
                [
                    ir.DictAttr.get({a.name: a.attr for a in attrs if not a.name.startswith(("sdy.", "mhlo.sharding"))})
                    for attrs in function.attributes[key]
                ]
            )
