"""VM contexts of one module: each serves one thread at a time, so concurrent calls borrow one and give it back.

A context can hold a copy of the weights (those that are packed when it is made), and a device with worker threads is
busy with one call at a time. So only small modules on local-sync have several contexts, made while callers compete;
otherwise callers wait for the one context. docs/runtime.md has the measurements.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["ContextPool", "context_limit"]

# More contexts than processors only add memory for what calls compute in between.
_MAX_CONTEXTS = min(8, os.cpu_count() or 1)
_BUDGET = 8 << 20


def context_limit(driver: str, module_bytes: int) -> int:
    """How many contexts a module with a file of this size may have on a device of this driver.

    On local-sync, where each call runs in its own thread, as many as take 8 MiB besides the first; elsewhere one.

    A context holds at most the constants and the machine code of the file. How much it does hold cannot be asked: the
    allocator's statistics leave out what local-task takes from its pools (IREE 3.13).
    """
    if driver != "local-sync":
        return 1
    return min(_MAX_CONTEXTS, 1 + _BUDGET // max(module_bytes, 1))


class ContextPool:
    """At most `limit` contexts made by `create`, of which one exists from the start.

    An error of `create` goes to the caller for the first context; with later ones callers wait for those there are.
    """

    def __init__(self, create: Callable[[], Any], limit: int) -> None:
        self._create = create
        self._limit = limit
        self._condition = threading.Condition()
        self._waiting = 0
        self._making = False
        self._free: list[Any] = [create()]  # pop and append are atomic: a call that meets no other takes no lock
        self.count = 1

    def acquire(self) -> Any:
        """A context for this thread alone, until `release`; waits where all are in use."""
        try:
            return self._free.pop()
        except IndexError:
            return self._acquire_contended()

    def release(self, context: Any) -> None:
        """Give back a context."""
        self._free.append(context)
        if self._waiting:  # a waiter counts itself before it looks at the list, so that it is not missed here
            with self._condition:
                self._condition.notify()

    def _acquire_contended(self) -> Any:
        with self._condition:
            self._waiting += 1
            try:
                while True:
                    try:
                        return self._free.pop()
                    except IndexError:
                        if self.count < self._limit and not self._making:
                            self._making = True
                            break
                    self._condition.wait()
            finally:
                self._waiting -= 1
        context = None
        try:
            context = self._create()
        except Exception:
            self._limit = self.count  # no memory for a further one, say
        finally:
            with self._condition:
                self.count += context is not None
                self._making = False
                self._condition.notify()
        return context if context is not None else self.acquire()
