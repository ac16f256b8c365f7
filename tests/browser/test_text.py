"""Encoding a text: token chips, map highlights, sorted tiles, tokens on the curve; keyboard, phone, no host."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, Watch, exposed, save_screenshot
from tests.browser.test_pages import CONTRAST

pytestmark = pytest.mark.browser

TEXT = "<s> it rained on Monday and Tuesday in 1950 lost"
HIGHLIGHTED = "() => modules['atlas/map.js'].outstandingClusters()"
"""Clusters in full colour while the others are dimmed; null if none is highlighted."""
MARKS = """() => { const d = document.querySelector('#cloud .js-plotly-plot').data[6];
  return { count: d.x.length, symbols: d.marker.symbol, sizes: d.marker.size }; }"""


def wait(page: Page, condition: str) -> None:
    page.wait_for_function(condition)


def open_atlas(page: Page, app: App, query: str = "") -> None:
    page.add_init_script(exposed("atlas/map.js"))
    page.goto(f"{app.url}/run/planted{query}")
    page.wait_for_selector("#map canvas")
    page.wait_for_selector("#try-tokens[data-ready=yes]", state="attached")


def try_text(page: Page, text: str = TEXT) -> None:
    page.fill("#try-text", text)
    page.press("#try-text", "Enter")
    expect(page.locator("#try-tokens .chip")).to_have_count(len(text.split(" ")))


def test_a_text_highlights_and_links_its_clusters(page: Page, app: App, watch: Watch) -> None:
    open_atlas(page, app)
    page.wait_for_selector("#host-state[data-state=ready]")
    assert app.host.asked == 0, "opening a page sends no model request"
    assert page.input_value("#try-text"), "an example text is filled in"
    assert page.evaluate(HIGHLIGHTED) is None
    try_text(page)
    assert app.host.asked == 1
    wait(page, f"() => String(({HIGHLIGHTED})()) === '0,1'")
    wait(page, "() => location.search.includes('text=')")
    expect(page.locator("#tile-count")).to_have_text("2 clusters, 2 fire")
    expect(page.locator("a.tile .tile-fires").first).to_have_text("fires on 3 tokens")
    expect(page.locator("#try-detail")).to_contain_text("2 clusters fire")
    wait(page, "() => [...document.querySelectorAll('.map-label')].some((n) => n.style.visibility === 'visible')")
    save_screenshot(page, "text-atlas-dark")

    page.locator("#try-tokens button", has_text="1950").click()
    expect(page.locator("#try-detail li")).to_have_count(1)
    expect(page.locator("#try-detail")).to_contain_text("near 1950, 1.2 times the usual distance")
    wait(page, f"() => String(({HIGHLIGHTED})()) === '1'")
    page.locator("#try-tokens button", has_text="rained").click()
    expect(page.locator("#try-detail")).to_have_text("No cluster fires on this token.")

    page.locator("#try-tokens button", has_text="Monday").click()
    page.locator("#try-detail a").click()
    page.wait_for_selector("#cloud[data-drawn=scene]")
    expect(page.locator("#try-tokens .chip.here")).to_have_count(3)
    wait(page, f"() => ({MARKS})().count === 3")
    assert page.evaluate(MARKS)["symbols"] == ["circle", "circle", "circle-open"]
    wait(
        page,
        "() => [...document.querySelectorAll('.cloud-label.tried')]"
        ".filter((n) => n.style.visibility === 'visible').length === 3",
    )
    assert page.locator(".cloud-label.tried").all_inner_texts() == ["Monday", "Tuesday", "lost"]
    assert "text=" in page.url
    page.locator("#try-tokens button", has_text="Tuesday").click()
    wait(page, f"() => ({MARKS})().sizes[1] > ({MARKS})().sizes[0]")
    save_screenshot(page, "text-cluster-dark")

    page.go_back()
    page.wait_for_selector("a.tile .tile-fires")
    wait(page, f"() => String(({HIGHLIGHTED})()) === '0,1'")
    assert app.host.asked == 1, "the reply is cached"
    assert watch.problems == []


def test_clear_removes_all_highlights(page: Page, app: App, watch: Watch) -> None:
    open_atlas(page, app)
    try_text(page)
    page.wait_for_selector("a.tile .tile-fires")
    page.click("#try-clear")
    expect(page.locator("#try-tokens .chip")).to_have_count(0)
    expect(page.locator("#tile-count")).to_have_text("2 clusters")
    wait(page, f"() => ({HIGHLIGHTED})() === null")
    expect(page.locator("#try-text")).to_have_value("")
    assert "text=" not in page.url
    try_text(page, "on Friday")
    page.click("a.tile")
    page.wait_for_selector("#try-tokens .chip.here")
    page.click("#try-clear")
    expect(page.locator(".cloud-label.tried")).to_have_count(0)
    assert watch.problems == []


def test_a_link_fills_in_its_text_and_encodes_it_on_request(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0?v=1&text=it+rained+on+Sunday")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#host-state[data-state=ready]")
    expect(page.locator("#try-text")).to_have_value("it rained on Sunday")
    assert app.host.asked == 0
    page.click("#try-run")
    wait(page, f"() => ({MARKS})().count === 1")
    page.click("text=Planted rings")
    page.wait_for_selector("a.tile .tile-fires")
    expect(page.locator("#try-text")).to_have_value("it rained on Sunday")
    assert app.host.asked == 1
    assert watch.problems == []


def test_chips_are_navigated_by_keys(page: Page, app: App, watch: Watch) -> None:
    open_atlas(page, app)
    try_text(page)
    page.focus("#try-clear")
    page.keyboard.press("Tab")
    focused = "() => document.activeElement.dataset.token"
    assert page.evaluate(focused) == "1", "special tokens are skipped"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "4"
    page.keyboard.press("Enter")
    expect(page.locator("#try-detail li")).to_have_count(1)
    expect(page.locator("#try-tokens [data-token='4']")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "1"
    page.keyboard.press("End")
    page.keyboard.press("Space")
    expect(page.locator("#try-detail")).to_contain_text("too far to be reliable")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#try-tokens .chip.here")
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/run/planted", "/run/planted/cluster/0"])
def test_the_panel_has_contrast_in_both_themes_and_fits_a_phone(page: Page, app: App, path: str, theme: str) -> None:
    page.goto(f"{app.url}{path}?v=1&theme={theme}")
    page.wait_for_selector("#try-tokens[data-ready=yes]", state="attached")
    try_text(page, TEXT + " x" * 60)
    page.locator("#try-tokens button", has_text="lost").click()
    page.wait_for_selector("#try-detail li")
    if not path.endswith("0"):
        page.wait_for_selector(".tile-fires")
    assert page.evaluate(CONTRAST) == []
    page.set_viewport_size({"width": 390, "height": 844})
    wait(page, "() => document.documentElement.scrollWidth <= 390")
    name = "cluster" if path.endswith("0") else "atlas"
    save_screenshot(page, f"text-{name}-{theme}-390")


def test_without_a_host_an_error_is_shown_and_the_previous_reply_is_cleared(page: Page, app: App) -> None:
    open_atlas(page, app)
    try_text(page)
    app.host.alive = False
    page.fill("#try-text", "it rained on Sunday")
    page.click("#try-run")
    expect(page.locator("#try-status")).to_contain_text("does not answer")
    expect(page.locator("#try-tokens .chip")).to_have_count(0)
    expect(page.locator("#tile-count")).to_have_text("2 clusters")
    page.reload()
    page.wait_for_selector("#host-state[data-state=unreachable]")
    expect(page.locator("#try-text")).to_have_value("it rained on Sunday")


@pytest.mark.parametrize("path", ["/run/planted", "/run/planted/cluster/0"])
def test_markup_in_a_text_is_rendered_as_text(page: Page, app: App, path: str, watch: Watch) -> None:
    page.goto(f"{app.url}{path}")
    page.wait_for_selector("#try-tokens[data-ready=yes]", state="attached")
    hostile = "<img/src=x/onerror=window.hacked=1> <svg/onload=window.hacked=1> Monday"
    try_text(page, hostile)
    assert page.locator("#try-tokens .chip").first.inner_text().startswith("<img/src=x")
    assert page.evaluate("() => [window.hacked, document.querySelectorAll('main img[src=x]').length]") == [None, 0]
    assert watch.problems == []
