"""What a recursive function returns, before anybody knows: its branches are tried until one gives a result without a call.

`nm.cond`, `nm.switch` and `nm.match` ask `first_known` while a function is probed. A recursive call whose result is not
known leaves its branch.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["NoResultYet", "first_known", "is_probing", "probing"]

_probing: contextvars.ContextVar[bool] = contextvars.ContextVar("probing", default=False)


class NoResultYet(BaseException):
    """A recursive call while nobody knows yet what results look like; no `except Exception` of the user's holds it up."""


def is_probing() -> bool:
    """Whether branches are tried only for what they return."""
    return _probing.get()


@contextmanager
def probing(on: bool = True) -> Iterator[None]:
    """Within it, `is_probing()` is `on`."""
    token = _probing.set(on)
    try:
        yield
    finally:
        _probing.reset(token)


def first_known(alternatives: Sequence[Callable[[], Any]]) -> Any:
    """What the first alternative returns that makes no call without a known result. Raises NoResultYet without one."""
    for alternative in alternatives:
        try:
            return alternative()
        except NoResultYet:
            continue
    raise NoResultYet
