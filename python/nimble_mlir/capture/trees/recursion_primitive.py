"""The primitives of structural recursion: the function of all roots, and in an arm of its match the calls on the parts.

In: for each constructor a jaxpr that computes any number of its nodes at once (levels.py). Out, as the module is lowered:
`stablehlo.custom_call @nimble.recursion`, which names a private function for each constructor, and in these functions
`@nimble.recur`; `nimble-raise-recursion` makes the ops of the dialect of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive, jaxpr_as_fun
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import func, stablehlo
from jax.interpreters import ad, batching, mlir

from nimble_mlir.errors import CaptureError

from ..bodies import lower_body, trace_body
from ..data_sizes.define import custom_call
from ..places import place_of

__all__ = ["bind_recursion", "recur"]

recursion_p = Primitive("nimble_recursion")
recursion_p.multiple_results = True
_recur_p = Primitive("nimble_recur")
_recur_p.multiple_results = True

Spec = tuple[tuple[Any, ...], Any]  # shape and dtype


def bind_recursion(
    type_: Any, fn: Any, layout: Any, mapped: Sequence[Any], rows: Any, arguments: Sequence[Any], empty: Sequence[Any]
) -> list[Any]:
    """The results of the user's function `fn`: for each of `empty`, a row of zeros, as many such rows as there are roots.

    `mapped` has a function for each constructor of `type_`: from its fields, those for parts being the numbers of nodes, and
    the arguments of the nodes, to results, all with `rows` rows, a symbol of its own. `arguments` are those of the roots."""
    integer = jnp.dtype("int32")
    bodies = []
    for one, function in zip(type_.constructors, mapped, strict=True):
        fields = [((), integer) if field.spec is None else (field.spec.shape, field.spec.dtype) for field in one.fields]
        specs = [*fields, *((argument.shape, argument.dtype) for argument in arguments)]
        lists = [jax.tree_util.tree_structure([0] * count) for count in (len(fields), len(arguments))]
        flat = [jax.ShapeDtypeStruct((rows, *shape), dtype) for shape, dtype in specs]
        bodies.append(trace_body(function, lists, flat))
    return recursion_p.bind(
        *(const for body in bodies for const in body.consts),
        *layout.leaves,
        *arguments,
        *empty,
        bodies=tuple(body.jaxpr for body in bodies),
        counts=tuple(len(body.consts) for body in bodies),
        arrays=len(layout.leaves),
        arguments=len(arguments),
        datatype=type_.__name__,
        constructors=tuple(
            (one.name, tuple((field.name, field.spec is None) for field in one.fields)) for one in type_.constructors
        ),
        function=getattr(fn, "__name__", "recursive"),
        place=place_of(fn),
        own_sizes=((str(rows), ()),),
    )


def recur(part: Any, arguments: Sequence[Any], results: Sequence[Spec]) -> list[Any]:
    """What the function gives for a part of a node: `part` is the part's number, as an arm is given it."""
    return _recur_p.bind(part, *arguments, results=tuple(results), mapped=False)


@recursion_p.def_abstract_eval
def _abstract_eval(*args: Any, counts: Sequence[int], arrays: int, arguments: int, **params: Any) -> Any:
    rest = args[sum(counts) :]
    roots, empty = rest[0], rest[arrays + arguments :]
    return [jax.core.ShapedArray((*roots.shape, *row.shape), row.dtype) for row in empty]


@_recur_p.def_abstract_eval
def _recur_aval(*args: Any, results: Sequence[Spec], mapped: bool) -> Any:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in results]


def _batch_recur(args: Sequence[Any], axes: Sequence[Any], *, results: Sequence[Spec], mapped: bool) -> Any:
    """First over the nodes of an arm, whose rows come first; then over what the user maps, which rows consist of."""
    at = int(mapped)
    part, *arguments = args
    if mapped and axes[0] is not None:
        raise CaptureError(
            "a part of a tree cannot be batched by vmap: map over the further arguments of the recursion"
        )
    count = next(arg.shape[axis] for arg, axis in zip(args, axes, strict=True) if axis is not None)
    moved = [_with_axis(arg, axis, count, at) for arg, axis in zip(arguments, axes[1:], strict=True)]
    shapes = tuple(((*shape[:at], count, *shape[at:]), dtype) for shape, dtype in results)
    made = _recur_p.bind(part, *moved, results=shapes, mapped=True)
    return made, [at] * len(made)


def _with_axis(value: Any, axis: int | None, count: Any, at: int) -> Any:
    """`value` with its batch of `count` as axis `at`: one of equal elements where it has none."""
    if axis is not None:
        return value if axis == at else jnp.moveaxis(value, axis, at)
    shape = (*value.shape[:at], count, *value.shape[at:])
    return jax.lax.broadcast_in_dim(value, shape, [each + (each >= at) for each in range(value.ndim)])


def _batch_recursion(
    args: Sequence[Any],
    axes: Sequence[Any],
    *,
    bodies: Sequence[Any],
    counts: Sequence[int],
    arrays: int,
    arguments: int,
    place: str,
    **params: Any,
) -> Any:
    """Maps the arms: a row of arguments, and of results, has one for each element of the batch."""
    shared, first = sum(counts), sum(counts) + arrays
    if any(axis is not None for axis in axes[shared:first]):
        raise CaptureError(
            f"{place}: trees cannot be batched by vmap: give a batch of them (Tree.batch) to the recursive function"
        )
    count = next(arg.shape[axis] for arg, axis in zip(args, axes, strict=True) if axis is not None)
    rows = [_with_axis(arg, axis, count, 0) for arg, axis in zip(args[first:], axes[first:], strict=True)]
    mapped, start = [], 0
    for body, number in zip(bodies, counts, strict=True):
        consts, own = args[start : start + number], axes[start : start + number]
        start += number
        inside = body.in_avals[number:]
        fields = len(inside) - arguments
        in_axes = (*own, *[None] * fields, *[1] * arguments)
        function = jax.vmap(jaxpr_as_fun(body), in_axes=in_axes, out_axes=1, axis_size=count)
        shapes = [
            *(const.shape for const in consts),
            *(aval.shape for aval in inside[:fields]),
            *((aval.shape[0], count, *aval.shape[1:]) for aval in inside[fields:]),
        ]
        specs = [
            jax.ShapeDtypeStruct(shape, value.dtype) for shape, value in zip(shapes, (*consts, *inside), strict=True)
        ]
        leaf = jax.tree_util.tree_structure(0)
        mapped.append(trace_body(function, [leaf] * len(specs), specs))
    results = recursion_p.bind(
        *(const for body, own in zip(mapped, _each(args, counts), strict=True) for const in (*body.consts, *own)),
        *args[shared:first],
        *rows,
        bodies=tuple(body.jaxpr for body in mapped),
        counts=tuple(len(body.consts) + number for body, number in zip(mapped, counts, strict=True)),
        arrays=arrays,
        arguments=arguments,
        place=place,
        **params,
    )
    return results, [1] * len(results)


def _each(args: Sequence[Any], counts: Sequence[int]) -> list[Sequence[Any]]:
    """The constants of each arm, which come first."""
    starts = [sum(counts[:index]) for index in range(len(counts))]
    return [args[start : start + count] for start, count in zip(starts, counts, strict=True)]


def _lower(
    ctx: Any,
    *args: Any,
    bodies: Sequence[Any],
    counts: Sequence[int],
    arrays: int,
    arguments: int,
    constructors: Sequence[Any],
    own_sizes: Any,
    datatype: str,
    function: str,
    place: str,
) -> Any:
    ((rows, _),) = own_sizes
    sizes = list(ctx.dim_var_values)
    position = list(ctx.module_context.shape_poly_state.dim_vars).index(rows)
    names = [
        _lower_arm(ctx, f"{function}.{name}", body, [value.type for value in sizes])
        for (name, _), body in zip(constructors, bodies, strict=True)
    ]
    i64 = ir.IntegerType.get_signless(64)
    config = {
        "datatype": ir.StringAttr.get(datatype),
        "function": ir.StringAttr.get(function),
        "rows": ir.StringAttr.get(rows),
        "rows_at": ir.IntegerAttr.get(i64, position),
        "sizes": ir.IntegerAttr.get(i64, len(sizes)),
        "shared": ir.ArrayAttr.get([ir.IntegerAttr.get(i64, count) for count in counts]),
        "arrays": ir.IntegerAttr.get(i64, arrays),
        "arguments": ir.IntegerAttr.get(i64, arguments),
        "constructors": ir.ArrayAttr.get(
            [
                ir.DictAttr.get(
                    {
                        "name": ir.StringAttr.get(name),
                        "fields": ir.ArrayAttr.get([ir.StringAttr.get(field) for field, _ in fields]),
                        "parts": ir.ArrayAttr.get([ir.StringAttr.get(field) for field, part in fields if part]),
                    }
                )
                for name, fields in constructors
            ]
        ),
    }
    return stablehlo.CustomCallOp(
        [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out],
        [*sizes, *args],
        "nimble.recursion",
        called_computations=ir.ArrayAttr.get([ir.FlatSymbolRefAttr.get(name) for name in names]),
        backend_config=ir.DictAttr.get(config),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
    ).results


def _lower_arm(ctx: Any, name: str, body: Any, sizes: Sequence[Any]) -> str:
    """Lowers an arm to a private function of the values of all symbols, its constants, the fields and the arguments."""
    module = ctx.module_context
    inputs = [*sizes, *(mlir.aval_to_ir_type(module, aval) for aval in body.in_avals)]
    results = [mlir.aval_to_ir_type(module, aval) for aval in body.out_avals]
    made = func.FuncOp(name, ir.FunctionType.get(inputs, results), ip=module.ip)
    made.attributes["sym_visibility"] = ir.StringAttr.get("private")
    module.symbol_table.insert(made)
    block = made.add_entry_block()
    values = list(block.arguments)
    # What is a value in the function around the call is none in this one.
    inside = ctx.replace(dim_var_values=values[: len(sizes)], const_lowering={})
    with ir.InsertionPoint(block):
        func.ReturnOp(lower_body(inside, body, name, values[len(sizes) :]))
    return ir.StringAttr(made.attributes["sym_name"]).value


def _lower_recur(ctx: Any, *args: Any, **params: Any) -> Any:
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
    return custom_call("nimble.recur", types, args, {}).results


def _refuse_tangents(primals: Sequence[Any], tangents: Sequence[Any], *, place: str, **params: Any) -> Any:
    raise CaptureError(
        f"{place}: a recursion over trees cannot be differentiated; jax.grad may stand inside of the function, for what it "
        "computes at a node"
    )


mlir.register_lowering(recursion_p, _lower)
mlir.register_lowering(_recur_p, _lower_recur)
batching.primitive_batchers[recursion_p] = _batch_recursion
batching.primitive_batchers[_recur_p] = _batch_recur
ad.primitive_jvps[recursion_p] = _refuse_tangents
