"""Compiles a test program once and holds everything it says about sizes against what JAX gives at each of many sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import iree.runtime
import jax
import numpy as np

from nimble_mlir.dialects import dims_of, new_context
from nimble_mlir.dims import DimExpr
from nimble_mlir.driver import iree as iree_compiler
from nimble_mlir.mlir import ir
from nimble_mlir.runtime import load
from nimble_mlir.runtime.device import get_device, vm_instance

from .programs import TestProgram
from .tolerances import assert_agrees, assert_same_bits

__all__ = ["CompiledProgram", "shape_function", "shape_of"]

Shape = tuple[int, ...]


class CompiledProgram:
    """A program, its one compiled module, and the checks of a call at given sizes."""

    def __init__(self, program: TestProgram, folder: Path) -> None:
        self.program = program
        before = iree_compiler.run_count()
        self.module = program.compile()
        # More than one: the driver had to fall back, and the module is slower than it should be.
        self.compiler_runs = iree_compiler.run_count() - before
        (self.entry,) = self.module.signature.entries.values()
        self.path = folder / f"{program.name}.vmfb"
        self.module.save(self.path)
        self.loaded: dict[str, Any] = {}

    def sizes(self, count: int, seed: int = 0) -> list[dict[str, int]]:
        """Combinations of symbol values to run at."""
        return self.program.sizes(self.entry, count, seed)

    def check(self, sizes: Mapping[str, int], seed: int = 0) -> None:
        """One call: results against jax.jit, and their shapes against each of the places that state them."""
        args = self.program.inputs(self.entry, sizes, seed)
        expected = jax.jit(self.program.function)(*args)
        got = self.module(*args)
        where = f"{self.program.name} at {dict(sizes)}"
        try:
            assert_agrees(got, expected, self.program.kind)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from None
        shapes = [shape_of(leaf) for leaf in jax.tree_util.tree_leaves(expected)]
        assert self.module.output_shapes(*args) == jax.tree.map(shape_of, expected), f"{where}: Module.output_shapes"
        assert [_at(result.dims, sizes) for result in self.entry.results] == shapes, f"{where}: dims of the signature"
        assert [_at(dims, sizes) for dims in self.inferred] == shapes, f"{where}: dims inferred in the IR"
        arguments = [tuple(dim.evaluate(sizes) for dim in argument.dims) for argument in self.entry.arguments]
        flat = [size for shape in shapes for size in shape]
        assert self.shape_function(arguments) == flat, f"{where}: @{self.entry.name}$shape"

    def check_on(self, driver: str, sizes: Mapping[str, int], seed: int = 0) -> None:
        """One call of the saved file on a device of this driver: the bits of the module, wherever that runs the call."""
        leaves = jax.tree.leaves(self.program.inputs(self.entry, sizes, seed))
        if driver not in self.loaded:
            self.loaded[driver] = load(self.path, device=driver)
        try:
            assert_same_bits(self.loaded[driver].call_flat(leaves), self.module.call_flat(leaves))
        except AssertionError as error:
            raise AssertionError(f"{self.program.name} at {dict(sizes)} on {driver}: {error}") from None

    @cached_property
    def inferred(self) -> list[tuple[DimExpr, ...]]:
        """The dims of the entry's results as inference put them on the types of the IR at stage nimble."""
        with new_context(), ir.Location.unknown():
            module = ir.Module.parse(self.module.ir("nimble"))
            function = next(op for op in module.body.operations if op.operation.name == "func.func")
            results = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results
            found = [dims_of(type_) for type_ in results]
        assert all(dims is not None for dims in found)
        return [dims for dims in found if dims is not None]

    @cached_property
    def shape_function(self) -> Any:
        """The exported `@f$shape` of the saved file, as a Python function."""
        return shape_function(self.path, self.entry.name)


def shape_function(path: Path, name: str) -> Any:
    """`@name$shape` of a .vmfb, loaded by IREE's own runtime: from the shapes of all arguments to a flat list of the
    sizes of all results. Asking for sizes runs nothing on the device and reads no weights."""
    module = iree.runtime.VmModule.mmap(vm_instance(), str(path))
    modules = [iree.runtime.create_hal_module(vm_instance(), get_device("local-sync").hal_device)]
    weights = _weights(path)
    context = iree.runtime.VmContext(vm_instance(), [*modules, *([weights] if weights is not None else []), module])
    function = module.lookup_function(f"{name}$shape")

    def call(shapes: Sequence[Shape]) -> list[int]:
        sizes = [size for shape in shapes for size in shape]
        inputs = iree.runtime.VmVariantList(len(sizes))
        for size in sizes:
            inputs.push_int(size)
        outputs = iree.runtime.VmVariantList(8)
        context.invoke(function, inputs, outputs)
        return [outputs.get_variant(index) for index in range(len(outputs))]

    return call


def shape_of(leaf: Any) -> Shape:
    """The shape of a result; of a key array the shape of its data, which is what crosses the module's boundary."""
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return tuple(np.shape(leaf))


def _weights(path: Path) -> Any | None:
    import mmap

    from nimble_mlir.runtime.weights import parameters_module

    with path.open("rb") as file:
        image = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return parameters_module(image, path.name)


def _at(dims: Sequence[DimExpr], sizes: Mapping[str, int]) -> Shape:
    return tuple(dim.evaluate(sizes) for dim in dims)
