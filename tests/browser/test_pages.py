"""Every page: contrast in both themes, phone layout, keyboard control, and names with markup rendered as text."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.browser.conftest import App, Watch, save_screenshot, serve_in_thread
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser

PAGES = {"gallery": "/", "atlas": "/run/planted", "manifold": "/run/planted/cluster/0", "missing": "/nowhere"}
READY = {"gallery": "a.run-card", "atlas": "#map canvas", "manifold": "#cloud[data-drawn=scene]", "missing": ".empty"}
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>$\\href{javascript:1}{x}$"
CONTRAST = """
() => {
  const channel = (x) => (x /= 255) <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(channel); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (n) => { for (; n; n = n.parentElement) { const c = getComputedStyle(n).backgroundColor; if (/^rgb\\(/.test(c)) return c; } return getComputedStyle(document.body).backgroundColor; };
  const bad = [];
  for (const node of document.querySelectorAll("main *, header *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const style = getComputedStyle(node);
    if (!own || node.closest("svg, :disabled, [aria-hidden=true], .mark") || style.visibility === "hidden" || !node.getClientRects().length || !/^rgb\\(/.test(style.color)) continue;
    const [a, b] = [light(style.color), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)} ${node.textContent.slice(0, 40)}`);
  }
  return bad;
}
"""  # noqa: E501 - one script


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", list(PAGES))
def test_every_page_has_contrast_in_both_themes_and_fits_a_phone(
    page: Page, app: App, watch: Watch, name: str, theme: str
) -> None:
    page.goto(f"{app.url}{PAGES[name]}?v=1&theme={theme}")
    page.wait_for_selector(READY[name])
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate(CONTRAST) == []
    save_screenshot(page, f"{name}-{theme}-1440")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "() => document.documentElement.scrollWidth <= 390 && "
        "[...document.querySelectorAll('canvas')].every((one) => one.getBoundingClientRect().right <= 390)"
    )
    save_screenshot(page, f"{name}-{theme}-390")
    assert watch.problems == []


def test_slash_focuses_the_search_and_the_query_is_in_the_url(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted")
    page.wait_for_selector("a.tile")
    page.keyboard.press("/")
    page.keyboard.type("monday")
    expect(page.locator("#tile-count")).to_have_text("1 of 2 clusters")
    page.wait_for_function("() => location.search === '?v=1&q=monday'")
    page.reload()
    expect(page.locator("#tile-count")).to_have_text("1 of 2 clusters")
    assert watch.problems == []


def test_no_keystroke_is_lost_in_the_search_on_a_slow_machine(page: Page, app: App) -> None:
    page.goto(f"{app.url}/run/planted")
    page.wait_for_selector("#map canvas")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 8})
    page.keyboard.press("/")
    for delay in (0, 5, 40, 150, 180, 250):
        page.keyboard.press("Control+a")
        page.keyboard.type("monday", delay=delay)
        expect(page.locator("#search")).to_have_value("monday")
    expect(page.locator("#tile-count")).to_have_text("1 of 2 clusters")


def test_back_and_forward_navigate_between_pages(page: Page, app: App, watch: Watch) -> None:
    page.goto(app.url)
    page.click("a.run-card")
    page.locator("a.tile").first.click()
    page.wait_for_selector("#strips .strip")
    page.go_back()
    page.wait_for_selector("a.tile")
    page.go_back()
    page.wait_for_selector("a.run-card")
    page.go_forward()
    page.wait_for_selector("a.tile")
    assert watch.problems == []


def test_a_gallery_portrait_opens_its_cluster_and_steering_scrolls_to_the_result(
    page: Page, app: App, watch: Watch
) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(app.url)
    page.get_by_title("Open Monday, Tuesday").click()
    page.wait_for_selector("#cloud[data-drawn=scene]")
    expect(page.locator("h1")).to_contain_text("Monday")
    page.set_viewport_size({"width": 1440, "height": 700})
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("#steer-run").dispatch_event("click")
    page.wait_for_selector("#bands .arm")
    page.wait_for_function("() => document.querySelector('#bands .bands-box').getBoundingClientRect().bottom <= 700")
    assert watch.problems == []


def test_the_theme_persists_and_is_in_the_url(page: Page, app: App) -> None:
    page.goto(app.url)
    page.wait_for_selector("a.run-card")
    page.click("#theme-toggle")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")
    assert "theme=light" in page.url
    page.goto(app.url)
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")


def test_the_position_handle_is_moved_by_arrow_keys(page: Page, app: App) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.click("#steer-run")
    slider = page.locator("#position")
    slider.focus()
    before = slider.input_value()
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() != before
    assert ":" in str(slider.get_attribute("aria-valuetext"))


def test_the_branch_of_a_cluster_is_drawn_and_listed_in_a_table(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0")
    panel = page.locator(".belief")
    expect(panel).to_contain_text("Shuffle null: matched in 0 of 19 draws")
    bars = panel.locator(".tree-row.inside .tree-inside")
    assert bars.count() == len(app.host.run.summary(0).features)
    assert all(bar.bounding_box()["width"] > 0 for bar in bars.all())  # type: ignore[index]
    panel.get_by_text("as a table").click()
    expect(panel.locator("tbody tr").first).to_contain_text("this cluster")
    assert watch.problems == []


def test_a_tooltip_shows_the_token_in_its_context(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.evaluate(
        "() => document.querySelector('#cloud .plot').emit('plotly_hover', {points: [{curveNumber: 0, pointNumber: 3, "
        "bbox: {x0: 200, x1: 204, y0: 200, y1: 204}}]})"
    )
    expect(page.locator(".dash-tooltip .context mark")).to_be_visible()
    assert watch.problems == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A run whose names contain markup."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    run = write_steerable_run(folder / "runs" / "planted")
    manifest = json.loads((run / "run.json").read_text())
    manifest["title"] = HOSTILE
    for cluster in manifest["clusters"]:
        cluster["label"] = cluster["words"] = HOSTILE
        cluster["order"][0] = HOSTILE
    (run / "run.json").write_text(json.dumps(manifest))
    yield from serve_in_thread(folder, FakeHost(open_run(run)))


@pytest.mark.parametrize("path", ["/", "/run/planted", "/run/planted/cluster/0"])
def test_markup_in_names_is_rendered_as_text(page: Page, hostile: App, path: str) -> None:
    page.goto(f"{hostile.url}{path}")
    page.wait_for_selector({"/": "a.run-card", "/run/planted": "#map canvas"}.get(path, "#cloud[data-drawn=scene]"))
    if path.endswith("0"):
        page.click("#steer-run")
        page.wait_for_selector("#bands .arm")
    assert HOSTILE in page.locator("body").inner_text()
    assert page.evaluate("() => [window.hacked, document.querySelectorAll('main img[src=x], main script').length]") == [
        None,
        0,
    ]
