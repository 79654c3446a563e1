"""Which contractions IREE may data-tile (pack into tiles, to multiply them by microkernels). Called by `nimble-emit-iree`.

IREE 3.13 gets a product by batch wrong whose contracted size is dynamic when it packs the operands: it reads beyond them
(seen from 128 rows on). Not packed it is right, and as fast. Where an elementwise op reads a contraction's result and
booleans from memory (a mask), it packs these too, and fails: "'linalg.pack' op expected padding_value has 'i8' but got:
'i1'". IREE chooses by itself only in functions where no op has its hint attribute; so where such a product occurs, the
others get the hint, and so does an op that is no contraction.
"""

from __future__ import annotations

from typing import Any

from nimble_mlir.mlir import ir

from .regions import statements

__all__ = ["choose_data_tiling"]

# IREE's DispatchCreation/AnnotateDataTilingHints.cpp.
_HINT = "iree.opt.data_tiling"

_CONTRACTIONS = ("linalg.matmul", "linalg.batch_matmul")

_RESHAPES = ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape")

# Ops that last until IREE looks for hints, one of which every function of dynamic size has.
_LASTING = ("util.assume.int", "cf.assert")


def choose_data_tiling(function: Any) -> None:
    """Sets the hints where IREE must not choose."""
    contractions = [op for op in statements(function) if op.name in _CONTRACTIONS]
    wrong = [op for op in contractions if _is_packed_wrongly(op) or _is_masked(op)]
    if not wrong:
        return
    hinted = [op for op in contractions if _is_tiled(op) and op not in wrong]
    for op in (*hinted, *(op for op in statements(function) if op.name in _LASTING)):
        op.attributes[_HINT] = ir.UnitAttr.get()


def _is_packed_wrongly(op: Any) -> bool:
    return op.name == "linalg.batch_matmul" and ir.RankedTensorType(op.operands[0].type).is_dynamic_dim(2)


def _is_masked(op: Any) -> bool:
    """Whether an elementwise op reads the result and booleans that another op or the caller has written."""
    pending, visited = [op.results[0]], set()
    while pending:
        for use in pending.pop().uses:
            user = use.owner.operation
            if user in visited or not (user.name in _RESHAPES or _is_elementwise(user)):
                continue
            visited.add(user)
            if any(_is_stored_boolean(operand) for operand in user.operands):
                return True
            pending += user.results
    return False


def _is_stored_boolean(value: ir.Value) -> bool:
    type_ = value.type
    if not isinstance(type_, ir.RankedTensorType) or type_.element_type != ir.IntegerType.get_signless(1):
        return False
    owner = value.owner
    if isinstance(owner, ir.Block):
        return True
    if owner.name in _RESHAPES or (_is_elementwise(owner) and _only_moves(owner)):
        return _is_stored_boolean(owner.operands[0])
    return not _is_elementwise(owner) and owner.name != "tensor.empty"


def _is_elementwise(op: Any) -> bool:
    return (
        op.name == "linalg.generic"
        and "parallel" in str(op.attributes["iterator_types"])
        and not any(kind in str(op.attributes["iterator_types"]) for kind in ("reduction", "window"))
    )


def _only_moves(op: Any) -> bool:
    """Whether the elements are those of the first operand: a broadcast or a transpose."""
    return len(op.regions[0].blocks[0].operations) == 1


def _is_tiled(op: Any) -> bool:
    """What IREE itself would choose: no complex numbers or booleans, with which it crashes, and no row times a column."""
    multiplies = any(
        inner.operation.name in ("arith.mulf", "arith.muli") for inner in op.regions[0].blocks[0].operations
    )
    return multiplies and ir.RankedTensorType(op.results[0].type).shape[-2:] != [1, 1]
