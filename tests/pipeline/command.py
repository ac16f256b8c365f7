"""Runs the command line, in this process or in another, and captures its output."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from explorer.cli.main import main


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    """Standard output."""
    err: str
    """Standard error."""

    @property
    def document(self) -> Any:
        """The single JSON document on its standard output."""
        assert self.code == 0, self.err
        return json.loads(self.out)


def run_command(*arguments: str | Path) -> Ran:
    """Run `explorer` with these arguments in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    argv = ["explorer", *map(str, arguments)]
    code: object = 0
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int)
    return Ran(code, *(stream.buffer.getvalue().decode("utf-8") for stream in (out, err)))  # type: ignore[attr-defined]


def spawn_command(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Ran:
    """Run `explorer` with these arguments in a new process."""
    command = [sys.executable, "-m", "explorer.cli", *map(str, arguments)]
    changed = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    ended = subprocess.run(command, capture_output=True, env=changed, timeout=300, check=False)
    return Ran(ended.returncode, ended.stdout.decode("utf-8"), ended.stderr.decode("utf-8"))
