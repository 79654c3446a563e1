"""Structural recursion as loops over levels: one step computes all nodes of a level, in all trees of a batch.

In: the function and the arrays of a batch (layout.py). The function is traced once for each constructor, which says what
it does with the parts: which it calls itself on, and with which arguments. Arguments that are handed on as they are stay
outside of the loop; other ones go from the highest level down, in a loop of their own. Then results go up: the leaves of
all trees at once, and level by level the values above them, whose rows lie side by side in the buffer of all results.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from nimble_mlir.errors import CaptureError

from ..bodies import as_arrays, type_text
from ..data_sizes.define import define_size
from ..data_sizes.slices import sliced, updated
from ..places import place_of
from ..probing import NoResultYet
from .adt import Constructor, Part, is_value
from .blocks import Blocks, either
from .layout import Layout
from .packing import Packing
from .structure import NotStructuralError, check_calls, marked

__all__ = ["by_levels", "calls_of"]

_under_way: contextvars.ContextVar[Any] = contextvars.ContextVar("levels", default=None)


class _Calls:
    """The recursive calls of the function as it is traced for one constructor.

    `results` are what they give, in order; None where their form is not known. `made` are (field, flat arguments)."""

    def __init__(self, call: Any, result: Callable[[int], Any] | None) -> None:
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
        return self._result(len(self.made) - 1)


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
            def result(index: int) -> Any:
                return self.tree(marked(as_arrays(made[index][1]), self.result_specs))

            calls = _Calls(self.call, result)
            made = calls.made
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

    def unknown(self, index: int) -> Any:
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


def _part(type_: Any, field: str) -> Any:
    made = object.__new__(type_)
    made.__dict__.update(constructor=Part(field))
    return made


def by_levels(fn: Callable[..., Any], call: Any, type_: Any, leaves: Sequence[Any], args: Sequence[Any]) -> Any:
    """The results of all roots, stacked."""
    layout = Layout(type_, leaves)
    recursion = _Recursion(fn, call, type_, args)
    lowered = _Levels(recursion, layout)
    buffers = lowered.results(lowered.arguments())
    return recursion.tree(lowered.packing.unpack([_gathered(buffer, layout.roots) for buffer in buffers]))


def _gathered(buffer: Any, ids: Any) -> Any:
    """The rows of these nodes, whose numbers are never negative."""
    return buffer.at[ids].get(mode="clip", wrap_negative_indices=False)


class _Levels:
    """The loops of one call."""

    def __init__(self, recursion: _Recursion, layout: Layout) -> None:
        self.recursion, self.layout = recursion, layout
        self.type = recursion.type
        self.size = sum(rows.shape[0] for rows in layout.rows)  # one row too many for each constructor
        self.levels = jnp.asarray(layout.blocks.shape[0], jnp.int32)
        self.packing = Packing(recursion.result_specs)
        self.varying = [arg for arg, varies in zip(recursion.args, recursion.varies, strict=True) if varies]
        self.args = Packing(self.varying)
        self.inner = [index for index, one in enumerate(self.type.constructors) if one.children]
        self.blocks = Blocks(self)

    def arguments(self) -> list[Any]:
        """The arguments of all nodes that are not the same for all, one buffer each: from the roots down."""
        buffers = [
            buffer.at[self.layout.roots].set(first, mode="drop")
            for buffer, first in zip(self.args.buffers(self.size), self.args.pack(self.varying), strict=True)
        ]
        if not buffers or not self.inner:
            return buffers

        def step(below: Any, buffers: list[Any]) -> list[Any]:
            level = self.levels - 1 - below
            for index in self.inner:
                buffers = self._handed_down(level, index, buffers)
            return buffers

        def by_levels(buffers: list[Any]) -> list[Any]:
            return lax.fori_loop(jnp.int32(0), self.levels - 1, step, buffers)

        return either(self.blocks.handed_down, by_levels, buffers)

    def results(self, arguments: Sequence[Any]) -> list[Any]:
        """The results of all nodes, packed, one buffer for each dtype."""

        def by_levels(buffers: list[Any]) -> list[Any]:
            for index, one in enumerate(self.type.constructors):
                if not one.children:
                    buffers = self._of_leaves(index, one, buffers, arguments)
            return lax.fori_loop(jnp.int32(1), self.levels, step, buffers) if self.inner else buffers

        def step(level: Any, buffers: list[Any]) -> list[Any]:
            for index in self.inner:
                buffers = self._of_level(level, index, buffers, arguments)
            return buffers

        buffers = self.packing.buffers(self.size)
        return either(lambda buffers: self.blocks.results(buffers, arguments), by_levels, buffers)

    def _of_leaves(self, index: int, one: Constructor, buffers: list[Any], arguments: Sequence[Any]) -> list[Any]:
        """With the row behind the last: the next constructor's first one, or one that nobody reads, is written later."""
        start = self._entry(jnp.int32(0), index, 0)
        rows = self.layout.rows[index].shape[0]
        args = [lax.dynamic_slice_in_dim(buffer, start, rows, allow_negative_indices=False) for buffer in arguments]
        made = self.mapped(one, list(self.layout.fields[index].values()), args, [], rows)
        return [
            lax.dynamic_update_slice_in_dim(buffer, result, start, 0, allow_negative_indices=False)
            for buffer, result in zip(buffers, made, strict=True)
        ]

    def _block(self, level: Any, index: int) -> tuple[Any, Any, Any]:
        """Of a level and a constructor: the number of the first node, its row, and how many there are."""
        first, row, count = (self._entry(level, index, entry) for entry in range(3))
        return first, row, define_size(count, f"the level of {self.type.constructors[index]}")

    def _entry(self, level: Any, index: int, entry: int) -> Any:
        at = (level, jnp.int32(index), jnp.int32(entry))
        return lax.dynamic_slice(self.layout.blocks, at, (1, 1, 1), allow_negative_indices=False).reshape(())

    def _columns(self, index: int, row: Any, size: Any) -> dict[str, Any]:
        return {name: sliced(column, row, size, 0) for name, column in self.layout.fields[index].items()}

    def _of_level(self, level: Any, index: int, buffers: list[Any], arguments: Sequence[Any]) -> list[Any]:
        one = self.type.constructors[index]
        first, row, size = self._block(level, index)
        columns = self._columns(index, row, size)
        args = [sliced(buffer, first, size, 0) for buffer in arguments]
        of_parts = [
            [_gathered(buffer, columns[name]) for buffer in buffers] for name in self.recursion.fields[one.name]
        ]
        arrays = [columns[field.name] for field in one.fields if field.spec is not None]
        made = self.mapped(one, arrays, args, of_parts, size.dim)
        return [updated(buffer, result, first) for buffer, result in zip(buffers, made, strict=True)]

    def _handed_down(self, level: Any, index: int, buffers: list[Any]) -> list[Any]:
        one = self.type.constructors[index]
        first, row, size = self._block(level, index)
        columns = self._columns(index, row, size)
        own = [sliced(buffer, first, size, 0) for buffer in buffers]
        arrays = [columns[field.name] for field in one.fields if field.spec is not None]

        made = self.handed(one, arrays, own, size.dim)
        for name, rows in zip(self.recursion.fields[one.name], made, strict=True):
            buffers = [
                buffer.at[columns[name]].set(row, mode="drop") for buffer, row in zip(buffers, rows, strict=True)
            ]
        return buffers

    def handed(self, one: Constructor, arrays: Sequence[Any], args: Sequence[Any], rows: Any) -> list[list[Any]]:
        """What `rows` nodes of one constructor hand down, packed, for each call."""

        def body(fields: Any, args: Any) -> Any:
            _, calls = self.recursion.run(one, fields, self._all(args), self.recursion.unknown)
            return [
                self.args.pack([leaf for leaf, varies in zip(leaves, self.recursion.varies, strict=True) if varies])
                for _, leaves, _ in calls.made
            ]

        return jax.vmap(body, axis_size=rows)(list(arrays), list(args))

    def _all(self, varying: Sequence[Any]) -> list[Any]:
        rest = iter(self.args.unpack(varying))
        return [
            next(rest) if varies else arg
            for arg, varies in zip(self.recursion.args, self.recursion.varies, strict=True)
        ]

    def mapped(
        self, one: Constructor, arrays: Sequence[Any], args: Sequence[Any], of_parts: Sequence[Any], rows: Any
    ) -> list[Any]:
        """The results of `rows` nodes of one constructor: the function, mapped over them."""

        def body(arrays: Any, args: Any, of_parts: Any) -> list[Any]:
            result, _ = self.recursion.run(
                one, arrays, self._all(args), lambda index: self.recursion.tree(self.packing.unpack(of_parts[index]))
            )
            return self.packing.pack(jax.tree_util.tree_leaves(result))

        return jax.vmap(body, axis_size=rows)(list(arrays), list(args), [list(part) for part in of_parts])
