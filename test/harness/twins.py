"""Finds the cases that are the same program with x64 off and on, and gives them the records of a walk with x64 on.

    python test/harness/twins.py --json walk.jsonl [--jobs 2]

From many harnesses JAX exports the same StableHLO whether `jax_enable_x64` is set or not, and a walk draws the same inputs
(the seed is the name's), so that a second compilation could only repeat the first. For each case of static sizes whose
record with x64 on is in --json, and whose program is the same to the byte, a record with x64 off is appended, which says so
in its message; `walk.py` without --x64 then runs what is left. With a symbolic batch no two programs are the same: sizes
are integers of 32 or 64 bits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np

SAME = "the same program as with x64 on"


def main() -> None:
    """Appends the records."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--json", type=Path, required=True, help="JSON lines of walks, read and appended to")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--hashes", type=int, choices=[0, 1], help="used within: hash the cases on stdin, x64 off or on"
    )
    options = parser.parse_args()
    if options.hashes is not None:
        _print_hashes(bool(options.hashes), [line.strip() for line in sys.stdin])
        return
    records = [json.loads(line) for line in options.json.read_text().splitlines()]
    known = {record["case"]: record for record in records if record["mode"] == "static" and record["x64"]}
    done = {record["case"] for record in records if record["mode"] == "static" and not record["x64"]}
    names = [name for name in known if name not in done]
    shards = [names[i :: 2 * options.jobs] for i in range(2 * options.jobs)]
    with ThreadPoolExecutor(options.jobs) as pool:
        off, on = (
            dict(pair for found in pool.map(_hashes, [x64] * len(shards), shards) for pair in found) for x64 in (0, 1)
        )
    twins = [name for name, program in off.items() if on.get(name) == program]
    with options.json.open("a") as out:
        for name in twins:
            message = known[name]["message"] or SAME
            out.write(json.dumps({**known[name], "x64": False, "message": message, "seconds": 0.0}) + "\n")
    print(f"{len(twins)} of the {len(off)} cases with x64 off are the same program with x64 on", file=sys.stderr)


def _hashes(x64: int, names: Sequence[str]) -> list[tuple[str, str]]:
    """Each case with the hash of its StableHLO, from a child process; a case that JAX cannot export is left out."""
    command = [sys.executable, __file__, "--json", "-", "--hashes", str(x64)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=Path(__file__).resolve().parent) as process:
        answers = process.communicate("\n".join(names))[0]
    return [(name, program) for name, _, program in (line.partition("\t") for line in answers.splitlines())]


def _print_hashes(x64: bool, names: Sequence[str]) -> None:
    import jax

    jax.config.update("jax_enable_x64", x64)
    from cases import harnesses

    known = harnesses()
    for name in names:
        if name not in known or not known[name].filter("cpu"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                program = _program(known[name])
            except Exception:  # of any kind: what JAX cannot export is left to the walk
                continue
        print(f"{name}\t{program}", flush=True)


def _program(harness: Any) -> str:
    """A hash of the StableHLO that JAX exports from the case."""
    import jax
    import jax.export
    from cases import function_and_specs

    function, specs = function_and_specs(harness, "static", np.random.RandomState(0))
    exported = jax.export.export(jax.jit(function), platforms=["cpu"])(*specs)
    return hashlib.sha256(exported.mlir_module().encode()).hexdigest()


if __name__ == "__main__":
    main()
