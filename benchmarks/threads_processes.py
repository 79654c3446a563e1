"""Calls a second of 8 threads on one module against those of 8 processes that each load it, on local-sync.

    python benchmarks/threads_processes.py [--workers 8] [--seconds 2] [--rounds 5] [--width 512] [--layers 0]

The module is a perceptron float32[8, w] of w x 2w and 2w x w weights; with --layers, BERT of so many layers at [1, 32].
Threads call one module, or each one of its own that maps the same file; processes load it each. The three take turns, and
the ratios are medians over the rounds. Memory is the anonymous one of the process tree, which mapped weights are no part of.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import MIB, anonymous, example, show

import nimble_mlir as nm


def save(path: Path, width: int, layers: int) -> None:
    """Compiles the model and saves it; in a process of its own."""
    if layers:
        bert = example("bert")
        nm.compile(bert.make_bert(bert.make_params(layers)), bert.example_specs()).save(path)
        return
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    up, down = (jnp.asarray(rng.normal(size=(width * i, width * o)).astype(np.float32)) for i, o in ((1, 2), (2, 1)))
    (b,) = nm.dims("b", constraints=["b <= 64"])
    nm.compile(lambda x: jnp.tanh(x @ up) @ down, (nm.spec((b, width), jnp.float32),)).save(path)


def inputs(width: int, layers: int) -> list[np.ndarray]:
    """What each call is given."""
    return [np.ones((1, 32), np.int32)] * 2 if layers else [np.ones((8, width), np.float32)]


def count_calls(module: Any, args: Sequence[np.ndarray], seconds: float) -> int:
    """How many calls end within so many seconds."""
    calls, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        module.call_flat(args)
        calls += 1
    return calls


def serve(path: Path, args: Sequence[np.ndarray], pipe: Any) -> None:
    """A process: counts calls for each number of seconds that comes through the pipe; None ends it."""
    module = nm.load(path, device="local-sync")
    module.call_flat(args)
    pipe.send(anonymous())
    while (seconds := pipe.recv()) is not None:
        pipe.send(count_calls(module, args, seconds))


def run_threads(modules: Sequence[Any], args: Sequence[np.ndarray], seconds: float) -> int:
    """The calls of one thread a module, all together."""
    counts = [0] * len(modules)

    def work(index: int) -> None:
        counts[index] = count_calls(modules[index], args, seconds)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(modules))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--layers", type=int, default=0)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.vmfb"
        compiling = spawn.Process(target=save, args=(path, options.width, options.layers))
        compiling.start()
        compiling.join()
        args = inputs(options.width, options.layers)
        pipes, processes = [], []
        for _ in range(options.workers):
            ours, theirs = spawn.Pipe()
            processes.append(spawn.Process(target=serve, args=(path, args, theirs)))
            processes[-1].start()
            pipes.append(ours)
        memory = {"processes": sum(pipe.recv() for pipe in pipes)}
        start = anonymous()
        shared = [nm.load(path, device="local-sync")] * options.workers
        run_threads(shared, args, 0.2)
        memory["threads, one module"] = anonymous()
        own = [nm.load(path, device="local-sync") for _ in range(options.workers)]
        run_threads(own, args, 0.2)
        memory["threads, a module each"] = anonymous() - memory["threads, one module"] + start

        def ask_processes() -> int:
            for pipe in pipes:
                pipe.send(options.seconds)
            return sum(pipe.recv() for pipe in pipes)

        ways: dict[str, Callable[[], int]] = {
            "processes": ask_processes,
            "threads, one module": lambda: run_threads(shared, args, options.seconds),
            "threads, a module each": lambda: run_threads(own, args, options.seconds),
        }
        counts: dict[str, list[int]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, run in ways.items():
                counts[name].append(run())
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(None)
            process.join()
        size = path.stat().st_size
    rows = []
    for name, found in counts.items():
        ratio = statistics.median(a / b for a, b in zip(found, counts["processes"], strict=True))
        calls = statistics.median(found) / options.seconds
        rows.append([name, f"{calls:.0f}", f"{ratio:.2f}", f"{memory[name] / MIB:.0f}"])
    title = f"{options.workers} callers, file of {size / MIB:.1f} MiB"
    show(title, ["", "calls/s", "to processes", "own memory MiB"], rows)


if __name__ == "__main__":
    main()
