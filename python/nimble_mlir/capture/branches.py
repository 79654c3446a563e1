"""`nm.cond` and `nm.switch`: JAX's branches, whose results may differ in size.

Run eagerly they are a choice in Python. Captured they are JAX's own where all sizes are the same, otherwise a primitive
whose results have symbols for the sizes in which the branches differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError

from .bodies import Body, as_arrays, emit_size, lower_body, refuse, specs_of, trace_body, type_text
from .data_sizes.define import define_size
from .data_sizes.slices import sliced
from .places import place_of
from .probing import first_known, is_probing
from .symbols import is_symbolic
from .tracing import current

__all__ = ["cond", "switch", "switch_p"]

switch_p = Primitive("nimble_switch")
switch_p.multiple_results = True

_ADVICE = "branches whose results differ in size cannot be {}; give the results one size"


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """As `lax.cond`: `true_fun(*operands)` where `pred`, a boolean scalar, holds, else `false_fun(*operands)`.

    The branches' results may differ in size, not in structure, rank and dtype (a CaptureError); a size that differs is a
    symbol of its own, which later ops may use."""
    if is_probing():
        return first_known([lambda: true_fun(*operands), lambda: false_fun(*operands)])
    if current() is None:
        return true_fun(*operands) if bool(pred) else false_fun(*operands)
    index = jnp.asarray(pred)
    if index.ndim or not jnp.issubdtype(index.dtype, jnp.bool_):
        raise CaptureError(f"nm.cond needs a boolean scalar, got {type_text(index)}")
    found = _differing("cond", [false_fun, true_fun], operands)
    if found is None:
        return lax.cond(pred, true_fun, false_fun, *operands)
    return found(index.astype(jnp.int32))


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """As `lax.switch`: `branches[index](*operands)`, the index, an integer scalar, clamped to those there are.

    Results may differ in size as those of `nm.cond`. Raises CaptureError without a branch."""
    branches = list(branches)
    if not branches:
        raise CaptureError("nm.switch needs at least one branch")
    if is_probing():
        return first_known([lambda branch=branch: branch(*operands) for branch in branches])
    if current() is None:
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    position = jnp.asarray(index)
    if position.ndim or not jnp.issubdtype(position.dtype, jnp.integer):
        raise CaptureError(f"nm.switch needs an index that is an integer, got {type_text(position)}")
    found = _differing("switch", branches, operands)
    if found is None:
        return lax.switch(index, branches, *operands)
    return found(lax.clamp(0, position.astype(jnp.int32), len(branches) - 1))


def _differing(
    name: str, branches: Sequence[Callable[..., Any]], operands: Sequence[Any]
) -> Callable[[Any], Any] | None:
    """From the index to the results, None where all branches have results of one shape."""
    leaves, tree = jax.tree_util.tree_flatten(tuple(operands))
    leaves = as_arrays(leaves)

    def spread(branch: Callable[..., Any]) -> Callable[[Any], Any]:
        return lambda args: branch(*args)

    bodies = [trace_body(spread(branch), [tree], specs_of(leaves)) for branch in branches]
    where = f"nm.{name} of {place_of(branches[0])}"
    for body in bodies:
        _check_results(where, bodies[0], body)
    shapes = [[aval.shape for aval in body.results] for body in bodies]
    if all(other == shapes[0] for other in shapes):
        return None
    numbers = _numbers(shapes)
    if not numbers:
        return lambda index: _bind(index, bodies, leaves)

    def stated(position: int) -> Callable[..., Any]:
        def call(args: Any, index: Any) -> Any:
            results, structure = jax.tree_util.tree_flatten(branches[position](*args))
            for places, sizes in numbers:
                if is_symbolic(sizes[position]):
                    continue
                values = np.array([0 if is_symbolic(size) else size for size in sizes], np.int32)
                size = define_size(jnp.asarray(values)[index], f"nm.{name}")
                for result, axis in places:
                    results[result] = sliced(jnp.asarray(results[result]), jnp.int32(0), size, axis)
            return jax.tree_util.tree_unflatten(structure, results)

        return call

    index_tree = jax.tree_util.tree_structure(0)
    specs = [*specs_of(leaves), jax.ShapeDtypeStruct((), jnp.int32)]
    again = [trace_body(stated(position), [tree, index_tree], specs) for position in range(len(branches))]
    return lambda index: _bind(index, again, [*leaves, index])


def _numbers(shapes: Sequence[Sequence[Sequence[Any]]]) -> list[tuple[list[tuple[int, int]], tuple[Any, ...]]]:
    """Sizes by branch among which are two different numbers, each with the results and axes that have them.

    StableHLO has no branches whose types have different numbers: each branch computes its size from its index."""
    found: dict[tuple[str, ...], tuple[list[tuple[int, int]], tuple[Any, ...]]] = {}
    for result, alternatives in enumerate(zip(*shapes, strict=True)):
        for axis, sizes in enumerate(zip(*alternatives, strict=True)):
            if len({size for size in sizes if not is_symbolic(size)}) > 1:
                found.setdefault(tuple(map(str, sizes)), ([], sizes))[0].append((result, axis))
    return list(found.values())


def _bind(index: Any, bodies: Sequence[Body], leaves: Sequence[Any]) -> Any:
    tracing = current()
    assert tracing is not None
    symbols: dict[tuple[str, ...], Any] = {}  # the sizes by branch → their symbol
    places: dict[str, list[tuple[int, int]]] = {}
    shapes = []
    for position, avals in enumerate(zip(*(body.results for body in bodies), strict=True)):
        shape = []
        for axis, dims in enumerate(zip(*(aval.shape for aval in avals), strict=True)):
            if all(dim == dims[0] for dim in dims):
                shape.append(dims[0])
                continue
            key = tuple(map(str, dims))
            if key not in symbols:
                symbols[key] = tracing.fresh()
            shape.append(symbols[key])
            places.setdefault(str(symbols[key]), []).append((position, axis))
        shapes.append(tuple(shape))
    results = switch_p.bind(
        index,
        *(const for body in bodies for const in body.consts),
        *leaves,
        branches=tuple(body.jaxpr for body in bodies),
        counts=tuple(len(body.consts) for body in bodies),
        shapes=tuple(shapes),
        sizes=tuple((symbol, tuple(found)) for symbol, found in places.items()),
    )
    return jax.tree_util.tree_unflatten(bodies[0].tree, results)


def _check_results(where: str, first: Body, body: Body) -> None:
    if body.tree != first.tree:
        raise CaptureError(f"{where}: the branches return the structures {first.tree} and {body.tree}")
    for index, (one, other) in enumerate(zip(first.results, body.results, strict=True)):
        if one.dtype != other.dtype or len(one.shape) != len(other.shape):
            raise CaptureError(
                f"{where}: result {index} of the branches is {type_text(one)} and {type_text(other)}; its sizes may "
                "differ, its rank and dtype may not"
            )


@switch_p.def_abstract_eval
def _abstract_eval(*args: Any, branches: tuple[Any, ...], shapes: tuple[Any, ...], **params: Any) -> Any:
    return [jax.core.ShapedArray(shape, aval.dtype) for shape, aval in zip(shapes, branches[0].out_avals, strict=True)]


def _lower(
    ctx: Any, index: Any, *args: Any, branches: tuple[Any, ...], counts: tuple[int, ...], sizes: Any, **params: Any
) -> Any:
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
    case = stablehlo.CaseOp(types, index=index, num_branches=len(branches))
    operands = args[sum(counts) :]
    start = 0
    for position, (jaxpr, count) in enumerate(zip(branches, counts, strict=True)):
        block = case.regions[position].blocks.append()
        consts = args[start : start + count]
        start += count
        with ir.InsertionPoint(block):
            stablehlo.return_(lower_body(ctx, jaxpr, f"branch_{position}", [*consts, *operands]))
    for symbol, places in sizes:
        for result, axis in places:
            emit_size(case.results[result], axis, symbol)
    return list(case.results)


mlir.register_lowering(switch_p, _lower)
ad.primitive_jvps[switch_p] = refuse(_ADVICE.format("differentiated"))
batching.primitive_batchers[switch_p] = refuse(_ADVICE.format("batched by vmap"))
