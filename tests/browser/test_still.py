"""Standalone HTML files: rendered by the app's scripts without a server, with markup in names shown as text."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from explorer.app.still.page_file import manifold_file, tour_file
from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.app.tour.tour_data import write_tour
from tests.browser.conftest import PATIENCE_MS, Watch, save_screenshot, watched
from tests.browser.hostile import FINGERPRINT, Attacks, write_hostile_run
from tests.browser.test_pages import CONTRAST
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser
COLOR = "() => String(document.querySelector('#cloud .js-plotly-plot').data[0].marker.color)"


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("still")
    run = open_run(write_steerable_run(folder / "planted"))
    manifold_file(run, 0, folder / "manifold.html")
    tour_file(write_tour(folder, FakeHost(run)), folder / "tour.html")
    return folder


@pytest.fixture
def page(browser: Browser, watch: Watch) -> Iterator[Page]:
    context = browser.new_context(offline=True, reduced_motion="reduce", color_scheme="dark")
    context.set_default_timeout(PATIENCE_MS)
    yield watched(context, watch)
    context.close()
    assert watch.problems == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in watch.requests)


def test_a_manifold_opens_from_disk(page: Page, stills: Path) -> None:
    page.goto((stills / "manifold.html").as_uri())
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#strips .strip")
    expect(page.locator(".facts h1")).not_to_be_empty()
    before = page.evaluate(COLOR)
    page.locator(".strip").nth(3).click()
    page.wait_for_function(f"() => ({COLOR})() !== '{before}'")
    assert page.locator("#still-color").input_value().startswith("feature-")
    page.select_option("#still-color", "coordinate")
    page.wait_for_function(f"() => ({COLOR})() === '{before}'")
    for theme in ("dark", "light"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert page.evaluate(CONTRAST) == []
        save_screenshot(page, f"still-{theme}")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("() => document.documentElement.scrollWidth <= 390")


def test_a_tour_opens_from_disk(page: Page, stills: Path) -> None:
    page.goto((stills / "tour.html").as_uri())
    for title in ("Words", "Firing", "Strips", "Cloud", "Bands", "Texts", "Numbers", "Tiles"):
        expect(page.locator(".slide-text h1")).to_have_text(title)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("PageDown")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    expect(page.locator("#bands .arm")).to_have_count(2)
    page.locator("#position").fill("700")
    assert page.evaluate("parseFloat(document.querySelector('.bands-handle').style.left)") == pytest.approx(70)
    expect(page.locator("text=Leave")).to_have_count(0)


def test_payloads_do_not_run_in_standalone_files(browser: Browser, tmp_path: Path) -> None:
    payloads = Attacks(0)
    write_hostile_run(tmp_path / "planted", payloads)
    run = open_run(tmp_path / "planted")
    manifold_file(run, 0, tmp_path / "manifold.html")
    words = {key: payloads.take(100) for key in ("title", "about")}
    shows = [
        {"title": payloads.take(100), "text": [payloads.take()], "show": show, **needs}
        for show, needs in (
            ("firing", {"of": "days"}),
            ("strips", {"of": "days"}),
            ("bands", {"result": "r"}),
            ("texts", {"result": "r"}),
            ("numbers", {"of": "days", "scores": ["p_value"]}),
            ("tiles", {"tiles": ["days"]}),
        )
    ]
    manifold = {"days": {"run": "planted", "cluster": 0}}
    results = {"r": {"of": "days", "prompt": payloads.take(), "to": run.summary(0).order[2].strip(), "max_tokens": 2}}
    folder = write_tour(tmp_path, FakeHost(run), manifolds=manifold, results=results, steps=shows, **words)
    assert run.manifest.subject is not None
    assert folder.result("r").behaviour.fingerprint == FINGERPRINT
    tour_file(folder, tmp_path / "tour.html")
    context = browser.new_context(bypass_csp=True, offline=True, reduced_motion="reduce")
    hits: list[object] = []
    context.expose_binding("hit", lambda _source, number=None: hits.append(number))
    page = context.new_page()
    page.goto((tmp_path / "manifold.html").as_uri())
    page.wait_for_selector("#strips .strip")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.goto((tmp_path / "tour.html").as_uri())
    for step in shows:
        expect(page.locator(".slide-text h1")).to_have_text(str(step["title"]))
        page.keyboard.press("PageDown")
    context.close()
    assert hits == []
