"""Prompt format (chat message or plain text) and steered token positions, in the browser."""

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import App, Watch, watched
from tests.browser.test_story import open_cluster, steer, wait

pytestmark = pytest.mark.browser


def words(tokens: Locator) -> list[str]:
    return [text.strip() for text in tokens.all_inner_texts()]


def choose(page: Page, field: str, label: str) -> None:
    page.click(field)
    page.get_by_role("option", name=label, exact=True).click()


def test_a_base_model_has_no_chat_option(page: Page, app: App, watch: Watch) -> None:
    open_cluster(page, app)
    expect(page.locator("#steer-as")).to_be_hidden()
    page.fill("#steer-prompt", "it rained on")
    steer(page)
    assert words(page.locator(".as-read mark")) == ["on"]
    expect(page.locator(".as-read .special")).to_have_count(0)
    assert app.host.latest is not None
    assert app.host.latest.chat is None
    assert watch.problems == []


def test_a_chat_message_is_shown_in_its_template_with_steered_tokens_marked(
    page: Page, context: BrowserContext, app: App, watch: Watch
) -> None:
    app.host.kind = "instruct"
    open_cluster(page, app)
    page.fill("#steer-prompt", "it rained on")
    steer(page)
    choose(page, "#steer-as", "a chat message")
    expect(page.locator(".as-read .special")).to_have_text(["<user>", "<over>", "<me>"])
    assert words(page.locator(".as-read mark")) == ["on"]
    expect(page.locator(".as-read")).to_contain_text("steered at the marked token:")
    choose(page, "#steer-where", "all prompt tokens")
    expect(page.locator(".as-read")).to_contain_text("steered at the 3 marked tokens:")
    assert words(page.locator(".as-read mark")) == ["it", "rained", "on"]
    latest = app.host.latest
    assert latest is not None
    assert (latest.chat, latest.where) == ((), "all_prompt")

    wait(page, "() => location.search.includes('all_prompt')")
    again = watched(context, watch)
    again.goto(page.url)
    again.wait_for_selector("#host-state[data-state=ready]")
    host_requests = app.host.asked
    expect(again.locator("#steer-as")).to_have_text("a chat message")
    steer(again)
    assert app.host.asked == host_requests + 1
    assert app.host.latest == latest, "a link repeats the request"
    assert watch.problems == []
