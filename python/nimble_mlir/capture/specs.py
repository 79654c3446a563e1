"""Example arguments into flat leaf specs: names, dtypes, kinds and symbolic dims, all checked before JAX traces.

In: `(args, kwargs)` pytrees whose leaves are arrays, ShapeDtypeStructs or Python scalars. Out: `Specs`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nimble_mlir.dims import DimExpr
from nimble_mlir.dims.signature import Kind
from nimble_mlir.errors import CaptureError

from .symbols import to_expr

__all__ = ["LeafSpec", "argument_names", "flatten_specs", "leaf_spec"]


@dataclass(frozen=True)
class LeafSpec:
    """One flat argument or result: `dtype` and `dims` are those of the array that crosses the module's boundary
    (for a key array its uint32 data); `jax_spec` is what JAX traces with."""

    name: str
    dtype: str
    dims: tuple[DimExpr, ...]
    kind: Kind
    key_impl: str | None
    jax_spec: Any


def argument_names(fn: Callable[..., Any], count: int, keywords: Sequence[str]) -> list[str]:
    """The names of the `count` positional arguments as the function's signature has them, `args[i]` for varargs."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
    names = names[:count] + [f"args[{i}]" for i in range(len(names), count)]
    for name in keywords:
        if name in names:
            raise CaptureError(f"argument '{name}' is given twice: in example_args and in example_kwargs")
    return names


def flatten_specs(args: Sequence[Any], kwargs: Mapping[str, Any], names: list[str]) -> list[LeafSpec]:
    """The leaves of `(args, kwargs)` in JAX's order, named by their path: `ids`, `params['w'][0]`."""
    leaves: list[LeafSpec] = []
    for path, leaf in jax.tree_util.tree_flatten_with_path((tuple(args), dict(kwargs)))[0]:
        group: Any = path[0]
        member: Any = path[1]
        root = names[member.idx] if group.idx == 0 else str(member.key)
        leaves.append(leaf_spec(root + jax.tree_util.keystr(path[2:]), leaf))
    return leaves


def leaf_spec(name: str, leaf: Any) -> LeafSpec:
    """The spec of one leaf; raises CaptureError, naming the argument, for what cannot be an argument."""
    if isinstance(leaf, bool | int | float | complex):
        aval = jax.typeof(leaf)
        spec = jax.ShapeDtypeStruct((), aval.dtype, weak_type=True)
        return LeafSpec(name, aval.dtype.name, (), "scalar", None, spec)
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        raise CaptureError(
            f"argument '{name}' is a {type(leaf).__name__}; expected an array, a jax.ShapeDtypeStruct "
            "(nimble_mlir.spec) or a Python number"
        )
    sharding = getattr(leaf, "sharding", None)
    if sharding is not None and sharding.num_devices > 1:
        raise CaptureError(f"argument '{name}' is sharded over {sharding.num_devices} devices; give it on one")
    dims = tuple(to_expr(dim) for dim in leaf.shape)
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return _key_spec(name, leaf, dims)
    dtype = np.dtype(leaf.dtype)
    held = jax.dtypes.canonicalize_dtype(dtype)
    if held != dtype:
        raise CaptureError(
            f"argument '{name}' has dtype {dtype.name}, which JAX would make {held.name}: give it as {held.name}, or "
            "switch 64-bit types on with jax.config.update('jax_enable_x64', True) (jax.enable_x64)"
        )
    weak = bool(getattr(leaf, "weak_type", False))
    return LeafSpec(name, dtype.name, dims, "array", None, jax.ShapeDtypeStruct(leaf.shape, dtype, weak_type=weak))


def _key_spec(name: str, leaf: Any, dims: tuple[DimExpr, ...]) -> LeafSpec:
    impl: list[str] = []

    def look(key: Any) -> Any:
        impl.append(str(jax.random.key_impl(key)))
        return jax.random.key_data(key)

    data = jax.eval_shape(look, jax.ShapeDtypeStruct((), leaf.dtype))
    data_dims = dims + tuple(DimExpr.constant(size) for size in data.shape)
    return LeafSpec(name, data.dtype.name, data_dims, "key", impl[0], jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
