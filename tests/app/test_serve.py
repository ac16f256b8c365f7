"""The app as a process: one URL on standard output, a host that the command line names, and refusals in one line."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import IO

import pytest
import uvicorn

from explorer.app.local_host import LocalHost
from explorer.app.serve import HostAddress, Keeping, Place, default_shares, serve
from explorer.errors import ExplorerError, HostUnreachable, RequestError, RunError


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


def test_shares_lie_with_the_user_and_never_in_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_shares() == tmp_path / "manifold-explorer" / "shares.sqlite"


def test_a_folder_that_is_none_is_refused_before_anything_listens(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        serve(tmp_path / "absent", place=Place(0), keeping=Keeping(tmp_path / "s.sqlite"))


def test_an_address_that_cannot_be_listened_on_is_told(runs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="cannot listen"):
        serve(runs_folder, place=Place(0, "192.0.2.1"), keeping=Keeping(tmp_path / "s.sqlite"))


async def _ask(host: LocalHost) -> None:
    await host.subject()


def test_a_local_host_that_is_still_loading_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match="still loading"):
        asyncio.run(_ask(LocalHost(tmp_path / "run")))


def test_the_command_prints_one_url_that_answers(runs_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "explorer.cli", "open", str(runs_folder), "--port", "0", "--json"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    app = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        assert app.stdout is not None
        url = json.loads(_document(app.stdout))["url"]
        with urllib.request.urlopen(url, timeout=60) as page:
            assert "Manifold Explorer" in page.read().decode()
        with urllib.request.urlopen(f"{url}assets/css/tokens.css", timeout=60) as style:
            assert style.status == 200
        app.terminate()
        assert app.stdout.read() == ""
    finally:
        app.kill()
        app.communicate(timeout=60)


def test_what_is_there_at_the_start_is_left_out_of_the_collectors_rounds(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: frozen.append(gc.get_freeze_count()))
    keeping = Keeping(tmp_path / "s.sqlite", read_only=True)
    before = gc.get_freeze_count()
    try:
        serve(runs_folder, place=Place(0), keeping=keeping)
    finally:
        gc.unfreeze()
    assert frozen[0] > before + 10_000


def test_an_idle_connection_outlives_a_proxys(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, **_: idle.append(server.config.timeout_keep_alive))
    try:
        serve(runs_folder, place=Place(0), keeping=Keeping(tmp_path / "s.sqlite", read_only=True))
    finally:
        gc.unfreeze()
    assert idle[0] > 60


def _document(lines: IO[str]) -> str:
    """The first JSON document of a stream."""
    text = ""
    for line in lines:
        text += line
        if text.count("{") == text.count("}"):
            break
    return text


def test_a_demo_that_is_told_to_end_ends_its_host(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "explorer.cli", "demo", "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as demo:
        assert demo.stdout is not None
        assert json.loads(_document(demo.stdout))["url"]
        (folder,) = tmp_path.glob("manifold-explorer-*")
        demo.terminate()
        assert demo.wait(60) == 128 + signal.SIGTERM
    assert not folder.exists()
