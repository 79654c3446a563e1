"""What a compile says as it goes: its steps, how long each took, and the IR of each stage.

In: calls of the driver. Out: what those who watch (the command line, `Module.ir`) want to know; by default nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Monitor"]

# What they get comes from the passes (`NIMBLE_LOG=passes,ir`).
_LOGS = (logging.getLogger("nimble_mlir.passes"), logging.getLogger("nimble_mlir.ir"))


@dataclass
class Monitor:
    """Watches one compile.

    Attributes:
      on_step: called with the name of a step as it begins, and the share of the whole (0 to 1) that is done by then.
        The name of a pass has the stage that it leads to before it: "nimble: nimble-infer-dims".
      on_ir: called with the name of a stage and its IR as text, as the stage is reached.
      timings: the steps that have ended, in order, with their seconds; a pass has its name, a run of the IREE compiler
        "iree-compile <target>".
    """

    on_step: Callable[[str, float], None] | None = None
    on_ir: Callable[[str, str], None] | None = None
    timings: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, done: float) -> Iterator[None]:
        """Around the work of one step; `done` is the share of the whole before it."""
        if self.on_step is not None:
            self.on_step(name, done)
        started = time.perf_counter()
        yield
        self.timings.append((name, time.perf_counter() - started))

    def wants_passes(self) -> bool:
        """Whether somebody looks at what the passes do, so that they have to run also where the cache has the image."""
        return self.on_ir is not None or any(log.isEnabledFor(logging.DEBUG) for log in _LOGS)

    def report(self) -> str:
        """Where the time went: a line a step, in seconds and percent."""
        total = sum(seconds for _, seconds in self.timings)
        share = 100.0 / total if total else 0.0
        rows = [*self.timings, ("total", total)]
        return "\n".join(f"{seconds:9.4f} s  {seconds * share:5.1f}%  {name}" for name, seconds in rows)
