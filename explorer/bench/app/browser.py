"""The app in a headless browser: time to interactive, click latency, GPU uploads of the map."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from explorer.bench.app.server import ServedApp
from explorer.errors import ExplorerError
from explorer.records.progress import Progress

try:
    from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright
    from playwright.sync_api import Error as BrowserError
except ImportError:  # in the dev extra only
    sync_playwright = None  # type: ignore[assignment]

FLAGS = ("--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL renders in software, so that machines without a GPU give comparable figures."""
PATIENCE_MS = 180_000
WINDOW = {"width": 1440, "height": 900}
USABLE = "document.querySelector('#map[data-drawn]') && document.querySelector('a.tile')"
"""The map is drawn and a tile can be clicked."""
SEEN = "document.querySelector('#cloud[data-drawn]') && document.querySelector('#strips .strip')"
"""The cloud (at least as a sketch) and the strips are visible."""
TURNS = "document.querySelector('#cloud[data-drawn=scene]')"
"""The cloud is a scene that can be rotated."""
CLICKED = "addEventListener('click', () => { window.clickedAt = performance.now(); }, true)"
COUNTED = """(() => {
  window.sentToCard = 0;
  const size = (one) => (one && one.byteLength) || 0;
  for (const name of ['bufferData', 'bufferSubData', 'texImage2D', 'texSubImage2D']) {
    const plain = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...given) {
      window.sentToCard += given.reduce((sum, one) => sum + size(one), 0);
      return plain.apply(this, given);
    };
  }
})()"""
"""Counts the bytes that a page uploads to the GPU."""
UNRELATED = ("/thumbnail/", "/feature/", "plotly.min.js", "favicon")
"""Requests that moving or colouring the map does not cause: thumbnails, a tooltip, the background load of plotly, and
the icon, which Chromium requests whenever the address changes."""
RECOLOR = """async () => {
  const main = document.querySelector("script[type=module]").src;
  (await import(main.replace("main.js", "atlas/map.js"))).colorMap("stability");
}"""
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass(frozen=True)
class Visits:
    """Latencies of page visits, and the size of the scripts."""

    usable: tuple[float, ...]
    """Milliseconds from navigation with a cold cache to a drawn map with clickable tiles."""
    seen: tuple[float, ...]
    """Milliseconds from a click on a tile to a visible cloud (at least a sketch) and strips."""
    turns: tuple[float, ...]
    """Milliseconds from the same click to a cloud that can be rotated."""
    scripts: int
    """Uncompressed bytes of JavaScript on both pages, without plotly."""
    plotly: int
    """Uncompressed bytes of plotly.js."""


@dataclass(frozen=True)
class MapCost:
    """Costs of a large map in the browser."""

    features: int
    bytes_a_feature: float
    """Uncompressed bytes of map, names and tiles per feature."""
    main_ms: float
    """Main-thread milliseconds until the map is drawn."""
    heap: int
    """Bytes of the JavaScript heap at that point."""
    pan_ms: float
    """Main-thread milliseconds per step of a drag."""
    sent_by_moves: int
    """Bytes uploaded to the GPU while the map is dragged and zoomed."""
    sent_by_color: int
    """Bytes uploaded to the GPU by a colour change."""
    asked: int
    """Requests to the server while the map is dragged, zoomed and recoloured, without those in UNRELATED."""


@contextmanager
def browser() -> Iterator["Browser"]:
    """Headless Chromium: the system's if there is one, else Playwright's.

    Raises:
        ExplorerError: Playwright or Chromium is not installed.
    """
    if sync_playwright is None:
        raise ExplorerError(
            "bench app: Playwright is not installed; it comes with the extra dev, pip install -e .[dev]"
        )
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        try:
            launched = started.chromium.launch(executable_path=own, args=list(FLAGS))
        except BrowserError as error:
            why = str(error).strip().splitlines()[0]
            raise ExplorerError(f"bench app: Chromium does not start ({why}): playwright install chromium") from error
        yield launched
        launched.close()


def visit_pages(browser: "Browser", app: ServedApp, run: str, visits: int, progress: Progress) -> Visits:
    """Visit a run's atlas in fresh browser profiles, opening a different tile each time."""
    usable, seen, turns = [], [], []
    sizes: dict[str, int] = {}
    for done in range(visits):
        with _page(browser) as page:
            if done == 0:
                page.on("response", _weigh(sizes))
            page.add_init_script(CLICKED)
            page.goto(f"{app.url}/run/{run}", wait_until="commit")
            usable.append(_when(page, USABLE, "performance.now()"))
            page.locator("a.tile").nth(done % page.locator("a.tile").count()).click()
            seen.append(_when(page, SEEN, "performance.now() - window.clickedAt"))
            turns.append(_when(page, TURNS, "performance.now() - window.clickedAt"))
        progress("visit pages", done + 1, visits)
    plotly = sum(size for name, size in sizes.items() if "plotly.min" in name)
    return Visits(tuple(usable), tuple(seen), tuple(turns), sum(sizes.values()) - plotly, plotly)


def map_cost(browser: "Browser", app: ServedApp, run: str, features: int) -> MapCost:
    """Open the atlas of a large run, then drag, zoom and recolour its map."""
    sizes: dict[str, int] = {}
    requested: list[str] = []
    with _page(browser) as page:
        page.add_init_script(COUNTED)
        page.on("response", _weigh(sizes, ("/points", "/clusters", "/_dash-update-component")))
        page.on("request", lambda request: requested.append(request.url) if request.url.startswith(app.url) else None)
        spent = _spent(page)
        page.goto(f"{app.url}/run/{run}", wait_until="commit")
        _when(page, USABLE, "1")
        page.evaluate(FRAME)
        opened, heap = spent()
        box = page.locator("#map").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        requested.clear()
        sent, before = page.evaluate("window.sentToCard"), spent()[0]
        page.mouse.down()
        steps = 20
        for step in range(1, steps + 1):
            page.mouse.move(x + 6 * step, y + 3 * step)
            page.evaluate(FRAME)
        page.mouse.up()
        panned = spent()[0] - before
        for _ in range(5):
            page.mouse.wheel(0, -120)
            page.evaluate(FRAME)
        moved = page.evaluate("window.sentToCard")
        page.evaluate(RECOLOR)
        page.evaluate(FRAME)
        painted = page.evaluate("window.sentToCard")
    return MapCost(
        features,
        sum(sizes.values()) / features,
        1000 * opened,
        heap,
        1000 * panned / steps,
        moved - sent,
        painted - moved,
        sum(not any(part in address for part in UNRELATED) for address in requested),
    )


@contextmanager
def _page(browser: "Browser") -> Iterator["Page"]:
    context: BrowserContext = browser.new_context(viewport=WINDOW, color_scheme="dark")  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def _when(page: "Page", condition: str, value: str) -> float:
    """Evaluate an expression on the page in the first frame in which a condition holds."""
    return float(page.wait_for_function(f"() => ({condition}) ? {value} : 0").json_value())


def _weigh(sizes: dict[str, int], parts: tuple[str, ...] = (".js",)) -> Callable[["Response"], None]:
    """A listener that records the size of each response whose path contains one of ``parts``, without prefetches."""

    def note(response: "Response") -> None:
        path, ahead = response.url.split("?")[0], response.request.resource_type == "other"
        if any(part in path for part in parts) and response.ok and not ahead:
            sizes[path] = sizes.get(path, 0) + len(response.body())

    return note


def _spent(page: "Page") -> Callable[[], tuple[float, int]]:
    """A function that returns the main-thread seconds so far and the bytes of the heap."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def now() -> tuple[float, int]:
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"], int(metrics["JSHeapUsedSize"])

    return now
