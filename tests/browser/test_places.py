"""The app behind a proxy with a path prefix, and embedded in a frame of another site."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.app.tour.tour_data import write_tour
from tests.browser.conftest import PATIENCE_MS, App, Watch, serve_in_thread
from tests.browser.reverse_proxy import listen, page_of, proxy_to
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser
PREFIX = "/some/prefix/"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app behind a proxy with a path prefix, which any origin on 127.0.0.1 may frame."""
    folder: Path = tmp_path_factory.mktemp("proxied")
    run = open_run(write_steerable_run(folder / "runs" / "planted"))
    write_tour(folder / "runs", FakeHost(run))
    upstream: list[str] = []
    for address in listen(proxy_to(upstream, PREFIX)):
        name = address.removeprefix("http://")
        for app in serve_in_thread(folder, FakeHost(run), PREFIX, (name,), ("http://127.0.0.1:*",)):
            upstream.append(app.url)
            yield App(address + PREFIX.rstrip("/"), app.host)


def test_every_page_works_behind_a_path_prefix(page: Page, proxied: App, watch: Watch) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{proxied.url}/")
    page.click("a.run-card")
    page.wait_for_selector("#map canvas")
    page.locator("a.tile").first.click()
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#host-state[data-state=ready]")
    page.click("#steer-run")
    expect(page.locator("#bands .arm").first).to_be_visible(timeout=PATIENCE_MS)
    page.click("#generate")
    expect(page.locator("#generate")).to_be_enabled(timeout=PATIENCE_MS)
    assert all(text.strip() for text in page.locator("#streams .said").all_inner_texts())
    page.click("#share-result")
    link = str(page.locator("#toast a").get_attribute("href"))
    page.goto(link)
    page.wait_for_selector("#bands .arm")
    page.goto(f"{proxied.url}/tour/days?v=1&step=8")
    page.click("text=Open it and try")
    page.wait_for_selector("#strips .strip")
    page.click("text=Runs")
    page.wait_for_selector("a.tour-card")
    outside = [url for url in watch.requests if not url.startswith((proxied.url, "data:", "blob:"))]
    assert outside == []
    assert watch.problems == []


def test_framing_requires_permission_and_honours_the_theme(page: Page, proxied: App, app: App) -> None:
    for url, allowed in ((proxied.url, True), (app.url, False)):
        frame = f"<iframe src='{url}/run/planted?v=1&theme=light' width=900 height=700></iframe>"
        for other in listen(page_of(f"<!DOCTYPE html><html lang=en><title>notes</title>{frame}")):
            page.goto(other)
            inner = page.frame_locator("iframe")
            if allowed:
                expect(inner.locator("a.tile").first).to_be_visible(timeout=PATIENCE_MS)
                assert inner.locator("html").get_attribute("data-theme") == "light"
                inner.locator("a.tile").first.click()
                expect(inner.locator("#strips .strip").first).to_be_visible(timeout=PATIENCE_MS)
            else:
                page.wait_for_load_state("networkidle")
                assert inner.locator("a.tile").count() == 0
