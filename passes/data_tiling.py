"""Which contractions IREE may data-tile (pack into tiles, to multiply them by microkernels). Called by `nimble-emit-iree`.

IREE 3.13 gets a product by batch wrong whose contracted size is dynamic when it packs the operands: it reads beyond them
(seen from 128 rows on). Not packed it is right, and as fast. IREE chooses by itself only in functions where no op has its
hint attribute; so where such a product occurs, the others get the hint, and so does an op that is no contraction.
"""

from __future__ import annotations

from typing import Any

from nimble_mlir.mlir import ir

from .regions import statements

__all__ = ["choose_data_tiling"]

# IREE's DispatchCreation/AnnotateDataTilingHints.cpp.
_HINT = "iree.opt.data_tiling"

_CONTRACTIONS = ("linalg.matmul", "linalg.batch_matmul")

# Ops that last until IREE looks for hints, one of which every function of dynamic size has.
_LASTING = ("util.assume.int", "cf.assert")


def choose_data_tiling(function: Any) -> None:
    """Sets the hints where IREE must not choose."""
    contractions = [op for op in statements(function) if op.name in _CONTRACTIONS]
    if not any(_is_packed_wrongly(op) for op in contractions):
        return
    hinted = [op for op in contractions if _is_tiled(op) and not _is_packed_wrongly(op)]
    for op in (*hinted, *(op for op in statements(function) if op.name in _LASTING)):
        op.attributes[_HINT] = ir.UnitAttr.get()


def _is_packed_wrongly(op: Any) -> bool:
    return op.name == "linalg.batch_matmul" and ir.RankedTensorType(op.operands[0].type).is_dynamic_dim(2)


def _is_tiled(op: Any) -> bool:
    """What IREE itself would choose: no complex numbers or booleans, with which it crashes, and no row times a column."""
    multiplies = any(
        inner.operation.name in ("arith.mulf", "arith.muli") for inner in op.regions[0].blocks[0].operations
    )
    return multiplies and ir.RankedTensorType(op.results[0].type).shape[-2:] != [1, 1]
