"""Fixtures: the app on a free port with a planted run and a fake steering host, and headless Chromium."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, sync_playwright

from explorer.app.security.filter import EdgeSettings
from explorer.app.security.origins import frame_ancestors
from explorer.app.server.factory import create_app
from explorer.app.site.hosts import OneHost, SteeringHosts
from explorer.http.hosts import host_list
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.app.tour.tour_data import write_tour
from tests.fake_host import FakeHost
from tests.planted import write_planted_run

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PATIENCE_MS = 120_000
"""Timeout for one condition, in milliseconds: software WebGL is slow on a loaded machine."""


@dataclass
class App:
    """A running app and its fake steering host."""

    url: str
    """Base URL without a trailing slash."""
    host: FakeHost


@dataclass
class Watch:
    """Errors and requests recorded from a page."""

    problems: list[str] = field(default_factory=list)
    """Console errors, uncaught exceptions and violations of the content security policy."""
    requests: list[str] = field(default_factory=list)
    """Requested URLs."""


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("browser")
    write_steerable_run(folder / "runs" / "planted")
    broken = write_planted_run(folder / "runs" / "broken")
    (broken / "features.safetensors").write_bytes(b"cut short")
    host = FakeHost(open_run(folder / "runs" / "planted"))
    write_tour(folder / "runs", host)
    yield from serve_in_thread(folder, host)


@pytest.fixture
def app(served: App) -> App:
    """The app, with a reachable host and its request counter at zero."""
    served.host.alive, served.host.asked = True, 0
    return served


def serve_in_thread(
    folder: Path,
    host: FakeHost,
    prefix: str = "/",
    hosts: tuple[str, ...] = (),
    frames: tuple[str, ...] = (),
    by_run: SteeringHosts | None = None,
) -> Iterator[App]:
    """Serve the runs of a folder until the generator is closed, with one shared host or one host per run."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    edge = EdgeSettings(host_list("127.0.0.1", port, hosts), frame_ancestors=frame_ancestors(frames))
    shares = folder / "shares.sqlite"
    asgi = create_app(
        scan(folder / "runs"), hosts=by_run or OneHost(host), shares_path=shares, edge=edge, prefix=prefix
    )
    config = uvicorn.Config(asgi, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield App(f"http://127.0.0.1:{port}", host)
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    launched = playwright.chromium.launch(executable_path=own, args=FLAGS)
    yield launched
    launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def page(context: BrowserContext, watch: Watch, app: App) -> Page:
    app.host.alive, app.host.dies_at, app.host.pause, app.host.kind = True, None, 0.0, "base"
    return watched(context, watch)


REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation",
  (e) => reportViolation([e.effectiveDirective, e.blockedURI, e.sample].filter(Boolean).join(" ")))"""
"""Reports policy violations. The console is not enough: blocked code generation from strings can fail silently."""


def report_violations(target: Page | BrowserContext, report: Callable[[str], None]) -> None:
    """Call `report` for each policy violation in a page or context; install before navigation."""
    target.expose_binding("reportViolation", lambda _source, violation: report(violation))
    target.add_init_script(REPORT_VIOLATIONS)


def watched(context: BrowserContext, watch: Watch) -> Page:
    """A page whose errors, policy violations and requests are recorded in `watch`."""

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            watch.problems.append(message.text)

    def request(sent: Request) -> None:
        watch.requests.append(sent.url)

    page = context.new_page()
    page.on("console", console)
    page.on("pageerror", lambda error: watch.problems.append(str(error)))
    page.on("request", request)
    report_violations(page, lambda violation: watch.problems.append(f"blocked by the policy: {violation}"))
    return page


NO_WEBGL = """
const plain = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.includes("webgl") ? null : plain.call(this, kind, ...more);
};
"""
"""Init script that disables WebGL."""
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Resolves once event handlers have run and their changes are painted."""


def module(path: str) -> str:
    """JavaScript expression: a promise of a module of assets/js, the instance that the page has loaded."""
    return f"import(document.querySelector('script[type=module]').src.replace('main.js', '{path}'))"


def exposed(*paths: str) -> str:
    """Init script that exposes modules as ``window.modules[path]``, since wait conditions cannot use ``import``."""
    imports = ", ".join(f"'{path}': await {module(path)}" for path in paths)
    return f"addEventListener('DOMContentLoaded', async () => {{ window.modules = {{ {imports} }}; }})"


def wait_until(page: Page, condition: Callable[[], bool]) -> None:
    """Advance the page frame by frame until the condition holds or the timeout expires."""
    end = monotonic() + PATIENCE_MS / 1000
    while not condition() and monotonic() < end:
        page.evaluate(TWO_FRAMES)


def save_screenshot(page: Page, name: str) -> None:
    """Save a screenshot if EXPLORER_SCREENSHOTS names a folder."""
    folder = os.environ.get("EXPLORER_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
