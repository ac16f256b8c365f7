"""Gateway benchmark: latency that the app adds to a stream that it relays from the host.

Host and app run as separate processes, as users start them. Each round requests the same text from both, in
alternating order, and takes the difference of their times, so that load drift cancels.
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
    """Length of the measurement."""

    rounds: int = Field(default=30, ge=3)
    """Each round reads one text from the host and one through the app."""
    tokens: int = Field(default=32, ge=2)
    """Steps per text; each step yields one token per row."""


@dataclass(frozen=True)
class Added:
    """Latency added by the app to one kind of event."""

    time: str
    """Event: the first token or each further token."""
    median_ms: float
    """Median over the rounds."""
    p95_ms: float
    """95th percentile over the rounds."""
    wanted_ms: float
    """Upper bound wanted for the 95th percentile."""


@dataclass(frozen=True)
class _Times:
    """Client-side timing of one stream, in seconds."""

    first: float
    """Time from the request to the first token."""
    step: float
    """Mean time between consecutive steps."""


def measure_gateway(
    run_path: Path, settings: GatewaySettings | None = None, *, progress: Progress = silent
) -> tuple[Added, ...]:
    """Start a host and an app on a run, and time the same texts from both.

    Args:
        run_path: the run's folder.
        settings: rounds and tokens; the defaults if None.
        progress: called after every round.

    Raises:
        ExplorerError: host or app does not start, the run has no subject or curve, or a stream fails.
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
    """Format the table for people."""
    rows = [[one.time, f"{one.median_ms:.1f}", f"{one.p95_ms:.1f}", f"at most {one.wanted_ms:.0f}"] for one in found]
    return "What the app adds to a stream", HEADER, rows


def report_values(found: tuple[Added, ...]) -> list[JsonValue]:
    """Unrounded values for programs."""
    return [dict(asdict(one)) for one in found]


def _request(run_path: Path, tokens: int) -> dict[str, JsonValue]:
    run = open_run(run_path)
    subject = run.manifest.subject
    curves = [one.id for one in run.manifest.clusters if one.shape in CURVES and one.order]
    if subject is None or not curves:
        raise ExplorerError(f"{run_path} has no subject, or no curve with ordered values")
    end = run.summary(curves[0]).order[-1]
    return {"run": run.id, "fingerprint": subject.fingerprint, "cluster": curves[0], "prompt": end.strip(), "end": end,
            "max_tokens": tokens, "temperature": 2.0}  # fmt: skip


@contextmanager
def _started(*command: str) -> Iterator[str]:
    """Run a serving ``explorer`` command on a free port and yield its URL."""
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
    host_client = httpx.Client(base_url=host, headers={"authorization": f"Bearer {token}"}, timeout=_PATIENCE)
    app_client = httpx.Client(base_url=app, timeout=_PATIENCE)

    def relayed() -> _Times:
        start = time.perf_counter()
        ticket = app_client.post("/api/steer", json=body).raise_for_status().json()["id"]
        return _times(app_client, "GET", f"/api/steer/{ticket}", None, start)

    return {"host": lambda: _times(host_client, "POST", "/v1/steer", body, time.perf_counter()), "app": relayed}


def _times(client: httpx.Client, method: str, path: str, body: dict[str, JsonValue] | None, start: float) -> _Times:
    """Read one stream to its end; the tokens of the baseline row mark its steps."""
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
    return _Times(steps[0] - start, (steps[-1] - steps[0]) / max(len(steps) - 1, 1))


def _rounds(
    reads: dict[str, Callable[[], _Times]], settings: GatewaySettings, progress: Progress
) -> tuple[list[float], list[float]]:
    """Seconds that the app adds to the first token and to each step, per round; one untimed read of each warms up."""
    for read in reads.values():
        read()
    first, step = [], []
    for turn in range(settings.rounds):
        order = ("host", "app") if turn % 2 == 0 else ("app", "host")
        times = {name: reads[name]() for name in order}
        first.append(times["app"].first - times["host"].first)
        step.append(times["app"].step - times["host"].step)
        progress("time", turn + 1, settings.rounds)
    return first, step


def _added(first: list[float], step: list[float]) -> tuple[Added, ...]:
    named = (("first token", first, FIRST_MS), ("each further token", step, TOKEN_MS))
    return tuple(
        Added(name, 1e3 * float(np.median(times)), 1e3 * float(np.quantile(times, 0.95)), wanted)
        for name, times, wanted in named
    )
