"""A steering host in a separate process: killed during generation, restarted, and restarted with another model."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.runs.run.reader import open_run
from explorer.steering.client import AsyncSteeringClient
from tests.browser.conftest import PATIENCE_MS, App, Watch, save_screenshot, serve_in_thread
from tests.browser.test_story import steer, wait
from tests.fake_host import TOKEN

pytestmark = pytest.mark.browser

NEW_TEXT = """() => {
  const column = document.querySelector("#streams [data-row=manifold]");
  return column.querySelector(".said").textContent.trim() && !column.querySelector(".end").textContent;
}"""
"""True while a generation has text and is running; a finished generation shows how it ended."""
PAUSE = 0.25
"""Seconds between two tokens: long enough to kill the host during generation."""
ANOTHER = "sha256:" + "f" * 64


@dataclass
class HostProcess:
    """Starts and kills the host."""

    run: Path
    port: int
    fingerprint: str
    """Fingerprint of the subject named in the run's manifest."""
    token_file: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, fingerprint: str) -> None:
        command = [
            sys.executable, "-m", "tests.fake_host", str(self.run), "--port", str(self.port),
            "--token-file", str(self.token_file), "--fingerprint", fingerprint, "--pause", str(PAUSE),
        ]  # fmt: skip
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def kill(self) -> None:
        process = self.processes.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def host_process(served: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostProcess, str]]:
    """The host process, and the URL of an app that uses it."""
    run = served.host.run.path
    subject = open_run(run).manifest.subject
    assert subject is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("own-host")
    (folder / "token").write_text(TOKEN)
    process = HostProcess(run, port, subject.fingerprint, folder / "token")
    (folder / "runs").symlink_to(run.parent)
    client = AsyncSteeringClient(f"http://127.0.0.1:{port}", TOKEN)
    with closing(serve_in_thread(folder, client)) as apps:  # type: ignore[arg-type]
        yield process, next(apps).url
    while process.processes:
        process.kill()


def test_a_killed_host_is_reported_and_can_be_restarted(
    page: Page, host_process: tuple[HostProcess, str], watch: Watch
) -> None:
    host, url = host_process
    host.start(host.fingerprint)
    page.goto(f"{url}/run/planted/cluster/0")
    page.wait_for_selector("#host-state[data-state=ready]")
    steer(page)

    page.click("#generate")
    wait(page, NEW_TEXT)
    page.click("#stop")
    expect(page.locator("#steer-status")).to_have_text("Stopped.")
    expect(page.locator("#streams [data-row=manifold] .end")).to_have_text("stopped")

    page.click("#generate")
    wait(page, NEW_TEXT)
    host.kill()
    expect(page.locator("#steer-status")).to_contain_text("Interrupted", timeout=PATIENCE_MS)
    expect(page.locator("#streams [data-row=manifold] .end")).to_have_text("interrupted")
    assert page.locator("#streams [data-row=manifold] .said").inner_text().strip(), "the partial text stays"
    page.wait_for_selector("#host-state[data-state=unreachable]")
    save_screenshot(page, "interrupted-dark")
    page.click("text=Planted rings")
    page.wait_for_selector("a.tile")
    page.go_back()
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#host-state[data-state=unreachable]")

    host.start(host.fingerprint)
    page.wait_for_selector("#host-state[data-state=ready]")
    steer(page)
    page.click("#generate")
    wait(page, NEW_TEXT)

    host.kill()
    expect(page.locator("#steer-status")).to_contain_text("Interrupted", timeout=PATIENCE_MS)
    host.start(ANOTHER)
    page.wait_for_selector("#host-state[data-state=mismatch]")
    for fingerprint in (ANOTHER, host.fingerprint):
        expect(page.locator("#host-state")).to_contain_text(fingerprint)
    page.click("#steer-run")
    for fingerprint in (ANOTHER, host.fingerprint):
        expect(page.locator("#steer-status")).to_contain_text(fingerprint, timeout=PATIENCE_MS)
    expect(page.locator("#bands .arm")).to_have_count(0)
    assert watch.problems == []
