"""The canvas sketch shown until plotly.js loads matches the scene; each scene is created once and released."""

import base64
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NO_WEBGL, PATIENCE_MS, TWO_FRAMES, App, Watch

pytestmark = pytest.mark.browser

PLOTLY = "**/plotly.min.js*"
SCENE = "#cloud[data-drawn=scene]"
COUNTED = """(() => {
  let plotly;
  window.counts = { runs: 0 };
  Object.defineProperty(window, "Plotly", { configurable: true, get: () => plotly, set: (given) => {
    plotly = given;
    if (given.mxCounted) return;
    [given.mxCounted, window.counts.runs] = [true, window.counts.runs + 1];
    const count = (owner, name) => {
      const plain = owner[name];
      window.counts[name] = 0;
      owner[name] = function (...all) { window.counts[name] += 1; return plain.apply(this, all); };
    };
    for (const name of ["newPlot", "react", "restyle", "relayout", "redraw", "purge"]) count(given, name);
    count(given.Plots, "resize");
  } });
})()"""
"""Counts calls of plotly functions and evaluations of plotly.js itself."""
ONE_SCENE = {"runs": 1, "newPlot": 0, "react": 1, "restyle": 0, "relayout": 0, "redraw": 0, "resize": 0, "purge": 0}
PIXELS = """async (png) => {
  const image = new Image();
  await new Promise((done) => { image.onload = done; image.src = "data:image/png;base64," + png; });
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, canvas.width, canvas.height).data;
}"""
PIXEL_DIFFERENCE = f"""async ([first, second]) => {{
  const [a, b] = [await ({PIXELS})(first), await ({PIXELS})(second)];
  let drawn = 0, moved = 0;
  for (let at = 0; at < a.length; at += 1) {{
    drawn += Math.abs(a[at] - a[at % 4]);
    moved += Math.abs(a[at] - b[at]);
  }}
  return moved / drawn;
}}"""
"""Summed absolute pixel difference of two images, relative to that of the first image from its first pixel."""
NAMES = """() => [...document.querySelectorAll('#cloud-labels .cloud-label')].map(
  (name) => [name.textContent, name.style.visibility, name.style.transform])"""
FIGURE = """(number) => {
  const { x, marker } = document.querySelector('#cloud .plot').data[number];
  return [x.length, marker.opacity];
}"""


@dataclass
class Gate:
    """Delays requests for plotly.js until a test releases them."""

    open: bool = False
    waiting: list[Route] = field(default_factory=list)

    def handle(self, route: Route) -> None:
        """Continue a request now if the gate is open, otherwise on release."""
        if self.open:
            route.continue_()
        else:
            self.waiting.append(route)

    def release(self, page: Page) -> None:
        """Open the gate, continue all requests, and wait for the scene."""
        self.open = True
        for route in self.waiting:
            route.continue_()
        page.wait_for_selector(SCENE)


@pytest.fixture
def plotly_gate(page: Page) -> Gate:
    gate = Gate()
    page.route(PLOTLY, lambda route: gate.handle(route))
    page.add_init_script(COUNTED)
    return gate


def open_tile(page: Page, app: App) -> None:
    page.goto(f"{app.url}/run/planted")
    page.locator("a.tile").first.click()
    page.wait_for_selector("#strips .strip")
    page.wait_for_selector("#cloud canvas.sketch")


def test_cloud_labels_and_strips_are_shown_before_plotly_loads(
    page: Page, app: App, watch: Watch, plotly_gate: Gate
) -> None:
    open_tile(page, app)
    expect(page.locator("#cloud-labels .cloud-label").first).to_be_visible()
    assert page.evaluate("window.counts") == {"runs": 0}
    assert page.locator("#page canvas").count() == 1, "no WebGL yet"
    names = page.evaluate(NAMES)
    page.click("#axes [data-axes='12']")
    expect(page.locator(".plane .plane-dot")).to_have_count(600)
    page.click("#axes [data-axes='3d']")
    plotly_gate.release(page)
    assert page.evaluate("window.counts") == ONE_SCENE
    assert page.locator("#cloud canvas.sketch").count() == 0
    assert page.evaluate(NAMES) == names, "labels stay in place"
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("query", ["", "&color=token&cam=1,0.4,0.9,0,0,0,0,0,1", "&pick=3-40"])
def test_the_scene_matches_its_sketch(
    page: Page, app: App, watch: Watch, plotly_gate: Gate, query: str, theme: str
) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0?v=1&theme={theme}{query}")
    page.wait_for_selector("#cloud canvas.sketch")
    page.wait_for_selector("#host-state[data-state=ready]")
    space = page.locator("#cloud")
    sketch = space.screenshot()
    plotly_gate.release(page)
    both = [base64.b64encode(one).decode() for one in (sketch, space.screenshot())]
    assert page.evaluate(PIXEL_DIFFERENCE, both) < 0.15
    assert watch.problems == []


def test_changes_made_before_the_scene_loads_are_applied(page: Page, app: App, watch: Watch, plotly_gate: Gate) -> None:
    open_tile(page, app)
    page.wait_for_selector("#host-state[data-state=ready]")
    page.evaluate("dash_clientside.set_props('pick-store', {data: '3-12'})")
    expect(page.locator("#contexts p")).to_contain_text("selected")
    page.click("#steer-run")
    expect(page.locator("#bands .arm")).to_have_count(3)
    page.locator(".strip").nth(3).click()
    expect(page.locator(".legend")).to_contain_text("silent")
    plotly_gate.release(page)
    assert page.evaluate("window.counts") == ONE_SCENE
    assert page.evaluate(FIGURE, 0) == [600, 0.16]
    assert page.evaluate(FIGURE, 7)[0] == 10
    assert page.evaluate(FIGURE, 5)[0] == 1, "the handle"
    assert watch.problems == []


def test_leaving_a_cloud_releases_its_scene(page: Page, app: App, watch: Watch) -> None:
    page.add_init_script(COUNTED)
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.wait_for_selector(SCENE)
    page.evaluate("window.first = document.querySelector('#cloud .plot')")
    page.click("a[title='Next cluster']")
    expect(page.locator("#cloud-labels")).to_contain_text("1900")
    page.wait_for_selector(SCENE)
    assert page.locator("#cloud canvas").count() == 1
    page.click("text=Planted rings")
    page.wait_for_selector("a.tile")
    page.wait_for_function("() => !window.first._fullLayout")
    counts = page.evaluate("window.counts")
    assert (counts["runs"], counts["react"], counts["purge"]) == (1, 2, 2)
    assert watch.problems == []


def test_without_plotly_the_sketch_stays_with_a_notice(page: Page, app: App) -> None:
    page.route(PLOTLY, lambda route: route.abort())
    page.goto(f"{app.url}/run/planted/cluster/0")
    expect(page.locator("#toast")).to_contain_text("cannot be turned")
    expect(page.locator("#cloud canvas.sketch")).to_be_visible()


def test_without_webgl_the_sketch_stays_and_updates(page: Page, app: App) -> None:
    page.add_init_script(NO_WEBGL)
    page.goto(f"{app.url}/run/planted/cluster/0")
    expect(page.locator("#toast")).to_contain_text("offers no WebGL", timeout=PATIENCE_MS)
    canvas = page.locator("#cloud canvas.sketch")
    before = canvas.screenshot()
    page.locator(".strip").nth(3).click()
    expect(page.locator(".legend")).to_contain_text("silent")
    assert canvas.screenshot() != before


def test_a_long_table_is_rendered_when_opened(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.wait_for_selector("#strips .strip")
    rows = page.locator(".cloud-foot tbody tr")
    assert rows.count() == 0
    page.locator(".cloud-foot summary").click()
    expect(rows).to_have_count(200)
    expect(page.locator(".cloud-foot th").first).to_have_text("position")
    names = set(page.locator(".cloud-foot td:nth-child(2)").all_inner_texts())
    assert "Monday" in names
    page.click("a[title='Next cluster']")
    expect(page.locator("#cloud-labels")).to_contain_text("1900")
    assert "Monday" not in set(page.locator(".cloud-foot td:nth-child(2)").all_inner_texts())
    assert watch.problems == []


EYE = "() => Object.values(document.querySelector('#cloud .plot')._fullLayout.scene._scene.getCamera().eye)"


def test_zoom_is_stored_in_the_url_and_survives_redraws(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.wait_for_selector(SCENE)
    before = page.evaluate(EYE)
    assert "cam=" not in page.url
    page.hover("#cloud")
    page.mouse.wheel(0, 240)
    page.wait_for_function("() => location.search.includes('cam=')")
    after = page.evaluate(EYE)
    assert sum(one**2 for one in after) > 1.2 * sum(one**2 for one in before)
    camera = parse_qs(urlsplit(page.url).query)["cam"][0].split(",")
    assert [float(one) for one in camera[:3]] == pytest.approx(after, abs=1e-3)
    page.locator(".strip").first.click()
    page.wait_for_function("() => location.search.includes('color=')")
    page.evaluate(TWO_FRAMES)
    assert page.evaluate(EYE) == pytest.approx(after, abs=1e-3)
    page.reload()
    page.wait_for_selector(SCENE)
    assert page.evaluate(EYE) == pytest.approx(after, abs=1e-3)
    assert watch.problems == []
