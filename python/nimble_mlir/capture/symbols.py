"""Symbolic sizes as JAX has them: `nm.dims` makes them, and this file reads their scope back into our own classes.

JAX's symbols are `jax.export` dimension expressions of one `SymbolicScope`. What JAX has no place for (likely values,
names in the order given) is kept beside the scope.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.export

from nimble_mlir.dims import Constraint, DimExpr, Scope, SymbolInfo
from nimble_mlir.errors import CaptureError

__all__ = ["expression_of", "is_symbolic", "make_dims", "make_spec", "scope_of", "single_scope", "to_expr"]

_likely: weakref.WeakKeyDictionary[Any, dict[str, tuple[int, ...]]] = weakref.WeakKeyDictionary()


def make_dims(
    names: str, constraints: Sequence[str] = (), likely: Mapping[str, int | Sequence[int]] | None = None
) -> tuple[Any, ...]:
    """See `nimble_mlir.dims`."""
    try:
        symbols: tuple[Any, ...] = tuple(jax.export.symbolic_shape(names, constraints=tuple(constraints)))
    except Exception as error:  # JAX raises several kinds, all of them about the text given
        raise CaptureError(f"nm.dims({names!r}): {error}") from error
    values = {name: tuple(sizes) if isinstance(sizes, Sequence) else (sizes,) for name, sizes in (likely or {}).items()}
    known = frozenset().union(*(to_expr(symbol).symbols for symbol in symbols))
    for text in constraints:
        strangers = sorted(_parse(names, text).symbols - known)
        if strangers:
            raise CaptureError(
                f"nm.dims({names!r}): constraint '{text}' is about '{strangers[0]}', which is no symbol here"
            )
    unknown = sorted(set(values) - known)
    if unknown:
        raise CaptureError(f"nm.dims: likely sizes are given for '{unknown[0]}', which is not among {sorted(known)}")
    for symbol in symbols:
        if is_symbolic(symbol):
            _likely[symbol.scope] = values
    return symbols


def expression_of(text: str, symbol: Any) -> Any:
    """The JAX dimension that `text` says ("2*s + 1"), in the scope of `symbol`. Raises CaptureError."""
    try:
        return jax.export.symbolic_shape(text, scope=symbol.scope)[0]
    except Exception as error:  # JAX raises several kinds, all of them about the text given
        raise CaptureError(f"the size '{text}': {error}") from error


def make_spec(shape: Sequence[Any], dtype: Any) -> jax.ShapeDtypeStruct:
    """See `nimble_mlir.spec`."""
    return jax.ShapeDtypeStruct(tuple(shape), dtype)


def _parse(names: str, text: str) -> Constraint:
    try:
        return Constraint.parse(text)
    except ValueError as error:
        raise CaptureError(f"nm.dims({names!r}): constraint '{text}': {error}") from error


def is_symbolic(dim: Any) -> bool:
    """Whether `dim` is a JAX symbolic dimension (and not an int)."""
    return jax.export.is_symbolic_dim(dim)


def to_expr(dim: Any) -> DimExpr:
    """A JAX dimension (int or symbolic) as `DimExpr`."""
    if isinstance(dim, int):
        return DimExpr.constant(dim)
    return DimExpr.parse(str(dim))


def single_scope(dims: Sequence[tuple[str, Any]]) -> Any | None:
    """The one JAX scope of the symbolic ones among `dims` (pairs of argument name and dim), None without any.

    Raises CaptureError where two scopes meet: JAX itself would merge equal names of two scopes silently.
    """
    scope, first = None, ""
    for name, dim in dims:
        if not is_symbolic(dim):
            continue
        if scope is None:
            scope, first = dim.scope, name
        elif dim.scope is not scope:
            raise CaptureError(
                f"argument '{name}' has size '{dim}' from another symbolic scope than argument '{first}'; make all "
                "symbols of one compile in one call of nimble_mlir.dims; a tree takes one as spec(scope=)"
            )
    return scope


def scope_of(jax_scope: Any | None, names: Sequence[str]) -> Scope:
    """The symbols `names` with the constraints of their JAX scope, as `Scope`.

    JAX takes every symbol to be at least 1, and so does the scope.
    """
    if jax_scope is None:
        return Scope({})
    likely = _likely.get(jax_scope, {})
    infos = {name: SymbolInfo(name, likely=likely.get(name, ())) for name in names}
    # jax.export keeps a scope's constraints only in this attribute (jax 0.10); without it `s <= 512` of the user would
    # be lost. The text of each is the one that the user wrote.
    texts = [constraint.debug_str for constraint in jax_scope._explicit_constraints]
    scope = Scope(infos, [])
    try:
        for text in texts:
            constraint = Constraint.parse(text)
            if constraint.lhs.symbols | constraint.rhs.symbols <= set(names):
                scope = scope.with_constraint(constraint)
    except ValueError as error:
        raise CaptureError(f"constraint '{text}' of the symbolic sizes: {error}") from error
    return scope
