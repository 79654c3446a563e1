"""What is declared about symbols: their ranges, relations between them, and the three answers of a proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NoReturn

from nimble_mlir.dims.expr import DimExpr
from nimble_mlir.dims.parse import parse_relation

__all__ = ["Constraint", "Proof", "SymbolInfo"]


class Proof(Enum):
    """The answer to a question about all values that a scope admits.

    PROVED: it holds for all of them. REFUTED: it holds for none of them. UNDECIDED: neither was shown.
    """

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"

    def __bool__(self) -> NoReturn:
        raise TypeError("a Proof has three values: compare it with Proof.PROVED or Proof.REFUTED")


@dataclass(frozen=True)
class SymbolInfo:
    """A declared symbol: `min` <= value <= `max` (None: no limit), a multiple of `multiple_of`; sizes in elements.

    `likely` lists values to optimize for. Raises ValueError where no value is possible or a likely one is not.
    """

    name: str
    min: int = 1
    max: int | None = None
    multiple_of: int = 1
    likely: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        DimExpr.symbol(self.name)
        object.__setattr__(self, "likely", tuple(self.likely))
        what = f"symbol '{self.name}'"
        if self.multiple_of < 1:
            raise ValueError(f"{what}: multiple_of must be at least 1, not {self.multiple_of}")
        if self.max is not None and self.min > self.max:
            raise ValueError(f"{what}: min {self.min} is larger than max {self.max}")
        if self.max is not None and self.max // self.multiple_of * self.multiple_of < self.min:
            raise ValueError(f"{what}: no multiple of {self.multiple_of} lies between {self.min} and {self.max}")
        for value in self.likely:
            problem = self.problem(value)
            if problem is not None:
                raise ValueError(f"{what}: likely value {value} must be {problem}")

    def problem(self, value: int) -> str | None:
        """What `value` fails to be ("at least 1", "at most 512", "a multiple of 8"), or None where it is admitted."""
        if value < self.min:
            return f"at least {self.min}"
        if self.max is not None and value > self.max:
            return f"at most {self.max}"
        if value % self.multiple_of:
            return f"a multiple of {self.multiple_of}"
        return None


@dataclass(frozen=True)
class Constraint:
    """A relation `lhs == rhs` or `lhs >= rhs` that holds for all values of the symbols that can occur."""

    lhs: DimExpr
    kind: Literal["==", ">="]
    rhs: DimExpr

    def __post_init__(self) -> None:
        if self.kind not in ("==", ">="):
            raise ValueError(f"a constraint is '==' or '>=', not '{self.kind}'")

    @staticmethod
    def parse(text: str) -> Constraint:
        """Read "a <= b", "a >= b", "a == b", "a < b" or "a > b"; all but == become >=. Raises DimSyntaxError."""
        lhs, relation, rhs = parse_relation(text)
        if relation == "==":
            return Constraint(lhs, "==", rhs)
        if relation in ("<", "<="):
            lhs, rhs = rhs, lhs
        if relation in ("<", ">"):
            # The 1 goes where it disappears: s < 8 is s <= 7
            lhs, rhs = (lhs - 1, rhs) if lhs.is_constant else (lhs, rhs + 1)
        return Constraint(lhs, ">=", rhs)

    @property
    def difference(self) -> DimExpr:
        """lhs - rhs, which is 0 or at least 0."""
        return self.lhs - self.rhs

    @property
    def symbols(self) -> frozenset[str]:
        """The names of all symbols on both sides."""
        return self.lhs.symbols | self.rhs.symbols

    def holds(self, values: Mapping[str, int]) -> bool:
        """Whether it holds; false where a side has no value (division by 0). Raises KeyError for a missing symbol."""
        try:
            lhs, rhs = self.lhs.evaluate(values), self.rhs.evaluate(values)
        except ZeroDivisionError:
            return False
        return lhs == rhs if self.kind == "==" else lhs >= rhs

    def __str__(self) -> str:
        if self.kind == ">=" and self.lhs.is_constant:
            return f"{self.rhs} <= {self.lhs}"
        return f"{self.lhs} {self.kind} {self.rhs}"
