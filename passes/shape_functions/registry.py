"""The registry of shape functions: op name → how result dims follow from operand dims, contents and attributes.

A shape function is written once over dim expressions. It is run symbolically (inference puts dims on types); the same
dims are then materialized as host index arithmetic, which is running it into IR. Its mode is Nimble's (MLSys 2021, §4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nimble_mlir.dialects import attr_to_dim, dims_of
from nimble_mlir.dims import Constraint, DimExpr, Proof, Scope
from nimble_mlir.mlir import ir

from ..base import fail
from ..shape_values import Contents, ShapeValues

__all__ = [
    "SHAPE_FUNCTIONS",
    "Mode",
    "Requirement",
    "ShapeContext",
    "ShapeFunction",
    "custom_call_target",
    "product",
    "shape_function",
]

Dims = tuple[DimExpr, ...]


class Mode(Enum):
    """What a shape function needs: sizes only, values of operands, or sizes with a bound that the result is padded to."""

    DATA_INDEPENDENT = "data-independent"
    DATA_DEPENDENT = "data-dependent"
    UPPER_BOUND = "upper-bound"


@dataclass(frozen=True)
class Requirement:
    """What an op demands of sizes and what could not be proved. `kind` tags the check, `message` says it to the user."""

    constraint: Constraint
    kind: str
    message: str


class ShapeContext:
    """What a shape function sees of an op, and where it states what it requires."""

    def __init__(self, op: Any, scope: Scope, values: ShapeValues, defined: frozenset[str] = frozenset()) -> None:
        self.op = op
        self.defined = defined  # the symbols that ops define: JAX takes each to be at least 1, and it may be 0
        self.scope = scope
        self._values = values
        self.requirements: list[Requirement] = []

    def dims(self, index: int) -> Dims:
        """The dims of operand `index`; an operand without dims is the compiler's own mistake and fails the pass."""
        operand = self.op.operands[index]
        dims = dims_of(operand.type)
        if dims is None:
            raise fail(self.op, f"operand {index} of '{self.op.name}' has type {operand.type} without dims")
        return dims

    def sizes(self, index: int) -> Contents:
        """The elements of the shape operand `index` as dim expressions; fails where they depend on data."""
        contents = self._values.get(self.op.operands[index])
        if contents is None:
            raise fail(
                self.op,
                f"the size of the result of '{self.op.name}' depends on values computed at run time (operand {index}); "
                "such sizes are not supported here",
            )
        return tuple(self.scope.simplify(dim) for dim in contents)

    def known_sizes(self, index: int) -> Contents | None:
        """The elements of the shape operand `index`, None where they depend on data."""
        contents = self._values.get(self.op.operands[index])
        return None if contents is None else tuple(self.scope.simplify(dim) for dim in contents)

    def differences(self, low: int, high: int) -> Contents:
        """`high - low` element by element of two shape operands, which may be data as long as their difference is not."""
        starts, limits = (self._values.elements(self.op.operands[index]) for index in (low, high))
        if starts is None or limits is None:
            return tuple(b - a for a, b in zip(self.sizes(low), self.sizes(high), strict=True))
        result = [self._values.difference(limit, start) for start, limit in zip(starts, limits, strict=True)]
        if any(difference is None or difference[1] for difference in result):
            return self.sizes(high)  # fails with the operand's number
        return tuple(difference[0] for difference in result if difference is not None)

    def result_dims(self, index: int = 0) -> Dims:
        """The dims of result `index` as its type has them; only for static results."""
        dims = dims_of(self.op.results[index].type)
        if dims is None:
            raise fail(self.op, f"result {index} of '{self.op.name}' has unknown dims")
        return dims

    def integers(self, name: str) -> list[int]:
        """An integer-array attribute of the op."""
        return [int(value) for value in self.op.attributes[name]]

    def equal(self, lhs: DimExpr, rhs: DimExpr, what: str) -> DimExpr:
        """Requires two dims to be equal and returns the simpler one: refuted is an error, undecided a run-time check."""
        proof = self.scope.equal(lhs, rhs)
        if proof is Proof.REFUTED:
            raise fail(self.op, f"'{self.op.name}' needs equal sizes, but {what} are '{lhs}' and '{rhs}'")
        if proof is Proof.UNDECIDED:
            text = f"'{self.op.name}' needs equal sizes, but {what} differ: '{lhs}' and '{rhs}'"
            self._require("equal_sizes", text, Constraint(lhs, "==", rhs))
        return min(lhs, rhs, key=_complexity)

    def at_least(self, lhs: DimExpr, rhs: DimExpr | int, what: str) -> None:
        """Requires lhs >= rhs: refuted is an error, undecided a run-time check."""
        rhs = DimExpr.constant(rhs) if isinstance(rhs, int) else rhs
        proof = self.scope.at_least(lhs, rhs)
        if lhs.is_constant != rhs.is_constant:
            lhs, rhs = _without_constants(lhs, rhs)
        text = f"'{self.op.name}' needs {what}: '{lhs}' must be at least '{rhs}'"
        if proof is Proof.REFUTED:
            raise fail(self.op, text)
        if proof is Proof.UNDECIDED:
            self._require("size_range", text, Constraint(lhs, ">=", rhs))

    def not_negative(self, dims: Dims) -> Dims:
        """`dims`, the result's, none of which may be negative."""
        for axis, dim in enumerate(dims):
            self.at_least(dim, 0, f"sizes that are not negative, but dimension {axis} of the result can be")
        return dims

    def fits(self, sizes: Dims, dims: Dims, what: str) -> None:
        """Requires a slice of `sizes` to fit into operand 0, which has `dims`."""
        for axis, (size, dim) in enumerate(zip(sizes, dims, strict=True)):
            self.at_least(dim, size, f"an operand that is at least as large as the {what} in dimension {axis}")

    def broadcasts(self, dim: DimExpr, target: DimExpr, what: str) -> None:
        """Requires `dim` to be 1 or `target`: refuted is an error, undecided a run-time check."""
        wanted = (DimExpr.constant(1), target)
        proofs = [self.scope.equal(dim, size) for size in wanted]
        if Proof.PROVED in proofs:
            return
        text = f"'{self.op.name}' needs a size that is 1 or the result's, but {what} are '{dim}' and '{target}'"
        possible = [size for size, proof in zip(wanted, proofs, strict=True) if proof is Proof.UNDECIDED]
        if not possible:
            raise fail(self.op, text)
        # One of two equalities, as one: a product that is 0.
        either = product([dim - size for size in possible])
        if self.scope.equal(either, DimExpr.constant(0)) is not Proof.PROVED:
            self._require("equal_sizes", text, Constraint(either, "==", DimExpr.constant(0)))

    def _require(self, kind: str, message: str, constraint: Constraint) -> None:
        # What is required twice is said as it was first.
        if all(requirement.constraint != constraint for requirement in self.requirements):
            self.requirements.append(Requirement(constraint, kind, message))

    def all_equal(self, operands: Sequence[int]) -> Dims:
        """The common dims of operands of one rank, each axis required to be equal."""
        first, *rest = operands
        result = list(self.dims(first))
        for index in rest:
            other = self.dims(index)
            if len(other) != len(result):
                raise fail(self.op, f"'{self.op.name}' has operands of ranks {len(result)} and {len(other)}")
            for axis, dim in enumerate(other):
                result[axis] = self.equal(result[axis], dim, f"dimension {axis} of operands {first} and {index}")
        return tuple(result)


def product(dims: Sequence[DimExpr]) -> DimExpr:
    """The product of dims, 1 for none."""
    result = DimExpr.constant(1)
    for dim in dims:
        result = result * dim
    return result


def _without_constants(lhs: DimExpr, rhs: DimExpr) -> tuple[DimExpr, DimExpr]:
    """The same inequality with the constants on the side that has nothing else: s - 1 >= 0 is s >= 1."""
    difference = lhs - rhs
    constant = sum(coefficient for coefficient, factors in difference.terms if not factors)
    if lhs.is_constant:
        return DimExpr.constant(constant), DimExpr.constant(constant) - difference
    return difference - constant, DimExpr.constant(-constant)


def _complexity(dim: DimExpr) -> tuple[int, int, str]:
    return (not dim.is_constant, len(str(dim)), str(dim))


Infer = Callable[[ShapeContext], Sequence[Dims]]


@dataclass(frozen=True)
class ShapeFunction:
    """How the result dims of one op are found, and in which mode."""

    infer: Infer
    mode: Mode


SHAPE_FUNCTIONS: dict[str, ShapeFunction] = {}


def shape_function(*names: str, mode: Mode = Mode.DATA_INDEPENDENT) -> Callable[[Infer], Infer]:
    """Registers a shape function for the ops `names`; a custom call is registered as `custom_call:<target>`."""

    def register(infer: Infer) -> Infer:
        for name in names:
            assert name not in SHAPE_FUNCTIONS, name
            SHAPE_FUNCTIONS[name] = ShapeFunction(infer, mode)
        return infer

    return register


def custom_call_target(op: Any) -> str | None:
    """The target of a custom call, None for other ops."""
    if op.name != "stablehlo.custom_call":
        return None
    return ir.StringAttr(op.attributes["call_target_name"]).value


def stated_dims(attribute: ir.Attribute) -> Dims:
    """The dims that an attribute states, such as `nimble.dims` of a custom call."""
    return tuple(attr_to_dim(entry) for entry in ir.ArrayAttr(attribute))
