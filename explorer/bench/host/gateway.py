"""The gateway bench: what the app adds to a stream that it relays, over the same stream from the host itself.

Host and app run as processes of their own, as users start them. Within a round the same text is asked of both, in
alternating order, and the difference of their times is taken within the round.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
from pydantic import Field, JsonValue

from explorer.config import Settings
from explorer.errors import ExplorerError
from explorer.records.cluster import CURVES
from explorer.records.progress import Progress, silent
from explorer.runs.run.reader import open_run

HEADER = ["over the host itself", "median, ms", "95 % of rounds, ms", "wanted, ms"]
FIRST_MS, TOKEN_MS = 50.0, 10.0
_PATIENCE = 120.0


class GatewaySettings(Settings):
    """How long is measured."""

    rounds: int = Field(default=30, ge=3)
    """Rounds; each reads one text from the host and one through the app."""
    tokens: int = Field(default=32, ge=2)
    """Steps of a text; each brings a token of every column."""


@dataclass(frozen=True)
class Added:
    """What the app adds to one time."""

    time: str
    """Which time."""
    median_ms: float
    """Median over the rounds, in milliseconds."""
    p95_ms: float
    """95th percentile, in milliseconds."""
    wanted_ms: float
    """Largest 95th percentile that is good."""


@dataclass(frozen=True)
class _Times:
    """One stream as its reader saw it, in seconds."""

    first: float
    """From asking to the first token."""
    step: float
    """From one step to the next, on average."""


def measure_gateway(
    run_path: Path, settings: GatewaySettings | None = None, *, progress: Progress = silent
) -> tuple[Added, ...]:
    """Start a host and an app on a run, and read the same texts from both.

    Args:
        run_path: the run's folder.
        settings: rounds and tokens.
        progress: told after every round.

    Raises:
        ExplorerError: one of them does not start or does not answer.
    """
    settings = settings or GatewaySettings()
    body = _request(run_path, settings.tokens)
    with tempfile.TemporaryDirectory(prefix="manifold-explorer-") as folder:
        token_file = Path(folder) / "token"
        with _started("host", str(run_path), "--token-file", str(token_file)) as host:
            app_options = ("--host-url", host, "--host-token-file", str(token_file), "--read-only")
            with _started("open", str(run_path), *app_options) as app:
                reads = _readers(host, token_file.read_text().strip(), app, body)
                return _added(*_rounds(reads, settings, progress))


def report_rows(found: tuple[Added, ...]) -> tuple[str, list[str], list[list[str]]]:
    """Give the table for people."""
    rows = [[one.time, f"{one.median_ms:.1f}", f"{one.p95_ms:.1f}", f"at most {one.wanted_ms:.0f}"] for one in found]
    return "What the app adds to a stream", HEADER, rows


def report_values(found: tuple[Added, ...]) -> list[JsonValue]:
    """Give every number unrounded, for programs."""
    return [dict(asdict(one)) for one in found]


def _request(run_path: Path, tokens: int) -> dict[str, JsonValue]:
    run = open_run(run_path)
    subject = run.manifest.subject
    curves = [one.id for one in run.manifest.clusters if one.shape in CURVES and one.order]
    if subject is None or not curves:
        raise ExplorerError(f"{run_path} names no subject, or has no curve along which values lie")
    end = run.summary(curves[0]).order[-1]
    return {"run": run.id, "fingerprint": subject.fingerprint, "cluster": curves[0], "prompt": end.strip(), "end": end,
            "max_tokens": tokens, "temperature": 2.0}  # fmt: skip


@contextmanager
def _started(*command: str) -> Iterator[str]:
    """A command of this project that serves on a free port; its address."""
    arguments = [sys.executable, "-m", "explorer.cli", *command, "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise ExplorerError(f"`explorer {command[0]}` did not start")
            yield line.strip()
        finally:
            process.terminate()


def _readers(host: str, token: str, app: str, body: dict[str, JsonValue]) -> dict[str, Callable[[], _Times]]:
    there = httpx.Client(base_url=host, headers={"authorization": f"Bearer {token}"}, timeout=_PATIENCE)
    here = httpx.Client(base_url=app, timeout=_PATIENCE)

    def relayed() -> _Times:
        begun = time.perf_counter()
        ticket = here.post("/api/steer", json=body).raise_for_status().json()["id"]
        return _times(here, "GET", f"/api/steer/{ticket}", None, begun)

    return {"host": lambda: _times(there, "POST", "/v1/steer", body, time.perf_counter()), "app": relayed}


def _times(client: httpx.Client, method: str, path: str, body: dict[str, JsonValue] | None, begun: float) -> _Times:
    """Read one stream to its end; the baseline's tokens are its steps."""
    steps: list[float] = []
    with client.stream(method, path, json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if not line.startswith("data:"):
                continue
            event = json.loads(line[5:])
            if event["type"] == "error":
                raise ExplorerError(f"a stream failed: {event['message']}")
            if event["type"] == "token" and event["row"] == "baseline":
                steps.append(time.perf_counter())
    if not steps:
        raise ExplorerError("a stream had no token")
    return _Times(steps[0] - begun, (steps[-1] - steps[0]) / max(len(steps) - 1, 1))


def _rounds(
    reads: dict[str, Callable[[], _Times]], settings: GatewaySettings, progress: Progress
) -> tuple[list[float], list[float]]:
    """What the app added to the first token and to each step, in seconds; both are read once before they are timed."""
    for read in reads.values():
        read()
    first, step = [], []
    for turn in range(settings.rounds):
        order = ("host", "app") if turn % 2 == 0 else ("app", "host")
        took = {name: reads[name]() for name in order}
        first.append(took["app"].first - took["host"].first)
        step.append(took["app"].step - took["host"].step)
        progress("time", turn + 1, settings.rounds)
    return first, step


def _added(first: list[float], step: list[float]) -> tuple[Added, ...]:
    named = (("first token", first, FIRST_MS), ("each further token", step, TOKEN_MS))
    return tuple(
        Added(name, 1e3 * float(np.median(times)), 1e3 * float(np.quantile(times, 0.95)), wanted)
        for name, times, wanted in named
    )
