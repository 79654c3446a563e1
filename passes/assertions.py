"""Shape assertions of jax.export as checks: proved ones go, refuted ones are errors, the others hold at run time.

Those that compare sizes become checks when dims are inferred (`asserted`), and what they say is known of all ops: of a
size `?` it is an assertion that says that it is not 0.

`stablehlo.custom_call @shape_assertion(%ok, %sizes…) {error_message = "… {0} …"}`: IREE would erase them silently.
"""

from __future__ import annotations

import re
from typing import Any

from nimble_mlir.dims import Constraint, DimExpr
from nimble_mlir.mlir import arith, ir, tensor

from .base import fail, location_text
from .shape_functions import Requirement
from .shape_values import Element, ShapeValues
from .size_checks import check
from .symbol_table import DimBuilder

__all__ = ["TARGET", "asserted", "lower_assertion"]

TARGET = "shape_assertion"

_KIND = "shape_assertion"
_EQ, _SGE = 0, 5  # arith.cmpi predicates


def asserted(op: Any, values: ShapeValues) -> Requirement | None:
    """What an assertion requires, None where it is proved, refuted, or about more than a comparison of sizes."""
    condition = values.element(op.operands[0])
    if values.decide(condition) is not None or not isinstance(condition, tuple) or condition[0] not in ("eq", "ge"):
        return None
    kind, lhs, rhs = condition
    if not (isinstance(lhs, DimExpr) and isinstance(rhs, DimExpr)):
        return None
    return Requirement(Constraint(lhs, "==" if kind == "eq" else ">=", rhs), _KIND, _message(op, values))


def lower_assertion(op: Any, values: ShapeValues, sizes: DimBuilder) -> None:
    """Replaces one assertion by a `nimble.check`, or by nothing where it is proved."""
    condition = values.element(op.operands[0])
    decided = values.decide(condition)
    message = _message(op, values)
    if decided is False:
        raise fail(op, message)
    if decided is None:
        where = location_text(op.location)
        with ir.InsertionPoint(op), op.location:
            holds = _emit(condition, sizes)
            if holds is None:
                holds = tensor.extract(op.operands[0], [])
            check(holds, _KIND, f"{message} ({where})" if where else message)
    op.erase()


def _message(op: Any, values: ShapeValues) -> str:
    """The assertion's text, with the sizes that it mentions spelled as expressions."""
    text = (
        ir.StringAttr(op.attributes["error_message"]).value if "error_message" in op.attributes else "assertion failed"
    )
    texts = []
    for operand in list(op.operands)[1:]:
        contents = values.get(operand)
        texts.append(f"'{contents[0]}'" if contents is not None else "a size")
    return re.sub(r"\{(\d+)\}", lambda match: texts[int(match[1])] if int(match[1]) < len(texts) else match[0], text)


def _emit(condition: Element, sizes: DimBuilder) -> ir.Value | None:
    """The condition on the host, None where it is about more than sizes."""
    if not isinstance(condition, tuple):
        return None
    kind, *operands = condition
    if kind in ("eq", "ge"):
        if not all(isinstance(operand, DimExpr) for operand in operands):
            return None
        return arith.cmpi(_EQ if kind == "eq" else _SGE, sizes.value(operands[0]), sizes.value(operands[1]))
    parts = [_emit(operand, sizes) for operand in operands]
    if any(part is None for part in parts):
        return None
    if kind == "not":
        return arith.xori(parts[0], arith.constant(ir.IntegerType.get_signless(1), 1))
    if kind in ("and", "or"):
        return (arith.andi if kind == "and" else arith.ori)(*parts)
    return None
