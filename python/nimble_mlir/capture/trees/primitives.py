"""What recursion on a stack is for JAX: primitives that become ops of the dialect (dialects/recursive_calls.py).

In: jaxprs of recursive functions with `call_p` where one calls itself or another one, and `make_p` where it makes a value of
an `nm.adt`. Out: a private function for each jaxpr, and custom calls, of which `nimble-raise-calls` makes the ops; the pass
`nimble-explicit-stack` lowers them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import func, stablehlo
from jax.interpreters import ad, batching, mlir

from ..bodies import Body, emit_size, refuse
from ..data_sizes.define import custom_call
from ..tracing import current

__all__ = ["Target", "call_p", "make_p", "recursion"]

call_p = Primitive("nimble_recursive_call")
make_p = Primitive("nimble_make_value")
_recursion_p = Primitive("nimble_recursion")
for _primitive in (call_p, make_p, _recursion_p):
    _primitive.multiple_results = True


class Target:
    """A function for arguments of certain shapes; `symbol` is its name in the module that is being lowered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.result_specs: list[Any] = []
        self.symbol = ""


@dataclass(frozen=True, eq=False)
class _Functions:
    """The functions of a recursion: their targets, and where each finds the values that it closes over."""

    targets: tuple[Target, ...]
    consts: tuple[tuple[int, ...], ...]


def recursion(
    bodies: Mapping[Target, Body], entry: Target, args: Sequence[Any], heaps: Sequence[Any], max_depth: int
) -> tuple[list[Any], list[tuple[list[Any], Any]]]:
    """A call of `entry`: its results, flat, and for each heap the tables of its nodes, with room behind them, and how many
    there are; a ShapeError of the run where calls nest deeper than `max_depth`."""
    outside = {id(const): const for body in bodies.values() for const in body.consts}
    places = {key: position for position, key in enumerate(outside)}
    consts = tuple(tuple(places[id(const)] for const in body.consts) for body in bodies.values())
    tables = tuple(tuple(heap.widths.items()) for heap in heaps)
    shapes = [(tuple(spec.shape), spec.dtype) for spec in entry.result_specs]
    sizes: tuple[Any, ...] = ()
    if heaps:
        tracing = current()
        assert tracing is not None
        symbol = tracing.fresh()
        grown: list[tuple[int, int]] = []
        for widths in tables:
            grown += [(len(shapes) + index, 0) for index in range(len(widths))]
            shapes += [*(((symbol, width), dtype) for dtype, width in widths), ((), np.dtype(np.int32))]
        sizes = ((str(symbol), tuple(grown)),)
    results = _recursion_p.bind(
        *outside.values(),
        *args,
        functions=_Functions(tuple(bodies), consts),
        jaxprs=tuple(body.jaxpr for body in bodies.values()),
        entry=entry,
        count=len(outside),
        tables=tuple(map(len, tables)),
        shapes=tuple(shapes),
        sizes=sizes,
        max_depth=max_depth,
    )
    own, rest = results[: len(entry.result_specs)], iter(results[len(entry.result_specs) :])
    return own, [([next(rest) for _ in widths], next(rest)) for widths in tables]


@call_p.def_abstract_eval
def _call_aval(*args: Any, target: Target) -> Any:
    return [jax.core.ShapedArray(spec.shape, spec.dtype) for spec in target.result_specs]


@make_p.def_abstract_eval
def _make_aval(*fields: Any, heap: int, constructor: int) -> Any:
    return [jax.core.ShapedArray((), jnp.int32)]


@_recursion_p.def_abstract_eval
def _recursion_aval(*args: Any, shapes: Sequence[Any], **params: Any) -> Any:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in shapes]


def _lower_call(ctx: Any, *args: Any, target: Target) -> Any:
    return _calling(ctx, "nimble.recursive_call", target, args, {})


def _lower_make(ctx: Any, *fields: Any, heap: int, constructor: int) -> Any:
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
    return custom_call("nimble.make_node", types, fields, {"heap": heap, "constructor": constructor}).results


def _lower_recursion(
    ctx: Any,
    *args: Any,
    functions: _Functions,
    jaxprs: Sequence[Any],
    entry: Target,
    count: int,
    tables: Sequence[int],
    sizes: Sequence[Any],
    max_depth: int,
    **params: Any,
) -> Any:
    invariants = [*ctx.dim_var_values, *args[:count]]
    made = []
    for target, jaxpr, places in zip(functions.targets, jaxprs, functions.consts, strict=True):
        made.append(_function(ctx, target, jaxpr.in_avals[len(places) :], jaxpr.out_avals, invariants))
    for function, jaxpr, places in zip(made, jaxprs, functions.consts, strict=True):
        _fill(ctx, function, jaxpr, places, len(invariants))
    i64 = ir.IntegerType.get_signless(64)
    config = {
        "invariants": ir.IntegerAttr.get(i64, len(invariants)),
        "max_depth": ir.IntegerAttr.get(i64, max_depth),
        "tables": ir.ArrayAttr.get([ir.IntegerAttr.get(i64, number) for number in tables]),
        "what": ir.StringAttr.get(entry.name),
    }
    results = _calling(ctx, "nimble.start_recursion", entry, [*invariants, *args[count:]], config)
    for symbol, grown in sizes:
        for result, axis in grown:
            emit_size(results[result], axis, symbol)
    return results


def _calling(ctx: Any, name: str, target: Target, args: Sequence[Any], config: Mapping[str, Any]) -> Any:
    """A custom call that calls a function."""
    call = stablehlo.CustomCallOp(
        [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out],
        list(args),
        name,
        backend_config=ir.DictAttr.get(dict(config)),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        called_computations=ir.ArrayAttr.get([ir.FlatSymbolRefAttr.get(target.symbol)]),
    )
    return list(call.results)


def _function(
    ctx: Any, target: Target, avals: Sequence[Any], avals_out: Sequence[Any], invariants: Sequence[Any]
) -> Any:
    """A private function that is empty as yet, so that each has its name before the first is filled."""
    inputs = [*(value.type for value in invariants), *(mlir.aval_to_ir_type(ctx.module_context, a) for a in avals)]
    outputs = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in avals_out]
    function = func.FuncOp(target.name, (inputs, outputs), ip=ctx.module_context.ip, visibility="private")
    target.symbol = ir.StringAttr(ctx.module_context.symbol_table.insert(function)).value
    return function


def _fill(ctx: Any, function: Any, jaxpr: Any, places: Sequence[int], count: int) -> None:
    """Lowers a jaxpr into a function. Its first `count` arguments are the invariants: JAX's sizes, and values from outside,
    of which those at `places` are this one's."""
    block = function.add_entry_block()
    arguments = list(block.arguments)
    sizes = arguments[: len(ctx.dim_var_values)]
    outside = arguments[len(sizes) : count]
    with ir.InsertionPoint(block):
        results, _ = mlir.jaxpr_subcomp(
            ctx.module_context,
            jaxpr.jaxpr,
            ctx.name_stack.extend(ir.StringAttr(function.attributes["sym_name"]).value),
            mlir.TokenSet(),
            (),
            *(outside[place] for place in places),
            *arguments[count:],
            dim_var_values=sizes,
            const_lowering={},
            outer_traceback=ctx.traceback,
        )
        values: list[Any] = list(results)
        func.ReturnOp(values)


_ADVICE = "a call of an nm.recursive function that runs on a stack cannot be {}"

mlir.register_lowering(call_p, _lower_call)
mlir.register_lowering(make_p, _lower_make)
mlir.register_lowering(_recursion_p, _lower_recursion)
for _primitive in (call_p, make_p, _recursion_p):
    ad.primitive_jvps[_primitive] = refuse(_ADVICE.format("differentiated"))
batching.primitive_batchers[call_p] = refuse(
    _ADVICE.format("batched by vmap: call the function in a loop, or give it a batch of values (Tree.batch)")
)
batching.primitive_batchers[make_p] = refuse(
    "values of an nm.adt cannot be made under vmap: make them one after the other"
)
batching.primitive_batchers[_recursion_p] = refuse(
    _ADVICE.format("batched by vmap: use jax.lax.map or a loop, or give the function a batch of values (Tree.batch)")
)
