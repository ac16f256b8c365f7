"""Fixtures of the tests of bundles and runs."""

import os

import pytest


@pytest.fixture(autouse=True)
def skip_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip fsync: it has no effect without a power cut, and takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
