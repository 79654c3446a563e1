"""One entry point of a loaded module: a call from Python values to Python values.

In: arguments as the compiled function took them. Out: its results in the same structure: `nm.Array`s where any argument
was one, else JAX arrays where any was one, else numpy arrays. Everything that the signature says is checked first; a
ShapeError leaves the module usable.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from iree.runtime import HalBufferView, VmVariantList

from nimble_mlir.dims.signature import EntryPoint
from nimble_mlir.dims.tree import Tree, flatten, unflatten
from nimble_mlir.errors import NimbleError, ShapeError
from nimble_mlir.runtime.arguments import Argument
from nimble_mlir.runtime.arrays import Shared, dtype_of, separate, to_buffer_view, to_jax, to_numpy
from nimble_mlir.runtime.device_array import Array

if TYPE_CHECKING:
    from nimble_mlir.runtime.contexts import ContextPool
    from nimble_mlir.runtime.device import Device

__all__ = ["SMALL_WORK", "Entry", "Place"]

_MAX_SOLVED = 1024  # shapes that are remembered as checked, each with the place for its calls

# Scalar operations of a call up to which one thread is faster than several, which have to be woken: about 20 µs of work.
SMALL_WORK = 1 << 17

# "[nimble.check <kind>] <text>", after which IREE appends "; " and, from some places, a stack trace.
_CHECK = re.compile(r"\[nimble\.check[^\]]*\]\s*(.*?)(?:;\s*(?:\[\s*\d+\]\s.*)?|\s*\n.*)?\Z", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Where calls run: a device, and the contexts of the module on it."""

    device: Device
    pool: ContextPool


class Entry:
    """A callable entry point. `live_treedefs` are JAX's treedefs of ((args, kwargs), results), if they are known.

    Calls run in what `place` gives; those whose sizes make them small in what `small` gives, if there is one.
    """

    def __init__(
        self,
        spec: EntryPoint,
        function: Any,
        place: Callable[[], Place],
        small: Callable[[], Place] | None = None,
        live_treedefs: tuple[Any, Any] | None = None,
    ) -> None:
        self.signature = spec
        self._function = function
        self._place = place
        self._small = small
        self._live = live_treedefs
        self._arguments = tuple(Argument(argument) for argument in spec.arguments)
        self._argument_count = len(self._arguments)
        self._donates = any(argument.donated for argument in self._arguments)
        self._says_sizes = any(argument.says_sizes for argument in self._arguments)
        self._results = tuple(dtype_of(result.dtype) for result in spec.results)
        self._result_keys = tuple(result.key_impl if result.kind == "key" else None for result in spec.results)
        self._in_is_flat = spec.in_tree.is_flat
        self._out_is_leaf = spec.out_tree.kind == "leaf"
        self._out_is_closed = live_treedefs is None and spec.out_tree.custom_type is not None
        self._plan, self._scope, self._names = spec.plan, spec.scope, spec.argument_names
        self._places: dict[tuple[tuple[int, ...], ...], Place] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it. Arguments go by position or by the parameter names of the compiled function.

        Raises ShapeError for arguments that do not fit the signature and for checks that fail as it runs,
        CaptureError under a JAX trace, NimbleError for other failures of the runtime.
        """
        if self._in_is_flat and not kwargs and len(args) == self._argument_count:
            leaves: Sequence[Any] = args
        else:
            leaves = self._flatten(args, kwargs)
        if self._out_is_closed:
            self._unflatten(())  # raises, before the work is done
        results = self._run(leaves)
        return results[0] if self._out_is_leaf else self._unflatten(results)

    def on_device(self, *args: Any, **kwargs: Any) -> Any:
        """As a call; the results are `nm.Array`s, which stay on the device. So they are where an argument is one."""
        leaves = self._flatten(args, kwargs)
        if self._out_is_closed:
            self._unflatten(())
        results = self._run(leaves, stay=True)
        return results[0] if self._out_is_leaf else self._unflatten(results)

    def call_flat(self, leaves: Sequence[Any]) -> list[Any]:
        """Run it on the flat list of arrays, in the order of `signature.arguments`; results as a flat list.

        This works for every structure, those with types that are registered with JAX included. Raises as a call.
        """
        if len(leaves) != self._argument_count:
            given = "1 array was" if len(leaves) == 1 else f"{len(leaves)} arrays were"
            are = "is" if self._argument_count == 1 else "are"
            raise ShapeError(f"{given} given, but {self._argument_count} {are} expected")
        return self._run(leaves)

    def output_shapes(self, *args: Any, **kwargs: Any) -> Any:
        """The shapes of the results, as tuples in the structure of the results, without running anything.

        Arguments may be arrays or anything else with `shape` and `dtype`. A size that depends on values is a `SizeRange`,
        which has its bounds. Raises ShapeError as a call does.
        """
        leaves = self._flatten(args, kwargs)
        shapes = [argument.check_struct(leaf) for argument, leaf in zip(self._arguments, leaves, strict=True)]
        return self._unflatten(self.signature.output_shapes(shapes))

    def _run(self, leaves: Sequence[Any], stay: bool = False) -> list[Any]:
        any_jax = False
        held: list[Array] = []
        arrays: list[np.ndarray | Array] = []
        for argument, value in zip(self._arguments, leaves, strict=True):
            if type(value) is np.ndarray and value.dtype == argument.numpy_dtype and value.ndim == argument.rank:
                arrays.append(value)
            elif type(value) is Array:
                argument.check_held(value)
                held.append(value)
                arrays.append(value)
            else:
                array, is_jax = argument.convert(value)
                any_jax |= is_jax
                arrays.append(array)
        if self._says_sizes:
            shapes = tuple([argument.sizes(array) for argument, array in zip(self._arguments, arrays, strict=True)])
        else:
            shapes = tuple([array.shape for array in arrays])
        place = self._places.get(shapes)
        if place is None:
            place = self._remember(shapes)

        if held:
            place = self._place_of(held[0].device, place)
        device, pool = place.device, place.pool
        device.check_usable()
        donated = self._donate(arrays) if held and self._donates else []
        shared: list[Shared] = []
        try:
            inputs = VmVariantList(self._argument_count)
            for argument, array in zip(self._arguments, arrays, strict=True):
                if isinstance(array, Array):
                    inputs.push_ref(array.view(argument.dtype, device, not argument.read_only, shared))
                else:
                    inputs.push_ref(to_buffer_view(array, argument.dtype, device, argument.read_only, shared))
            outputs = VmVariantList(len(self._results))
            context = pool.acquire()
            try:
                device.run(context.invoke, self._function, inputs, outputs)
            finally:
                pool.release(context)
            if held or stay:
                kept = [array for array in held if array.is_seen or array not in donated]
                return self._held_results(outputs, device, shared, kept)
            results = [
                to_numpy(outputs.get_as_object(index, HalBufferView), dtype, device)
                for index, dtype in enumerate(self._results)
            ]
        except (RuntimeError, ValueError, IndexError) as error:  # what IREE's status codes become
            raise self._translate(error, shapes) from error
        finally:
            for array in donated:
                array.release()
        if shared or len(results) > 1:
            separate(results, shared, device)
        if any_jax:
            return [to_jax(result, key) for result, key in zip(results, self._result_keys, strict=True)]
        return results

    def _held_results(self, outputs: Any, device: Device, shared: list[Shared], kept: Sequence[Array]) -> list[Any]:
        """The results as `Array`s, none of which lies in the memory of another, or of an array that is `kept`."""
        views = [outputs.get_as_object(index, HalBufferView) for index in range(len(self._results))]
        if device.shares_memory:
            memory = [to_numpy(view, dtype, device) for view, dtype in zip(views, self._results, strict=True)]
            apart = list(memory)
            separate(apart, [*shared, *(Shared.of(array.host_memory()) for array in kept)], device)
            for index, (before, after) in enumerate(zip(memory, apart, strict=True)):
                if after is not before:
                    views[index] = to_buffer_view(after, self._results[index], device, False, [])
        return [Array(view, dtype, device) for view, dtype in zip(views, self._results, strict=True)]

    def _donate(self, arrays: Sequence[Any]) -> list[Array]:
        """Takes the arrays that are given for donated arguments. Raises NimbleError for one that is given twice."""
        donated: list[Array] = []
        names = {}
        for argument, array in zip(self._arguments, arrays, strict=True):
            if type(array) is not Array:
                continue
            first = names.setdefault(id(array), argument)
            if first is not argument and (first.donated or argument.donated):
                raise NimbleError(
                    f"arguments '{first.spec.name}' and '{argument.spec.name}' are one array, and one of them is donated; "
                    f"give a copy, m.to_device(x)"
                )
        for argument, array in zip(self._arguments, arrays, strict=True):
            if argument.donated and type(array) is Array:
                array.donate(self.signature.name, argument.spec.name)
                donated.append(array)
        return donated

    def _place_of(self, device: Device, place: Place) -> Place:
        """Where to run on `device`; `place` where the module does not run there."""
        for other in (self._place, self._small):
            if place.device is not device and other is not None and other().device is device:
                return other()
        return place

    def _remember(self, shapes: tuple[tuple[int, ...], ...]) -> Place:
        """Check sizes, and keep where to run for the next call with these shapes. Raises ShapeError."""
        values = self._plan.solve(shapes, self._names, self._scope)
        place = self._small() if self._small is not None and self._is_small(values) else self._place()
        if len(self._places) >= _MAX_SOLVED:
            self._places.clear()
        self._places[shapes] = place
        return place

    def _is_small(self, values: Mapping[str, int]) -> bool:
        work = self.signature.work
        if work is None or not work.symbols <= values.keys():
            return False
        try:
            return work.evaluate(values) <= SMALL_WORK
        except ZeroDivisionError:  # a division by a size that a compiled-in check refuses
            return False

    def _translate(self, error: Exception, shapes: tuple[tuple[int, ...], ...]) -> NimbleError:
        """The error to raise for one of IREE: a compiled-in check is a ShapeError with the sizes of this call."""
        message = str(error)
        check = _CHECK.search(message)
        if check is None:
            return NimbleError(f"'{self.signature.name}' failed in the IREE runtime: {message}")
        values = self._plan.solve(shapes, self._names, self._scope)
        sizes = ", ".join(f"{name} = {value}" for name, value in values.items())
        return ShapeError(check[1] + (f" with {sizes}" if sizes else ""))

    def _flatten(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        values = self.signature.in_tree.bind(args, kwargs)
        parameters = self.signature.in_tree.parameters
        leaves: list[Any] = []
        for index, ((name, tree), value) in enumerate(zip(parameters, values, strict=True)):
            if tree.kind == "leaf":
                leaves.append(value)
            elif tree.custom_type is not None and self._live is not None:
                leaves += self._flatten_live(name, index, value)
            else:
                leaves += flatten(tree, value, name)
        return leaves

    def _flatten_live(self, name: str, index: int, value: Any) -> list[Any]:
        """The leaves of a parameter that holds a type registered with JAX."""
        assert self._live is not None
        positional, keyword = self._live[0].children()
        expected = (positional.children() + keyword.children())[index]
        leaves, structure = sys.modules["jax"].tree_util.tree_flatten(value)
        if structure != expected:
            raise ShapeError(f"argument '{name}': expected the structure {expected}, got {structure}")
        return leaves

    def _unflatten(self, leaves: Sequence[Any]) -> Any:
        tree: Tree = self.signature.out_tree
        if self._live is not None and tree.custom_type is not None:
            return sys.modules["jax"].tree_util.tree_unflatten(self._live[1], leaves)
        return unflatten(tree, leaves)
