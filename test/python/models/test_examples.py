"""The examples of loops, small: each compares itself with JAX and ends with 0 where they agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nimble_mlir as nm

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_bert_is_saved(tmp_path):
    command = [sys.executable, str(EXAMPLES / "bert.py"), "--layers", "1", "--save", str(tmp_path / "bert.vmfb")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    module = nm.load(tmp_path / "bert.vmfb")
    for batch, length in [(1, 1), (2, 7)]:
        ids = np.arange(batch * length, dtype=np.int32).reshape(batch, length)
        first, second = module(ids, np.ones_like(ids))
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()
        assert module.output_shapes(ids, ids) == (first.shape, second.shape)


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


def test_tree_lstm():
    """Trees of random forms, compared with plain recursion: it ends with 0 where they agree. test_tree_examples.py runs the
    other kinds."""
    flags = "--kinds binary --batches 1 3 --calls 1".split()
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / "tree_lstm.py"), *flags], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("µs a word") == 2


def test_tree_decoder():
    command = [sys.executable, str(EXAMPLES / "tree_decoder.py"), "--trees", "4", "--levels", "5"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("the same tree") == 4


def test_early_exit():
    """Batches of several sizes, compared with a Python loop over the examples: it ends with 0 where they agree."""
    command = [sys.executable, str(EXAMPLES / "early_exit.py"), "--batches", "1", "10", "23", "--width", "32"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "233 of 1000" in result.stdout
