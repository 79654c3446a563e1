"""Recursion on an explicit stack: functions that call themselves on whatever they compute, as often as the data says.

In: a function marked with `nm.recursive` and its arguments. It is traced once for each form of arguments that it is called
with, and so is each recursive function that it calls; a call is a primitive in the trace (primitives.py). Out: the results
of a recursion in the dialect, which the pass `nimble-explicit-stack` makes a loop of.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from nimble_mlir.errors import CaptureError, ShapeError

from ..bodies import Body, as_arrays, trace_body, type_text
from ..places import place_of
from ..probing import NoResultYet, probing
from ..tracing import Tracing, capturing, current
from .adt import Adt, Constructor, array_field, is_value
from .heap import arranged
from .layout import Layout
from .primitives import Target, call_p, make_p, recursion
from .references import Forest, Reference, Rows, made_by, reference

__all__ = ["by_stack", "under_way"]

_MOST_FORMS = 64

_under_way: contextvars.ContextVar[Functions | None] = contextvars.ContextVar("functions", default=None)


def under_way() -> Functions | None:
    """The functions that are being traced, None outside of them."""
    return _under_way.get()


def by_stack(fn: Callable[..., Any], call: Any, args: Sequence[Any], max_depth: int) -> Any:
    """The result of `fn(*args)`, whose recursive calls go by `call`.

    Values of an `nm.adt` among the arguments are traced ones, with the arrays of one value each."""
    functions = Functions()
    function, leaves = functions.found(fn, call, tuple(_entered(arg) for arg in args))
    functions.trace()
    bodies = {each.target: each.body for each in functions.all() if each.body is not None}
    results, tables = recursion(bodies, function.target, leaves, functions.heaps, max_depth)
    heaps = dict(zip(functions.heaps, tables, strict=True))

    def made(value: Any) -> Any:
        if not isinstance(value, Adt) or value.constructor.forest not in heaps:
            return value
        heap = value.constructor.forest
        return arranged(heap, *heaps[heap], value.constructor.node)

    return jax.tree_util.tree_map(made, jax.tree_util.tree_unflatten(function.tree, results), is_leaf=is_value)


def _entered(arg: Any) -> Any:
    """Values of an `nm.adt` as references to the node that they are."""

    def root(value: Any) -> Any:
        if not isinstance(value, Adt) or value.constructor is not None:
            return value
        layout = Layout(type(value), value.__dict__["layout"])
        return reference(Forest(layout), layout.roots[0])

    return jax.tree_util.tree_map(root, arg, is_leaf=is_value)


class _Function:
    """A function for one form of arguments; `tree` is the structure of its results, once that is known."""

    def __init__(self, fn: Callable[..., Any], args_tree: Any, forests: Sequence[Rows | None], specs: Any) -> None:
        self.fn, self.args_tree, self.forests, self.specs = fn, args_tree, forests, specs
        self.target = Target(fn.__name__)
        self.tree: Any = None
        self.body: Body | None = None

    def flat(self, *leaves: Any) -> Any:
        """The function of its flat arguments."""
        values = [
            leaf if forest is None else reference(forest, leaf)
            for leaf, forest in zip(leaves, self.forests, strict=True)
        ]
        return self.fn(*jax.tree_util.tree_unflatten(self.args_tree, values))

    def probe(self) -> None:
        """Finds the form of the results. Raises NoResultYet where no branch is without a call of unknown result."""
        with _traced_anew(), probing():
            result = jax.eval_shape(self.flat, *self.specs)
        leaves, self.tree = jax.tree_util.tree_flatten(result)
        self.target.result_specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]

    def trace(self) -> None:
        """Traces the function and compares its results with what the probe found."""
        whole = jax.tree_util.tree_structure(0)
        with _traced_anew():
            body = trace_body(self.flat, [whole] * len(self.specs), self.specs)
        found, wanted = ([type_text(leaf) for leaf in leaves] for leaves in (body.results, self.target.result_specs))
        if body.tree != self.tree or found != wanted:
            raise CaptureError(
                f"{place_of(self.fn)}: the results must have one structure and shape: one branch gives {self.tree} of "
                f"{', '.join(wanted)}, the whole {body.tree} of {', '.join(found)}"
            )
        self.body = body


class Functions:
    """The functions that call each other, by the form of their arguments."""

    def __init__(self) -> None:
        self._functions: dict[Any, _Function] = {}
        self._heaps: dict[Any, Rows] = {}

    @property
    def heaps(self) -> list[Rows]:
        """Those of the types of which the functions make values."""
        return list(self._heaps.values())

    def all(self) -> list[_Function]:
        """All that were found."""
        return list(self._functions.values())

    def found(self, fn: Callable[..., Any], call: Any, args: Sequence[Any]) -> tuple[_Function, list[Any]]:
        """The function for arguments like these, and the flat arguments."""
        values, tree = jax.tree_util.tree_flatten(tuple(args), is_leaf=is_value)
        forests = [_forest_of(fn, value) if isinstance(value, Adt) else None for value in values]
        leaves = as_arrays(
            [value if forest is None else value.constructor.node for value, forest in zip(values, forests, strict=True)]
        )
        specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
        key = (call, tree, tuple(forests), tuple((spec.shape, spec.dtype) for spec in specs))
        if key not in self._functions:
            if len(self._functions) == _MOST_FORMS:
                raise CaptureError(
                    f"{place_of(fn)}: it calls itself with arguments of ever other shapes, at last "
                    f"{', '.join(map(type_text, specs))}; a compiled recursive function needs one form of arguments"
                )
            self._functions[key] = _Function(fn, tree, forests, specs)
        return self._functions[key], leaves

    def call(self, fn: Callable[..., Any], call: Any, args: Sequence[Any]) -> Any:
        """A recursive call in a trace."""
        function, leaves = self.found(fn, call, args)
        if function.tree is None:
            raise NoResultYet
        return jax.tree_util.tree_unflatten(function.tree, call_p.bind(*leaves, target=function.target))

    def make(self, one: Constructor, given: Mapping[str, Any]) -> Any:
        """A value that the functions make. Raises CaptureError for a part that they do not make."""
        heap = self._heaps.setdefault(one.type, Rows(one.type))
        args = [self._field(heap, one, field, given[field.name]) for field in one.fields]
        number = self.heaps.index(heap)
        (node,) = make_p.bind(*args, heap=number, constructor=one.type.constructors.index(one))
        return reference(heap, node)

    def _field(self, heap: Rows, one: Constructor, field: Any, value: Any) -> Any:
        where = f"{one}: field '{field.name}'"
        if field.spec is not None:
            return jnp.asarray(array_field(value, field.spec, where))
        if not isinstance(value, one.type):
            raise ShapeError(f"{where} must be a {one.type.__name__}, got {type(value).__name__}")
        if not isinstance(value.constructor, Reference) or value.constructor.forest is not heap:
            raise CaptureError(
                f"{where} is a part of an argument; a compiled recursion puts together what it makes: let it make a copy"
            )
        return value.constructor.node

    def trace(self) -> None:
        """Traces all, and those that are found on the way."""
        with self._calls():
            while True:
                self._probe()
                rest = [function for function in self.all() if function.body is None]
                if not rest:
                    return
                for function in rest:
                    try:
                        function.trace()
                    except NoResultYet:
                        continue  # one that it calls was not known before

    def _probe(self) -> None:
        while unknown := [function for function in self.all() if function.tree is None]:
            known = 0
            for function in unknown:
                try:
                    function.probe()
                    known += 1
                except NoResultYet:
                    continue
            if not known and len(unknown) == sum(function.tree is None for function in self.all()):
                raise CaptureError(
                    f"{place_of(unknown[0].fn)}: every branch makes a recursive call, so nothing says what the function "
                    "returns; choose between the case without a call and the others by nm.cond, nm.switch or nm.match"
                )

    @contextmanager
    def _calls(self) -> Iterator[None]:
        token = _under_way.set(self)
        try:
            with made_by(self.make):
                yield
        finally:
            _under_way.reset(token)


@contextmanager
def _traced_anew() -> Iterator[None]:
    """What JAX has traced of the same functions before holds other calls than these, or none."""
    tracing = current()
    assert tracing is not None
    with capturing(Tracing(tracing.scope, tracing.names, anew=True)):
        yield


def _forest_of(fn: Callable[..., Any], value: Any) -> Rows:
    if isinstance(value.constructor, Reference):
        return value.constructor.forest
    raise CaptureError(
        f"{place_of(fn)}: a call on a {type(value).__name__} that is neither an argument nor a part of one; give it as an "
        "argument"
    )
