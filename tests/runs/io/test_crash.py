"""A build killed at any moment leaves the old run or none, and resumes to the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.crash
@pytest.mark.parametrize("scene", ["fresh", "over an old run", "over an old run, names not exchanged", "bundle"])
def test_killed_before_every_write(tmp_path: Path, scene: str) -> None:
    command = [sys.executable, "-m", "tests.runs.io.crash", str(tmp_path), scene]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] >= 20
    assert report["problems"] == []
