"""The examples of sizes that depend on data run, and say that they agree with NumPy."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["detector", "graphs", "ragged_attention", "segmentation"])
def test_example(name, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4
    assert all(line.endswith(("as in NumPy", "as in Python")) for line in lines)
