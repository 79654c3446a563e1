"""Scopes against brute force: no answer is wrong for any values that the scope admits."""

from __future__ import annotations

import itertools

import expression_trees as trees
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nimble_mlir.dims import Constraint, DimExpr, Proof, Scope, SymbolInfo, intervals

Values = dict[str, int]
_SPAN = 5  # values of each symbol that are tried


@st.composite
def declarations(draw: st.DrawFn) -> tuple[dict[str, SymbolInfo], list[Constraint]]:
    infos = {}
    for name in trees.SYMBOLS:
        multiple = draw(st.sampled_from([1, 1, 1, 2, 3]))
        low = draw(st.sampled_from([0, 1, 1, 1, 2, -2]))
        span = draw(st.sampled_from([None, None, 2, 4, 7]))
        infos[name] = SymbolInfo(name, min=low, max=None if span is None else low + span, multiple_of=multiple)
    constraints = []
    for left, kind, right in draw(
        st.lists(st.tuples(trees.trees(3), st.sampled_from(["==", ">="]), trees.trees(3)), max_size=3)
    ):
        lhs, rhs = trees.try_build(left), trees.try_build(right)
        if lhs is not None and rhs is not None:
            constraints.append(Constraint(lhs, kind, rhs))
    return infos, constraints


def points(infos: dict[str, SymbolInfo], constraints: list[Constraint]) -> list[Values]:
    """Values that the declarations admit: not all where a range is larger, but each of these must be right."""
    axes = []
    for info in infos.values():
        start = -(-info.min // info.multiple_of) * info.multiple_of
        candidates = [start + i * info.multiple_of for i in range(_SPAN)]
        axes.append([value for value in candidates if info.problem(value) is None])
    values = (dict(zip(infos, point, strict=True)) for point in itertools.product(*axes))
    return [point for point in values if all(constraint.holds(point) for constraint in constraints)]


def make(infos: dict[str, SymbolInfo], constraints: list[Constraint]) -> tuple[Scope, list[Values]]:
    admitted = points(infos, constraints)
    try:
        scope = Scope(infos, constraints)
    except ValueError:
        assert not admitted, "a scope with values was refused"
        assume(False)
        raise
    return scope, admitted


@pytest.mark.parametrize("shape", ["any", "linear"])
@given(data=st.data())
def test_answers_are_sound(shape: str, data: st.DataObject) -> None:
    infos, constraints = data.draw(declarations())
    left, right = trees.try_build(data.draw(trees.trees(6))), trees.try_build(data.draw(trees.trees(4)))
    assume(left is not None and right is not None)
    assert left is not None
    assert right is not None
    if shape == "linear":
        left = left + data.draw(st.integers(-3, 3)) * right
        right = data.draw(st.integers(-3, 3)) * right
    k = data.draw(st.sampled_from([1, 2, 3, 4, 6, -2]))
    scope, admitted = make(infos, constraints)

    simplified = scope.simplify(left)
    low, high = scope.bounds(left)
    equal, at_least = scope.equal(left, right), scope.at_least(left, right)
    divisible = scope.divisible(left, k)
    by_symbol = scope.divisible(left, right) if right != 0 else Proof.UNDECIDED
    assert DimExpr.parse(str(simplified)) == simplified
    assert simplified.symbols <= left.symbols | set(infos)
    for point in admitted:
        a, b = trees.try_evaluate(left.evaluate, point), trees.try_evaluate(right.evaluate, point)
        if a is None:
            continue
        assert simplified.evaluate(point) == a
        assert low is None or low <= a
        assert high is None or a <= high
        _agree(divisible, a % k == 0)
        if b is not None:
            _agree(equal, a == b)
            _agree(at_least, a >= b)
            if b:
                _agree(by_symbol, a % b == 0)


def _agree(proof: Proof, truth: bool) -> None:
    assert proof is Proof.UNDECIDED or (proof is Proof.PROVED) == truth


@given(declarations(), st.data())
def test_absorbing_keeps_the_values(
    declared: tuple[dict[str, SymbolInfo], list[Constraint]], data: st.DataObject
) -> None:
    infos, constraints = declared
    scope, admitted = make(infos, constraints)
    # What is absorbed or listed says exactly what was declared.
    for point in points(infos, []):
        kept = all(scope.info(name).problem(value) is None for name, value in point.items())
        kept = kept and all(constraint.holds(point) for constraint in scope.constraints)
        # A trivial constraint that divides by 0 somewhere is taken to hold there: compare where all have values.
        sides = [side for constraint in constraints for side in (constraint.lhs, constraint.rhs)]
        if all(trees.try_evaluate(side.evaluate, point) is not None for side in sides):
            assert kept == (point in admitted)
    # Taking in constraints one by one says the same; which symbol stands for equal ones may differ.
    step = Scope(infos)
    try:
        for constraint in constraints:
            step = step.with_constraint(constraint)
    except ValueError:
        assert not admitted
        return
    assert step == scope
    expr = trees.try_build(data.draw(trees.trees(4)))
    if expr is not None:
        simplified = step.simplify(expr)
        for point in admitted:
            value = trees.try_evaluate(expr.evaluate, point)
            assert value is None or simplified.evaluate(point) == value


@given(declarations(), trees.trees(5))
def test_equality_added_is_proved(declared: tuple[dict[str, SymbolInfo], list[Constraint]], tree: trees.Tree) -> None:
    infos, constraints = declared
    expr = trees.try_build(tree)
    assume(expr is not None)
    assert expr is not None
    scope, admitted = make(infos, constraints)
    fresh = scope.with_symbol(SymbolInfo("u", min=-(10**9)))
    try:
        found = fresh.with_equal(DimExpr.symbol("u"), expr)
    except ValueError:
        assert all(trees.try_evaluate(expr.evaluate, point) is None for point in admitted)
        return
    assert found.equal(DimExpr.symbol("u"), expr) is Proof.PROVED
    low, high = found.bounds(DimExpr.symbol("u"))
    for point in admitted:
        value = trees.try_evaluate(expr.evaluate, point)
        if value is not None:
            assert low is None or low <= value
            assert high is None or value <= high
            assert found.simplify(DimExpr.symbol("u")).evaluate({**point, "u": value}) == value


_ends = st.integers(-7, 7)


@given(_ends, st.integers(0, 5), _ends, st.integers(0, 5))
def test_interval_arithmetic(low: int, width: int, d_low: int, d_width: int) -> None:
    a, d = (low, low + width), (d_low, d_low + d_width)
    xs, ds = range(a[0], a[1] + 1), [y for y in range(d[0], d[1] + 1) if y]
    products = [x * y for x in xs for y in range(d[0], d[1] + 1)]
    assert intervals.multiply(a, d) == (min(products), max(products))
    assert intervals.power(a, 2) == (min(x * x for x in xs), max(x * x for x in xs))
    assert intervals.power(a, 3) == (a[0] ** 3, a[1] ** 3)
    if ds:
        quotients = [x // y for x in xs for y in ds]
        assert intervals.floordiv(a, d) == (min(quotients), max(quotients))
        remainders = [x % y for x in xs for y in ds]
        found = intervals.mod(a, d)
        assert found[0] <= min(remainders)
        assert max(remainders) <= found[1]
    else:
        assert intervals.floordiv(a, d) == intervals.mod(a, d) == intervals.ANY
