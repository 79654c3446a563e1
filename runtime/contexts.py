"""VM contexts of one module: each serves one thread at a time, so concurrent calls borrow one and give it back.

A context can hold a copy of the weights (those that are packed when it is made), so a further one is made only while
callers compete and while all of them together stay in a budget; otherwise callers wait. docs/runtime.md has the
measurements.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["MAX_CONTEXTS", "ContextPool"]

# More contexts than processors only add memory for what calls compute in between.
MAX_CONTEXTS = min(8, os.cpu_count() or 1)


class ContextPool:
    """Contexts made by `create`, of which one exists from the start.

    `allocated` returns the bytes that are allocated on the device now, so that what a context takes is known from
    making it; `code_bytes` is what its machine code takes besides. Further contexts may take up to `budget` bytes.
    Errors of `create` go to the caller for the first context; with later ones callers wait for the contexts there are.
    """

    def __init__(
        self,
        create: Callable[[], Any],
        allocated: Callable[[], int],
        *,
        code_bytes: int,
        budget: int,
        limit: int = MAX_CONTEXTS,
    ) -> None:
        self._create = create
        self._allocated = allocated
        self._budget = budget
        self._limit = limit
        self._condition = threading.Condition()
        self._waiting = 0
        self._code_bytes = code_bytes
        self._cost = 0
        self._making = False
        self.count = 0
        self._free: list[Any] = []  # pop and append are atomic: a call that meets no other takes no lock
        self._free.append(self._make())

    @property
    def can_grow(self) -> bool:
        """Whether a further context may be made."""
        return self.count < self._limit and self.count * self._cost <= self._budget

    def _make(self) -> Any:
        before = self._allocated()
        context = self._create()
        self._cost = max(self._cost, self._allocated() - before + self._code_bytes)
        self.count += 1
        return context

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
                    if self._free:
                        try:
                            return self._free.pop()
                        except IndexError:  # a thread on the fast path was quicker
                            continue
                    if self.can_grow and not self._making:
                        self._making = True
                        break
                    self._condition.wait()
            finally:
                self._waiting -= 1
        try:
            return self._make()
        except Exception:
            self._limit = self.count  # no memory for a further one, say: wait for those that exist
        finally:
            with self._condition:
                self._making = False
                self._condition.notify()
        return self.acquire()
