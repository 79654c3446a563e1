"""What jax.export prints for its symbolic dimensions is read as the same function of the symbols."""

from __future__ import annotations

import expression_trees as trees
import jax
import pytest
from hypothesis import given
from jax import export

from nimble_mlir.dims import Constraint, DimExpr

_VARIABLES = dict(zip(trees.SYMBOLS, export.symbolic_shape(", ".join(trees.SYMBOLS)), strict=True))


def _in_jax(tree: trees.Tree) -> object:
    op, *args = tree
    if op == "symbol":
        return _VARIABLES[args[0]]
    if op == "constant":
        return args[0]
    left, right = (_in_jax(arg) for arg in args)
    if op == "min":
        return jax.core.min_dim(left, right)
    if op == "max":
        return jax.core.max_dim(left, right)
    if op == "+":
        return left + right  # type: ignore[operator]
    if op == "-":
        return left - right  # type: ignore[operator]
    if op == "*":
        return left * right  # type: ignore[operator]
    return left // right if op == "//" else left % right  # type: ignore[operator]


@given(trees.trees(6), trees.assignments(low=1))
def test_texts_of_jax(tree: trees.Tree, values: dict[str, int]) -> None:
    expected = trees.try_evaluate(lambda v: trees.evaluate(tree, v), values)
    if expected is None:
        return
    try:
        printed = str(_in_jax(tree))
    except ZeroDivisionError:
        return
    assert DimExpr.parse(printed).evaluate(values) == expected


@pytest.mark.parametrize(
    "text",
    ["2*s + 1", "floordiv(s, 4)", "mod(s, 4)", "max(s, 4)", "s^2", "- b + s", "b*s^2 - 2*b*s + 3", "floordiv(s, 4)^2"],
)
def test_texts_read_by_both(text: str) -> None:
    (dim,) = export.symbolic_shape(text)
    printed = str(dim)
    assert DimExpr.parse(printed) == DimExpr.parse(text)
    # and back: jax reads what we print
    (again,) = export.symbolic_shape(str(DimExpr.parse(text)), scope=dim.scope)
    assert again == dim


def test_constraints_read_by_both() -> None:
    texts = ["s <= 512", "mod(s, 8) == 0", "b*s <= 4096"]
    export.symbolic_shape("b, s", constraints=texts)
    assert [str(Constraint.parse(text)) for text in texts] == texts
