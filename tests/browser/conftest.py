"""The app on a free port with a planted run and a host without a model, and headless Chromium in front of it."""

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
from tests.app.fake_host import FakeHost
from tests.app.tour.tour_data import write_tour
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
"""Longest wait for one condition: software WebGL on a busy machine is slow."""


@dataclass
class App:
    """The served app."""

    url: str
    """Its address, without a slash at the end."""
    host: FakeHost
    """What stands in for a model."""


@dataclass
class Watch:
    """What a page did that it should not."""

    problems: list[str] = field(default_factory=list)
    """Errors of the console and of scripts, and what the page's policy kept from running or loading."""
    requests: list[str] = field(default_factory=list)
    """Addresses that were asked."""


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
    """The app, with a host that is alive and was asked nothing."""
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
    """Serve the runs of a folder until the generator is closed, with one host or one by run."""
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


STOPPED = """addEventListener("securitypolicyviolation",
  (e) => stopped([e.effectiveDirective, e.blockedURI, e.sample].filter(Boolean).join(" ")))"""
"""Tells what the policy stops. The browser's console does not: code that is compiled from text fails in silence."""


def tell_stopped(where: Page | BrowserContext, tell: Callable[[str], None]) -> None:
    """Have a page, or all of a context, tell what its policy stops; before it is opened."""
    where.expose_binding("stopped", lambda _source, what: tell(what))
    where.add_init_script(STOPPED)


def watched(context: BrowserContext, watch: Watch) -> Page:
    """A page whose errors, stopped scripts and requests are written down."""

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            watch.problems.append(message.text)

    def request(sent: Request) -> None:
        watch.requests.append(sent.url)

    page = context.new_page()
    page.on("console", console)
    page.on("pageerror", lambda error: watch.problems.append(str(error)))
    page.on("request", request)
    tell_stopped(page, lambda what: watch.problems.append(f"stopped by the policy: {what}"))
    return page


NO_WEBGL = """
const plain = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.includes("webgl") ? null : plain.call(this, kind, ...more);
};
"""
"""Script that takes WebGL from a page before it starts."""
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""What a page does on an event is done and drawn after it."""


def module(path: str) -> str:
    """JavaScript expression: a promise of a module of assets/js, as the page has loaded it."""
    return f"import(document.querySelector('script[type=module]').src.replace('main.js', '{path}'))"


def exposed(*paths: str) -> str:
    """Script that puts a page's modules into ``window.modules``, by path: conditions to wait for cannot import them."""
    imports = ", ".join(f"'{path}': await {module(path)}" for path in paths)
    return f"addEventListener('DOMContentLoaded', async () => {{ window.modules = {{ {imports} }}; }})"


def until(page: Page, told: Callable[[], bool]) -> None:
    """Let the page go on, frame by frame, until the test has been told something."""
    end = monotonic() + PATIENCE_MS / 1000
    while not told() and monotonic() < end:
        page.evaluate(TWO_FRAMES)


def keep(page: Page, name: str) -> None:
    """Keep a screenshot where EXPLORER_SCREENSHOTS names a folder."""
    folder = os.environ.get("EXPLORER_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
