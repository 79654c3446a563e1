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
from nimble_mlir.passes.regions import everything

from .chlo import CHLO_PREFIX, replace_chlo

__all__ = ["to_portable_artifact"]


def to_portable_artifact(module: Any, reader_version: str) -> bytes:
    """Rewrites `module` in place and serializes it for a reader that knows StableHLO up to `reader_version`."""
    with module.context:
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
                where = re.search(r'"([^"]+)":(\d+):\d+', str(op.location))
                place = f"{where[1]}:{where[2]}: " if where else ""
                return UnsupportedOpError(f"{place}custom call '{target}' is not supported")
    return CaptureError("JAX lowers this function to more than StableHLO, which cannot be captured")


def _drop_sdy(op: Any) -> None:
    # Capture refuses shardings over several devices beforehand: what is left are annotations that JAX adds to key
    # arrays and the like on one device.
    for before, after in zip(op.results, op.operands, strict=False):
        before.replace_all_uses_with(after)
    op.erase()


_REWRITES: dict[str, Callable[[Any], None]] = {"chlo": replace_chlo, "sdy": _drop_sdy}


def _drop_shardings(function: Any) -> None:
    for key in ("arg_attrs", "res_attrs"):
        if key in function.attributes:
            function.attributes[key] = ir.ArrayAttr.get(
                [
                    ir.DictAttr.get({a.name: a.attr for a in attrs if not a.name.startswith(("sdy.", "mhlo.sharding"))})
                    for attrs in function.attributes[key]
                ]
            )
