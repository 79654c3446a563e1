"""The child process of a walk: compiles the cases that it is sent and says how each came out.

In: a JSON line on stdin for each task, a list of names of harnesses that are compiled as one module of several entry
points. Out: a JSON line for each case as soon as it is known. Whatever upstream code prints goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))  # the tolerance table is that of the tests

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

# Statuses: correct, wrong, unsupported (an UnsupportedOpError), refused (any other error), skipped (JAX cannot run it).
# The parent adds crash and timeout.


def main() -> None:
    """Reads tasks until stdin is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["static", "batch"], required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--x64", action="store_true")
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import jax

    jax.config.update("jax_enable_x64", options.x64)
    from cases import NotRunByJax, harnesses, prepare

    known = harnesses()
    for line in sys.stdin:
        ready = []
        for name in json.loads(line):
            started = time.perf_counter()
            try:
                ready.append(prepare(known[name], options.mode, options.seed))
            except NotRunByJax as error:
                _answer(answers, name, "skipped", str(error), started)
        _run(ready, answers)
        answers.write(json.dumps({"done": True}) + "\n")


def _run(cases: Sequence[Any], answers: Any) -> None:
    """Compiles `cases` as one module; halves them where that fails, until each failure is a single case's."""
    if not cases:
        return
    import nimble_mlir as nm

    started = time.perf_counter()
    options = nm.CompileOptions(keep_ir=False)
    try:
        module = nm.compile({f"case{i}": (case.function, case.specs) for i, case in enumerate(cases)}, options=options)
    except Exception as error:  # of any kind: the walk counts it and goes on
        if len(cases) > 1:
            middle = len(cases) // 2
            _run(cases[:middle], answers)
            _run(cases[middle:], answers)
            return
        known = isinstance(error, nm.UnsupportedOpError)
        text = str(error) if isinstance(error, nm.NimbleError) else traceback.format_exc(limit=-4)
        message = text if known else f"{type(error).__name__}: {text}"
        _answer(answers, cases[0].name, "unsupported" if known else "refused", message, started)
        return
    seconds = (time.perf_counter() - started) / len(cases)
    for i, case in enumerate(cases):
        status, message = _compare(module.entry(f"case{i}"), case)
        _answer(answers, case.name, status, message, time.perf_counter() - seconds)


def _compare(entry: Any, case: Any) -> tuple[str, str]:
    from agreement import difference

    for args, expected in case.calls:
        try:
            got = entry(*args)
        except Exception as error:  # as above
            return "refused", f"at the call: {type(error).__name__}: {error}"
        wrong = difference(case, args, got, expected)
        if wrong is not None:
            return "wrong", wrong
    return "correct", ""


def _answer(answers: Any, name: str, status: str, message: str, started: float) -> None:
    seconds = round(time.perf_counter() - started, 3)
    answers.write(json.dumps({"case": name, "status": status, "message": message[:2000], "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
