"""What the benchmarks of single ops share: one compiled module with symbolic sizes against jax.jit at each size."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import interleaved, show

import nimble_mlir as nm

# A round takes at least so many seconds: what is quicker is called several times.
_ROUND = 2e-3


@dataclass(frozen=True)
class Case:
    """A function, its symbolic specs, and the arguments of each size by a name; `others` are rivals of the same call.

    Nothing is copied: jax.jit gets and gives jax arrays, nimble numpy arrays over the same memory, and gives such."""

    name: str
    function: Callable[..., Any]
    specs: Sequence[Any]
    sizes: Mapping[str, Sequence[np.ndarray]]
    others: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


def floats(*shape: int) -> np.ndarray:
    """Random float32."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def run(title: str, cases: Sequence[Case]) -> None:
    """Prints medians in milliseconds, and ratios of times: below 1, nimble is faster."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument(
        "--cpu", action="store_true", help="CPU time on one core, for a machine that does other things too"
    )
    options = parser.parse_args()
    if options.cpu:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before JAX makes its threads
    cases = [case for case in cases if options.only in case.name]
    rivals = sorted({name for case in cases for name in case.others})
    rows = []
    for case in cases:
        module = _on_one_thread(case) if options.cpu else nm.compile(case.function, tuple(case.specs))
        jitted = jax.jit(case.function)
        for size, arguments in case.sizes.items():
            medians = _medians(case, module, jitted, arguments, options)
            ours, theirs = medians["nimble"], medians["jax.jit"]
            row = [case.name, size, f"{ours * 1e3:.3f}", f"{theirs * 1e3:.3f}", f"{ours / theirs:.2f}"]
            for rival in rivals:
                time_ = medians.get(rival)
                row += [f"{time_ * 1e3:.3f}", f"{ours / time_:.2f}"] if time_ is not None else ["", ""]
            rows.append(row)
    columns = ["", "size", "nimble ms", "jax.jit ms", "to jax.jit"]
    which = "CPU time" if options.cpu else "wall time"
    title = f"{title}; {which}, load {os.getloadavg()[0]:.1f}"
    show(title, [*columns, *[text for rival in rivals for text in (f"{rival} ms", f"to {rival}")]], rows)


def _on_one_thread(case: Case) -> nm.Module:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "op.vmfb"
        nm.compile(case.function, tuple(case.specs)).save(path)
        return nm.load(path, device="local-sync")


def _medians(
    case: Case, module: Any, jitted: Any, arguments: Sequence[np.ndarray], options: argparse.Namespace
) -> dict[str, float]:
    on_device = [jnp.asarray(argument) for argument in arguments]
    views = [np.asarray(array) for array in on_device]
    calls: dict[str, Callable[[], Any]] = {
        "nimble": lambda: module(*views),
        "jax.jit": lambda: jax.block_until_ready(jitted(*on_device)),
        **{name: (lambda other=other: other(*arguments)) for name, other in case.others.items()},
    }
    once = interleaved(calls, 1)
    inner = max(1, round(_ROUND / max(once.values())))
    clock = time.process_time if options.cpu else time.perf_counter
    return interleaved(calls, options.rounds, inner, pause=0.0 if options.cpu else 2e-3, clock=clock)
