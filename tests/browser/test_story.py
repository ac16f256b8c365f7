"""End to end: gallery, atlas, tile, cloud, drag, streamed text, share, and the shared link without a host."""

import base64
import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS, App, Watch, save_screenshot, watched

pytestmark = pytest.mark.browser

COUNT_COLOURS = """
async (png) => {
  const image = new Image();
  await new Promise((done) => { image.onload = done; image.src = "data:image/png;base64," + png; });
  const canvas = document.createElement("canvas");
  canvas.width = image.width; canvas.height = image.height;
  const drawing = canvas.getContext("2d");
  drawing.drawImage(image, 0, 0);
  const pixels = new Uint32Array(drawing.getImageData(0, 0, image.width, image.height).data.buffer);
  return new Set(pixels).size;
}
"""
HANDLE = (
    "() => { const d = document.querySelector('#cloud .js-plotly-plot').data[5]; return [d.x[0], d.y[0], d.z[0]]; }"
)


def colours(page: Page, part: Locator) -> int:
    """Number of distinct colours in a screenshot of an element."""
    return int(page.evaluate(COUNT_COLOURS, base64.b64encode(part.screenshot()).decode()))


def request_count(watch: Watch) -> int:
    """Number of requests, without the favicon, which a browser may fetch again when the URL changes."""
    return sum("favicon" not in url for url in watch.requests)


def wait(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=PATIENCE_MS)


def open_cluster(page: Page, app: App, query: str = "") -> None:
    page.goto(f"{app.url}/run/planted/cluster/0{query}")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.wait_for_selector("#host-state[data-state=ready]")


def steer(page: Page) -> None:
    page.click("#steer-run")
    expect(page.locator("#bands .arm")).to_have_count(3, timeout=PATIENCE_MS)


def drag(page: Page, begin: float, end: float) -> None:
    bands = page.locator(".bands-box").first
    bands.scroll_into_view_if_needed()
    box = bands.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * begin, middle)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(box["x"] + box["width"] * (begin + (end - begin) * step / 5), middle)
    page.mouse.up()


def test_end_to_end(page: Page, context: BrowserContext, app: App, watch: Watch) -> None:
    page.goto(app.url)
    page.wait_for_selector("a.run-card")
    expect(page.locator(".run-card.broken")).to_contain_text("features.safetensors")
    save_screenshot(page, "gallery-dark")
    page.click("a.run-card")

    page.wait_for_selector("#map canvas")
    expect(page.locator("#tile-count")).to_have_text("2 clusters")
    wait(page, "() => [...document.querySelectorAll('.map-label')].some((n) => n.style.visibility === 'visible')")
    save_screenshot(page, "atlas-dark")
    page.locator("a.tile").first.click()

    page.wait_for_selector("#cloud[data-drawn=scene]")
    wait(page, "() => document.querySelectorAll('#strips .strip').length >= 12")
    wait(page, "() => document.querySelectorAll('#cloud-labels .cloud-label').length === 7")
    assert colours(page, page.locator(".cloud-graph")) > 100
    assert app.host.asked == 0

    page.wait_for_selector("#host-state[data-state=ready]")
    page.fill("#steer-prompt", "it rained on")
    page.press("#steer-prompt", "Enter")
    expect(page.locator("#bands .arm")).to_have_count(3, timeout=PATIENCE_MS)
    assert app.host.asked == 1
    wait(page, f"() => ({HANDLE})().every(Number.isFinite)")

    before, n_requests = page.evaluate(HANDLE), request_count(watch)
    drag(page, 0.05, 0.4)
    wait(page, f"() => ({HANDLE})().some((x, i) => Math.abs(x - {before}[i]) > 1e-3)")
    assert request_count(watch) == n_requests, "dragging sends no request"
    lefts = page.evaluate("() => [...document.querySelectorAll('.bands-handle')].map((n) => n.style.left)")
    assert len(set(lefts)) == 1
    assert abs(float(lefts[0].rstrip("%")) - 40) < 1
    words = [text.strip() for text in page.locator(".answer-word").all_inner_texts()]
    assert len(set(words)) > 1, "the answer differs between the curve and the straight line"
    assert re.search(r"at=0\.(39|4)", page.url)

    page.click("#generate")
    wait(page, "() => [...document.querySelectorAll('#streams .end')].every((n) => n.textContent)")
    expect(page.locator("#generate")).to_be_enabled(timeout=PATIENCE_MS)
    generated = page.locator("#streams .said").all_inner_texts()
    assert len(generated) == 4
    assert all(text.strip() for text in generated)
    save_screenshot(page, "manifold-dark")

    page.click("#share-result")
    link = page.locator("#toast a").get_attribute("href")
    assert link is not None
    assert re.search(r"/s/[\w-]{22}$", link)

    marked = page.locator(".as-read mark").all_inner_texts()
    assert marked

    app.host.alive = False
    requests_before = app.host.asked
    other = watched(context, watch)
    other.goto(link)
    expect(other.locator("#bands .arm")).to_have_count(3, timeout=PATIENCE_MS)
    wait(other, "() => [...document.querySelectorAll('#streams .end')].every((n) => n.textContent)")
    assert [text.strip() for text in other.locator(".answer-word").all_inner_texts()] == words
    assert other.locator("#streams .said").all_inner_texts() == generated
    assert other.locator(".as-read mark").all_inner_texts() == marked
    other.wait_for_selector("#cloud[data-drawn=scene]")
    save_screenshot(other, "shared-dark")
    assert app.host.asked == requests_before
    assert watch.problems == []
    assert all(url.startswith((app.url, "data:", "blob:")) for url in watch.requests), "no request leaves the app"


def test_a_link_restores_the_view_without_a_host_request(
    page: Page, context: BrowserContext, app: App, watch: Watch
) -> None:
    open_cluster(page, app)
    page.fill("#steer-prompt", "a parcel sent on")
    page.press("#steer-prompt", "Enter")
    expect(page.locator("#bands .arm")).to_have_count(3, timeout=PATIENCE_MS)
    drag(page, 0.9, 0.25)
    page.locator(".strip").nth(3).click()
    wait(page, "() => location.search.includes('color=feature-')")
    link, host_requests = page.url, app.host.asked

    again = watched(context, watch)
    again.goto(link)
    again.wait_for_selector("#cloud[data-drawn=scene]")
    expect(again.locator("#steer-prompt")).to_have_value("a parcel sent on")
    wait(again, "() => document.querySelectorAll('.strip[aria-pressed=true]').length === 1")
    assert app.host.asked == host_requests
    again.wait_for_selector("#host-state[data-state=ready]")
    again.click("#steer-run")
    expect(again.locator("#bands .arm")).to_have_count(3, timeout=PATIENCE_MS)
    assert abs(float(again.locator(".bands-handle").first.evaluate("(n) => parseFloat(n.style.left)")) - 25) < 1
    assert watch.problems == []


def test_stop_ends_generation_and_the_panel_stays_usable(page: Page, app: App, watch: Watch) -> None:
    app.host.pause = 0.5
    open_cluster(page, app)
    steer(page)
    page.click("#generate")
    wait(page, "() => document.querySelector('#streams [data-row=manifold] .said').textContent")
    page.click("#stop")
    expect(page.locator("#steer-status")).to_have_text("Stopped.")
    expect(page.locator("#generate")).to_be_enabled()
    assert watch.problems == []


EVENTS = ["start", *["token"] * 32, *["row_done"] * 4, "done"]
"""Event types of the fake host, in order: eight tokens for each of four rows."""


def test_the_host_dies_at_each_stage_of_a_generation(page: Page, app: App, watch: Watch) -> None:
    """Text already shown stays, with the request that it belongs to; without any text the columns stay hidden."""
    status, streams = page.locator("#steer-status"), page.locator("#streams")
    manifold, end = streams.locator("[data-row=manifold] .said"), streams.locator("[data-row=manifold] .end")
    host_line = page.locator("#host-state")

    def generate(dies_at: int | None) -> None:
        app.host.dies_at, app.host.alive = dies_at, True
        with page.expect_response("**/api/steer/*"):
            page.click("#generate")
        expect(page.locator("#generate")).to_be_enabled(timeout=PATIENCE_MS)

    open_cluster(page, app)
    steer(page)
    for dies_at, words in ((0, "does not answer"), (1, "Interrupted")):  # no text yet
        generate(dies_at)
        expect(status).to_contain_text(words)
        expect(streams).to_be_hidden()
        expect(host_line).to_have_attribute("data-state", "unreachable", timeout=PATIENCE_MS)

    generate(EVENTS.index("token") + 9)  # in the middle of the text
    expect(status).to_contain_text("Interrupted")
    expect(end).to_have_text("interrupted")
    cut = manifold.inner_text()
    assert 0 < len(cut.split()) < 8

    for dies_at in (0, 1):  # before the text that would replace the current one
        generate(dies_at)
        expect(status).to_contain_text("Interrupted")
        expect(status).to_contain_text("the request before")
        expect(end).to_have_text("interrupted")
        assert manifold.inner_text() == cut

    for event in ("row_done", "done"):  # the text is complete, its measurements are missing
        generate(EVENTS.index(event))
        expect(status).to_contain_text("Interrupted")
        assert len(manifold.inner_text().split()) == 8
        expect(streams.locator(".read-back:not(:empty)")).to_have_count(0)

    generate(len(EVENTS))  # the stream is complete
    expect(status).to_be_empty()
    expect(end).to_contain_text("as long as asked")
    expect(streams.locator(".read-back:not(:empty)")).to_have_count(4)
    whole = manifold.inner_text()
    assert not app.host.alive
    page.click("#share-result")
    expect(page.locator("#toast a")).to_have_attribute("href", re.compile("/s/"))

    generate(0)  # the host dies before another text: the previous result stays
    expect(status).to_contain_text("Interrupted")
    expect(end).to_contain_text("as long as asked")
    assert manifold.inner_text() == whole
    page.click("text=Planted rings")
    page.wait_for_selector("a.tile")
    assert watch.problems == []


def test_browsing_works_without_a_host(page: Page, app: App) -> None:
    app.host.alive = False
    page.goto(f"{app.url}/run/planted/cluster/0")
    page.wait_for_selector("#host-state[data-state=unreachable]")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    page.click("#steer-run")
    expect(page.locator("#steer-status")).to_contain_text("does not answer")
    app.host.alive = True
    page.wait_for_selector("#host-state[data-state=ready]")
    steer(page)
