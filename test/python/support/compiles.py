"""How often the IREE compiler runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_mlir.driver import iree


def runs(function: Callable[[], Any]) -> tuple[int, Any]:
    """The runs of the IREE compiler during a call in this process, and the call's result."""
    before = iree.run_count()
    result = function()
    return iree.run_count() - before, result
