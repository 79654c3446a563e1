"""How a thread waits for the worker threads of a device: without taking a processor from one of them.

A thread that waits for IREE is woken by a worker, and then spins until that worker has left the function that woke it
(IREE 3.13, `iree_async_semaphore_multi_wait`). Where all processors are busy, Linux lets the woken thread run in the place
of the very worker that it spins for, which goes on after some milliseconds: a call of 2.2 ms took 6 ms one time in ten. A
thread of the policy SCHED_BATCH takes no processor from others as it wakes. benchmarks/waiting.py shows the difference;
where there is none any more, this file can go.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["at_once", "waiting_for_workers"]


def waiting_for_workers(call: Callable[..., Any], *args: Any) -> Any:
    """`call(*args)`, which waits for worker threads. A thread with a policy of its own keeps it."""
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return call(*args)
    # In containers that forbid it, it stays as it was.
    if not _set(os.SCHED_BATCH):
        return call(*args)
    try:
        return call(*args)
    finally:
        _set(os.SCHED_OTHER)


def at_once(call: Callable[..., Any], *args: Any) -> Any:
    """`call(*args)`, which waits for no worker thread."""
    return call(*args)


def _set(policy: int) -> bool:
    try:
        os.sched_setscheduler(0, policy, _NO_PRIORITY)
    except OSError:
        return False
    return True


_NO_PRIORITY = os.sched_param(0) if sys.platform == "linux" else None
