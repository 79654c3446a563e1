"""examples/tree_lstm.py and examples/expressions.py are run, and what they compiled is loaded and called with drawn trees,
against eager recursion: single leaves, chains, wide nodes and batches of unequal trees go through one module each."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.tolerances import assert_agrees

import nimble_mlir as nm

EXAMPLES = Path(__file__).parents[3] / "examples"


def loaded(name: str) -> ModuleType:
    """examples/<name>.py as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


LSTM, EXPRESSIONS = loaded("tree_lstm"), loaded("expressions")
Expr = EXPRESSIONS.Expr


def children_of(draws: list[int], most: int) -> list[list[int]]:
    """The children of each word: word i + 1 hangs on one of those before it that have room, which `draws[i]` chooses."""
    children: list[list[int]] = [[] for _ in range(len(draws) + 1)]
    for word, draw in enumerate(draws, start=1):
        room = [above for above in range(word) if len(children[above]) < most]
        children[room[draw % len(room)]].append(word)
    return children


CHAIN = [-1] * 12  # each word hangs on the one before it
STAR = [0] * 7  # all hang on the first that has room
FORESTS = st.lists(st.lists(st.integers(-1, 10), max_size=8), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("name", "tree", "most"), [("ternary", LSTM.ternary_tree, 3), ("child-sum", LSTM.dependency_tree, 99)]
)
def test_tree_lstms_agree_with_recursion(
    name: str, tree: Any, most: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lstm.vmfb"
    assert LSTM.main(["--kinds", name, "--batches", "1", "3", "--calls", "1", "--save", str(path)]) == 0
    assert capsys.readouterr().out.count("µs a word") == 2
    module, kind = nm.load(path), LSTM.KINDS[name]
    encode = kind.encoder()

    @given(forest=FORESTS, seed=st.integers(0, 99))
    @example(forest=[[]], seed=0)
    @example(forest=[CHAIN, [], STAR], seed=1)
    @settings(max_examples=4, deadline=None)
    def agrees(forest: list[list[int]], seed: int) -> None:
        rng = np.random.default_rng(seed)
        trees = [tree(rng, children_of(draws, most)) for draws in forest]
        results = module.call_flat([*kind.type.pack(trees), *kind.further])
        for got, want in zip(results, encode(kind.type.batch(trees), *kind.further), strict=True):
            assert_agrees(got, np.asarray(want), "model")

    agrees()


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Any], np.ndarray], np.ndarray]:
    """The example, which is run; loaded from what it saves."""
    path = tmp_path_factory.mktemp("expressions") / "expressions.vmfb"
    assert EXPRESSIONS.main([*"--batches 1 5 --nodes 20 --depth 1000 --save".split(), str(path)]) == 0
    module = nm.load(path)
    return lambda expressions, variables: module.call_flat([*Expr.pack(expressions), variables])[0]


NUMBERS = st.integers(-8, 8).map(lambda eighths: eighths / 4)
EXPRESSION = st.recursive(
    st.builds(Expr.Const, NUMBERS) | st.builds(Expr.Var, st.integers(0, 2)),
    lambda parts: (
        st.builds(Expr.Unary, st.integers(0, 2), parts)
        | st.builds(Expr.Binary, st.integers(0, 3), parts, parts)
        | st.builds(Expr.IfPositive, parts, parts, parts)
    ),
    max_leaves=10,
)


@given(
    expressions=st.lists(EXPRESSION, min_size=1, max_size=3),
    environment=st.lists(NUMBERS, min_size=3, max_size=5),
)
@settings(max_examples=8, deadline=None)
def test_expressions_agree_with_recursion(evaluate: Any, expressions: list[Any], environment: list[float]) -> None:
    variables = np.array(environment, np.float32)
    got = evaluate(expressions, variables)
    np.testing.assert_array_equal(got, EXPRESSIONS.evaluate(Expr.batch(expressions), jnp.asarray(variables)))
    np.testing.assert_array_equal(got, [EXPRESSIONS.in_numpy(e, variables) for e in expressions])


def test_expressions_that_are_chains(evaluate: Any) -> None:
    """Far deeper than Python's stack, beside a single leaf."""
    rng = np.random.default_rng(3)
    variables = rng.normal(size=4).astype(np.float32)
    expressions = [EXPRESSIONS.chain(rng, depth, 4) for depth in (20_000, 1, 0, 2_500)]
    want = [EXPRESSIONS.in_numpy(e, variables) for e in expressions]
    np.testing.assert_array_equal(evaluate(expressions, variables), want)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_tree_lstms_are_those_of_the_paper() -> None:
    """Tai, Socher and Manning (2015), a sum for each equation, in float64, with the weights that the examples draw."""
    size, children = LSTM.STATE, [[1, 2, 5], [3], [4], [], [6], [], []]

    def drawn(shapes: list[tuple[int, int]]) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        weights = [np.asarray(LSTM.random_matrix(rng, *shape), np.float64) for shape in shapes]
        return [*weights, rng.normal(size=4 * size).astype(np.float32).astype(np.float64)]

    def words_of(tree: Any) -> list[np.ndarray]:
        own = [tree.word] if "word" in tree.__dict__ else []
        return own + [x for name in tree.constructor.children for x in words_of(getattr(tree, name))]

    def state(word: int, words: dict[int, np.ndarray], weights: list[np.ndarray], *, nary: bool) -> Any:
        w, u, *forget, b = weights
        parts = [state(child, words, weights, nary=nary) for child in children[word]]
        h = np.concatenate([np.zeros(0), *(h for h, _ in parts)])
        x = np.split(words[word] @ w + b, 4)
        below = h @ u[: len(h)] if nary else sum((h for h, _ in parts), np.zeros(size)) @ u
        i, o, candidate = (x[gate] + below[gate * size : (gate + 1) * size] for gate in range(3))
        c = sigmoid(i) * np.tanh(candidate)
        for place, (h, kept) in enumerate(parts):
            of_gate = below[(3 + place) * size : (4 + place) * size] if nary else h @ forget[0]
            c = c + sigmoid(x[3] + of_gate) * kept
        return sigmoid(o) * np.tanh(c), c

    depth_first = [0, 1, 3, 2, 4, 6, 5]
    for name, tree, shapes in [
        ("ternary", LSTM.ternary_tree, [(LSTM.WORD, 4), (3 * size, 6)]),
        ("child-sum", LSTM.dependency_tree, [(LSTM.WORD, 4), (size, 3), (size, 1)]),
    ]:
        value = tree(np.random.default_rng(1), children)
        words = dict(zip(depth_first, words_of(value), strict=True))
        want = state(0, words, drawn(shapes), nary=name == "ternary")
        kind = LSTM.KINDS[name]
        for got, expected in zip(kind.encoder()(value, *kind.further), want, strict=True):
            assert_agrees(got, expected.astype(np.float32), "model")
