"""The app as a process: the URL on standard output, a host from the command line, errors in one line."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode

import pytest
import uvicorn

from explorer.app.server.serve import HostAddress, ListenSettings, StorageSettings, default_shares, serve
from explorer.app.ui.scripts import assets_digest
from explorer.errors import ExplorerError, RequestError, RunError
from explorer.places import shipped_folder
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import Run

PATIENCE = 120.0
"""Longest wait for a process, in seconds."""


def test_a_host_is_an_address_and_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-host\n")
    assert HostAddress.read("http://127.0.0.1:8051", token) == HostAddress(
        "http://127.0.0.1:8051", "a-token-of-the-host"
    )
    assert HostAddress.read(None, None) is None


@pytest.mark.parametrize(
    ("url", "content"),
    [
        (None, "token"),
        ("http://127.0.0.1:8051", None),
        ("file:///etc/passwd", "token"),
        ("127.0.0.1:8051", "token"),
        ("http://127.0.0.1:8051", ""),
        ("http://127.0.0.1:8051", "two words"),
        ("http://127.0.0.1:8051", "tökén"),
    ],
)
def test_half_an_address_is_refused(tmp_path: Path, url: str | None, content: str | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
    with pytest.raises(RequestError):
        HostAddress.read(url, token if content is not None else None)


def test_shares_are_stored_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_shares() == tmp_path / "manifold-explorer" / "shares.sqlite"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        serve(tmp_path / "absent", listen=ListenSettings(0), storage=StorageSettings(tmp_path / "s.sqlite"))


def test_an_address_of_another_machine_cannot_be_listened_on(runs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="cannot listen"):
        serve(runs_folder, listen=ListenSettings(0, "192.0.2.1"), storage=StorageSettings(tmp_path / "s.sqlite"))


def test_the_command_prints_a_working_url(runs_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "explorer.cli", "open", str(runs_folder), "--port", "0", "--json"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    app = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        assert app.stdout is not None
        url = json.loads(_document(app.stdout))["url"]
        with urllib.request.urlopen(url, timeout=60) as page:
            assert "Manifold Explorer" in page.read().decode()
        with urllib.request.urlopen(f"{url}assets/{assets_digest()}/css/ui/tokens.css", timeout=60) as style:
            assert style.status == 200
        app.terminate()
        assert app.stdout.read() == ""
    finally:
        app.kill()
        app.communicate(timeout=60)


def test_the_heap_at_startup_is_excluded_from_garbage_collection(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: frozen.append(gc.get_freeze_count()))
    storage = StorageSettings(tmp_path / "s.sqlite", read_only=True)
    before = gc.get_freeze_count()
    try:
        serve(runs_folder, listen=ListenSettings(0), storage=storage)
    finally:
        gc.unfreeze()
    assert frozen[0] > before + 10_000


def test_idle_connections_outlive_those_of_proxies(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, **_: idle.append(server.config.timeout_keep_alive))
    try:
        serve(runs_folder, listen=ListenSettings(0), storage=StorageSettings(tmp_path / "s.sqlite", read_only=True))
    finally:
        gc.unfreeze()
    assert idle[0] > 60


def _document(lines: IO[str]) -> str:
    """Read the first JSON document of a stream."""
    text = ""
    for line in lines:
        text += line
        if text.count("{") == text.count("}"):
            break
    return text


@contextmanager
def demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo as a process that keeps its files in a folder; yields the process and its URL."""
    command = [sys.executable, "-m", "explorer.cli", "demo", "--json"]
    environment = {**os.environ, "TMPDIR": str(folder), "XDG_DATA_HOME": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as started:
        assert started.stdout is not None
        try:
            yield started, json.loads(_document(started.stdout))["url"]
        finally:
            started.terminate()
            assert started.wait(60) == 128 + signal.SIGTERM
    assert list(folder.glob("manifold-explorer-*")) == []


def hosts_of(folder: Path) -> int:
    """Number of host processes of a demo."""
    return len(list(folder.glob("manifold-explorer-*/token")))


def test_a_terminated_demo_ends_its_host(tmp_path: Path) -> None:
    with demo(tmp_path):
        assert hosts_of(tmp_path) == 1


@pytest.mark.long
def test_every_run_of_the_demo_starts_its_host_at_its_first_request(tmp_path: Path) -> None:
    runs = {run.id: run for run in scan(shipped_folder("cached_runs")).entries if isinstance(run, Run)}
    assert len(runs) == 2
    with demo(tmp_path) as (_, url):
        for run in runs.values():
            assert _json(f"{url}api/host?{_named(run)}")["state"] in ("not_ready", "ready")
        assert hosts_of(tmp_path) == 1, "reading its state starts no host"
        for run in reversed(runs.values()):
            assert _steered(url, run)[0]["fingerprint"] == dict(parse_qsl(_named(run)))["fingerprint"]
            assert _json(f"{url}api/host?{_named(run)}")["subject"]["runs"][0]["id"] == run.id
        assert hosts_of(tmp_path) == 2


def _named(run: Run) -> str:
    assert run.manifest.subject is not None
    return urlencode({"run": run.id, "fingerprint": run.manifest.subject.fingerprint})


def _json(address: str | urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(address, timeout=PATIENCE) as reply:
        body: dict[str, Any] = json.load(reply)
    return body


def _steered(url: str, run: Run) -> list[dict[str, Any]]:
    """The events of one short generation along a run's first cluster, once its host is ready.

    A busy machine may need longer to start a host than one request waits for it.
    """
    end = time.monotonic() + PATIENCE
    while (events := _generate(url, run))[-1].get("code") == "not_ready" and time.monotonic() < end:
        pass
    assert [events[0]["type"], events[-1]["type"]] == ["start", "done"], events[-1]
    return events


def _generate(url: str, run: Run) -> list[dict[str, Any]]:
    wanted = {"cluster": 0, "prompt": "it rained on", "end": 0.5, "arms": ["manifold"], "max_tokens": 2}
    body = json.dumps(dict(parse_qsl(_named(run))) | wanted).encode()
    ticket = _json(urllib.request.Request(f"{url}api/steer", body, {"content-type": "application/json"}))["id"]
    with urllib.request.urlopen(f"{url}api/steer/{ticket}", timeout=PATIENCE) as stream:
        lines = stream.read().decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
