"""Programs of somebody else that only JAX can read: StableHLO with ops of other dialects (CHLO, Shardy), `jax.export` files.

In: text, bytecode, a portable artifact. Out: a portable artifact of plain StableHLO, as capture makes it of what JAX
lowers to.
"""

from __future__ import annotations

from typing import Any

import jax.export
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import mlir

from nimble_mlir.errors import CompileError
from nimble_mlir.mlir import stablehlo_version

from .stablehlo import to_portable_artifact

__all__ = ["deserialize_export", "plain_stablehlo"]


def deserialize_export(data: bytes) -> Any | None:
    """The `jax.export.Exported` that `data` is the serialization of, None where it is something else.

    Raises CompileError where the package that JAX reads it with is not installed.
    """
    try:
        return jax.export.deserialize(bytearray(data))
    except ImportError as error:
        raise CompileError(f"reading a jax.export file needs the package flatbuffers: pip install flatbuffers ({error})"
                           ) from error  # fmt: skip
    except Exception:  # whatever the reader meets in bytes that mean something else
        return None


def plain_stablehlo(source: str | bytes) -> bytes:
    """Raises CompileError where jaxlib cannot read `source` either."""
    context = mlir.make_ir_context()
    with context, ir.Location.unknown():
        try:
            artifact = isinstance(source, bytes) and b"vhlo" in source
            module = stablehlo.deserialize_portable_artifact(context, source) if artifact else ir.Module.parse(source)
        except (ir.MLIRError, ValueError, RuntimeError) as error:
            raise CompileError(f"the source is no StableHLO that can be read: {error}") from error
    return to_portable_artifact(module, stablehlo_version())
