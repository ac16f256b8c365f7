"""Robustness checks in the browser: distance meter, realised positions, controls, sweep, phrases and readout."""

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from explorer.steering.protocol.behaviour import ReadoutValue
from tests.browser.conftest import PATIENCE_MS, App, Watch, save_screenshot, watched
from tests.browser.test_story import open_cluster, steer, wait

pytestmark = pytest.mark.browser

MOVE_SLIDER = "(s, to) => { s.value = to; s.dispatchEvent(new Event('input')); }"
"""Moves a slider without releasing it."""


def unfold(page: Page, title: str) -> Locator:
    part = page.locator(".check", has=page.locator("summary", has_text=title))
    part.locator("> summary").click()
    return part


def test_distance_meter_realised_positions_and_readout(page: Page, app: App, watch: Watch) -> None:
    open_cluster(page, app, "?v=1&at=1")
    expect(page.locator("#checks")).to_be_hidden()
    steer(page)
    words, slider, requests = page.locator(".meter-words"), page.locator("#strength-slider"), app.host.asked
    expect(words).to_have_text("at 1: 1.3 × usual")
    slider.evaluate(MOVE_SLIDER, "3")
    expect(words).to_have_text("at 3: 3.8 × usual, beyond safe")
    assert page.locator(".meter-cells .beyond").count() == 3
    assert app.host.asked == requests, "the distance is computed without the host"
    slider.evaluate("(s) => s.dispatchEvent(new Event('change'))")
    expect(page.locator("#steer-strength")).to_have_value("3")
    wait(page, "() => location.search.includes('strength=3')")
    expect(slider).to_have_value("3", timeout=PATIENCE_MS)

    realised = unfold(page, "Requested and realised")
    expect(realised.locator(".realised-arm")).to_have_count(3)
    assert realised.locator(".line.state").first.get_attribute("d")
    expect(realised.locator("tbody tr")).to_have_count(3)
    expect(realised.locator("thead")).to_contain_text("isometry r")

    unfold(page, "Readout")
    field = page.locator("#readout")
    own = field.input_value()
    assert own.split("\n") == list(app.host.run.summary(0).order)
    field.fill("weekend = Saturday | Sunday")
    wait(page, "() => location.search.includes('values=weekend')")
    wait(page, "() => document.querySelector('#bands').className === ''")
    requests = app.host.asked
    page.click("#readout-run")
    wait(page, "() => document.querySelector('#bands').className === ''")
    assert app.host.asked == requests + 1
    latest = app.host.latest
    assert latest is not None
    assert latest.values == (ReadoutValue(name="weekend", spellings=("Saturday", " Saturday", "Sunday", " Sunday")),)
    page.click("#readout-own")
    expect(field).to_have_value(own)
    wait(page, "() => !location.search.includes('values=')")
    assert watch.problems == []


def test_each_check_runs_on_its_button_and_is_stored_in_the_shared_result(
    page: Page, context: BrowserContext, app: App, watch: Watch
) -> None:
    open_cluster(page, app)
    steer(page)
    controls, sweep, phrases = unfold(page, "Controls"), unfold(page, "Dose sweep"), unfold(page, "Phrases")
    assert app.host.asked == 1
    page.click("#check-run")
    expect(controls.locator(".control-arms svg")).to_have_count(6)
    expect(controls).to_contain_text("Stands out")
    expect(controls).to_contain_text("the straight chord is as good as the curve or better")
    page.click("#sweep-run")
    expect(sweep.locator(".sweep-grid")).to_have_count(3)
    assert sweep.locator(".sweep-grid").first.locator("i").count() == 10 * 11
    assert sweep.locator(".sweep-grid i.beyond").count() == 3 * 2 * 11
    page.fill("#phrases", "it rained\nthe parcel arrived")
    page.click("#phrases-run")
    expect(phrases.locator(".phrase")).to_have_count(2)
    wait(page, "() => new URLSearchParams(location.search).get('phrases') === 'it rained\\nthe parcel arrived'")
    assert app.host.asked == 4
    page.click("#generate")
    expect(page.locator("#streams .read-back")).to_contain_text(["perplexity 1.50 · 25 % repeated"] * 4)
    page.locator("#streams [data-row=manifold] summary").click()
    expect(page.locator("#streams [data-row=manifold] .text-path i")).to_have_count(8)
    expect(page.locator("#streams [data-row=manifold] .text-places .far")).to_have_count(1)
    shown = [page.locator(f"#{name}-result").inner_text() for name in ("check", "sweep", "phrases")]
    save_screenshot(page, "checks-dark")
    expect(page.locator("#share-result")).to_be_enabled()
    page.click("#share-result")
    link = page.locator("#toast a").get_attribute("href")
    assert link is not None
    page.set_viewport_size({"width": 390, "height": 844})
    wait(page, "() => document.documentElement.scrollWidth <= 390")

    app.host.alive = False
    page.click("#check-run")
    expect(page.locator("#check-status")).to_contain_text("does not answer")
    expect(controls.locator(".control-arms")).to_have_count(0)
    other = watched(context, watch)
    other.goto(link)
    expect(other.locator(".phrase")).to_have_count(2, timeout=PATIENCE_MS)
    for title in ("Requested and realised", "Controls", "Dose sweep", "Phrases"):
        unfold(other, title)
    reopened = [other.locator(f"#{name}-result").inner_text() for name in ("check", "sweep", "phrases")]
    assert reopened == shown
    expect(other.locator("#streams .read-back").first).to_contain_text("perplexity 1.50")
    expect(other.locator("#strength-slider")).to_be_disabled()

    app.host.alive = True
    page.fill("#steer-prompt", "it rained on")
    page.press("#steer-prompt", "Enter")
    expect(page.locator(".phrase"), "checks are cleared with their result").to_have_count(0, timeout=PATIENCE_MS)
    assert watch.problems == []
