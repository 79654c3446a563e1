"""How callers wait for worker threads (runtime/waiting.py)."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from nimble_mlir.runtime import waiting

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the policies are Linux's")


def policy() -> int:
    return os.sched_getscheduler(0)


def test_takes_no_processor_from_others_and_is_as_before_afterwards() -> None:
    assert waiting.waiting_for_workers(policy) == os.SCHED_BATCH
    assert policy() == os.SCHED_OTHER


def test_is_as_before_after_an_error() -> None:
    def fail(text: str) -> None:
        raise ValueError(text)

    with pytest.raises(ValueError, match="no result"):
        waiting.waiting_for_workers(fail, "no result")
    assert policy() == os.SCHED_OTHER


def test_a_policy_of_the_callers_own_is_kept() -> None:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        assert waiting.waiting_for_workers(policy) == os.SCHED_BATCH
        assert policy() == os.SCHED_BATCH
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def test_where_the_system_forbids_it_the_call_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    assert waiting.waiting_for_workers(policy) == os.SCHED_OTHER
