"""Scopes: what is absorbed, what simplifies to what, which questions are decided, and every message."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from nimble_mlir.dims import Constraint, DimExpr, DimSyntaxError, Proof, Scope, SymbolInfo

PROVED, REFUTED, UNDECIDED = Proof.PROVED, Proof.REFUTED, Proof.UNDECIDED


def scope(*infos: SymbolInfo | str, constraints: tuple[str, ...] = ()) -> Scope:
    symbols = [SymbolInfo(info) if isinstance(info, str) else info for info in infos]
    return Scope({info.name: info for info in symbols}, [Constraint.parse(text) for text in constraints])


def dim(text: str) -> DimExpr:
    return DimExpr.parse(text)


BATCH = scope("b", "s", "t", constraints=("s <= 512", "mod(s, 8) == 0", "t <= s", "b*s <= 4096"))


def test_a_proof_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=r"^a Proof has three values: compare it with Proof.PROVED or Proof.REFUTED$"):
        bool(PROVED)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "2s"}, "'2s' is not a symbol name: expected letters, digits and '_', no digit in front"),
        ({"min": 5, "max": 4}, "symbol 's': min 5 is larger than max 4"),
        ({"multiple_of": 0}, "symbol 's': multiple_of must be at least 1, not 0"),
        ({"min": 9, "max": 15, "multiple_of": 8}, "symbol 's': no multiple of 8 lies between 9 and 15"),
        ({"likely": (0,)}, "symbol 's': likely value 0 must be at least 1"),
        ({"max": 8, "likely": (9,)}, "symbol 's': likely value 9 must be at most 8"),
        ({"multiple_of": 8, "likely": (9,)}, "symbol 's': likely value 9 must be a multiple of 8"),
    ],
)
def test_symbol_info_validates_itself(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SymbolInfo(**{"name": "s", **arguments})


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("b*s <= 4096", "b*s <= 4096"),
        ("s < 8", "s <= 7"),
        ("8 >= s", "s <= 8"),
        ("s >= 3", "s >= 3"),
        ("s > 3", "s >= 4"),
        ("t <= s", "s >= t"),
        ("s == 2*t", "s == 2*t"),
        ("mod(s, 8) == 0", "mod(s, 8) == 0"),
    ],
)
def test_constraint_text(text: str, printed: str) -> None:
    constraint = Constraint.parse(text)
    assert str(constraint) == printed
    assert Constraint.parse(printed) == constraint


def test_constraint_holds() -> None:
    constraint = Constraint.parse("b*s <= 4096")
    assert constraint.holds({"b": 64, "s": 64})
    assert not constraint.holds({"b": 65, "s": 64})
    assert not Constraint.parse("floordiv(b, s) >= 0").holds({"b": 1, "s": 0})
    with pytest.raises(KeyError, match="s"):
        constraint.holds({"b": 1})


def test_constraint_errors() -> None:
    with pytest.raises(DimSyntaxError, match=r"^expected one of <= >= == < > at position 1 of 's'$"):
        Constraint.parse("s")
    with pytest.raises(DimSyntaxError, match=r"^unexpected '<=' at position 7 of 's <= 4 <= 5'$"):
        Constraint.parse("s <= 4 <= 5")
    with pytest.raises(ValueError, match=r"^a constraint is '==' or '>=', not '<='$"):
        Constraint(dim("s"), "<=", dim("4"))  # type: ignore[arg-type]


def test_constraints_on_one_symbol_are_absorbed() -> None:
    assert BATCH.info("s") == SymbolInfo("s", max=512, multiple_of=8)
    assert [str(constraint) for constraint in BATCH.constraints] == ["s >= t", "b*s <= 4096"]
    found = scope(
        SymbolInfo("s", multiple_of=4, likely=(4, 24, 600)),
        "t",
        constraints=("2*s >= 7", "s < 513", "mod(3*s, 6) == 0", "mod(s, 3) <= 0", "2*t == 10", "4 >= 3"),
    )
    assert found.info("s") == SymbolInfo("s", min=4, max=512, multiple_of=12, likely=(24,))
    assert found.info("t") == SymbolInfo("t", min=5, max=5)
    assert found.constraints == ()
    with pytest.raises(KeyError, match="z"):
        found.info("z")


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (("s <= 0",), "constraint 's <= 0' never holds with what is known about its symbols"),
        (("s == 8", "s >= 9"), "constraint 's >= 9' never holds with what is known about its symbols"),
        (("2*s == 7",), "constraint '2*s == 7' never holds with what is known about its symbols"),
        (("s <= 7", "mod(s, 8) == 0"), "constraint 'mod(s, 8) == 0' never holds with what is known about its symbols"),
        (("s >= s + 1",), "constraint 's >= s + 1' never holds with what is known about its symbols"),
        (("2*s == 2*t + 1",), "constraint '2*s == 2*t + 1' never holds with what is known about its symbols"),
        (("s == t", "s == t + 1"), "constraint 's == t + 1' never holds with what is known about its symbols"),
        (("s <= 4", "s == t", "t >= 5"), "the constraints leave no value for symbol 't'"),
        (("s <= z",), "constraint 'z >= s' mentions undeclared symbol 'z'"),
    ],
)
def test_constraints_without_solutions(constraints: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scope("s", "t", constraints=constraints)


def test_a_symbol_under_another_name() -> None:
    with pytest.raises(ValueError, match=r"^symbol 'a' is declared with the info of 's'$"):
        Scope({"a": SymbolInfo("s")})


@pytest.mark.parametrize(
    ("text", "simplified"),
    [
        ("floordiv(b*s, s)", "b"),
        ("mod(b*s, s)", "0"),
        ("floordiv(t + b*s, s)", "b + floordiv(t, s)"),
        ("floordiv(0, s)", "0"),
        ("floordiv(s*s + 2*s + 1, s + 1)", "s + 1"),
        ("mod(s, 8)", "0"),
        ("mod(s, 4)", "0"),
        ("mod(t, 8)", "mod(t, 8)"),
        ("8*floordiv(s, 8)", "s"),
        ("floordiv(s, 8)", "floordiv(s, 8)"),
        ("12*floordiv(s, 8)", "3*floordiv(s, 2)"),
        ("64*floordiv(s, 8)*floordiv(s, 8)", "s*s"),
        ("mod(max(s, 2*s) + 3, 8)", "3"),
        ("floordiv(s, 1000)", "0"),
        ("mod(s, 1000)", "s"),
        ("mod(t - 1, s)", "t - 1"),
        ("floordiv(t - 1, s)", "0"),
        ("max(s, 4)", "s"),
        ("min(s, 4)", "4"),
        ("max(s, t)", "s"),
        ("min(s, t, 1)", "1"),
        ("max(b*s, s)", "b*s"),
        ("max(b, t)", "max(b, t)"),
        ("max(t, 0)", "t"),
    ],
)
def test_simplify(text: str, simplified: str) -> None:
    assert str(BATCH.simplify(dim(text))) == simplified
    assert str(BATCH.simplify(dim(simplified))) == simplified


def test_division_stays_where_the_divisor_may_be_zero() -> None:
    zero = scope(SymbolInfo("s", min=0), "t")
    assert str(zero.simplify(dim("floordiv(s*t, s)"))) == "floordiv(s*t, s)"
    assert str(zero.simplify(dim("floordiv(s*t, t)"))) == "s"
    assert str(zero.simplify(dim("floordiv(0, s)"))) == "floordiv(0, s)"
    # A divisor that is 0 for all values: the expression has no value, nothing raises.
    never = scope(
        SymbolInfo("s", min=0, max=0), SymbolInfo("t", min=0), SymbolInfo("u", min=0), constraints=("t == u",)
    )
    assert str(never.simplify(dim("floordiv(t, s)"))) == "floordiv(t, s)"
    assert str(never.simplify(dim("mod(1, t - u)"))) == "mod(1, t - u)"
    assert never.bounds(dim("floordiv(t, s)")) == (None, None)


def test_equalities_are_rewrites() -> None:
    found = scope("b", "s", SymbolInfo("t", max=10), "n", constraints=("s == 2*t", "n == b*s"))
    assert str(found.simplify(dim("s"))) == "2*t"
    assert str(found.simplify(dim("n"))) == "2*b*t"
    assert str(found.simplify(dim("floordiv(n, t)"))) == "2*b"
    assert found.bounds(dim("s")) == (2, 20)
    assert found.divisible(dim("n"), 2) is PROVED
    assert found.simplify(5) == 5


def test_equalities_in_a_circle() -> None:
    found = scope("a", "b", "c", constraints=("a == b", "b == c", "c == a"))
    assert [str(found.simplify(dim(name))) for name in "abc"] == ["a", "a", "a"]
    found = scope(SymbolInfo("a", min=0), SymbolInfo("b", min=0), constraints=("a == 2*b", "b == 2*a"))
    assert found.simplify(dim("a")) == 0
    assert found.equal(dim("a"), dim("b")) is PROVED


def test_ranges_and_multiples_move_along_equalities() -> None:
    found = scope("t", SymbolInfo("s", min=3, max=512, multiple_of=8), constraints=("s == 2*t",))
    assert found.bounds(dim("t")) == (4, 256)
    assert found.divisible(dim("t"), 4) is PROVED
    assert found.info("t") == SymbolInfo("t")
    found = scope("a", "b", SymbolInfo("s", multiple_of=8), constraints=("s == a + b",))
    assert found.divisible(dim("a + b"), 8) is PROVED
    assert found.bounds(dim("a + b")) == (8, None)


def test_equalities_of_products_and_calls() -> None:
    found = scope("b", "s", "n", "m", constraints=("b*s == n*m", "mod(s, 8) == 3", "floordiv(n, 2) == floordiv(m, 2)"))
    assert found.equal(dim("b*s"), dim("m*n")) is PROVED
    assert found.equal(dim("b*b*s"), dim("b*m*n")) is PROVED
    assert found.equal(dim("2*b*s"), dim("m*n")) is REFUTED
    assert found.equal(dim("floordiv(b*s, 7)"), dim("floordiv(m*n, 7)")) is PROVED
    assert found.simplify(dim("mod(s, 8)")) == 3
    assert found.equal(dim("floordiv(n, 2) + 1"), dim("floordiv(m, 2) + 1")) is PROVED


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("7", (7, 7)),
        ("b", (1, 512)),  # from b*s <= 4096 and s >= 8
        ("s", (8, 512)),
        ("-s + 3", (-509, -5)),
        ("t", (1, 512)),
        ("s - t", (0, 511)),
        ("b*s", (8, 4096)),
        ("b*s - s", (0, None)),
        ("mod(t, 7)", (0, 6)),
        ("mod(-t, -7)", (-6, 0)),
        ("floordiv(t, 4)", (0, 128)),
        ("floordiv(s - t, 4)", (0, 127)),
        ("max(b, 9)", (9, 512)),
        ("min(b, 9)", (1, 9)),
        ("z", (None, None)),
        ("z*z", (0, None)),
        ("s - 4*floordiv(s, 3)", (None, None)),
    ],
)
def test_bounds(text: str, bounds: tuple[int | None, int | None]) -> None:
    low, high = BATCH.bounds(dim(text))
    wanted_low, wanted_high = bounds
    assert wanted_low is None or (low is not None and low >= wanted_low)
    assert wanted_high is None or (high is not None and high <= wanted_high)


def test_bounds_without_a_limit_are_none() -> None:
    found = scope("s", SymbolInfo("t", min=0, max=4))
    assert found.bounds(dim("s*t")) == (0, None)
    assert found.bounds(dim("t - s")) == (None, 3)
    assert found.bounds(dim("s - s*t")) == (None, None)
    assert found.bounds(dim("mod(s, t + 1)")) == (0, 4)
    assert found.bounds(dim("floordiv(-1, s)")) == (-1, -1)
    huge = 10**400
    assert found.bounds(dim("s") * huge) == (huge, None)


@pytest.mark.parametrize(
    ("left", "right", "proof"),
    [
        ("s", "t", UNDECIDED),
        ("s", "s", PROVED),
        ("s", "s + 1", REFUTED),
        ("2*s", "2*t + 1", REFUTED),
        ("s", "8*t + 4", REFUTED),
        ("s", "513", REFUTED),
        ("s", "t + 512", REFUTED),
        ("t", "4*floordiv(t, 4) + mod(t, 4)", PROVED),
        ("floordiv(t + 3, 4)", "-floordiv(-t, 4)", PROVED),
        ("max(b + 1, 4)", "max(b, 3) + 1", PROVED),
        ("min(-b, -t)", "-max(b, t)", PROVED),
        ("max(s, 4)", "min(s, 1000)", PROVED),
        ("mod(t, 8)", "9", REFUTED),
        ("8*floordiv(t, 8)", "t", UNDECIDED),
    ],
)
def test_equal(left: str, right: str, proof: Proof) -> None:
    assert BATCH.equal(dim(left), dim(right)) is proof
    assert BATCH.equal(dim(right), dim(left)) is proof


@pytest.mark.parametrize(
    ("left", "right", "proof"),
    [
        ("s", "t", PROVED),
        ("t", "s", UNDECIDED),
        ("t", "s + 1", REFUTED),
        ("b*s", "b*t", PROVED),
        ("b*s", "s", PROVED),
        ("b*s", "b + s - 1", PROVED),
        ("s*s", "s*t", PROVED),
        ("t", "4*floordiv(t, 4)", PROVED),
        ("4*floordiv(t + 3, 4)", "t", PROVED),
        ("t + 3", "4*floordiv(t + 3, 4)", PROVED),
        ("max(b, t)", "min(b, t)", PROVED),
        ("b + t", "max(b, t)", PROVED),
        ("4096", "b*t", PROVED),
        ("s", "mod(t, s) + 1", PROVED),
        ("b", "513", REFUTED),
        ("t", "2", UNDECIDED),
    ],
)
def test_at_least(left: str, right: str, proof: Proof) -> None:
    assert BATCH.at_least(dim(left), dim(right)) is proof


def test_at_least_through_a_chain() -> None:
    found = scope("a", "b", "c", constraints=("a <= b", "b <= c"))
    assert found.at_least(dim("c"), dim("a")) is PROVED
    assert found.at_least(dim("a"), dim("c + 1")) is REFUTED
    assert found.equal(dim("a"), dim("c")) is UNDECIDED


@pytest.mark.parametrize(
    ("text", "k", "proof"),
    [
        ("s", 8, PROVED),
        ("s", -4, PROVED),
        ("4*s", 32, PROVED),
        ("s + 4", 8, REFUTED),
        ("t", 2, UNDECIDED),
        ("2*t + 1", 4, REFUTED),
        ("b*s", 8, PROVED),
        ("max(s, 16*t)", 8, PROVED),
        ("t", 1000, REFUTED),
        ("t", 1, PROVED),
    ],
)
def test_divisible(text: str, k: int, proof: Proof) -> None:
    assert BATCH.divisible(dim(text), k) is proof


def test_divisible_by_a_symbol() -> None:
    assert BATCH.divisible(dim("b*s"), dim("s")) is PROVED
    assert BATCH.divisible(dim("b*s + 1"), dim("s")) is REFUTED
    assert BATCH.divisible(dim("b"), dim("s")) is UNDECIDED
    assert BATCH.divisible(dim("b*z"), dim("z")) is UNDECIDED
    with pytest.raises(ValueError, match=r"^divisible\('s', 0\): nothing is divided by 0$"):
        BATCH.divisible(dim("s"), 0)


def test_scopes_are_immutable() -> None:
    start = scope("s", "t")
    more = start.with_equal(dim("s"), dim("t"))
    assert start.equal(dim("s"), dim("t")) is UNDECIDED
    assert more.equal(dim("s"), dim("t")) is PROVED
    fewer = start.with_constraint(Constraint.parse("s <= 4"))
    assert start.info("s").max is None
    assert fewer.info("s").max == 4
    assert more.with_equal(dim("s"), dim("t")) == more
    with pytest.raises(TypeError):
        start.symbols["u"] = SymbolInfo("u")  # type: ignore[index]


def test_with_symbol() -> None:
    start = scope("s")
    assert start.bounds(dim("u + s")) == (None, None)
    more = start.with_symbol(SymbolInfo("u", min=0, max=9))
    assert start.bounds(dim("u + s")) == (None, None)
    assert more.bounds(dim("u + s")) == (1, None)
    assert more.with_symbol(SymbolInfo("v", multiple_of=4)).divisible(dim("v"), 2) is PROVED
    narrowed = more.with_symbol(SymbolInfo("u", min=2, max=50, multiple_of=3, likely=(3, 30)))
    assert narrowed.info("u") == SymbolInfo("u", min=2, max=9, multiple_of=3, likely=(3,))
    with pytest.raises(ValueError, match=r"^symbol 'u': min 10 is larger than max 9$"):
        more.with_symbol(SymbolInfo("u", min=10))


def test_scope_values() -> None:
    again = pickle.loads(pickle.dumps(BATCH))
    assert again == BATCH
    assert hash(again) == hash(BATCH)
    assert copy.deepcopy(BATCH) == BATCH
    assert scope("s") != BATCH
    assert BATCH != "scope"
    assert list(BATCH.symbols) == ["b", "s", "t"]
    assert repr(scope("s", "t", constraints=("t <= s",))) == (
        "Scope([SymbolInfo(name='s', min=1, max=None, multiple_of=1, likely=()), "
        "SymbolInfo(name='t', min=1, max=None, multiple_of=1, likely=())], ['s >= t'])"
    )
