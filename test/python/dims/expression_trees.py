"""Random expression trees: the same tree builds a DimExpr, a text, or is evaluated with Python's own operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from nimble_mlir.dims import DimExpr, dim_max, dim_min

Tree = tuple

SYMBOLS = ("b", "s", "t")

_BUILD: dict[str, Callable] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}
_TEXT = {"//": "floordiv({}, {})", "%": "mod({}, {})", "min": "min({}, {})", "max": "max({}, {})"}


def build(tree: Tree) -> DimExpr:
    op, *args = tree
    if op == "symbol":
        return DimExpr.symbol(args[0])
    if op == "constant":
        return DimExpr.constant(args[0])
    parts = [build(arg) for arg in args]
    if op in ("min", "max"):
        return dim_min(*parts) if op == "min" else dim_max(*parts)
    return _BUILD[op](*parts)


def evaluate(tree: Tree, values: Mapping[str, int]) -> int:
    op, *args = tree
    if op == "symbol":
        return values[args[0]]
    if op == "constant":
        return args[0]
    parts = [evaluate(arg, values) for arg in args]
    if op in ("min", "max"):
        return min(parts) if op == "min" else max(parts)
    return _BUILD[op](*parts)


def text(tree: Tree) -> str:
    op, *args = tree
    if op in ("symbol", "constant"):
        return f"({args[0]})"
    return _TEXT.get(op, "({} " + op + " {})").format(*[text(arg) for arg in args])


def try_build(tree: Tree) -> DimExpr | None:
    """None where a divisor folds to 0."""
    try:
        return build(tree)
    except ZeroDivisionError:
        return None


def try_evaluate(function: Callable[[Mapping[str, int]], int], values: Mapping[str, int]) -> int | None:
    """None where the expression has no value."""
    try:
        return function(values)
    except ZeroDivisionError:
        return None


def _grow(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    divisor = st.one_of(st.tuples(st.just("constant"), st.sampled_from([-4, -3, -2, -1, 1, 2, 3, 4, 6, 8])), children)
    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), children, children),
        st.tuples(st.sampled_from(["//", "%"]), children, divisor),
    )


def trees(max_leaves: int = 8) -> st.SearchStrategy[Tree]:
    leaves = st.one_of(
        st.tuples(st.just("symbol"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("symbol"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("constant"), st.integers(-9, 9)),
    )
    return st.recursive(leaves, _grow, max_leaves=max_leaves)


def assignments(low: int = -8, high: int = 12) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({name: st.integers(low, high) for name in SYMBOLS})
