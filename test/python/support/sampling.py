"""Tables of which a run of the tests takes a sample: the rest has the mark `exhaustive`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["sampled"]


def sampled(cases: Iterable[Any], every: int, start: int = 0) -> list[Any]:
    """The cases for `pytest.mark.parametrize`: from `start` on, each `every`-th is run always, the others on demand."""
    return [
        case
        if index % every == start % every
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.exhaustive)
        for index, case in enumerate(cases)
    ]
