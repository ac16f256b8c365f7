"""Two runs in two tabs, each with its own local host process that starts on the first request for that run."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from explorer.app.server import local_host
from explorer.app.server.local_host import ASLEEP, DIED, LOADING, LocalHosts
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from explorer.steering.client import AsyncSteeringClient
from tests.app.conftest import write_steerable_run
from tests.app.server.test_local_host import kill_host
from tests.browser.conftest import PATIENCE_MS, Watch, serve_in_thread, watched
from tests.browser.test_story import steer
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser

READY = "#host-state[data-state=ready]"


def without_idle_connections(address: str, token: str, **options: Any) -> AsyncSteeringClient:
    """A client without keep-alive connections, which would outlive the server's event loop."""
    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
    return AsyncSteeringClient(address, token, transport=transport, **options)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """File that must exist before hosts start to listen."""
    return tmp_path / "gate"


@pytest.fixture
def hosts(tmp_path: Path, gate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHosts]:
    for name in ("first", "second"):
        write_steerable_run(tmp_path / "runs" / name)
    (tmp_path / "tokens").mkdir()
    monkeypatch.setattr(local_host, "AsyncSteeringClient", without_idle_connections)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tokens"))
    command = (sys.executable, "-m", "tests.fake_host", "--gate", str(gate))
    with LocalHosts(scan(tmp_path / "runs").entries, command) as both:
        yield both
    assert list((tmp_path / "tokens").iterdir()) == []


@pytest.fixture
def url(tmp_path: Path, hosts: LocalHosts) -> Iterator[str]:
    """URL of an app with these runs and hosts."""
    unused = FakeHost(open_run(tmp_path / "runs" / "first"))
    with closing(serve_in_thread(tmp_path, unused, by_run=hosts)) as apps:  # type: ignore[arg-type]
        yield next(apps).url


def opened(context: BrowserContext, watch: Watch, address: str) -> Page:
    page = watched(context, watch)
    page.goto(address)
    page.wait_for_selector("#cloud[data-drawn=scene]")
    return page


def test_the_first_request_of_a_run_starts_its_host(
    context: BrowserContext, watch: Watch, url: str, gate: Path, tmp_path: Path
) -> None:
    first, second = (opened(context, watch, f"{url}/run/{name}/cluster/0") for name in ("first", "second"))
    for page in (first, second):
        expect(page.locator("#host-state")).to_have_text(ASLEEP, timeout=PATIENCE_MS)
    assert list((tmp_path / "tokens").iterdir()) == []

    first.click("#steer-run")
    expect(first.locator("#host-state")).to_have_text(LOADING, timeout=PATIENCE_MS)
    expect(first.locator("#steer-run")).to_be_disabled()
    expect(second.locator("#host-state")).to_have_text(ASLEEP)
    gate.touch()
    expect(first.locator("#bands .arm")).to_have_count(3, timeout=PATIENCE_MS)
    first.wait_for_selector(READY)
    expect(second.locator("#host-state")).to_have_text(ASLEEP)
    assert len(list((tmp_path / "tokens").iterdir())) == 1

    steer(second)
    second.wait_for_selector(READY)
    for page in (first, second):
        page.click("#generate")
        expect(page.locator("#streams [data-row=manifold] .said")).not_to_be_empty(timeout=PATIENCE_MS)
        expect(page.locator("#steer-status")).to_be_empty()
    assert watch.problems == []


def test_a_dead_host_is_reported_and_restarted_by_the_next_request(
    context: BrowserContext, watch: Watch, hosts: LocalHosts, url: str, gate: Path
) -> None:
    gate.touch()
    page = opened(context, watch, f"{url}/run/first/cluster/0")
    steer(page)
    page.wait_for_selector(READY)
    host = hosts.of("first")
    assert host is not None
    kill_host(host)
    gate.unlink()
    page.click("#steer-run")
    expect(page.locator("#host-state")).to_have_text(LOADING, timeout=PATIENCE_MS)
    gate.touch()
    page.wait_for_selector(READY)
    expect(page.locator("#bands.stale")).to_have_count(0)
    expect(page.locator("#bands .arm")).to_have_count(3)
    expect(page.locator("#steer-status")).to_be_empty()

    kill_host(host)
    page.reload()
    expect(page.locator("#host-state")).to_have_text(DIED, timeout=PATIENCE_MS)
    steer(page)
    page.wait_for_selector(READY)
    assert watch.problems == []
