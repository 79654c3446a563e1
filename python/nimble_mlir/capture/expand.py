"""StableHLO's own linear algebra and Fourier transforms, replaced by the algorithms of capture/linalg.

In: a module at stage stablehlo, from whomever. Out: the same module, in which each op of `LIBRARY_OPS` has become the
StableHLO of its algorithm, inlined where it stood and traced for the op's own shapes: each `?` is a symbol, and what the
op demands to be equal is one. What its operands' sizes say otherwise is found when dims are inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.export
from jax import lax

from nimble_mlir.dialects.dtypes import dtype_name
from nimble_mlir.errors import UnsupportedOpError
from nimble_mlir.mlir import func, ir, parse_stablehlo_artifact, stablehlo, stablehlo_version
from nimble_mlir.passes.base import fail, functions
from nimble_mlir.passes.library_ops import library_name, library_ops
from nimble_mlir.passes.shape_functions import custom_call_target

from .algorithms import MATRIX_DTYPES, Algorithm
from .calls import rename_calls
from .lapack import lapack_algorithm
from .linalg.batches import over_batches
from .linalg.cholesky import cholesky
from .linalg.fft import fft
from .linalg.matrices import hermitian_transpose
from .linalg.triangular_solve import triangular_solve
from .lowering import lower
from .random import rng_bit_generator
from .stablehlo import to_portable_artifact
from .with_shape import TARGET

__all__ = ["expand_library_ops"]

# What JAX has with x64 only.
_WIDE = frozenset({"float64", "complex128", "uint64"})
# The dtypes of random bits.
_KEYS = frozenset({"uint32", "uint64"})
_BITS = frozenset({"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"})


def expand_library_ops(module: ir.Module) -> None:
    """Replaces the ops in place; raises UnsupportedOpError for an element type that has no algorithm."""
    for number, op in enumerate(library_ops(module)):
        _expand(module, op, number)


def _cholesky(op: Any) -> Algorithm:
    lower_triangle = "lower" in op.attributes and ir.BoolAttr(op.attributes["lower"]).value

    def algorithm(a: jax.Array) -> jax.Array:
        # A = Uᴴ U of the upper triangle is L Lᴴ of its conjugate transpose.
        return cholesky(a) if lower_triangle else hermitian_transpose(cholesky(hermitian_transpose(a)))

    return Algorithm(over_batches(algorithm, [2]), ("nn",))


def _triangular_solve(op: Any) -> Algorithm:
    flags = {name: ir.BoolAttr(op.attributes[name]).value for name in ("left_side", "lower", "unit_diagonal")}
    side = str(op.attributes["transpose_a"])
    flags |= {"transpose_a": "NO_TRANSPOSE" not in side, "conjugate_a": "ADJOINT" in side}
    letters = ("nn", "nk" if flags["left_side"] else "kn")
    return Algorithm(
        over_batches(partial(triangular_solve, **flags), [2, 2]), letters, MATRIX_DTYPES | {"bfloat16", "float16"}
    )


def _fft(op: Any) -> Algorithm:
    kind = stablehlo.FftTypeAttr(op.attributes["fft_type"]).value
    lengths = tuple(int(length) for length in op.attributes["fft_length"])
    return Algorithm(partial(fft, kind=kind, lengths=lengths), ("",))


def _rng_bit_generator(op: Any) -> Algorithm:
    type_ = ir.RankedTensorType(op.results[1].type)
    three_fry = "THREE_FRY" in str(op.attributes["rng_algorithm"])
    algorithm = lax.RandomAlgorithm.RNG_THREE_FRY if three_fry else lax.RandomAlgorithm.RNG_PHILOX
    dtype = dtype_name(type_.element_type)
    if dtype not in _BITS or list(ir.RankedTensorType(op.operands[0].type).shape) not in ([2], [4]):
        raise fail(
            op, f"'{library_name(op)}' of {dtype} from {op.operands[0].type} is not supported", UnsupportedOpError
        )
    if op.name == "stablehlo.rng_bit_generator":
        function = partial(rng_bit_generator, shape=tuple(type_.shape), dtype=dtype, algorithm=algorithm)
        return Algorithm(function, ("k",), _KEYS)

    def of_shape(key: jax.Array, like: jax.Array) -> tuple[jax.Array, ...]:
        return rng_bit_generator(key, shape=like.shape, dtype=dtype, algorithm=algorithm)

    return Algorithm(of_shape, ("k",), _KEYS, operands=1, shape=1)


_ALGORITHMS: dict[str, Callable[[Any], Algorithm]] = {
    "lapack": lapack_algorithm,
    "stablehlo.cholesky": _cholesky,
    "stablehlo.dynamic_rng_bit_generator": _rng_bit_generator,
    "stablehlo.fft": _fft,
    "stablehlo.rng_bit_generator": _rng_bit_generator,
    "stablehlo.triangular_solve": _triangular_solve,
}


def _expand(module: ir.Module, op: Any, number: int) -> None:
    name = library_name(op)
    assert name is not None
    algorithm = _ALGORITHMS[name](op)
    operands = list(op.operands)[: algorithm.operands]
    dtypes = [dtype_name(ir.RankedTensorType(operand.type).element_type) for operand in operands]
    if not algorithm.dtypes.issuperset(dtypes):
        what = custom_call_target(op) or op.name
        raise fail(op, f"'{what}' of {dtypes[0]} is not supported; convert to float32 or float64", UnsupportedOpError)
    sizes = _sizes(operands, algorithm.letters)
    wide = not _WIDE.isdisjoint(dtypes)
    if algorithm.shape is not None:
        sizes.append(_stated_sizes(op.results[algorithm.shape]))
        dtypes.append("bool")
    with jax.enable_x64(wide):
        part = parse_stablehlo_artifact(module.context, _artifact(algorithm, sizes, dtypes))
    with module.context, op.location:
        _splice(module, op, part, _Operands(operands, op.operands[-1], sizes), number)


def _sizes(operands: Sequence[Any], letters: Sequence[str]) -> list[list[int | str]]:
    """The size of each dimension of each operand, a name where it is dynamic; equal for equal letters, and static where
    one of them is. The dimensions before the letters are the batch, equal for all operands."""
    types = [ir.RankedTensorType(operand.type) for operand in operands]
    keys = [
        [f"b{axis - rank + len(word)}" if axis < rank - len(word) else word[axis - rank] for axis in range(rank)]
        for rank, word in zip((type_.rank for type_ in types), letters, strict=True)
    ]
    keys = [[key.replace("-", "") for key in row] for row in keys]
    static: dict[str, int] = {}
    for row, type_ in zip(keys, types, strict=True):
        static |= {key: type_.get_dim_size(axis) for axis, key in enumerate(row) if not type_.is_dynamic_dim(axis)}
    return [[static.get(key, key) for key in row] for row in keys]


def _stated_sizes(result: Any) -> list[int | str]:
    """The sizes of a result, a name where its type does not say it."""
    type_ = ir.RankedTensorType(result.type)
    return [f"r{axis}" if type_.is_dynamic_dim(axis) else type_.get_dim_size(axis) for axis in range(type_.rank)]


def _artifact(algorithm: Algorithm, sizes: Sequence[Sequence[int | str]], dtypes: Sequence[str]) -> bytes:
    scope = jax.export.SymbolicScope()
    shapes = [
        jax.ShapeDtypeStruct(jax.export.symbolic_shape(", ".join(map(str, row)), scope=scope), dtype)
        for row, dtype in zip(sizes, dtypes, strict=True)
    ]
    lowered = lower(jax.jit(algorithm.function, keep_unused=True).trace(*shapes))
    return to_portable_artifact(lowered.compiler_ir(), stablehlo_version())


@dataclass(frozen=True)
class _Operands:
    """What an algorithm is called with: operands and their sizes, and behind those the sizes that `shape` holds."""

    operands: Sequence[ir.Value]
    shape: ir.Value
    sizes: Sequence[Sequence[int | str]]

    def dimensions(self, main: Any) -> list[ir.Value]:
        """The values of JAX's dimension variables, the leading arguments of `main`."""
        values = []
        for attrs, argument in zip(main.attributes["arg_attrs"], main.entry_block.arguments, strict=True):
            if "jax.global_constant" not in ir.DictAttr(attrs):
                break
            size = self._size(ir.StringAttr(ir.DictAttr(attrs)["jax.global_constant"]).value)
            values.append(_converted(size, argument.type))
        return values

    def stated(self) -> list[ir.Value]:
        """The operands with the sizes that the op demands: what is not proved of them is checked at run time."""
        return [
            ir.Operation.create(
                "stablehlo.custom_call",
                [operand.type],
                [operand, *(self._size(size) for size in row)],
                attributes={"call_target_name": ir.StringAttr.get(TARGET)},
            ).result
            if any(isinstance(size, str) for size in row)
            else operand
            for operand, row in zip(self.operands, self.sizes, strict=False)
        ]

    def _size(self, size: int | str) -> ir.Value:
        """A size as a tensor of one integer: a constant, or that of the first dimension with this name."""
        type_ = ir.RankedTensorType.get([], ir.IntegerType.get_signless(32))
        if isinstance(size, int):
            value = ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(type_.element_type, size))
            return ir.Operation.create("stablehlo.constant", [type_], attributes={"value": value}).result
        index, axis = next((i, row.index(size)) for i, row in enumerate(self.sizes) if size in row)
        if index == len(self.operands):
            return _element(self.shape, axis)
        dimension = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis)
        return ir.Operation.create(
            "stablehlo.get_dimension_size", [type_], [self.operands[index]], attributes={"dimension": dimension}
        ).result


def _element(vector: ir.Value, index: int) -> ir.Value:
    element = ir.RankedTensorType(vector.type).element_type
    bounds = {"start_indices": index, "limit_indices": index + 1, "strides": 1}
    one = ir.Operation.create(
        "stablehlo.slice",
        [ir.RankedTensorType.get([1], element)],
        [vector],
        attributes={name: ir.DenseI64ArrayAttr.get([value]) for name, value in bounds.items()},
    ).result
    return ir.Operation.create("stablehlo.reshape", [ir.RankedTensorType.get([], element)], [one]).result


def _converted(value: ir.Value, type_: ir.Type) -> ir.Value:
    return value if value.type == type_ else ir.Operation.create("stablehlo.convert", [type_], [value]).result


def _splice(module: ir.Module, op: Any, part: ir.Module, operands: _Operands, number: int) -> None:
    """Moves the body of `part`'s main before `op`, and its private functions behind those of `module`."""
    main = next(function for function in functions(part) if function.name.value == "main")
    names = {f.name.value: f"{library_name(op)}.{number}.{f.name.value}" for f in functions(part) if f != main}
    rename_calls(part.operation, names)
    for function in [function for function in functions(part) if function != main]:
        function.attributes["sym_name"] = ir.StringAttr.get(names[function.name.value])
        module.body.append(function)
    block = main.entry_block
    with ir.InsertionPoint(op):
        actual = [*operands.dimensions(main), *operands.stated()]
    # An argument behind these is one for its shape only.
    for argument, value in zip(block.arguments, actual, strict=False):
        argument.replace_all_uses_with(value)
    *body, returned = list(block.operations)
    for inner in body:
        inner.operation.move_before(op)
        inner.operation.location = op.location
    assert isinstance(returned, func.ReturnOp)
    for result, value in zip(op.results, returned.operands, strict=True):
        result.replace_all_uses_with(value)
    op.erase()
    main.erase()  # a use that is left in another module crashes the writer of bytecode
