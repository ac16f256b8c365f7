"""Notes and collections: stored in the browser, shared by links and files, shown as text, synchronised across tabs."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE_MS, App, Watch, save_screenshot, watched
from tests.browser.test_pages import CONTRAST

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror='window.hacked=1'> & \"quoted\""
NOTE = "Note on this page"


def open_sheet(page: Page) -> None:
    page.click("#notes-open")
    expect(page.get_by_role("dialog", name="Notes and collections")).to_be_visible()


def copied(page: Page, button: str) -> str:
    """The link that a button copies, captured by replacing ``clipboard.writeText``."""
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; }")
    page.click(button)
    page.wait_for_function("() => window.copied")
    return str(page.evaluate("() => { const text = window.copied; window.copied = null; return text; }"))


def test_a_note_persists_is_shared_by_link_and_rendered_as_text(
    page: Page, browser: Browser, app: App, watch: Watch
) -> None:
    page.goto(f"{app.url}/run/planted/cluster/0?v=1&color=value")
    page.wait_for_selector("#strips .strip")
    open_sheet(page)
    expect(page.locator("#notes-sheet")).to_contain_text("Kept in this browser alone")
    page.get_by_label(NOTE).fill(HOSTILE)
    assert page.evaluate(CONTRAST) == []
    save_screenshot(page, "notes-dark-1440")
    link = copied(page, "text=Copy link with this note")
    assert "color=value" in link
    page.reload()
    page.wait_for_selector("#notes-open.has-note")
    assert all("keep" not in url and "onerror" not in url for url in watch.requests), "the server never sees a note"

    elsewhere = browser.new_context()
    other = watched(elsewhere, watch)
    other.goto(link)
    brought = other.locator(".brought")
    expect(brought).to_contain_text(HOSTILE, timeout=PATIENCE_MS)
    assert other.evaluate("() => Object.keys(localStorage).filter((key) => key.startsWith('mx-'))") == []
    other.click("text=Keep it")
    expect(other.get_by_label(NOTE)).to_have_value(HOSTILE)
    assert "#" not in other.url
    assert other.evaluate("() => window.hacked") is None
    elsewhere.close()
    assert watch.problems == []


def test_a_collection_is_created_presented_and_imported(
    page: Page, context: BrowserContext, app: App, watch: Watch, tmp_path: Path
) -> None:
    page.goto(f"{app.url}/run/planted?v=1&q=monday")
    page.wait_for_selector("a.tile")
    open_sheet(page)
    page.get_by_label("Name of a new collection").fill(HOSTILE)
    page.click("text=New collection")
    page.click("text=Add this view")
    page.get_by_label("Caption of Planted").fill("Look here")
    page.get_by_label("Caption of Planted").blur()

    second = watched(context, watch)
    second.goto(f"{app.url}/s/nothing")
    second.wait_for_selector(".empty")
    open_sheet(second)
    second.click("text=Add this view")
    expect(page.locator(".collection li")).to_have_count(2)
    link = copied(second, ".collection >> text=Copy link")
    with second.expect_download() as saved:
        second.click("text=Save file")
    content = json.loads(saved.value.path().read_text())
    assert [step["link"] for step in content["steps"]] == ["run/planted?v=1&q=monday", "s/nothing"]

    second.goto(link)
    expect(second.locator(".slide-text h1")).to_contain_text("Planted", timeout=PATIENCE_MS)
    expect(second.locator(".slide-text")).to_contain_text("Look here")
    expect(second.locator(".slide-text")).to_contain_text(HOSTILE)
    frame = second.frame_locator(".slide-page")
    expect(frame.locator("#tile-count")).to_have_text("1 of 2 clusters", timeout=PATIENCE_MS)
    second.click("text=Next")
    expect(frame.locator(".empty")).to_contain_text("no shared result")
    assert second.evaluate("() => window.hacked") is None

    page.click(".collection >> text=Delete")
    expect(page.locator(".collection")).to_have_count(0)
    for name, steps, n_collections in (
        ("good", content["steps"], 1),
        ("elsewhere", [content["steps"][0] | {"link": "https://evil.example/"}], 1),
        ("script", [content["steps"][0] | {"link": "javascript:hit(1)"}], 1),
        ("climbing", [content["steps"][0] | {"link": "run/../../x"}], 1),
    ):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(content | {"steps": steps}))
        page.set_input_files("#notes-sheet input[type=file]", file)
        expect(page.locator(".collection")).to_have_count(n_collections)
    expect(page.locator("#toast")).to_contain_text("no collection")
    assert watch.problems == []


@pytest.mark.parametrize("fragment", ["#keep=!!", "#keep=AAAA", "#keep=" + "A" * 20_000, "#other"])
def test_an_invalid_fragment_is_ignored(page: Page, app: App, watch: Watch, fragment: str) -> None:
    page.goto(f"{app.url}/collection{fragment}")
    expect(page.locator(".slide-text h1")).to_have_text("This link brings no collection", timeout=PATIENCE_MS)
    assert watch.problems == []
