"""Runs the app in a subprocess whose CPU time can be read, and builds requests for its callbacks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from explorer.errors import ExplorerError

_SECONDS_TO_END = 15


@dataclass(frozen=True)
class ServedApp:
    """A running app."""

    url: str
    """Address without a trailing slash."""
    process: int
    """Process id."""

    def cpu(self) -> float:
        """CPU seconds of all its threads, at nanosecond resolution."""
        total = 0
        for task in Path(f"/proc/{self.process}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9


@contextmanager
def served_app(runs: Path) -> Iterator[ServedApp]:
    """Serve a run or a folder of runs on a free port until the block ends.

    Raises:
        ExplorerError: The process exits before it listens.
    """
    command = [sys.executable, "-m", "explorer.cli", "open", str(runs), "--port", "0", "--read-only", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        output = ""
        while not output.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise ExplorerError(f"explorer open {runs} exited with status {process.wait()} before it listened")
            output += line
        try:
            yield ServedApp(json.loads(output)["url"].rstrip("/"), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()


def opening(client: httpx.Client, url: str) -> tuple[str, dict[str, Any]]:
    """Address and body of the callback that opens a page; its first input is the path.

    Raises:
        ExplorerError: The app has no such callback.
    """
    for entry in client.get(f"{url}/_dash-dependencies").json():
        inputs = entry["inputs"]
        if inputs[0] == {"id": "url", "property": "pathname"} and "page.children" in entry["output"]:
            names = [part.split(".") for part in entry["output"].strip(".").split("...")]
            return f"{url}/_dash-update-component", {
                "output": entry["output"],
                "outputs": [{"id": name, "property": kind} for name, kind in names],
                "changedPropIds": ["url.pathname"],
                "inputs": [{**one, "value": ""} for one in inputs],
                "state": [{**one, "value": ""} for one in entry["state"]],
            }
    raise ExplorerError(f"{url} has no callback that opens a page")


def at_path(body: dict[str, Any], path: str) -> dict[str, Any]:
    """The request body for the page at a path."""
    first, *others = body["inputs"]
    return {**body, "inputs": [{**first, "value": path}, *others]}
