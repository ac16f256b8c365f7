"""Killed at any moment, a build leaves the old run or none, and goes on to the same bytes.

The kills happen in a process of their own, which forks a writer for every write-side event (open for writing, mkdir,
rename, link, remove) and ends it with SIGKILL just before that event.
"""

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
    told = json.loads(done.stdout)
    assert told["kills"] >= 20
    assert told["problems"] == []
