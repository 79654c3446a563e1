"""The memory that is a process's own while 1 and then 8 threads call one BERT module.

    python benchmarks/memory_threads.py [--layers 12] [--length 128] [--calls 4]

Anonymous memory only: weights that are mapped from the file do not count. The module is compiled in another process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measure import MIB, Peak, anonymous, example, show

import nimble_mlir as nm
import nimble_mlir.runtime  # loaded before memory is read


def save(path: str, layers: int) -> None:
    """Compiles BERT and saves it."""
    bert = example("bert")
    nm.compile(bert.make_bert(bert.make_params(layers)), bert.example_specs()).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--calls", type=int, default=4, help="calls of each thread")
    parser.add_argument("--save", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.save:
        save(args.save, args.layers)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bert.vmfb"
        subprocess.run([sys.executable, __file__, "--layers", str(args.layers), "--save", str(path)], check=True)
        ids = np.ones((1, args.length), np.int32)
        start = anonymous()
        module = nm.load(path)
        rows = [["loaded", f"{(anonymous() - start) / MIB:.0f}", ""]]
        single = 0
        for threads in (1, 8):
            with Peak(anonymous, 0.005) as peak, ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda _: module(ids, ids), range(threads * args.calls)))
            grown = peak.value - start
            single = single or grown
            rows.append([f"{threads} thread{'s' * (threads > 1)}, peak", f"{grown / MIB:.0f}", f"{grown / single:.2f}"])
        size = path.stat().st_size
    title = f"BERT-base, {args.layers} layers, float32[1, {args.length}], file of {size / MIB:.0f} MiB"
    show(title, ["", "own memory MiB", "to 1 thread"], rows)


if __name__ == "__main__":
    main()
