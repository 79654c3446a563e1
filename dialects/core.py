"""The nimble dialect itself, its `#nimble.dims` attribute, and how dims ride on tensor types.

`tensor<?x?x768xf32, #nimble.dims<[@b, "2*s + 1", 768]>>`: an entry a dimension, a symbol, the canonical text of an
expression over symbols, or an integer. Every ranked tensor with a dynamic dimension, and no other, carries it.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from nimble_mlir.dims import DimExpr
from nimble_mlir.mlir import ext, ir, make_context

__all__ = [
    "Dims",
    "Nimble",
    "VerifyError",
    "attr_to_dim",
    "dim_to_attr",
    "dims_of",
    "is_dynamic",
    "new_context",
    "opaque",
    "tensor_type",
    "verifier",
]

DYNAMIC = ir.ShapedType.get_dynamic_size()


class Nimble(ext.Dialect, name="nimble"):
    """Symbolic dimensions, their constraints and checks, and StableHLO's dynamic ops with sizes as `index` operands."""


class Dims(Nimble.Attribute, name="dims"):
    """The dimensions of a tensor type: an array of symbol references, expression texts and integers."""

    dims: ir.ArrayAttr

    @classmethod
    def of(cls, dims: Sequence[DimExpr]) -> "Dims":
        """The attribute for `dims`, in the current context."""
        return cls.get(ir.ArrayAttr.get([dim_to_attr(dim) for dim in dims]))

    @property
    def exprs(self) -> tuple[DimExpr, ...]:
        """The dimensions as expressions; raises ValueError for an entry that is none of the three forms."""
        return tuple(attr_to_dim(entry) for entry in ir.ArrayAttr(self.dims))


class VerifyError(Exception):
    """Raised by a verifier; its text becomes the diagnostic at the op's location."""


def verifier(check: Callable[[Any], None]) -> staticmethod:
    """Makes a dialect-op verifier of `check(op)`, which raises `VerifyError` with the message that a user sees."""

    def verify_invariants(op: Any) -> bool:
        if not _has_declared_attributes(op):
            return True  # the op's own definition, which is verified after this, says what is wrong
        try:
            if op._ODS_OPERAND_SEGMENTS and "operandSegmentSizes" not in op.attributes:
                raise VerifyError("has no operandSegmentSizes")
            check(op)
        except (VerifyError, ValueError) as error:
            name = op.operation.name
            op.operation.location.emit_error(f"'{name}' op {error}")
            return False
        return True

    return staticmethod(verify_invariants)


def _has_declared_attributes(op: Any) -> bool:
    """Whether an op has the attributes of its definition, of the declared kinds: so that a verifier can read them."""
    attributes = op.attributes
    declared = [field for field in op._fields if isinstance(field, ext.AttributeDef)]
    return all(
        field.name in attributes and (field.constraint is Any or isinstance(attributes[field.name], field.constraint))
        for field in declared
    )


def opaque(attr: ir.Attribute) -> ir.Attribute:
    """`attr` as plain `ir.Attribute`, for the constructors of Python-defined ops.

    `dialects.ext` (torch-mlir 20261001) takes an attribute that is false in Python, such as an empty array, for one that
    was not given. The base class has no length. test/python/dialects/test_workarounds.py fails when that is mended.
    """
    return ir.Attribute(attr)


@lru_cache(maxsize=4096)
def _parse(text: str) -> DimExpr:
    return DimExpr.parse(text)


def dim_to_attr(dim: DimExpr) -> ir.Attribute:
    """`@s` for a symbol, an i64 for an integer, the canonical text otherwise."""
    if dim.is_constant:
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), dim.constant_value)
    symbol = dim.as_symbol()
    return ir.FlatSymbolRefAttr.get(symbol) if symbol is not None else ir.StringAttr.get(str(dim))


def attr_to_dim(attr: ir.Attribute) -> DimExpr:
    """The inverse of `dim_to_attr`; raises ValueError with the entry's text when it is none of the three forms."""
    if isinstance(attr, ir.FlatSymbolRefAttr):
        return DimExpr.symbol(attr.value)
    if isinstance(attr, ir.IntegerAttr):
        return DimExpr.constant(attr.value)
    if isinstance(attr, ir.StringAttr):
        return _parse(attr.value)
    raise ValueError(f"dims entry {attr} is not a symbol, an expression text or an integer")


def is_dynamic(type_: ir.Type) -> bool:
    """Whether `type_` is a ranked tensor with at least one dynamic dimension."""
    return isinstance(type_, ir.RankedTensorType) and not type_.has_static_shape


def dims_of(type_: ir.Type) -> tuple[DimExpr, ...] | None:
    """The dims of a ranked tensor type: from its encoding, or from its static shape; None where they are unknown."""
    if not isinstance(type_, ir.RankedTensorType):
        return None
    encoding = type_.encoding
    if encoding is not None and isinstance(encoding, Dims):
        return encoding.exprs
    if type_.has_static_shape:
        return tuple(DimExpr.constant(size) for size in type_.shape)
    return None


def tensor_type(dims: Sequence[DimExpr], element_type: ir.Type) -> ir.RankedTensorType:
    """The tensor type of `dims`: static where all are integers, otherwise with the `#nimble.dims` encoding."""
    shape = [dim.constant_value if dim.is_constant else DYNAMIC for dim in dims]
    encoding = Dims.of(dims) if DYNAMIC in shape else None
    return ir.RankedTensorType.get(shape, element_type, encoding)


def new_context() -> ir.Context:
    """A context that knows StableHLO, all upstream dialects and nimble."""
    return make_context(Nimble.load)
