"""A bundle and a run to break."""

import shutil
from pathlib import Path

import pytest

from tests.runs.tiny_bundle import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "bundle", 1)


@pytest.fixture
def run(tmp_path: Path, planted_run: Path) -> Path:
    return shutil.copytree(planted_run, tmp_path / "run")
