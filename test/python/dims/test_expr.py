"""Canonical forms of dimensions: their texts, and their values against Python's own operators."""

from __future__ import annotations

import copy
import pickle

import expression_trees as trees
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimble_mlir.dims import Call, DimExpr, DimSyntaxError, as_expr, dim_max, dim_min, floordiv, mod

B, S, T = (DimExpr.symbol(name) for name in "bst")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0", "0"),
        ("s - s", "0"),
        ("1 + s*2", "2*s + 1"),
        ("s*b", "b*s"),
        ("3 - s", "-s + 3"),
        ("- b + s", "-b + s"),
        ("s^2", "s*s"),
        ("s^0", "1"),
        ("-s^2", "-s*s"),
        ("2 * -s", "-2*s"),
        ("- -s", "s"),
        ("(b + 1)*(b - 1)", "b*b - 1"),
        ("floordiv(7, -2)", "-4"),
        ("mod(7, -2)", "-1"),
        ("floordiv(4*s + 3, 4)", "s"),
        ("floordiv(8*s + t, 4)", "2*s + floordiv(t, 4)"),
        ("floordiv(s + 7, 4)", "floordiv(s + 3, 4) + 1"),
        ("floordiv(s, 1)", "s"),
        ("floordiv(s, -4)", "floordiv(-s, 4)"),
        ("floordiv(2*s + 1, 4)", "floordiv(s, 2)"),
        ("floordiv(3*s, 2)", "floordiv(3*s, 2)"),
        ("floordiv(floordiv(s + 1, 2) + 1, 3)", "floordiv(s + 3, 6)"),
        ("floordiv(b*s, s)", "floordiv(b*s, s)"),
        ("floordiv(0, s)", "floordiv(0, s)"),
        ("mod(s, s)", "mod(s, s)"),
        ("mod(4*s + t, 4)", "mod(t, 4)"),
        ("mod(4*s + 6, 4)", "2"),
        ("mod(2*s + 1, 4)", "2*mod(s, 2) + 1"),
        ("mod(7*s, 8)", "mod(-s, 8)"),
        ("mod(s, -8)", "-mod(-s, 8)"),
        ("mod(mod(s, 8) + 1, 4)", "mod(s + 1, 4)"),
        ("mod(s, 1)", "0"),
        ("max(4, s)", "max(s, 4)"),
        ("max(s + 1, s)", "s + 1"),
        ("min(s + 1, t, s)", "min(s, t)"),
        ("max(t, max(s, t), s)", "max(s, t)"),
        ("max(3, s, 5)", "max(s, 5)"),
        ("max(s, min(s, t))", "s"),
        ("min(max(s, t), t - 1)", "t - 1"),
        ("max(s)", "s"),
        ("min(2, 3)", "2"),
        ("non_negative(s - 1)", "max(s - 1, 0)"),
        ("floordiv(s, 4)^2", "floordiv(s, 4)*floordiv(s, 4)"),
    ],
)
def test_canonical_text(written: str, canonical: str) -> None:
    assert str(DimExpr.parse(written)) == canonical
    assert str(DimExpr.parse(canonical)) == canonical


@given(trees.trees(12), trees.assignments())
def test_value_is_that_of_the_operators(tree: trees.Tree, values: dict[str, int]) -> None:
    expr = trees.try_build(tree)
    expected = trees.try_evaluate(lambda v: trees.evaluate(tree, v), values)
    if expr is not None and expected is not None:
        assert expr.evaluate(values) == expected


@given(trees.trees(12))
def test_print_and_parse_round_trip(tree: trees.Tree) -> None:
    expr = trees.try_build(tree)
    if expr is not None:
        again = DimExpr.parse(str(expr))
        assert again == expr
        assert hash(again) == hash(expr)
        assert again.terms == expr.terms
        assert DimExpr.parse(trees.text(tree)) == expr


@given(trees.trees(8), trees.trees(4), trees.assignments())
def test_substitute_is_evaluation_in_two_steps(tree: trees.Tree, inner: trees.Tree, values: dict[str, int]) -> None:
    expr, replacement = trees.try_build(tree), trees.try_build(inner)
    if expr is None or replacement is None:
        return
    value = trees.try_evaluate(replacement.evaluate, values)
    if value is None:
        return
    try:
        substituted = expr.substitute({"s": replacement})
    except ZeroDivisionError:
        return
    expected = trees.try_evaluate(expr.evaluate, {**values, "s": value})
    if expected is not None:
        assert substituted.evaluate(values) == expected
    if "s" not in replacement.symbols:
        assert "s" not in substituted.symbols


@given(trees.trees(6), trees.trees(6), trees.trees(6))
def test_ring_laws_hold_structurally(x: trees.Tree, y: trees.Tree, z: trees.Tree) -> None:
    a, b, c = trees.try_build(x), trees.try_build(y), trees.try_build(z)
    if a is None or b is None or c is None:
        return
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) * c == a * c + b * c
    assert a - a == 0
    assert dim_max(a, dim_max(b, c)) == dim_max(dim_max(c, a), b)
    assert dim_min(a, b, a) == dim_min(b, a)


@given(trees.trees(8), st.integers(1, 8))
def test_division_by_a_constant_undoes_a_product(tree: trees.Tree, k: int) -> None:
    expr = trees.try_build(tree)
    if expr is not None:
        assert floordiv(expr * k, k) == expr
        assert floordiv(expr * k + (k - 1), k) == expr
        assert mod(expr * k, k) == 0


def test_substitute_replaces_all_at_once() -> None:
    assert (B + 2 * S).substitute({"b": S, "s": B}) == S + 2 * B
    assert floordiv(B, S).substitute({"s": 4}) == floordiv(B, 4)
    assert (B * S).substitute({"b": 0}) == 0
    assert (B + S).substitute({"t": 5}) == B + S


def test_operators_take_integers_on_both_sides() -> None:
    assert 1 + S == S + 1
    assert 1 - S == -(S - 1)
    assert 3 * S == S * 3 == S + S + S
    assert 0 * S == 0
    assert 7 // DimExpr.constant(2) == 3
    assert 7 % DimExpr.constant(4) == 3
    assert str(7 // S) == "floordiv(7, s)"
    assert str(S % 4) == "mod(s, 4)"
    for operation in (lambda: S + 0.5, lambda: S - "t", lambda: S * 1.5, lambda: S // 2.0):  # type: ignore[operator]
        with pytest.raises(TypeError):
            operation()


def test_equality_and_hash_of_constants_are_those_of_integers() -> None:
    five = DimExpr.constant(5)
    assert five == 5
    assert hash(five) == hash(5)
    assert hash(S - S) == hash(0)
    assert {5: "x"}[five] == "x"
    assert S != 5
    assert S != "s"
    assert (S == T) is False
    assert (DimExpr.symbol("s") == S) is True
    with pytest.raises(TypeError):
        sorted([S, T])  # type: ignore[type-var]


def test_properties() -> None:
    expr = 2 * B * S * S + floordiv(T, 4) - 3
    assert expr.symbols == {"b", "s", "t"}
    call = Call("floordiv", (T, DimExpr.constant(4)))
    assert expr.terms == ((2, (("b", 1), ("s", 2))), (1, ((call, 1),)), (-3, ()))
    assert DimExpr.from_terms({monomial: c for c, monomial in expr.terms}) == expr
    assert not expr.is_constant
    assert expr.constant_term == -3
    assert (S - S).terms == ()
    assert (S - S).is_constant
    assert (S - S).constant_value == 0
    assert S.as_symbol() == "s"
    assert (S + 1).as_symbol() is None
    assert (2 * S).as_symbol() is None
    assert floordiv(S, 2).as_symbol() is None
    assert DimExpr("2*s") == 2 * S
    assert repr(2 * S) == "DimExpr('2*s')"
    with pytest.raises(ValueError, match=r"^'2\*s' is not a constant$"):
        _ = (2 * S).constant_value


def test_as_expr() -> None:
    assert as_expr(S) is S
    assert as_expr(3) == 3
    assert as_expr("s + 1") == S + 1
    with pytest.raises(TypeError, match=r"^expected a dimension \(DimExpr, int or text\), got float$"):
        as_expr(1.5)  # type: ignore[arg-type]


def test_bad_symbol_name() -> None:
    with pytest.raises(
        ValueError, match=r"^'2b' is not a symbol name: expected letters, digits and '_', no digit in front$"
    ):
        DimExpr.symbol("2b")


def test_division_by_the_constant_zero() -> None:
    with pytest.raises(ZeroDivisionError, match=r"^floordiv\(s, 0\)$"):
        floordiv(S, 0)
    with pytest.raises(ZeroDivisionError, match=r"^mod\(s, 0\)$"):
        mod(S, 0)
    with pytest.raises(ZeroDivisionError):
        floordiv(B, S).evaluate({"b": 1, "s": 0})
    with pytest.raises(KeyError, match="s"):
        S.evaluate({"b": 1})
    with pytest.raises(ValueError, match=r"^max needs at least one dimension$"):
        dim_max()


def test_copies_and_pickles_are_equal() -> None:
    expr = 2 * B * S + dim_max(S, floordiv(T, 4)) - 3
    assert pickle.loads(pickle.dumps(expr)) == expr
    assert copy.deepcopy(expr) == expr
    call = expr.terms[1][1][0][0]
    assert isinstance(call, Call)
    assert pickle.loads(pickle.dumps(call)) == call
    assert repr(call) == "Call('max(floordiv(t, 4), s)')"


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "expected a number, a symbol or '(' at position 0 of ''", 0),
        ("s +", "expected a number, a symbol or '(' at position 3 of 's +'", 3),
        ("2 s", "unexpected 's' at position 2 of '2 s'", 2),
        ("s // 2", "unexpected '/' at position 2 of 's // 2'", 2),
        ("s $", "unexpected '$' at position 2 of 's $'", 2),
        ("(s", "expected ')' at position 2 of '(s'", 2),
        ("s <= 4", "unexpected '<=' at position 2 of 's <= 4'", 2),
        ("s^t", "expected an integer power at position 2 of 's^t'", 2),
        ("s^65", "a power larger than 64 at position 2 of 's^65'", 2),
        (
            "1 + sqrt(s)",
            "unknown function 'sqrt' (known: floordiv, mod, min, max, non_negative) at position 4 of '1 + sqrt(s)'",
            4,
        ),
        ("mod(s)", "mod takes 2 arguments, not 1, at position 0 of 'mod(s)'", 0),
        ("non_negative(s, t)", "non_negative takes 1 argument, not 2, at position 0 of 'non_negative(s, t)'", 0),
        ("1 + mod(s, t - t)", "division by zero at position 4 of '1 + mod(s, t - t)'", 4),
    ],
)
def test_syntax_errors(text: str, message: str, position: int) -> None:
    with pytest.raises(DimSyntaxError) as caught:
        DimExpr.parse(text)
    assert str(caught.value) == message
    assert caught.value.position == position
    assert isinstance(caught.value, ValueError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_deep_nesting_is_a_syntax_error_not_a_crash() -> None:
    with pytest.raises(DimSyntaxError, match="too deeply nested"):
        DimExpr.parse("(" * 5000 + "s" + ")" * 5000)
    assert DimExpr.parse("(" * 90 + "s" + ")" * 90) == S


@given(st.text(alphabet="st01+-*(),^ modfloriv<=", max_size=20))
def test_any_text_parses_or_is_a_syntax_error(text: str) -> None:
    error = None
    try:
        expr = DimExpr.parse(text)
    except DimSyntaxError as caught:
        error = caught
    else:
        assert DimExpr.parse(str(expr)) == expr
    assert error is None or 0 <= error.position <= len(text)
