"""A compile cache of a test's own."""

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Its folder, which does not exist yet."""
    monkeypatch.setenv("NIMBLE_CACHE", "on")
    monkeypatch.setenv("NIMBLE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"
