"""Fixtures of the tests of bundles and runs."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fsync adds, a test without a power cut cannot see; waiting for it takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
