"""Compiling and loading BERT: seconds, and the peak memory of the processes that take part.

    python benchmarks/compile_bert.py [--layers 12] [--loads 3] [--again 7]

The peak is of the whole process tree (this process and iree-compile) and includes the weights that this process holds.
"From the cache" is the whole of a further `nm.compile` in a process of its own, with an empty cache before the first one;
imports and the weights are not part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
from measure import MIB, Peak, example, show, tree_pss

import nimble_mlir as nm

# In a process of its own: what a server pays when it starts.
_LOAD = """
import json, sys, time
import numpy as np
start = time.perf_counter()
import nimble_mlir as nm
import nimble_mlir.runtime
imported = time.perf_counter()
module = nm.load(sys.argv[1], verify=sys.argv[2] == "1")
loaded = time.perf_counter()
module(np.ones((1, 128), np.int32), np.ones((1, 128), np.int32))
print(json.dumps([imported - start, loaded - imported, time.perf_counter() - loaded]))
"""

# In a process of its own: a program that is started again.
_AGAIN = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from measure import example
import nimble_mlir as nm
bert = example("bert")
fn = bert.make_bert(bert.make_params(int(sys.argv[2])))
nm.compile(lambda x: x + 1, (nm.spec((4,), "float32"),))  # imports
start = time.perf_counter()
nm.compile(fn, bert.example_specs())
print(time.perf_counter() - start)
"""


def again_times(layers: int, runs: int) -> list[float]:
    """Seconds of compiling in new processes what the cache has."""
    command = [sys.executable, "-c", _AGAIN, str(Path(__file__).parent), str(layers)]
    return [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(runs)]


def load_times(path: Path, verify: bool, runs: int) -> list[float]:
    """Median seconds of importing, loading and the first call."""
    command = [sys.executable, "-c", _LOAD, str(path), str(int(verify))]
    times = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(runs)
    ]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--loads", type=int, default=3)
    parser.add_argument("--again", type=int, default=7, help="compiles from the cache")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(NIMBLE_CACHE="on", NIMBLE_CACHE_DIR=folder)
        measure(args)


def measure(args: argparse.Namespace) -> None:
    """Prints the table, with an empty compile cache."""
    bert = example("bert")
    params = bert.make_params(args.layers)
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    fn = bert.make_bert(params)
    del params
    nm.compile(lambda x: x + 1, (nm.spec((4,), "float32"),))  # imports and caches are not part of it
    with Peak(tree_pss) as peak:
        start = time.perf_counter()
        module = nm.compile(fn, bert.example_specs())
        seconds = time.perf_counter() - start
    rows = [
        ["compile", f"{seconds:.1f} s"],
        ["weights", f"{weights / MIB:.0f} MiB"],
        ["memory before", f"{peak.before / MIB:.0f} MiB"],
        ["peak memory of the process tree", f"{peak.value / MIB:.0f} MiB"],
        ["peak / weights", f"{peak.value / weights:.2f}"],
        ["(peak - before) / weights", f"{(peak.value - peak.before) / weights:.2f}"],
    ]
    times = again_times(args.layers, args.again)
    rows.append(["compile from the cache, median", f"{statistics.median(times):.2f} s"])
    rows.append(["compile from the cache, least and most", f"{min(times):.2f} to {max(times):.2f} s"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bert.vmfb"
        start = time.perf_counter()
        module.save(path)
        rows.append(["save", f"{time.perf_counter() - start:.2f} s"])
        rows.append(["file / weights", f"{path.stat().st_size / weights:.3f}"])
        for verify in (True, False):
            imported, loaded, called = load_times(path, verify, args.loads)
            rows.append([f"load{'' if verify else ', verify=False'}", f"{loaded:.2f} s"])
            rows.append([f"first call{'' if verify else ', verify=False'}", f"{called:.2f} s"])
        rows.append(["import", f"{imported:.2f} s"])
    show(f"BERT-base, {args.layers} layers", ["", ""], rows)


if __name__ == "__main__":
    main()
