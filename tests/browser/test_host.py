"""A host that is a process of its own: killed in the middle of a text, started again, and with another model."""

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
from tests.browser.conftest import PATIENCE_MS, App, Watch, keep, serve_in_thread
from tests.browser.test_story import steer, wait

pytestmark = pytest.mark.browser

NEW_TEXT = """() => {
  const column = document.querySelector("#streams [data-row=manifold]");
  return column.querySelector(".said").textContent.trim() && !column.querySelector(".end").textContent;
}"""
"""Text of a generation that runs; text of the one before has an end."""
TOKEN = "an-example-token-of-32-characters"
ANOTHER = "sha256:" + "f" * 64


@dataclass
class Machine:
    """Where the host runs."""

    run: Path
    port: int
    own: str
    """Fingerprint of the subject that the run names."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, fingerprint: str) -> None:
        command = [sys.executable, "-m", "tests.app.host_process", str(self.run), str(self.port), TOKEN, fingerprint]
        self.processes.append(subprocess.Popen(command))

    def kill(self) -> None:
        process = self.processes.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def machine(served: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:
    """The machine, and the address of an app that asks its host."""
    run = served.host.run.path
    subject = open_run(run).manifest.subject
    assert subject is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    machine = Machine(run, port, subject.fingerprint)
    folder = tmp_path_factory.mktemp("own-host")
    (folder / "runs").symlink_to(run.parent)
    client = AsyncSteeringClient(f"http://127.0.0.1:{port}", TOKEN)
    with closing(serve_in_thread(folder, client)) as apps:  # type: ignore[arg-type]
        yield machine, next(apps).url
    while machine.processes:
        machine.kill()


def test_a_host_is_killed_and_started_again(page: Page, machine: tuple[Machine, str], watch: Watch) -> None:
    there, url = machine
    there.start(there.own)
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
    there.kill()
    expect(page.locator("#steer-status")).to_contain_text("Interrupted", timeout=PATIENCE_MS)
    expect(page.locator("#streams [data-row=manifold] .end")).to_have_text("interrupted")
    assert page.locator("#streams [data-row=manifold] .said").inner_text().strip(), "the text stays"
    page.wait_for_selector("#host-state[data-state=unreachable]")
    keep(page, "interrupted-dark")
    page.click("text=Planted rings")
    page.wait_for_selector("a.tile")
    page.go_back()
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#host-state[data-state=unreachable]")

    there.start(there.own)
    page.wait_for_selector("#host-state[data-state=ready]")
    steer(page)
    page.click("#generate")
    wait(page, NEW_TEXT)

    there.kill()
    expect(page.locator("#steer-status")).to_contain_text("Interrupted", timeout=PATIENCE_MS)
    there.start(ANOTHER)
    page.wait_for_selector("#host-state[data-state=mismatch]")
    for fingerprint in (ANOTHER, there.own):
        expect(page.locator("#host-state")).to_contain_text(fingerprint)
    page.click("#steer-run")
    for fingerprint in (ANOTHER, there.own):
        expect(page.locator("#steer-status")).to_contain_text(fingerprint, timeout=PATIENCE_MS)
    expect(page.locator("#bands .arm")).to_have_count(0)
    assert watch.problems == []
