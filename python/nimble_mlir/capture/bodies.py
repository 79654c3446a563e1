"""Functions of loops and branches as jaxprs: flat, closed over nothing, with what they close over as leading arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core as jex_core
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import mlir

from nimble_mlir.errors import CaptureError

__all__ = ["Body", "as_arrays", "emit_size", "is_weak", "lower_body", "refuse", "specs_of", "trace_body", "type_text"]


@dataclass(frozen=True)
class Body:
    """A traced function: `jaxpr` takes `consts` and then the flat arguments; `tree` is the structure of its results."""

    jaxpr: Any
    consts: tuple[Any, ...]
    tree: Any

    @property
    def results(self) -> list[Any]:
        """The abstract values of the results."""
        return list(self.jaxpr.out_avals)


def as_arrays(leaves: Sequence[Any]) -> list[Any]:
    """The leaves as arrays; Python numbers are weakly typed, sizes are integers."""
    return [leaf if hasattr(leaf, "dtype") and hasattr(leaf, "shape") else jnp.asarray(leaf) for leaf in leaves]


def specs_of(leaves: Sequence[Any], shapes: Sequence[Sequence[Any]] | None = None) -> list[jax.ShapeDtypeStruct]:
    """What arrays look like, with other `shapes` if those are given."""
    shapes = [leaf.shape for leaf in leaves] if shapes is None else shapes
    return [
        jax.ShapeDtypeStruct(tuple(shape), leaf.dtype, weak_type=is_weak(leaf))
        for leaf, shape in zip(leaves, shapes, strict=True)
    ]


def is_weak(leaf: Any) -> bool:
    """Whether the dtype of an array gives way to that of others, as those of Python numbers do."""
    return bool(getattr(jax.typeof(leaf), "weak_type", False))


def type_text(value: Any) -> str:
    """The dtype and the sizes of a value, for messages."""
    return f"{value.dtype}[{', '.join(map(str, value.shape))}]"


def refuse(message: str) -> Callable[..., Any]:
    """A rule of a transformation that a primitive does not have."""

    def rule(*args: Any, **params: Any) -> Any:
        raise CaptureError(message)

    return rule


def trace_body(fun: Callable[..., Any], trees: Sequence[Any], specs: Sequence[Any]) -> Body:
    """Traces `fun`, whose arguments have the structures `trees` and, flat, the shapes and dtypes `specs`."""
    structures: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        args, start = [], 0
        for tree in trees:
            args.append(jax.tree_util.tree_unflatten(tree, leaves[start : start + tree.num_leaves]))
            start += tree.num_leaves
        results, structure = jax.tree_util.tree_flatten(fun(*args))
        structures.append(structure)
        return as_arrays(results)

    closed = jax.make_jaxpr(flat)(*specs)
    jaxpr = closed.jaxpr
    lifted = jaxpr.replace(
        constvars=[], invars=[*jaxpr.constvars, *jaxpr.invars], debug_info=jaxpr.debug_info.with_unknown_names()
    )
    return Body(jex_core.ClosedJaxpr(lifted, ()), tuple(closed.consts), structures[-1])


def lower_body(ctx: Any, jaxpr: Any, name: str, args: Sequence[Any]) -> list[Any]:
    """Lowers a jaxpr at the insertion point; the values of its results."""
    results, _ = mlir.jaxpr_subcomp(
        ctx.module_context,
        jaxpr.jaxpr,
        ctx.name_stack.extend(name),
        mlir.TokenSet(),
        (),
        *args,
        dim_var_values=ctx.dim_var_values,
        const_lowering=ctx.const_lowering,
        outer_traceback=ctx.traceback,
    )
    return list(results)


def emit_size(value: Any, axis: int, symbol: str) -> None:
    """States that `symbol` is the size of `value` along `axis`, where control flow hands it on (passes/defined_sizes.py)."""
    i64 = ir.IntegerType.get_signless(64)
    config = {"dimension": ir.IntegerAttr.get(i64, axis), "symbol": ir.StringAttr.get(symbol)}
    stablehlo.CustomCallOp(
        [ir.RankedTensorType.get([], ir.IntegerType.get_signless(32))],
        [value],
        "nimble.size",
        backend_config=ir.DictAttr.get(config),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
    )
