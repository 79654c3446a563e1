"""The primitive of a loop whose carry changes its size, and how the sizes that change are found.

A size that the body does not keep is a symbol in the body, another one in the condition, and a third after the loop: each
has another value. Carries that begin with one size and have one size after each iteration share their symbols, so that
JAX can see that they fit together (the keys and values of a cache).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError

from .bodies import Body, emit_size, is_weak, lower_body, refuse, specs_of, trace_body, type_text
from .places import place_of
from .tracing import current

__all__ = ["VaryingSizes", "growing_while", "varying_sizes", "while_p"]

Place = tuple[int, int]  # a leaf of the carry and an axis of it

while_p = Primitive("nimble_while")
while_p.multiple_results = True


@dataclass(frozen=True)
class VaryingSizes:
    """A loop's carry as traced: its first values, the body, and the axes of equal sizes that change, with their symbol."""

    leaves: list[Any]
    tree: Any
    body: Body
    classes: dict[Any, list[Place]]


def varying_sizes(body_fun: Callable[[Any], Any], tree: Any, leaves: list[Any], name: str) -> VaryingSizes:
    """Traces the body until the sizes that it does not keep are known.

    At first all sizes are taken to stay. Those that do not get symbols, one for all that were equal and are equal
    afterwards (the coarsest partition that the body respects), and the body is traced again.
    """
    tracing = current()
    assert tracing is not None
    keys: dict[Place, Any] = {}  # of what changes: what has one key has one symbol
    while True:
        symbols = {key: tracing.fresh() for key in dict.fromkeys(keys.values())}
        shapes = [
            [symbols[keys[i, axis]] if (i, axis) in keys else dim for axis, dim in enumerate(leaf.shape)]
            for i, leaf in enumerate(leaves)
        ]
        body = trace_body(body_fun, [tree], specs_of(leaves, shapes))
        _check_structure(body, tree, leaves, body_fun, name)
        promoted = [
            leaf.astype(after.dtype) if leaf.dtype != after.dtype else leaf
            for leaf, after in zip(leaves, body.results, strict=True)
        ]
        refined = {
            (i, axis): (keys.get((i, axis)), str(leaves[i].shape[axis]), str(dim))
            for i, after in enumerate(body.results)
            for axis, dim in enumerate(after.shape)
            if (i, axis) in keys or dim != leaves[i].shape[axis]
        }
        same = len(set(refined.values())) == len(set(keys.values())) and refined.keys() == keys.keys()
        if same and all(before is after for before, after in zip(leaves, promoted, strict=True)):
            classes: dict[Any, list[Place]] = {}
            for place, key in keys.items():
                classes.setdefault(symbols[key], []).append(place)
            return VaryingSizes(leaves, tree, body, classes)
        leaves, keys = promoted, refined


def _check_structure(body: Body, tree: Any, leaves: Sequence[Any], body_fun: Callable[..., Any], name: str) -> None:
    where = f"nm.{name} of {place_of(body_fun)}"
    if body.tree != tree:
        raise CaptureError(f"{where}: the body returns the structure {body.tree}, but the carry is {tree}")
    for index, (before, after) in enumerate(zip(leaves, body.results, strict=True)):
        weak = is_weak(before)
        if len(before.shape) != len(after.shape) or (before.dtype != after.dtype and not weak):
            raise CaptureError(
                f"{where}: carry {index} changes from {type_text(before)} to {type_text(after)}; its sizes may change, "
                "its rank and dtype may not"
            )


def growing_while(cond_fun: Callable[[Any], Any], sizes: VaryingSizes, name: str) -> Any:
    """The results of the loop, whose varying sizes are new symbols."""
    tracing = current()
    assert tracing is not None
    symbols = [(tracing.fresh(), inside, tracing.fresh()) for inside in sizes.classes]
    groups = tuple(
        (*(str(symbol) for symbol in triple), tuple(places))
        for triple, places in zip(symbols, sizes.classes.values(), strict=True)
    )
    before, after = ([list(leaf.shape) for leaf in sizes.leaves] for _ in range(2))
    for (seen, _, result), places in zip(symbols, sizes.classes.values(), strict=True):
        for leaf, axis in places:
            before[leaf][axis], after[leaf][axis] = seen, result
    cond = trace_body(cond_fun, [sizes.tree], specs_of(sizes.leaves, before))
    if [(aval.shape, str(aval.dtype)) for aval in cond.results] != [((), "bool")]:
        found = ", ".join(map(type_text, cond.results))
        raise CaptureError(f"nm.{name} of {place_of(cond_fun)}: the condition must be a boolean scalar, not {found}")
    results = while_p.bind(
        *cond.consts,
        *sizes.body.consts,
        *sizes.leaves,
        cond_jaxpr=cond.jaxpr,
        body_jaxpr=sizes.body.jaxpr,
        counts=(len(cond.consts), len(sizes.body.consts)),
        shapes=tuple(map(tuple, after)),
        inner_sizes=tuple((symbol, places) for one, two, _, places in groups for symbol in (one, two)),
        sizes=tuple((symbol, places) for _, _, symbol, places in groups),
        groups=groups,
    )
    return jax.tree_util.tree_unflatten(sizes.tree, results)


@while_p.def_abstract_eval
def _abstract_eval(*args: Any, counts: tuple[int, int], shapes: tuple[Any, ...], **params: Any) -> Any:
    carry = args[sum(counts) :]
    return [jax.core.ShapedArray(shape, leaf.dtype) for shape, leaf in zip(shapes, carry, strict=True)]


def _lower(
    ctx: Any,
    *args: Any,
    cond_jaxpr: Any,
    body_jaxpr: Any,
    counts: tuple[int, int],
    groups: tuple[Any, ...],
    **params: Any,
) -> Any:
    cond_consts, body_consts = args[: counts[0]], args[counts[0] : sum(counts)]
    carry = args[sum(counts) :]
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
    loop = stablehlo.WhileOp(types, carry)

    def block(region: Any, position: int) -> Any:
        appended = region.blocks.append(*types)
        with ir.InsertionPoint(appended):
            emit_sizes(list(appended.arguments), position)
        return appended

    def emit_sizes(values: Sequence[Any], position: int) -> None:
        for group in groups:
            for leaf, axis in group[3]:
                emit_size(values[leaf], axis, group[position])

    before = block(loop.regions[0], 0)
    with ir.InsertionPoint(before):
        stablehlo.return_(lower_body(ctx, cond_jaxpr, "cond", [*cond_consts, *before.arguments]))
    after = block(loop.regions[1], 1)
    with ir.InsertionPoint(after):
        stablehlo.return_(lower_body(ctx, body_jaxpr, "body", [*body_consts, *after.arguments]))
    emit_sizes(list(loop.results), 2)
    return list(loop.results)


_ADVICE = "a loop whose carry changes its size cannot be {}; give the carry a fixed size"

mlir.register_lowering(while_p, _lower)
ad.primitive_jvps[while_p] = refuse(_ADVICE.format("differentiated"))
batching.primitive_batchers[while_p] = refuse(_ADVICE.format("batched by vmap"))
