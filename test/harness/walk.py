"""Walks over the harnesses with which JAX tests its primitives: compiles each, compares with JAX on the CPU, counts.

    python test/harness/walk.py --groups scatter_add,gather --limit 20 --mode batch --x64 --jobs 2 --json out.jsonl

Cases are compiled in child processes, several of a group as one module, so that neither an abort in upstream code nor a
hang ends the walk. --json appends a line for each case, and a walk that finds its file goes on behind it.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import random
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STATUSES = ("correct", "wrong", "unsupported", "refused", "crash", "timeout", "skipped")


def main() -> int:
    """Returns 1 where a case was wrong, refused, crashed or timed out."""
    options = _options()
    cases = _selected(options)
    records = {} if options.json is None else _known(options)
    missing = [case for case in cases if case["case"] not in records]
    if records:
        print(f"{len(cases) - len(missing)} of {len(cases)} cases are in {options.json} already", file=sys.stderr)
    out = open(options.json, "a") if options.json is not None else None  # noqa: SIM115 - open as long as the walk
    walk = Walk(options, missing, out)
    walk.run()
    walk.records.update({case["case"]: records[case["case"]] for case in cases if case["case"] in records})
    _summary([walk.records[case["case"]] for case in cases if case["case"] in walk.records], options.messages)
    bad = {"wrong", "refused", "crash", "timeout"}
    return 1 if any(record["status"] in bad for record in walk.records.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--groups", default="", help="names of groups, separated by commas; default: all")
    parser.add_argument("--names", default="", help="a regular expression that the case's full name must match")
    parser.add_argument("--cases", type=Path, help="a file with full names of cases, one a line")
    parser.add_argument("--limit", type=int, help="at most so many cases of a group, drawn with --seed")
    parser.add_argument("--mode", choices=["static", "batch"], default="static")
    parser.add_argument("--x64", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--together", type=int, default=12, help="cases compiled as one module (1 to repeat a failure)")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for a case")
    parser.add_argument("--json", type=Path, help="JSON lines: read where it exists, and appended to")
    parser.add_argument("--redo", default="", help="statuses in --json that are run again, or 'all'")
    parser.add_argument("--messages", type=int, default=12, help="how many different messages are listed")
    return parser.parse_args()


def _selected(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Group, name and dtype of the harnesses chosen, in order; the sample of a group depends on --seed alone."""
    code = (
        "import json, sys, jax; jax.config.update('jax_enable_x64', sys.argv[1] == '1')\n"
        "from cases import harnesses\nimport numpy as np\n"
        "print(json.dumps([dict(case=n, group=h.group_name, dtype=np.dtype(h.dtype).name)"
        " for n, h in harnesses().items() if h.filter('cpu')]))"
    )
    with Popen([sys.executable, "-c", code, str(int(options.x64))], cwd=HERE, stdout=PIPE, text=True) as process:
        found = json.loads(process.communicate()[0])
    groups = [name for name in options.groups.split(",") if name]
    unknown = set(groups) - {case["group"] for case in found}
    if unknown:
        raise SystemExit(f"no group {', '.join(sorted(unknown))}; there are "
                         f"{', '.join(sorted({case['group'] for case in found}))}")  # fmt: skip
    named = set(options.cases.read_text().split()) if options.cases is not None else None
    by_group: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for case in found:
        wanted = (not groups or case["group"] in groups) and (named is None or case["case"] in named)
        if wanted and re.search(options.names, case["case"]):
            by_group[case["group"]].append(case)
    chosen = []
    for group, cases in by_group.items():
        count = len(cases) if options.limit is None else min(options.limit, len(cases))
        kept = random.Random(f"{group}{options.seed}").sample(range(len(cases)), count)
        chosen += [cases[i] for i in sorted(kept)]
    return chosen


def _known(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The records of earlier walks in the file with the same mode, x64 and seed; the last of a case counts."""
    found = {}
    if options.json.exists():
        for line in options.json.read_text().splitlines():
            record = json.loads(line)
            if all(record[key] == getattr(options, key) for key in ("mode", "x64", "seed")):
                found[record["case"]] = record
    redo = STATUSES if options.redo == "all" else options.redo.split(",")
    return {name: record for name, record in found.items() if record["status"] not in redo}


def sources_key() -> str:
    """A hash of the compiler's sources, which each record carries."""
    digest = hashlib.sha256()
    for folder in ("python", "dialects", "passes", "runtime"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Walk:
    """The pool: each thread drives one child process at a time, and starts another when it dies."""

    def __init__(self, options: argparse.Namespace, cases: list[dict[str, Any]], out: Any) -> None:
        self.options, self.out = options, out
        self.about = {case["case"]: case for case in cases}
        self.records: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.common = {"mode": options.mode, "x64": options.x64, "seed": options.seed, "sources": sources_key()}
        self.tasks: collections.deque[list[str]] = collections.deque()
        for group in dict.fromkeys(case["group"] for case in cases):
            names = [case["case"] for case in cases if case["group"] == group]
            self.tasks.extend(names[i : i + options.together] for i in range(0, len(names), options.together))

    def run(self) -> None:
        """Returns when every case has its record."""
        started = time.perf_counter()
        threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(self.options.jobs)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            if sys.stderr.isatty():
                print(f"\r{len(self.records)}/{len(self.about)}", end="", file=sys.stderr, flush=True)
        print(f"{len(self.about)} cases in {time.perf_counter() - started:.0f} s", file=sys.stderr)

    def _drive(self) -> None:
        child: Child | None = None
        while True:
            with self.lock:
                if not self.tasks:
                    break
                names = self.tasks.popleft()
            if child is None or child.served > 300:
                if child is not None:
                    child.close()
                child = Child(self.options)
            missing, failure = child.task(names, self.options.timeout, self._record)
            if failure is not None:
                child.kill()
                child = None
                if len(names) == 1:
                    status, message = failure
                    self._record({"case": names[0], "status": status, "message": message, "seconds": None})
                else:
                    with self.lock:
                        self.tasks.extendleft([name] for name in reversed(missing))
        if child is not None:
            child.close()

    def _record(self, answer: dict[str, Any]) -> None:
        record = {**self.about[answer["case"]], **self.common, **answer}
        with self.lock:
            self.records[answer["case"]] = record
            if self.out is not None:
                self.out.write(json.dumps(record) + "\n")
                self.out.flush()


class Child:
    """A child process and the protocol with it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the child
        command = [sys.executable, str(HERE / "child.py"), "--mode", options.mode, "--seed", str(options.seed)]
        command += ["--x64"] if options.x64 else []
        self.process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=self.errors, text=True, cwd=HERE)
        self.served = 0

    def task(self, names: list[str], timeout: float, record: Any) -> tuple[list[str], tuple[str, str] | None]:
        """Runs one task; returns the cases without an answer and, where the child died or hung, why."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        missing = list(names)
        self.served += len(names)
        hung = threading.Event()

        def stop() -> None:
            hung.set()
            self.process.kill()

        timer = threading.Timer(timeout * (1 + len(names) / 4) if len(names) > 1 else timeout + 10, stop)
        timer.start()
        try:
            self.process.stdin.write(json.dumps(names) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                answer = json.loads(line)
                if answer.get("done"):
                    return missing, None
                missing.remove(answer["case"])
                record(answer)
        except BrokenPipeError:
            pass
        finally:
            timer.cancel()
        code = self.process.wait()
        if hung.is_set():
            return missing, ("timeout", f"no answer within {timeout:g} s")
        self.errors.seek(0)
        last = self.errors.read()[-1500:]
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return missing, ("crash", f"{name}: {last}")

    def close(self) -> None:
        """Lets the process end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()

    def kill(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def _summary(records: list[dict[str, Any]], messages: int) -> None:
    """Counts by group, and what the failures say, with one example each."""
    print(f"{'group':30s}" + "".join(f"{status:>12s}" for status in STATUSES) + "     right")
    rows: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in records:
        rows[record["group"]][record["status"]] += 1
        rows["(all)"][record["status"]] += 1
    for group, counts in sorted(rows.items()):
        run = sum(counts.values()) - counts["skipped"]
        share = f"{100 * counts['correct'] / run:8.1f} %" if run else "       - "
        print(f"{group:30s}" + "".join(f"{counts[status] or '':>12}" for status in STATUSES) + share)
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = collections.defaultdict(list)
    for record in records:
        if record["status"] not in ("correct", "skipped"):
            kinds[record["status"], _kind(record)].append(record)
    for (status, _), found in sorted(kinds.items(), key=lambda item: -len(item[1]))[:messages]:
        print(f"\n{len(found)} {status}, such as {found[0]['case']}:\n  {found[0]['message'][:600]}")


def _kind(record: dict[str, Any]) -> str:
    """A message without its numbers and places; wrong results are grouped by their group and dtype."""
    if record["status"] == "wrong":
        return f"{record['group']} {record['dtype']}"
    text = re.sub(r"tensor<[^()]*>|/tmp/[^ ]*", "…", record["message"].partition("\n")[0].rpartition(".py:")[2])
    return re.sub(r"\(…[…, ]*\)", "(…)", re.sub(r"\d+", "#", text))


if __name__ == "__main__":
    sys.exit(main())
