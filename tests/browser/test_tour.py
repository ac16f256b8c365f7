"""The tour presenter in a browser: navigation by keys, dots and swipes, without any request while presenting."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, App, Watch, module, save_screenshot, watched
from tests.browser.test_pages import CONTRAST
from tests.browser.test_story import request_count

pytestmark = pytest.mark.browser
DRAWN = {
    "Words": ".slide-text p",
    "Firing": ".firing-cell",
    "Strips": "#strips .strip",
    "Cloud": "#cloud[data-drawn=scene]",
    "Bands": "#bands .arm",
    "Texts": "#streams .said",
    "Numbers": ".slide-value",
    "Tiles": ".slide-tiles img",
}
"""Step titles, each with a selector of its content."""
STEPS = list(DRAWN)
KEYS = ("/", "?", "Enter", "Escape", "a", "Backspace", "Delete", "F2", "End", "ArrowDown", "ArrowRight")
"""Keys that must not leave the last step."""
SWIPE = """([from, to]) => {
  const node = document.querySelector(".slide-text");
  const touch = (x) => new Touch({ identifier: 1, target: node, clientX: x, clientY: 300 });
  const send = (name, touches, x) =>
    node.dispatchEvent(new TouchEvent(name, { bubbles: true, touches, changedTouches: [touch(x)] }));
  send("touchstart", [touch(from)], from);
  send("touchend", [], to);
}"""

UNDER_A_SHEET = """async () => {
  const { currentStep } = await PRESENTER;
  const sheet = document.getElementById("keys-sheet"), button = sheet.querySelector("button");
  const space = () => {
    button.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
    return currentStep();
  };
  sheet.showModal();
  const open = space();
  sheet.close();
  return [open, space()];
}""".replace("PRESENTER", module("tour/presenter.js"))
"""Presses space on the button of an open dialog and again right after it closes; returns the step after each."""


def heading(page: Page, title: str) -> None:
    expect(page.locator(".slide-text h1")).to_have_text(title, timeout=PATIENCE_MS)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_tour_is_opened_presented_and_left_without_requests(page: Page, app: App, watch: Watch) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(app.url)
    page.click("a.tour-card")
    heading(page, "Words")
    for title in STEPS[1:]:
        press(page, "ArrowRight")
        heading(page, title)
        page.wait_for_selector(DRAWN[title])
        save_screenshot(page, f"tour-{title.lower()}-dark-1440")
    assert "step=8" in page.url

    page.context.set_offline(True)
    n_requests = request_count(watch)
    press(page, *KEYS)
    heading(page, "Tiles")
    press(page, "Home", " ", "PageDown", "PageDown", "PageUp")
    heading(page, "Strips")
    page.click('.dot-step[title="Bands"]')
    heading(page, "Bands")
    expect(page.locator("#bands .arm")).to_have_count(2)
    assert request_count(watch) == n_requests, "a tour works offline"
    page.context.set_offline(False)

    press(page, "f")
    page.wait_for_function("() => document.fullscreenElement !== null")
    press(page, "f")
    page.wait_for_function("() => document.fullscreenElement === null")
    page.click("text=Leave")
    page.wait_for_selector("a.run-card")
    assert app.host.asked == 0
    assert watch.problems == []


def test_an_open_dialog_captures_keys_until_it_closes(page: Page, app: App) -> None:
    page.goto(f"{app.url}/tour/days?v=1")
    heading(page, "Words")
    assert page.evaluate(UNDER_A_SHEET) == [0, 1]
    heading(page, "Firing")


def test_the_recorded_handle_plays_until_it_is_grabbed(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/tour/days?v=1&step=5")
    left = "() => parseFloat(document.querySelector('.bands-handle')?.style.left)"
    page.wait_for_function(f"() => ({left})() > 1")
    slider = page.locator("#position")
    slider.dispatch_event("pointerdown")
    slider.fill("700")
    press(page, "ArrowRight")
    assert page.evaluate(left) == pytest.approx(70.5)
    heading(page, "Bands")
    assert watch.problems == []


def test_tours_have_contrast_on_a_phone_and_follow_swipes(browser: Browser, app: App, watch: Watch) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    page = watched(context, watch)
    page.goto(f"{app.url}/tour/days?v=1&step=2")
    for title in STEPS[2:]:
        page.wait_for_selector(".slide-text h1")
        page.evaluate(SWIPE, [300, 100])
        heading(page, title)
        for theme in ("dark", "light"):
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            assert page.evaluate(CONTRAST) == []
            save_screenshot(page, f"tour-{title.lower()}-{theme}-390")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate(SWIPE, [200, 170])
    heading(page, "Tiles")
    page.evaluate(SWIPE, [100, 300])
    heading(page, "Numbers")
    context.close()
    assert watch.problems == []
