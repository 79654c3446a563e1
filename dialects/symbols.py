"""Ops about symbols: where one gets its value, what holds between them, and checks of what could not be proved."""

from collections.abc import Sequence

from nimble_mlir.dims import Constraint, SymbolInfo
from nimble_mlir.mlir import ext, ir

from .core import Nimble, VerifyError, dims_of, verifier

__all__ = ["CastOp", "CheckOp", "ConstraintOp", "SymbolOp", "bounds_to_attr", "symbol_info"]

_BOUND_KEYS = {"min", "max", "multiple_of", "likely"}


def bounds_to_attr(info: SymbolInfo) -> ir.DictAttr:
    """`{min = 1, max = 512, multiple_of = 8, likely = [1, 128]}`; what says nothing is left out."""
    i64 = ir.IntegerType.get_signless(64)
    entries: dict[str, ir.Attribute] = {"min": ir.IntegerAttr.get(i64, info.min)}
    if info.max is not None:
        entries["max"] = ir.IntegerAttr.get(i64, info.max)
    if info.multiple_of != 1:
        entries["multiple_of"] = ir.IntegerAttr.get(i64, info.multiple_of)
    if info.likely:
        entries["likely"] = ir.DenseI64ArrayAttr.get(list(info.likely))
    return ir.DictAttr.get(entries)


def symbol_info(name: str, bounds: ir.DictAttr) -> SymbolInfo:
    """The bounds of a symbol as `SymbolInfo`; raises ValueError where they contradict each other."""
    unknown = {entry.name for entry in bounds} - _BOUND_KEYS
    if unknown:
        raise ValueError(f"has unknown bound '{min(unknown)}'; known are {', '.join(sorted(_BOUND_KEYS))}")
    for entry in bounds:
        kind, what = (
            (ir.DenseI64ArrayAttr, "an i64 array") if entry.name == "likely" else (ir.IntegerAttr, "an integer")
        )
        if not isinstance(entry.attr, kind):
            raise ValueError(f"has bound '{entry.name}' that is not {what}: {entry.attr}")
    integers = {key: bounds[key].value for key in ("min", "max", "multiple_of") if key in bounds}
    likely = tuple(bounds["likely"]) if "likely" in bounds else ()
    return SymbolInfo(name, likely=likely, **integers)


class SymbolOp(Nimble.Operation, name="symbol"):
    """Declares a symbol with its bounds and gives it its one SSA value.

    Not pure: a symbol without uses is still part of what the types say, so nothing may erase it.

    `%s = "nimble.symbol"(%size) {symbol = @s, bounds = {min = 1, max = 512}} : (index) -> index`
    """

    size: ext.Operand[ir.IndexType]
    value: ext.Result[ir.IndexType]
    symbol: ir.FlatSymbolRefAttr
    bounds: ir.DictAttr

    @property
    def info(self) -> SymbolInfo:
        """The symbol's name and bounds."""
        return symbol_info(self.symbol.value, self.bounds)

    @verifier
    def verify_invariants(self) -> None:
        self.info  # noqa: B018 - raises where the bounds are malformed


class ConstraintOp(Nimble.Operation, name="constraint"):
    """States a relation between symbols, whose values are the operands, in the order of `symbols`.

    `"nimble.constraint"(%b, %s) {symbols = [@b, @s], relation = "b*s <= 4096"} : (index, index) -> ()`
    """

    values: Sequence[ext.Operand[ir.IndexType]]
    symbols: ir.ArrayAttr
    relation: ir.StringAttr

    @property
    def constraint(self) -> Constraint:
        """The parsed relation."""
        return Constraint.parse(self.relation.value)

    @verifier
    def verify_invariants(self) -> None:
        for symbol in self.symbols:
            if not isinstance(symbol, ir.FlatSymbolRefAttr):
                raise VerifyError(f"has {symbol} among its symbols, which is not a symbol reference")
        names = [symbol.value for symbol in self.symbols]
        constraint = self.constraint
        missing = (constraint.lhs.symbols | constraint.rhs.symbols) ^ set(names)
        if missing:
            raise VerifyError(f"relation '{self.relation.value}' and symbols differ in '{min(missing)}'")
        if len(names) != len(self.values):
            raise VerifyError(f"has {len(names)} symbols but {len(self.values)} values")


class CheckOp(Nimble.Operation, name="check"):
    """Fails the call with `message` where `condition` is false; `kind` is the stable tag that wrappers map.

    The message is static text: what was expected, the argument, axis and symbol or the user's file:line.
    """

    condition: ext.Operand[ir.IntegerType[1]]  # pyright: ignore[reportGeneralTypeIssues] - ext's notation
    kind: ir.StringAttr
    message: ir.StringAttr

    @verifier
    def verify_invariants(self) -> None:
        if not self.kind.value.replace("_", "").isalnum():
            raise VerifyError(f"kind '{self.kind.value}' is not an identifier")
        if not self.message.value:
            raise VerifyError("has an empty message")


class CastOp(Nimble.Operation, name="cast", traits=[ext.Pure]):
    """Changes the dims of a tensor type to equal ones; the equalities are proved, or checked before it."""

    operand: ext.Operand[ir.RankedTensorType]
    result: ext.Result[ir.RankedTensorType]

    @verifier
    def verify_invariants(self) -> None:
        source, target = self.operand.type, self.results[0].type
        if source.element_type != target.element_type:
            raise VerifyError(f"changes the element type from {source.element_type} to {target.element_type}")
        if source.rank != target.rank:
            raise VerifyError(f"changes the rank from {source.rank} to {target.rank}")
        for axis, (before, after) in enumerate(zip(dims_of(source) or (), dims_of(target) or (), strict=False)):
            if before.is_constant and after.is_constant and before != after:
                raise VerifyError(f"changes dimension {axis} from {before} to {after}")
