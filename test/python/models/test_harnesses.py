"""A sample of the walk over JAX's own harnesses (test/harness/walk.py), with a symbolic batch, x64 off and on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).resolve().parents[2] / "harness"


@pytest.mark.parametrize("x64", [False, True])
def test_sample_of_the_walk(x64: bool, tmp_path: Path) -> None:
    half = tmp_path / "cases.txt"
    half.write_text("\n".join((HARNESS / "sample.txt").read_text().split()[x64::4]))
    records = _walk(tmp_path, ["--cases", str(half), "--mode", "batch", *(["--x64"] if x64 else [])])
    wrong = {name: record for name, record in records.items() if record["status"] not in ("correct", "skipped")}
    assert not wrong, wrong
    assert sum(record["status"] == "correct" for record in records.values()) >= 10


def test_the_walk_goes_on_where_it_stopped_and_is_reported(tmp_path: Path) -> None:
    options = ["--groups", "neg,real", "--limit", "2", "--mode", "static"]
    first = _walk(tmp_path, options)
    assert {record["group"] for record in first.values()} == {"neg", "real"}
    lines = (tmp_path / "out.jsonl").read_text()
    assert _walk(tmp_path, options) == first
    assert (tmp_path / "out.jsonl").read_text() == lines
    command = [sys.executable, str(HARNESS / "report.py"), str(tmp_path / "out.jsonl")]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| **neg** | all | 2/2 | - | - | - |" in page


def test_cases_that_do_not_depend_on_x64_are_walked_once(tmp_path: Path) -> None:
    records = _walk(tmp_path, ["--groups", "neg,iota,dynamic_slice", "--limit", "3", "--mode", "static", "--x64"])
    out = tmp_path / "out.jsonl"
    command = [sys.executable, str(HARNESS / "twins.py"), "--json", str(out), "--jobs", "1"]
    subprocess.run(command, check=True, capture_output=True)
    added = [json.loads(line) for line in out.read_text().splitlines()][len(records) :]
    assert {record["group"] for record in added} == {"neg", "iota"}, "the indices of a dynamic_slice have other types"
    assert all(record["message"] == "the same program as with x64 on" and not record["x64"] for record in added)


def _walk(folder: Path, options: list[str]) -> dict[str, dict[str, object]]:
    out = folder / "out.jsonl"
    command = [
        sys.executable,
        str(HARNESS / "walk.py"),
        "--json",
        str(out),
        "--jobs",
        "1",
        "--together",
        "40",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return {record["case"]: record for record in map(json.loads, out.read_text().splitlines())}
