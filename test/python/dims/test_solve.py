"""Plans: symbols from sizes, and every message about sizes that do not fit."""

from __future__ import annotations

import pickle
import re

import expression_trees as trees
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nimble_mlir.dims import (
    Check,
    Constraint,
    DimExpr,
    Plan,
    Scope,
    SizeSource,
    Step,
    SymbolInfo,
    UnsolvableError,
    make_plan,
)
from nimble_mlir.dims.messages import explain
from nimble_mlir.errors import CaptureError, ShapeError

Shapes = list[tuple[int, ...]]


def signature(
    dims: dict[str, str], constraints: tuple[str, ...] = (), **infos: SymbolInfo
) -> tuple[Plan, list[str], Scope]:
    """A plan for arguments given as name -> "dim, dim"; symbols are declared with their defaults or `infos`."""
    parsed = {name: [DimExpr.parse(text) for text in entry.split(";")] for name, entry in dims.items()}
    symbols = {s: SymbolInfo(s) for entry in parsed.values() for dim in entry for s in sorted(dim.symbols)}
    scope = Scope({**symbols, **infos}, [Constraint.parse(text) for text in constraints])
    sources = [
        SizeSource(argument, axis, dim)
        for argument, entry in enumerate(parsed.values())
        for axis, dim in enumerate(entry)
    ]
    return make_plan(sources, scope, list(parsed)), list(parsed), scope


def message(dims: dict[str, str], shapes: Shapes, constraints: tuple[str, ...] = (), **infos: SymbolInfo) -> str:
    plan, names, scope = signature(dims, constraints, **infos)
    with pytest.raises(ShapeError) as caught:
        plan.solve(shapes, names, scope)
    return str(caught.value)


def solve(
    dims: dict[str, str], shapes: Shapes, constraints: tuple[str, ...] = (), **infos: SymbolInfo
) -> dict[str, int]:
    plan, names, scope = signature(dims, constraints, **infos)
    return plan.solve(shapes, names, scope)


def test_plan_of_plain_symbols() -> None:
    plan, _, _ = signature({"ids": "b;s", "mask": "b;s", "x": "768"})
    zero, one = DimExpr.constant(0), DimExpr.constant(1)
    assert plan.steps == (Step("b", 0, 0, zero, one), Step("s", 0, 1, zero, one))
    assert plan.checks == (
        Check(1, 0, DimExpr.symbol("b")),
        Check(1, 1, DimExpr.symbol("s")),
        Check(2, 0, DimExpr.constant(768)),
    )
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize(
    ("dims", "shapes", "values"),
    [
        ({"ids": "b;s", "mask": "b;s"}, [(2, 7), (2, 7)], {"b": 2, "s": 7}),
        ({"x": "2*s + 1"}, [(9,)], {"s": 4}),
        ({"x": "-s + 10"}, [(3,)], {"s": 7}),
        ({"x": "b*s", "y": "b"}, [(12,), (3,)], {"b": 3, "s": 4}),
        ({"x": "b*s + 2*b", "y": "b"}, [(18,), (3,)], {"b": 3, "s": 4}),
        # a constant coefficient is used before one that may be 0
        ({"x": "b*s", "y": "b", "z": "2*s"}, [(12,), (3,), (8,)], {"b": 3, "s": 4}),
        ({"x": "a + b + c", "y": "a + b", "z": "2*a"}, [(9,), (5,), (4,)], {"a": 2, "b": 3, "c": 4}),
        ({"x": "floordiv(s, 4)", "y": "s"}, [(2,), (11,)], {"s": 11}),
        ({"x": "s + floordiv(b, 2)", "y": "b"}, [(7,), (5,)], {"b": 5, "s": 5}),
        ({"x": "min(s, 4);max(s, 4);mod(s, 4)", "y": "s"}, [(4, 11, 3), (11,)], {"s": 11}),
        ({"x": "768"}, [(768,)], {}),
        ({}, [], {}),
        ({"x": "class;def"}, [(2, 3)], {"class": 2, "def": 3}),
        ({"x": "v0;c;shapes"}, [(2, 3, 4)], {"v0": 2, "c": 3, "shapes": 4}),
    ],
)
def test_solve(dims: dict[str, str], shapes: Shapes, values: dict[str, int]) -> None:
    plan, names, scope = signature(dims)
    assert plan.solve(shapes, names, scope) == values
    assert explain(plan, shapes, names, scope) == values


def test_equalities_of_the_scope_solve_symbols() -> None:
    dims = {"x": "s", "y": "floordiv(t, 2)"}
    plan, names, scope = signature(dims, ("s == 2*t",))
    assert plan.steps[1] == Step("t", -1, -1, DimExpr.symbol("s"), DimExpr.constant(-2), Constraint.parse("s == 2*t"))
    assert plan.solve([(8,), (2,)], names, scope) == {"s": 8, "t": 4}
    assert solve({"x": "floordiv(t, 2)"}, [(2,)], ("t == 5",)) == {"t": 5}


def test_a_plan_follows_the_scope_it_is_given() -> None:
    plan, names, scope = signature({"x": "s"})
    assert plan.solve([(600,)], names, scope) == {"s": 600}
    small = scope.with_constraint(Constraint.parse("s <= 512"))
    with pytest.raises(ShapeError, match="at most 512"):
        plan.solve([(600,)], names, small)
    assert plan.solve([(600,)], names, scope) == {"s": 600}


@pytest.mark.parametrize(
    ("dims", "shapes", "expected"),
    [
        (
            {"ids": "b;s", "mask": "b;s"},
            [(2, 7), (2, 5)],
            "argument 'mask' axis 1 is 5, but 's' is 7 (argument 'ids' axis 1)",
        ),
        (
            {"ids": "b;s", "x": "2*s + 1"},
            [(2, 4), (8,)],
            "argument 'x' axis 0 is 8, but '2*s + 1' is 9 with s = 4 (argument 'ids' axis 1)",
        ),
        (
            {"ids": "b;s", "x": "b*s"},
            [(2, 4), (9,)],
            "argument 'x' axis 0 is 9, but 'b*s' is 8 with "
            "b = 2 (argument 'ids' axis 0), s = 4 (argument 'ids' axis 1)",
        ),
        ({"x": "2*s + 1"}, [(8,)], "argument 'x' axis 0 is 8, but it must be '2*s + 1' for a whole number 's'"),
        (
            {"x": "b*s", "y": "b"},
            [(8,), (3,)],
            "argument 'x' axis 0 is 8, but it must be 'b*s' for a whole number 's' with b = 3 (argument 'y' axis 0)",
        ),
        ({"x": "s"}, [(0,)], "argument 'x' axis 0 is 0, but 's' must be at least 1"),
        (
            {"x": "2*s + 1"},
            [(1,)],
            "argument 'x' axis 0 is 1, so 's' is 0 (from '2*s + 1'), but 's' must be at least 1",
        ),
        (
            {"x": "b*s", "y": "b"},
            [(0,), (3,)],
            "argument 'x' axis 0 is 0, so 's' is 0 (from 'b*s' with b = 3 (argument 'y' axis 0)), "
            "but 's' must be at least 1",
        ),
        ({"x": "b;s;768"}, [(1, 2, 5)], "argument 'x' axis 2 is 5, but it must be 768"),
        # the fixed size explains more than the symbol that does not fit
        ({"x": "s", "y": "s;768"}, [(0,), (0, 5)], "argument 'y' axis 1 is 5, but it must be 768"),
        ({"x": "b;s"}, [(1,)], "argument 'x' has 1 dimension(s), but its axis 1 must be 's'"),
        ({"x": "b", "y": "b"}, [(1,)], "argument 'y' is missing: only 1 were given"),
        (
            {"x": "2*s", "y": "s"},
            [(7,), (4,)],
            "argument 'x' axis 0 is 7, but '2*s' is 8 with s = 4 (argument 'y' axis 0)",
        ),
        (
            {"x": "2*s", "y": "s + 1", "z": "s + 1"},
            [(8,), (5,), (6,)],
            "argument 'z' axis 0 is 6, but 's + 1' is 5 with s = 4 (argument 'x' axis 0)",
        ),
    ],
)
def test_messages(dims: dict[str, str], shapes: Shapes, expected: str) -> None:
    assert message(dims, shapes) == expected


def test_messages_of_ranges() -> None:
    info = SymbolInfo("s", max=512, multiple_of=8)
    dims = {"ids": "b;s"}
    assert message(dims, [(1, 600)], s=info) == "argument 'ids' axis 1 is 600, but 's' must be at most 512"
    assert message(dims, [(1, 12)], s=info) == "argument 'ids' axis 1 is 12, but 's' must be a multiple of 8"
    assert (
        message({"x": "2*s"}, [(24,)], s=info)
        == "argument 'x' axis 0 is 24, so 's' is 12 (from '2*s'), but 's' must be a multiple of 8"
    )
    assert message(dims, [(1, 3)], ("s >= 4",)) == "argument 'ids' axis 1 is 3, but 's' must be at least 4"


def test_messages_of_constraints() -> None:
    dims = {"x": "b;s"}
    assert message(dims, [(64, 128)], ("b*s <= 4096",)) == "constraint 'b*s <= 4096' does not hold for b = 64, s = 128"
    assert message(dims, [(64, 128)], ("b == s",)) == "constraint 'b == s' does not hold for b = 64, s = 128"
    zero = {"b": SymbolInfo("b", min=0)}
    assert (
        message(dims, [(0, 128)], ("floordiv(s, b) >= 2",), **zero)
        == "constraint 'floordiv(s, b) >= 2' does not hold for b = 0, s = 128"
    )


def test_messages_of_symbols_solved_by_constraints() -> None:
    dims = {"x": "s", "y": "min(t, 4)"}
    same = ("s == 2*t",)
    assert message(dims, [(8,), (3,)], same) == (
        "argument 'y' axis 0 is 3, but 'min(t, 4)' is 4 with t = 4 (constraint 's == 2*t')"
    )
    assert message(dims, [(7,), (3,)], same) == (
        "constraint 's == 2*t' does not hold for any whole number 't' with s = 7 (argument 'x' axis 0)"
    )
    assert message(dims, [(20,), (4,)], same, t=SymbolInfo("t", max=9)) == (
        "constraint 's == 2*t' makes 't' 10 with s = 20 (argument 'x' axis 0), but 't' must be at most 9"
    )


def test_messages_where_a_value_is_zero() -> None:
    zero = {"b": SymbolInfo("b", min=0)}
    assert message({"x": "b*s", "y": "b"}, [(0,), (0,)], **zero) == (
        "argument 'x' axis 0 is 0, but 'b*s' leaves 's' undetermined with b = 0 (argument 'y' axis 0)"
    )
    assert message({"x": "b*s", "y": "b"}, [(8,), (0,)], **zero) == (
        "argument 'x' axis 0 is 8, but it must be 'b*s' for a whole number 's' with b = 0 (argument 'y' axis 0)"
    )
    assert message({"x": "floordiv(s, b)", "y": "b;s"}, [(8,), (0, 4)], **zero) == (
        "argument 'x' axis 0 is 8, but 'floordiv(s, b)' has no value with "
        "b = 0 (argument 'y' axis 0), s = 4 (argument 'y' axis 1)"
    )
    assert message({"x": "s + floordiv(4, b)", "y": "b"}, [(8,), (0,)], **zero) == (
        "argument 'x' axis 0 must be 's + floordiv(4, b)', which divides by zero with b = 0 (argument 'y' axis 0)"
    )


@pytest.mark.parametrize(
    ("dims", "symbols", "expected"),
    [
        (
            {"x": "b*s"},
            ("b", "s"),
            "symbol 'b' is not determined by any argument: it occurs only in 'b*s' (argument 'x' axis 0); "
            "symbol 's' is not determined by any argument: it occurs only in 'b*s' (argument 'x' axis 0)",
        ),
        (
            {"x": "s", "y": "s;floordiv(b, 2)", "z": "b*b"},
            ("b",),
            "symbol 'b' is not determined by any argument: it occurs only in "
            "'floordiv(b, 2)' (argument 'y' axis 1), 'b*b' (argument 'z' axis 0)",
        ),
        (
            {"x": "s + max(s, 2)"},
            ("s",),
            "symbol 's' is not determined by any argument: it occurs only in 's + max(s, 2)' (argument 'x' axis 0)",
        ),
    ],
)
def test_unsolvable(dims: dict[str, str], symbols: tuple[str, ...], expected: str) -> None:
    with pytest.raises(UnsolvableError, match=f"^{re.escape(expected)}$") as caught:
        signature(dims)
    assert isinstance(caught.value, CaptureError)
    assert caught.value.symbols == symbols


def test_unsolvable_without_names() -> None:
    source = SizeSource(0, 1, DimExpr.parse("b*s"))
    with pytest.raises(UnsolvableError, match=r"it occurs only in 'b\*s' \(argument 0 axis 1\)"):
        make_plan([source], Scope({}))


def test_symbols_that_no_argument_mentions_are_left_alone() -> None:
    # Operations define symbols too; what relates them is checked where they are defined.
    assert solve({"x": "s"}, [(4,)], ("n <= s",), n=SymbolInfo("n", min=0)) == {"s": 4}


@given(
    st.lists(trees.trees(4), min_size=1, max_size=5),
    st.fixed_dictionaries({name: st.integers(0, 9) for name in trees.SYMBOLS}),
    st.permutations(trees.SYMBOLS),
    st.integers(0, 20),
)
def test_true_values_are_found_again(forms: list, truth: dict[str, int], order: list[str], wrong: int) -> None:
    dims = [trees.try_build(form) for form in forms]
    # A chain through which every symbol is solvable: x, y + c*x, z*(x + 1) + y.
    x, y, z = (DimExpr.symbol(name) for name in order)
    dims += [z * (x + 1) + y, 3 * y + 2 * x, x]
    sources = [SizeSource(i, 0, dim) for i, dim in enumerate(dims) if dim is not None]
    scope = Scope({name: SymbolInfo(name, min=0) for name in trees.SYMBOLS})
    names = [f"a{i}" for i in range(len(dims))]
    try:
        shapes = [(0,) if dim is None else (dim.evaluate(truth),) for dim in dims]
    except ZeroDivisionError:
        assume(False)
        raise
    plan = make_plan(sources, scope, names)
    if any(not step.coefficient.is_constant and step.coefficient.evaluate(truth) == 0 for step in plan.steps):
        with pytest.raises(ShapeError, match="undetermined"):
            plan.solve(shapes, names, scope)
        return
    found = plan.solve(shapes, names, scope)
    assert found == truth
    assert explain(plan, shapes, names, scope) == truth
    # Another size in one place is noticed, or makes other values fit all sizes.
    place = wrong % len(shapes)
    other = [*shapes]
    other[place] = (shapes[place][0] + 1,)
    try:
        found = plan.solve(other, names, scope)
    except ShapeError as error:
        with pytest.raises(ShapeError, match=f"^{re.escape(str(error))}$"):
            explain(plan, other, names, scope)
    else:
        for source in sources:
            assert source.dim.evaluate(found) == other[source.argument][0]
