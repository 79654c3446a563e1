"""The examples of loops, small: each compares itself with JAX and ends with 0 where they agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("name", "flags", "lines"),
    [
        ("decode", "--layers 2 --width 48 --tokens 20", 4),
        ("beam_search", "--layers 1 --width 48 --vocabulary 40 --beams 3 --tokens 20 --prompts 1 5 128", 3),
    ],
)
def test_example(name, flags, lines):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *flags.split()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" identical") == lines
