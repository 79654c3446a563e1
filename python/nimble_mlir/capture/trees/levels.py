"""Structural recursion: what the function does for the nodes of each constructor, found by tracing it.

In: the function and the arrays of a batch (layout.py). The function is traced once for each constructor, which says what
it does with the parts: which it calls itself on, and with which arguments. Arguments that are handed on as they are stay
outside, so that weights among them are not mapped over nodes. Out: the results of the roots, by a primitive
(recursion_primitive.py) whose arms are the function, mapped over any number of nodes. That the nodes of a level are computed
at once, and in which order, is the compiler's matter (passes/batch_recursion.py).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from nimble_mlir.errors import CaptureError

from ..bodies import as_arrays, type_text
from ..places import place_of
from ..probing import NoResultYet
from ..tracing import current
from .adt import Constructor, Part, is_value
from .layout import Layout
from .packing import Packing
from .recursion_primitive import bind_recursion, recur
from .structure import NotStructuralError, check_calls, marked

__all__ = ["by_levels", "calls_of"]

_under_way: contextvars.ContextVar[Any] = contextvars.ContextVar("levels", default=None)


class _Calls:
    """The recursive calls of the function as it is traced for one constructor.

    `result` says what a call on a field with these flat arguments gives; it is None where the form of results is not known.
    `made` are the calls: the field, and the arguments with their structure."""

    def __init__(self, call: Any, result: Callable[[str, list[Any]], Any] | None) -> None:
        self.of, self._result = call, result
        self.made: list[tuple[str, list[Any], Any]] = []

    def call(self, value: Any, args: Sequence[Any]) -> Any:
        if not isinstance(value.constructor, Part):
            raise NotStructuralError(
                f"{place_of(self.of)}: the function calls itself on a value that is no part of its argument; compiled "
                "recursion goes to the parts"
            )
        if self._result is None:
            raise NoResultYet
        leaves, tree = jax.tree_util.tree_flatten(tuple(args))
        self.made.append((value.constructor.field, leaves, tree))
        return self._result(value.constructor.field, leaves)


def calls_of(call: Any) -> Any:
    """The calls that are recorded, where `call` is the function that is being traced."""
    calls = _under_way.get()
    return calls if calls is not None and calls.of is call else None


@contextmanager
def _recorded(calls: _Calls) -> Iterator[None]:
    token = _under_way.set(calls)
    try:
        yield
    finally:
        _under_way.reset(token)


class _Recursion:
    """A function as it is analysed: the form of its results, and of each constructor its calls."""

    def __init__(self, fn: Callable[..., Any], call: Any, type_: Any, args: Sequence[Any]) -> None:
        self.fn, self.call, self.type = fn, call, type_
        leaves, self.args_tree = jax.tree_util.tree_flatten(tuple(args))
        self.args = as_arrays(leaves)
        self.fields: dict[str, tuple[str, ...]] = {}
        self.result_tree: Any = None
        self.result_specs: list[Any] = []
        self._find_result()
        self.varies = [False] * len(self.args)
        for one in type_.constructors:
            self._check_calls(one)
        self._find_calls()

    def run(self, one: Constructor, fields: Sequence[Any], args: Sequence[Any], results: Any) -> tuple[Any, _Calls]:
        """What the function gives for one value of the constructor, flat, and its calls."""
        calls = _Calls(self.call, results)
        return self._with(calls, one, fields, args), calls

    def _with(self, calls: _Calls, one: Constructor, fields: Sequence[Any], args: Sequence[Any]) -> Any:
        given = iter(fields)
        parts = {
            field.name: _part(self.type, field.name) if field.spec is None else next(given) for field in one.fields
        }
        with _recorded(calls):
            result = self.fn(one.made(parts), *jax.tree_util.tree_unflatten(self.args_tree, list(args)))
        if any(map(is_value, jax.tree_util.tree_leaves(result, is_leaf=is_value))):
            raise NotStructuralError(f"{place_of(self.fn)}: it returns values of an nm.adt")
        return result

    def _check_calls(self, one: Constructor) -> None:
        count = len(self._specs(one))

        def traced(*flat: Any) -> Any:
            def result(field: str, leaves: list[Any]) -> Any:
                return self.tree(marked(as_arrays(leaves), self.result_specs))

            calls = _Calls(self.call, result)
            return jax.tree_util.tree_leaves(self._with(calls, one, flat[:count], flat[count:]))

        args = [jax.ShapeDtypeStruct(arg.shape, arg.dtype) for arg in self.args]
        check_calls(traced, [*self._specs(one), *args], f"{place_of(self.fn)}: {one}")

    def _specs(self, one: Constructor) -> list[Any]:
        return [field.spec for field in one.fields if field.spec is not None]

    def _abstract(self, one: Constructor, visit: Callable[..., Any]) -> Any:
        args = [jax.ShapeDtypeStruct(arg.shape, arg.dtype) for arg in self.args]
        count = len(self._specs(one))
        return jax.eval_shape(lambda *flat: visit(flat[:count], flat[count:]), *self._specs(one), *args)

    def _find_result(self) -> None:
        waiting = []
        for one in self.type.constructors:
            try:
                result = self._abstract(one, lambda fields, args, one=one: self.run(one, fields, args, None)[0])
            except NoResultYet:
                waiting.append(one)
                continue
            self._state(one, result)
        assert (
            self.result_tree is not None
        )  # a type has a constructor without parts, where there is nothing to call it on
        for one in waiting:
            self._state(
                one, self._abstract(one, lambda fields, args, one=one: self.run(one, fields, args, self.unknown)[0])
            )

    def _state(self, one: Constructor, result: Any) -> None:
        leaves, tree = jax.tree_util.tree_flatten(result)
        if self.result_tree is None:
            self.result_tree, self.result_specs, self._first = tree, leaves, one
            return
        found, wanted = ([type_text(leaf) for leaf in group] for group in (leaves, self.result_specs))
        if tree != self.result_tree or found != wanted:
            raise CaptureError(
                f"{place_of(self.fn)}: the results must have one structure and shape: {self._first} gives "
                f"{self.result_tree} of {', '.join(wanted)}, {one} gives {tree} of {', '.join(found)}"
            )

    def unknown(self, field: str, leaves: Sequence[Any]) -> Any:
        """A result that only has the form of one."""
        return self.tree([jnp.zeros(spec.shape, spec.dtype) for spec in self.result_specs])

    def tree(self, leaves: Sequence[Any]) -> Any:
        """The results in their structure."""
        return jax.tree_util.tree_unflatten(self.result_tree, list(leaves))

    def _find_calls(self) -> None:
        for one in self.type.constructors:

            def visit(fields: Any, args: Any, one: Constructor = one) -> Any:
                _, calls = self.run(one, fields, args, self.unknown)
                names = tuple(name for name, _, _ in calls.made)
                self.fields[one.name] = names
                if len(set(names)) != len(names) and self.args:
                    self._check_one_call(one, names)
                for name, leaves, tree in calls.made:
                    self._check_args(one, name, leaves, tree)
                    self.varies = [
                        varies or leaf is not arg for varies, leaf, arg in zip(self.varies, leaves, args, strict=True)
                    ]
                return 0

            self._abstract(one, visit)

    def _check_one_call(self, one: Constructor, names: Sequence[str]) -> None:
        twice = next(name for name in names if names.count(name) > 1)
        raise NotStructuralError(
            f"{place_of(self.fn)}: {one} calls the function twice on field '{twice}'; a part is visited once, so "
            "return both results from one call"
        )

    def _check_args(self, one: Constructor, name: str, leaves: Sequence[Any], tree: Any) -> None:
        where = f"{place_of(self.fn)}: the call on field '{name}' of {one}"
        found, wanted = ([type_text(leaf) for leaf in as_arrays(group)] for group in (leaves, self.args))
        if tree != self.args_tree or found != wanted:
            raise NotStructuralError(
                f"{where} has the arguments {', '.join(found)}, but {', '.join(wanted)} are expected"
            )

    @property
    def varying(self) -> list[Any]:
        """The arguments of the roots that their parts get others for."""
        return [arg for arg, varies in zip(self.args, self.varies, strict=True) if varies]

    def all_arguments(self, varying: Sequence[Any]) -> list[Any]:
        """All arguments of a node, given those that vary."""
        rest = iter(varying)
        return [next(rest) if varies else arg for arg, varies in zip(self.args, self.varies, strict=True)]


def _part(type_: Any, field: str) -> Any:
    made = object.__new__(type_)
    made.__dict__.update(constructor=Part(field))
    return made


def by_levels(fn: Callable[..., Any], call: Any, type_: Any, leaves: Sequence[Any], args: Sequence[Any]) -> Any:
    """The results of all roots, stacked. Raises NotStructuralError, and CaptureError for results of several forms."""
    layout = Layout(type_, leaves)
    recursion = _Recursion(fn, call, type_, args)
    tracing = current()
    if tracing is None:
        raise CaptureError(f"{place_of(fn)}: nm.recursive of a traced value needs nm.compile; jax.jit has no recursion")
    results, arguments = Packing(recursion.result_specs), Packing(recursion.varying)
    rows = tracing.fresh()
    made = bind_recursion(
        type_,
        fn,
        layout,
        [_mapped(recursion, one, results, arguments, rows) for one in type_.constructors],
        rows,
        arguments.pack(recursion.varying),
        [jnp.zeros((width,), dtype) for width, dtype in zip(results.widths, results.dtypes, strict=True)],
    )
    return recursion.tree(results.unpack(made))


def _mapped(recursion: _Recursion, one: Constructor, results: Packing, arguments: Packing, rows: Any) -> Any:
    """The function of the constructor's fields and of arguments, mapped over `rows` nodes: results and arguments that are
    not handed on as they are lie side by side, so that one gather reads all that a call gives."""
    specs = [((width,), dtype) for width, dtype in zip(results.widths, results.dtypes, strict=True)]

    def body(fields: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        columns = {field.name: value for field, value in zip(one.fields, fields, strict=True)}

        def result(field: str, leaves: list[Any]) -> Any:
            handed = [leaf for leaf, varies in zip(leaves, recursion.varies, strict=True) if varies]
            return recursion.tree(results.unpack(recur(columns[field], arguments.pack(handed), specs)))

        arrays = [columns[field.name] for field in one.fields if field.spec is not None]
        made, _ = recursion.run(one, arrays, recursion.all_arguments(arguments.unpack(args)), result)
        return results.pack(jax.tree_util.tree_leaves(made))

    return jax.vmap(body, axis_size=rows)
