"""Whether a function is being captured, and the symbols for sizes that it defines as it runs.

In: the symbolic scope of a compile. Out: fresh symbols of that scope. JAX's trace caches know of it: what is traced while
a function is captured is not taken for anything else, since nimble's own functions do something else then.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import jax
import jax.core
import jax.export

__all__ = ["Tracing", "capturing", "current"]

# Its public name; the value is part of the key of every trace cache.
_context = jax.make_user_context(None)
_default_scope = jax.export.SymbolicScope()
# Never twice the same name in a scope: a function that JAX has traced before keeps its symbols.
_counts: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


class Tracing:
    """A capture that is under way: `scope` has its symbols, `names` are those of its arguments.

    With `anew`, JAX traces each call of a jitted function anew: so that each call has symbols of its own.
    """

    def __init__(self, scope: Any | None, names: frozenset[str], anew: bool = False) -> None:
        self.scope = scope if scope is not None else _default_scope
        self.names = names
        self.anew = anew
        self._remembered: dict[Any, tuple[Any, Any]] = {}

    def fresh(self) -> Any:
        """A new symbol, as JAX's dimension expression. JAX takes it to be at least 1; it may be 0."""
        while True:
            count = _counts.get(self.scope, 0)
            _counts[self.scope] = count + 1
            if f"_n{count}" not in self.names:
                return jax.export.symbolic_shape(f"_n{count}", scope=self.scope)[0]

    def remember(self, source: Any, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` computes from the traced value `source`, once for each `key`: what is counted twice has one size.

        Only where it is computed in the trace that `source` belongs to: that of a loop's body ends before another use."""
        found = self._remembered.get((id(source), key))
        if found is None:
            found = source, make()
            made = jax.tree_util.tree_leaves(found[1])
            # JAX says nowhere else which trace a value belongs to.
            traces = {id(getattr(value, "_trace", None)) for value in (source, *made)}
            if isinstance(source, jax.core.Tracer) and len(traces) == 1:
                self._remembered[id(source), key] = found
        return found[1]


class _Key:
    """What JAX's caches compare: captures of one scope are the same, but those `anew`, of which each is another."""

    def __init__(self, tracing: Tracing, renewals: ExitStack) -> None:
        self.tracing = tracing
        self.renewals = renewals

    def __hash__(self) -> int:
        return id(self) if self.tracing.anew else id(self.tracing.scope)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Key):
            return False
        one, two = self.tracing, other.tracing
        return self is other or (one.scope is two.scope and not (one.anew or two.anew))


@contextmanager
def capturing(tracing: Tracing) -> Iterator[None]:
    """What JAX traces within is captured."""
    with ExitStack() as renewals:
        renewals.enter_context(_context(_Key(tracing, renewals)))
        yield


def current() -> Tracing | None:
    """The capture that is under way, None where a function is run eagerly or traced by JAX alone."""
    key = _context.value
    if key is None:
        return None
    if key.tracing.anew:
        # What is traced has asked: no later trace is to find it. The caches take an object to be equal to itself,
        # whatever it says, so that it takes another object.
        key.renewals.enter_context(_context(_Key(key.tracing, key.renewals)))
    return key.tracing
