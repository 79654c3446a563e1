"""The record of walks as docs/op-coverage.md: op by dtype by (static, batch) by (x64 off, on).

python test/harness/report.py walk.jsonl > docs/op-coverage.md
"""

from __future__ import annotations

import collections
import json
import re
import sys
from pathlib import Path
from typing import Any

_COLUMNS = [("static", False), ("batch", False), ("static", True), ("batch", True)]
_HEADER = """# Coverage of JAX's ops

Each cell counts the cases of JAX's own test harnesses (`jax._src.internal_test_util.test_harnesses`) for one op and dtype:
right of those that JAX itself runs on the CPU. *static*: the case's own shapes; *batch*: `jax.vmap` of it over a leading
axis of symbolic size (of a convolution's image alone), one module called at sizes 1, 2 and 5. Right means within JAX's own
tolerances (test/python/support/tolerances.py) of `jax.jit`. Behind a number stands what the rest is: `u` an
UnsupportedOpError, whose reason is in the last section, `w` a wrong result, `r` another error, `c` a crash, `t` a timeout.

Made with (some hours; a walk that is stopped goes on where it was):

```sh
for mode in static batch; do python test/harness/walk.py --mode $mode --x64 --json walk.jsonl; done
python test/harness/twins.py --json walk.jsonl  # what is the same program with x64 off counts there, too
for mode in static batch; do python test/harness/walk.py --mode $mode --json walk.jsonl; done
python test/harness/report.py walk.jsonl > docs/op-coverage.md
```
"""
_MARKS = {"wrong": "w", "unsupported": "u", "refused": "r", "crash": "c", "timeout": "t"}


def main() -> None:
    """Prints the page."""
    records: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in Path(sys.argv[1]).read_text().splitlines():
        record = json.loads(line)
        records[record["case"], record["mode"], record["x64"], record["seed"]] = record
    cells: dict[tuple[str, str], dict[tuple[str, bool], collections.Counter[str]]] = collections.defaultdict(dict)
    for record in records.values():
        for dtype in (record["dtype"], ""):
            row = cells[record["group"], dtype]
            row.setdefault((record["mode"], record["x64"]), collections.Counter())[record["status"]] += 1
    print(_HEADER)
    print("| op | dtype | static | batch | static, x64 | batch, x64 |\n| --- | --- | --- | --- | --- | --- |")
    for (group, dtype), row in sorted(cells.items()):
        counts = [_cell(row.get(column)) for column in _COLUMNS]
        name = f"**{group}**" if not dtype else ""
        print(f"| {name} | {dtype or 'all'} | {' | '.join(counts)} |")
    reasons = collections.Counter(
        (record["group"], _reason(record["message"]))
        for record in records.values()
        if record["status"] == "unsupported"
    )
    print("\n## What is unsupported\n")
    for (group, reason), count in sorted(reasons.items()):
        print(f"- {group} ({count}): {reason}")


def _cell(counts: collections.Counter[str] | None) -> str:
    if counts is None or sum(counts.values()) == counts["skipped"]:
        return "-"
    run = sum(counts.values()) - counts["skipped"]
    rest = " ".join(f"{counts[status]}{mark}" for status, mark in _MARKS.items() if counts[status])
    return f"{counts['correct']}/{run} {rest}".strip()


def _reason(message: str) -> str:
    text = re.sub(r"\(tensor<[^()]*\)", "(…)", message.partition("\n")[0])
    text = re.sub(r"(?<=\w)\[[\w, ]+\](?= is not supported)", "[…]", text)
    return re.sub(r"^\S+\.py:\d+: | \[pass [\w-]+\]", "", text)


if __name__ == "__main__":
    main()
