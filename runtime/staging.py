"""Memory that arguments are copied to when their own cannot be used: kept from call to call.

The kernel clears each new page, which takes longer than the copy itself: a quarter of a millisecond a MB, measured.
"""

from __future__ import annotations

from threading import Lock

import numpy as np

__all__ = ["ALIGNMENT", "Staging"]

ALIGNMENT = 64  # IREE_HAL_HEAP_BUFFER_ALIGNMENT: compiled code uses aligned loads
_MAX_KEPT_BYTES = 64 << 20


class Staging:
    """Aligned memory of a device, which calls take and give back. At most 64 MiB are kept. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: list[np.ndarray] = []

    def take(self, size: int) -> np.ndarray:
        """64-byte aligned bytes, `size` of them or more, with any contents."""
        with self._lock:
            # No more than twice of what is needed: a small argument would keep a large one from its memory.
            fitting = [memory for memory in self._kept if size <= memory.nbytes <= 2 * size]
            if fitting:
                memory = min(fitting, key=lambda memory: memory.nbytes)
                self._kept = [other for other in self._kept if other is not memory]
                return memory
        memory = np.empty(size + ALIGNMENT, np.uint8)
        start = -memory.__array_interface__["data"][0] % ALIGNMENT
        return memory[start : start + size]

    def give_back(self, memory: np.ndarray) -> None:
        """Keeps memory from `take` that nobody uses any more; the oldest is dropped where there is too much."""
        with self._lock:
            self._kept.append(memory)
            while sum(kept.nbytes for kept in self._kept) > _MAX_KEPT_BYTES:
                self._kept.pop(0)
