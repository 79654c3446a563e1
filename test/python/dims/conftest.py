"""Settings of the property tests: the same examples in each run, random ones with e.g. NIMBLE_TEST_EXAMPLES=5000."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_EXAMPLES = int(os.environ.get("NIMBLE_TEST_EXAMPLES", "0"))
settings.register_profile(
    "dims",
    max_examples=_EXAMPLES or 120,
    derandomize=not _EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.load_profile("dims")
