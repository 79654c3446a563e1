"""Common JAX functions of a result whose size depends on data, at sizes 0, 1, 2 and large, against NumPy.

Each function is an entry of a module that is compiled once; its argument is selected from `x` by the mask `x > 0`. What
NumPy refuses of no elements is refused as the module runs, but for what JAX defines: the largest of no numbers is -inf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.sampling import sampled
from support.tolerances import assert_agrees

import nimble_mlir as nm

RNG = np.random.default_rng(3)
COUNTS = (0, 1, 2, 1000)
W = RNG.normal(size=(4, 3)).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(initial=-np.inf))
    return powers / powers.sum()


# Name → of a vector y and the rows Y [k, 4] that the same mask selects, in jax.numpy or numpy (`np_`).
SAME: dict[str, Callable[[Any, Any, Any], Any]] = {
    "abs": lambda np_, y, Y: np_.abs(y - 1),
    "add": lambda np_, y, Y: y + Y[:, 0],
    "all": lambda np_, y, Y: np_.all(y > 0.5),
    "allclose": lambda np_, y, Y: np_.allclose(y, y),
    "any": lambda np_, y, Y: np_.any(y > 0.5),
    "append": lambda np_, y, Y: np_.append(y, y[:0]),
    "argsort": lambda np_, y, Y: np_.argsort(y, stable=True),
    "array_equal": lambda np_, y, Y: np_.array_equal(y, y),
    "atleast_2d": lambda np_, y, Y: np_.atleast_2d(y),
    "broadcast_to": lambda np_, y, Y: np_.broadcast_to(y, (3, *y.shape)),
    "ceil": lambda np_, y, Y: np_.ceil(y),
    "clip": lambda np_, y, Y: np_.clip(y, 0.2, 0.7),
    "concatenate": lambda np_, y, Y: np_.concatenate([y, y, Y[:, 1]]),
    "cos": lambda np_, y, Y: np_.cos(y),
    "count_nonzero": lambda np_, y, Y: np_.count_nonzero(y > 0.5),
    "cumprod": lambda np_, y, Y: np_.cumprod(y),
    "cumsum": lambda np_, y, Y: np_.cumsum(y),
    "divide": lambda np_, y, Y: y / (y + 1),
    "dot": lambda np_, y, Y: np_.dot(y, y),
    "einsum": lambda np_, y, Y: np_.einsum("ki,k->i", Y, y),
    "exp": lambda np_, y, Y: np_.exp(y),
    "expand_dims": lambda np_, y, Y: np_.expand_dims(y, 1),
    "flip": lambda np_, y, Y: np_.flip(Y, 0),
    "floor_divide": lambda np_, y, Y: y // 0.3,
    "full_like": lambda np_, y, Y: np_.full_like(Y, 2),
    "gram": lambda np_, y, Y: Y.T @ Y,
    "hstack": lambda np_, y, Y: np_.hstack([Y, Y]),
    "isnan": lambda np_, y, Y: np_.isnan(y),
    "linalg_norm": lambda np_, y, Y: np_.linalg.norm(Y, axis=1),
    "log1p": lambda np_, y, Y: np_.log1p(y),
    "logaddexp": lambda np_, y, Y: np_.logaddexp(y, Y[:, 2]),
    "logical_and": lambda np_, y, Y: np_.logical_and(y > 0.2, y < 0.6),
    "matmul": lambda np_, y, Y: Y @ W,
    "max_initial": lambda np_, y, Y: np_.max(y, initial=-3.0),
    "maximum": lambda np_, y, Y: np_.maximum(y, Y[:, 3]),
    "mean_of_rows": lambda np_, y, Y: np_.mean(Y, axis=1),
    "min_of_rows": lambda np_, y, Y: np_.min(Y, axis=1),
    "moveaxis": lambda np_, y, Y: np_.moveaxis(Y, 0, 1),
    "multiply_outer": lambda np_, y, Y: y[:, None] * y[None],
    "negative": lambda np_, y, Y: -y,
    "ones_like": lambda np_, y, Y: np_.ones_like(Y),
    "pad": lambda np_, y, Y: np_.pad(Y, ((1, 2), (0, 0))),
    "power": lambda np_, y, Y: y**2.5,
    "prod": lambda np_, y, Y: np_.prod(y * 1.5),
    "ravel": lambda np_, y, Y: np_.ravel(Y),
    "repeat": lambda np_, y, Y: np_.repeat(y, 2),
    "reshape": lambda np_, y, Y: Y.reshape(-1, 2),
    "rot": lambda np_, y, Y: np_.swapaxes(Y, 0, 1)[::-1],
    "round": lambda np_, y, Y: np_.round(y, 1),
    "sign": lambda np_, y, Y: np_.sign(y - 0.5),
    "sort": lambda np_, y, Y: np_.sort(Y, axis=0),
    "sqrt": lambda np_, y, Y: np_.sqrt(y),
    "stack": lambda np_, y, Y: np_.stack([y, y * 2], axis=1),
    "sum": lambda np_, y, Y: np_.sum(Y, axis=0),
    "take": lambda np_, y, Y: y[np_.argsort(y)],
    "tanh": lambda np_, y, Y: np_.tanh(y),
    "tile": lambda np_, y, Y: np_.tile(y, 3),
    "transpose": lambda np_, y, Y: Y.T,
    "tri": lambda np_, y, Y: np_.triu(y[:, None] + y),
    "var_of_rows": lambda np_, y, Y: np_.var(Y, axis=1),
    "vstack": lambda np_, y, Y: np_.vstack([Y, Y * 2]),
    "two": lambda np_, y, Y: Y[:2],
    "where": lambda np_, y, Y: np_.where(y > 0.5, y, -y),
    "zeros_like": lambda np_, y, Y: np_.zeros_like(y),
}
# In JAX → in NumPy, where they are called otherwise, or say something else of no elements.
OTHER: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "at_add": (lambda y, Y: Y.at[:, 1].add(y), lambda y, Y: Y + np.array([0, 1, 0, 0], np.float32) * y[:, None]),
    "gelu_free": (lambda y, Y: jax.nn.relu(y - 0.5), lambda y, Y: np.maximum(y - 0.5, 0)),
    "grad": (lambda y, Y: jax.grad(lambda v: (v**3).sum())(y), lambda y, Y: 3 * y**2),
    "logsumexp_of_rows": (lambda y, Y: jax.nn.logsumexp(Y, 1), lambda y, Y: np.log(np.exp(Y).sum(1))),
    "map": (lambda y, Y: jax.lax.map(lambda r: r.sum(), Y), lambda y, Y: Y.sum(1)),
    "one_hot": (
        lambda y, Y: jax.nn.one_hot((y * 4).astype(int), 4),
        lambda y, Y: np.eye(4, dtype=np.float32)[(y * 4).astype(int)],
    ),
    "scan": (
        lambda y, Y: jax.lax.scan(lambda c, v: (c * 0.5 + v, c), 0.0, y)[0],
        lambda y, Y: np.float32(sum(v * 0.5**i for i, v in enumerate(y[::-1]))),
    ),
    "searchsorted": (
        lambda y, Y: (y < Y[:, :1]).sum(1),  # jnp.searchsorted does not trace over symbolic sizes
        lambda y, Y: np.searchsorted(np.sort(y), Y[:, 0]),
    ),
    "segment_sum": (
        lambda y, Y: jax.ops.segment_sum(y, (y * 3).astype(int), 3),
        lambda y, Y: np.array([y[(y * 3).astype(int) == i].sum() for i in range(3)], np.float32),
    ),
    "softmax": (lambda y, Y: jax.nn.softmax(y), lambda y, Y: softmax(y)),
    "vmap": (lambda y, Y: jax.vmap(jnp.dot)(Y, Y), lambda y, Y: (Y * Y).sum(1)),
}
# What has a value for no elements.
OF_NOTHING: dict[str, tuple[Callable[[Any, Any, Any], Any], float]] = {
    "all": (lambda np_, y, Y: np_.all(y > 0), True),
    "max_initial": (lambda np_, y, Y: np_.max(y, initial=0.5), 0.5),
    "mean": (lambda np_, y, Y: np_.mean(y), np.nan),
    "min_initial": (lambda np_, y, Y: np_.min(y, initial=0.5), 0.5),
    "norm": (lambda np_, y, Y: np_.linalg.norm(y), 0.0),
}
# What needs an element: a ShapeError of no elements, and an error of NumPy's.
REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "max": lambda y, Y: y.max(),
    "max_of_columns": lambda y, Y: Y.max(axis=0),
    "min": lambda y, Y: y.min(),
    "min_of_integers": lambda y, Y: (y * 100).astype("int32").min(),
    "spread": lambda y, Y: y.max() - y.min(),
    "first": lambda y, Y: y[0],
    "last_row": lambda y, Y: Y[-1],
    "front": lambda y, Y: y[:1],
}

(S,) = nm.dims("s")
SPECS = (nm.spec((S,), jnp.float32), nm.spec((S, 4), jnp.float32))


def entry(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def selected(x, X):
        mask = x > 0
        return function(nm.compress(mask, x), nm.compress(mask, X, 0))

    return selected


def arguments(count: int) -> list[np.ndarray]:
    size = count + 5
    x = -RNG.random(size)
    x[RNG.permutation(size)[:count]] = RNG.random(count) * 0.98 + 0.01
    return [x.astype(np.float32), RNG.normal(size=(size, 4)).astype(np.float32)]


def groups(names: list[str], size: int = 15) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def in_jax(name: str) -> Callable[[Any, Any], Any]:
    if name in SAME:
        return lambda y, Y: SAME[name](jnp, y, Y)
    return OTHER[name][0]


def in_numpy(name: str) -> Callable[[Any, Any], Any]:
    if name in SAME:
        return lambda y, Y: SAME[name](np, y, Y)
    return OTHER[name][1]


def test_there_are_sixty():
    assert len(SAME) + len(OTHER) + len(OF_NOTHING) + len(REFUSED) >= 60


@pytest.mark.parametrize("names", sampled(groups([*SAME, *OTHER]), 3), ids=lambda names: f"{names[0]}-{names[-1]}")
def test_functions(names):
    module = nm.compile({name: (entry(in_jax(name)), SPECS) for name in names})
    for count in COUNTS:
        x, X = arguments(count)
        for name in names:
            with np.errstate(all="ignore"):
                expected = np.asarray(in_numpy(name)(x[x > 0], X[x > 0]))
            got = np.asarray(module.entry(name)(x, X))
            where = f"{name} of {count}"
            assert got.shape == expected.shape, where
            assert_agrees({where: got}, {where: expected.astype(got.dtype)}, "model")


def test_of_nothing():
    module = nm.compile({name: (entry(lambda y, Y, f=f: f(jnp, y, Y)), SPECS) for name, (f, _) in OF_NOTHING.items()})
    for count in COUNTS:
        x, X = arguments(count)
        for name, (function, of_nothing) in OF_NOTHING.items():
            expected = function(np, x[x > 0], X[x > 0]) if count else of_nothing
            got = np.asarray(module.entry(name)(x, X))
            where = f"{name} of {count}"
            assert_agrees({where: got}, {where: np.asarray(expected).astype(got.dtype)}, "contraction")


def test_a_branch_may_ask_first():
    def largest(y, Y):
        return jax.lax.cond(jnp.asarray(y.shape[0]) > 0, lambda: y.max(), lambda: 0.0)

    module = nm.compile(entry(largest), SPECS)
    for count in COUNTS:
        x, X = arguments(count)
        np.testing.assert_array_equal(module(x, X), x[x > 0].max() if count else 0.0)


def test_what_needs_elements():
    module = nm.compile({name: (entry(function), SPECS) for name, function in REFUSED.items()})
    for count in (1000, 2, 1, 0, 2):
        x, X = arguments(count)
        for name, function in REFUSED.items():
            if not count:
                with pytest.raises(nm.ShapeError, match="must be at least"):
                    module.entry(name)(x, X)
            else:
                np.testing.assert_array_equal(module.entry(name)(x, X), function(x[x > 0], X[x > 0]))
