"""The app's modules and Dash's scripts may load in any order; a slow script only delays the page."""

import pytest
from playwright.sync_api import Page, Route, expect

from explorer.app.ui.scripts import assets_digest, modules
from tests.browser.conftest import TWO_FRAMES, App, Watch

pytestmark = pytest.mark.browser
FETCHED = """() => {
  const main = document.querySelector("script[type=module]");
  return main && performance.getEntriesByName(main.src).length;
}"""


@pytest.mark.parametrize("late", ["main.js", "callbacks.js", "ui/dom.js", "steering/bands.js"])
def test_the_page_starts_after_all_its_modules_have_loaded(page: Page, app: App, watch: Watch, late: str) -> None:
    held: list[Route] = []
    page.route(f"**/js/{late}", lambda route: held.append(route))
    page.goto(f"{app.url}/run/planted/cluster/0", wait_until="commit")
    page.wait_for_function("() => window.DashRenderer && document.querySelector('#_dash-renderer')")
    for _ in range(5):
        page.evaluate(TWO_FRAMES)
    assert page.locator("#page").count() == 0, "Dash does not start before its callbacks are registered"
    for route in held:
        route.continue_()
    page.wait_for_selector("#cloud[data-drawn]")
    expect(page.locator("#strips .strip").first).to_be_visible()
    assert watch.problems == []


def test_a_late_dash_renderer_only_delays_the_page(page: Page, app: App, watch: Watch) -> None:
    held: list[Route] = []
    page.route("**/dash_renderer*.js", lambda route: held.append(route))
    page.goto(f"{app.url}/run/planted", wait_until="commit")
    page.wait_for_function(FETCHED)
    page.evaluate(TWO_FRAMES)
    for route in held:
        route.continue_()
    page.wait_for_selector("#map[data-drawn]")
    assert watch.problems == []


def test_each_module_is_fetched_once_from_a_versioned_url(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted")
    page.wait_for_selector("#map[data-drawn]")
    begin = f"{app.url}/assets/{assets_digest()}/js/"
    fetched = [address for address in watch.requests if "/js/" in address and "/assets/" in address]
    assert sorted(fetched) == sorted(begin + path for path in ("theme.js", *modules("main.js")))
    assert watch.problems == []
