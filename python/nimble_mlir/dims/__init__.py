"""Symbolic dimensions: expressions over symbols, what is known about symbols, and solving for them.

Imports nothing but the standard library and `nimble_mlir.errors`; the compiler and the runtime both use it.
"""

from nimble_mlir.dims.calls import dim_max, dim_min, floordiv, mod
from nimble_mlir.dims.constraint import Constraint, Proof, SymbolInfo
from nimble_mlir.dims.expr import Atom, Call, DimExpr, Monomial, as_expr
from nimble_mlir.dims.messages import place_text
from nimble_mlir.dims.parse import DimSyntaxError
from nimble_mlir.dims.scope import Scope
from nimble_mlir.dims.size_range import SizeRange, size_range
from nimble_mlir.dims.solve import Check, Plan, SizeSource, Step, UnsolvableError, argument_sources, make_plan

__all__ = [
    "Atom",
    "Call",
    "Check",
    "Constraint",
    "DimExpr",
    "DimSyntaxError",
    "Monomial",
    "Plan",
    "Proof",
    "Scope",
    "SizeRange",
    "SizeSource",
    "Step",
    "SymbolInfo",
    "UnsolvableError",
    "argument_sources",
    "as_expr",
    "dim_max",
    "dim_min",
    "floordiv",
    "make_plan",
    "mod",
    "place_text",
    "size_range",
]
