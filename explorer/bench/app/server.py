"""The app as its users start it, for a bench: a process of its own, whose CPU time can be read, and its callbacks."""

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
    """An app that listens."""

    url: str
    """Its address, without a slash at the end."""
    process: int
    """Its process."""

    def cpu(self) -> float:
        """Seconds of CPU that its threads have taken, to the nanosecond."""
        total = 0
        for task in Path(f"/proc/{self.process}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9


@contextmanager
def served_app(runs: Path) -> Iterator[ServedApp]:
    """Serve a folder of runs, or a run, on a free port until the block ends.

    Raises:
        ExplorerError: it ended before it listened.
    """
    command = [sys.executable, "-m", "explorer.cli", "open", str(runs), "--port", "0", "--read-only", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        told = ""
        while not told.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise ExplorerError(f"explorer open {runs} ended with {process.wait()} before it listened")
            told += line
        try:
            yield ServedApp(json.loads(told)["url"].rstrip("/"), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()


def opening(client: httpx.Client, url: str) -> tuple[str, dict[str, Any]]:
    """Address and body of the callback that opens a page; the value of its first input is the page's path.

    Raises:
        ExplorerError: the app has no such callback.
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
    """The same body for a page."""
    first, *others = body["inputs"]
    return {**body, "inputs": [{**first, "value": path}, *others]}
