"""The registry of test programs: JAX functions with symbolic arguments, and how to make inputs for given sizes.

`@program(...)` above a function adds it; the tests parametrise over `PROGRAMS`. A program is described once: its symbols,
its specs as a function of them, the kind of computation (tolerances.py), and what its integer arguments may hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import nimble_mlir as nm
from nimble_mlir.dims.signature import EntryPoint

__all__ = ["PROGRAMS", "TestProgram", "floats", "integers", "program"]

# A maker of the contents of one argument: (random generator, shape, dtype) → array.
Contents = Callable[[np.random.Generator, tuple[int, ...], Any], np.ndarray]


@dataclass(frozen=True)
class TestProgram:
    """One program; `specs` takes the symbols of `dims`, in order, and returns the tuple of example arguments.

    `contents` overrides, by the argument's name as in the signature, how its elements are drawn. `run_at_most` limits
    the sizes at which a symbol without declared maximum is run. `on_demand`: run with -m exhaustive alone, since it takes
    long and differs little from another program.
    """

    __test__ = False  # not a test class of pytest

    name: str
    function: Callable[..., Any]
    dims: str
    specs: Callable[..., tuple[Any, ...]]
    kind: str
    constraints: tuple[str, ...] = ()
    contents: Mapping[str, Contents] = field(default_factory=dict)
    run_at_most: Mapping[str, int] = field(default_factory=dict)
    on_demand: bool = False

    def compile(self) -> Any:
        """The compiled module, through the public API."""
        return nm.compile(self.function, self.example_args())

    def example_args(self) -> tuple[Any, ...]:
        """Symbolic specs, from a scope of their own."""
        return self.specs(*nm.dims(self.dims, constraints=self.constraints))

    def sizes(self, entry: EntryPoint, count: int, seed: int = 0) -> list[dict[str, int]]:
        """`count` different combinations of symbol values: all smallest, all largest, a random one of odd values and one
        of any, each alone at its largest, then more random ones. Fewer where the constraints allow no more."""
        values = {info.name: self._admitted(info) for info in entry.symbols}
        if not values:
            return [{}]
        names = list(values)
        smallest = {name: values[name][0] for name in names}
        found: list[dict[str, int]] = []
        rng = random.Random(f"{self.name}{seed}")

        def candidates() -> Iterator[dict[str, int]]:
            yield smallest
            yield {name: values[name][-1] for name in names}
            for attempt in range(4000):
                if attempt == 2:
                    yield from ({**smallest, name: values[name][-1]} for name in names)
                odd = attempt % 2 == 0
                yield {name: rng.choice([v for v in values[name] if v % 2] if odd else values[name]) for name in names
                       if not odd or any(v % 2 for v in values[name])}  # fmt: skip

        for combination in candidates():
            if len(found) == count:
                break
            complete = {**{name: rng.choice(values[name]) for name in names}, **combination}
            if complete not in found and all(constraint.holds(complete) for constraint in entry.constraints):
                found.append(complete)
        return found

    def _admitted(self, info: Any) -> list[int]:
        largest = self.run_at_most.get(info.name, 13) if info.max is None else info.max
        return [value for value in range(info.min, largest + 1) if value % info.multiple_of == 0]

    def inputs(self, entry: EntryPoint, sizes: Mapping[str, int], seed: int = 0) -> tuple[Any, ...]:
        """Positional arguments of concrete sizes, numpy arrays in the structure of the specs."""
        rng = np.random.default_rng([seed, *sizes.values()])
        leaves, treedef = jax.tree_util.tree_flatten(self.example_args())
        concrete = []
        for argument, leaf in zip(entry.arguments, leaves, strict=True):
            shape = tuple(dim.evaluate(sizes) for dim in argument.dims)
            if argument.kind == "key":
                concrete.append(jax.random.key(int(rng.integers(1 << 30))))
                continue
            make = self.contents.get(argument.name, _default)
            array = np.asarray(make(rng, shape, np.dtype(argument.dtype)))
            concrete.append(array.item() if argument.kind == "scalar" else array.astype(leaf.dtype))
        return jax.tree_util.tree_unflatten(treedef, concrete)


PROGRAMS: dict[str, TestProgram] = {}


def program(
    dims: str,
    specs: Callable[..., tuple[Any, ...]],
    kind: str = "model",
    *,
    constraints: Sequence[str] = (),
    contents: Mapping[str, Contents] | None = None,
    run_at_most: Mapping[str, int] | None = None,
    on_demand: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers the function below under its name."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        assert name not in PROGRAMS, name
        PROGRAMS[name] = TestProgram(
            name, function, dims, specs, kind, tuple(constraints), contents or {}, run_at_most or {}, on_demand
        )
        return function

    return register


def integers(low: int, high: int) -> Contents:
    """Integers in low … high - 1."""
    return lambda rng, shape, dtype: rng.integers(low, high, shape)


def floats(low: float, high: float) -> Contents:
    """Floats evenly in low … high."""
    return lambda rng, shape, dtype: rng.uniform(low, high, shape)


def _default(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind == "c":
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -100, 100, shape)
    return rng.normal(size=shape)


f32, bf16, f16, c64, i32, i8, u8, u32, boolean = (
    jnp.float32, jnp.bfloat16, jnp.float16, jnp.complex64, jnp.int32, jnp.int8, jnp.uint8, jnp.uint32, jnp.bool_,
)  # fmt: skip
