"""An evaluator of arithmetic expressions: five constructors, batches of unequal trees, variables from an environment.

    python examples/expressions.py [--depth 100000] [--save expressions.vmfb]

The function is compiled once, for expressions of any form and environments of any length. Results are compared with an
evaluator in NumPy, also for chains that are far deeper than Python's stack. They are the same to the last bit, as both do
the same operations on float32. Exits with status 1 where one differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm

FLOAT, INDEX = nm.spec((), jnp.float32), nm.spec((), jnp.int32)


@nm.adt
class Expr:
    """An expression; `op` chooses from `unary` or `binary`."""

    Const = nm.constructor(value=FLOAT)
    Var = nm.constructor(index=INDEX)
    Unary = nm.constructor(op=INDEX, of="Expr")
    Binary = nm.constructor(op=INDEX, left="Expr", right="Expr")
    IfPositive = nm.constructor(condition="Expr", then="Expr", otherwise="Expr")


def unary(x: Any, like: Any) -> list[Any]:
    """What `op` of Unary chooses from; `like` is numpy or jax.numpy."""
    return [-x, like.abs(x), x * like.float32(0.5)]


def binary(x: Any, y: Any, like: Any) -> list[Any]:
    """What `op` of Binary chooses from."""
    return [x + y, x - y, x * y, like.minimum(x, y)]


@nm.recursive
def evaluate(e: Any, environment: jax.Array) -> jax.Array:
    """The value of an expression, float32, where the variables have the values `environment`, float32[v]."""

    def value(part: Any) -> jax.Array:
        return evaluate(part, environment)

    return nm.match(
        e,
        Const=lambda constant: constant,
        Var=lambda index: environment[index],
        Unary=lambda op, of: jax.lax.select_n(op, *unary(value(of), jnp)),
        Binary=lambda op, left, right: jax.lax.select_n(op, *binary(value(left), value(right), jnp)),
        IfPositive=lambda condition, then, otherwise: jnp.where(value(condition) > 0, value(then), value(otherwise)),
    )


def in_numpy(e: Any, environment: np.ndarray) -> np.float32:
    """The same, with a list for a stack: an expression waits on it until its parts, which come after it, have values."""
    waiting, order = [e], []
    while waiting:
        order.append(node := waiting.pop())
        waiting += [getattr(node, name) for name in node.constructor.children]
    values: dict[int, np.float32] = {}
    for node in reversed(order):
        parts = [values.pop(id(getattr(node, name))) for name in node.constructor.children]
        match node.constructor.name:
            case "Const":
                value = np.float32(node.value)
            case "Var":
                value = environment[node.index]
            case "Unary":
                value = unary(*parts, np)[node.op]
            case "Binary":
                value = binary(*parts, np)[node.op]
            case _:
                value = parts[1] if parts[0] > 0 else parts[2]
        values[id(node)] = value
    return values[id(e)]


def random_expression(rng: np.random.Generator, nodes: int, variables: int) -> Any:
    """An expression of about that many nodes."""
    if nodes <= 1:
        return Expr.Var(int(rng.integers(variables))) if rng.random() < 0.5 else Expr.Const(rng.normal())
    kind = rng.integers(3)
    parts = [random_expression(rng, (nodes - 1) // (kind + 1), variables) for _ in range(kind + 1)]
    if kind == 2:
        return Expr.IfPositive(*parts)
    return Expr.Binary(int(rng.integers(4)), *parts) if kind else Expr.Unary(int(rng.integers(3)), *parts)


def chain(rng: np.random.Generator, depth: int, variables: int) -> Any:
    """An expression in which each but the last has one part that is more than a leaf."""
    e = Expr.Const(1)
    for op in rng.integers(2, size=depth).tolist():
        e = Expr.Unary(0, e) if rng.random() < 0.5 else Expr.Binary(op, Expr.Var(op % variables), e)
    return e


def main(arguments: list[str]) -> int:
    """Compiles, compares and times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 16, 256], help="how many expressions a call has")
    parser.add_argument("--nodes", type=int, default=60, help="how many nodes an expression has at most, about")
    parser.add_argument("--depth", type=int, default=100_000, help="of two chains")
    parser.add_argument("--save", help="keeps the module, for examples/cpp/tree.cpp")
    options = parser.parse_args(arguments)
    (b, v) = nm.dims("b, v")
    module = nm.compile(evaluate, (Expr.spec(b), nm.spec((v,), jnp.float32)))
    if options.save:
        module.save(options.save)
    rng, same = np.random.default_rng(0), True
    calls = [
        (f"batch {size}", [random_expression(rng, int(rng.integers(1, options.nodes)), 5) for _ in range(size)])
        for size in options.batches
    ]
    calls.append((f"chains of {options.depth}", [chain(rng, options.depth, 5), chain(rng, options.depth // 2, 5)]))
    for name, expressions in calls:
        environment = rng.normal(size=5).astype(np.float32)
        arrays = Expr.pack(expressions)
        want = np.array([in_numpy(e, environment) for e in expressions])
        seconds = np.inf
        for _ in range(5):
            begin = time.perf_counter()
            (got,) = module.call_flat([*arrays, environment])
            seconds = min(seconds, time.perf_counter() - begin)
        nodes = int(arrays[1][..., 2].sum())
        agrees = np.array_equal(got, want)
        same = same and agrees
        print(f"{name}: {'identical' if agrees else 'DIFFERENT'}, {seconds / nodes * 1e9:.0f} ns a node of {nodes}")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
