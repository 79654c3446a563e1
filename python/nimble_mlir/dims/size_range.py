"""What is known of a size before the function has run that defines it: the least and the largest value that it can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from nimble_mlir.dims.constraint import Constraint, SymbolInfo
from nimble_mlir.dims.expr import DimExpr
from nimble_mlir.dims.scope import Scope
from nimble_mlir.errors import ShapeError

__all__ = ["SizeRange", "size_range"]


@dataclass(frozen=True)
class SizeRange:
    """A size that depends on the values of the arguments: between `min` and `max`, both included (None: no limit).

    It stands in the shapes that `output_shapes` returns, where a size that is known is an `int`. `5 in size` asks whether a
    size is possible; as a number it cannot be used (ShapeError).
    """

    min: int
    max: int | None = None

    def __contains__(self, size: int) -> bool:
        return self.min <= size and (self.max is None or size <= self.max)

    def __index__(self) -> NoReturn:
        raise ShapeError(f"a size of {self} depends on the values of the arguments: run the module to know it")

    __int__ = __index__

    def __repr__(self) -> str:
        return f"SizeRange({self})"

    def __str__(self) -> str:
        return f"{self.min}..{'' if self.max is None else self.max}"


def size_range(dim: DimExpr, values: Mapping[str, int], known: Sequence[Constraint]) -> int | SizeRange:
    """The size `dim` where `values` are those of some of its symbols: an int where they are enough.

    The other symbols are sizes, at least 0, of which `known` holds.
    """
    if dim.symbols <= values.keys():
        return dim.evaluate(values)
    relations = [
        Constraint(relation.lhs.substitute(values), relation.kind, relation.rhs.substitute(values))
        for relation in known
    ]
    relations = [relation for relation in relations if relation.symbols]
    names = dim.symbols.union(*(relation.symbols for relation in relations)) - values.keys()
    scope = Scope({name: SymbolInfo(name, min=0) for name in sorted(names)}, relations)
    least, most = scope.bounds(dim.substitute(values))
    least = max(least or 0, 0)
    return least if least == most else SizeRange(least, most)
