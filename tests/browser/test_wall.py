"""The virtualised tile grid: bounded DOM size, keyboard navigation and table view; non-overlapping map labels."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from explorer.runs.run.reader import open_run
from tests.browser.conftest import App, Watch, save_screenshot, serve_in_thread
from tests.browser.many_clusters import write_many_clusters
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser

MANY = 5_000
CELLS = "() => document.querySelectorAll('#tiles [data-at]').length"
PLACES = "() => [...document.querySelectorAll('#tiles [data-at]')].map((cell) => Number(cell.dataset.at))"
FOCUSED = "() => Number(document.activeElement.closest('[data-at]').dataset.at)"
IN_SIGHT = """() => { const box = document.activeElement.getBoundingClientRect();
  const head = document.getElementById('header').getBoundingClientRect();
  return box.top >= head.bottom - 1 && box.bottom <= innerHeight + 1; }"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("many")
    write_many_clusters(folder / "runs" / "many", MANY)
    yield from serve_in_thread(folder, FakeHost(open_run(folder / "runs" / "many")))


def test_only_visible_tiles_are_in_the_dom(page: Page, many: App, watch: Watch) -> None:
    page.goto(f"{many.url}/run/many")
    page.wait_for_selector("a.tile img[src]")
    expect(page.locator("#tile-count")).to_have_text("5,000 clusters")
    assert page.evaluate(CELLS) <= 60
    nodes = page.evaluate("() => document.querySelectorAll('*').length")
    assert nodes < 2_000

    page.evaluate("() => window.scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_function(f"() => ({PLACES})().includes({MANY - 1})")
    assert page.evaluate(CELLS) <= 60
    last = page.locator(f"[data-at='{MANY - 1}']")
    assert last.get_attribute("aria-posinset") == last.get_attribute("aria-setsize") == str(MANY)
    pictures = sum("/thumbnail/" in address for address in watch.requests)
    assert pictures <= 120, "tiles scrolled past fetch no thumbnail"
    assert watch.problems == []


def test_keys_reach_tiles_that_are_not_yet_in_the_dom(page: Page, many: App, watch: Watch) -> None:
    page.goto(f"{many.url}/run/many")
    page.wait_for_selector("a.tile")
    page.focus("#tiles a[tabindex='0']")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == 1
    page.keyboard.press("ArrowDown")
    across = page.evaluate(FOCUSED) - 1
    assert across >= 2
    for key, place in (("End", MANY - 1), ("ArrowRight", MANY - 1), ("Home", 0), ("ArrowUp", 0)):
        page.keyboard.press(key)
        assert page.evaluate(FOCUSED) == place
        assert page.evaluate(IN_SIGHT)
    page.keyboard.press("PageDown")
    assert page.evaluate(FOCUSED) % across == 0
    assert page.evaluate("() => document.activeElement.matches(':focus-visible')")
    page.evaluate("() => window.scrollTo(0, 90000)")
    page.wait_for_function(f"() => ({PLACES})().some((at) => at > 600)")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(IN_SIGHT), "focus survives scrolling away"
    assert watch.problems == []


def test_enter_opens_the_focused_tile(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/run/planted")
    page.wait_for_selector("a.tile")
    page.focus("#tiles a[tabindex='0']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cloud[data-drawn=scene]")
    assert page.url.endswith("/cluster/1")
    assert watch.problems == []


def test_clusters_are_shown_as_a_table(page: Page, many: App, watch: Watch) -> None:
    page.goto(f"{many.url}/run/many?v=1&sort=size&wall=table&shape=surface")
    table = page.get_by_role("table", name="Clusters")
    expect(table.get_by_role("columnheader")).to_have_text(["Cluster", "Regime", "Features", "Tokens", "Stability"])
    expect(page.locator("#tile-count")).to_have_text("1,250 of 5,000 clusters")
    tokens = table.locator("[role=row][data-at] > :nth-child(4)").all_inner_texts()
    assert len(tokens) >= 5
    assert [int(text) for text in tokens] == sorted((int(text) for text in tokens), reverse=True)
    assert page.evaluate(CELLS) <= 60
    save_screenshot(page, "atlas-table-dark")
    page.evaluate("() => dash_clientside.set_props('wall-look', {value: 'tiles'})")
    page.wait_for_selector("a.tile")
    page.wait_for_function("() => !location.search.includes('wall=')")
    assert watch.problems == []


LABELS = """() => [...document.querySelectorAll('#map-labels a')].map((node) => {
  const box = node.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; })"""


def test_map_labels_never_overlap_at_any_zoom(page: Page, many: App, watch: Watch) -> None:
    page.goto(f"{many.url}/run/many")
    page.wait_for_selector("#map-labels a")
    tools = page.evaluate(
        "() => { const b = document.querySelector('.map-tools').getBoundingClientRect(); "
        "return [b.left, b.top, b.right, b.bottom]; }"
    )
    counts = []
    for _ in range(4):
        boxes = [*page.evaluate(LABELS), tools]
        counts.append(len(boxes) - 1)
        for number, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[number + 1 :]:
                apart = other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top
                assert apart, (boxes[number], other)
        before = page.evaluate("() => document.querySelector('#map').dataset.drawn")
        page.locator("[data-tool=in]").click()
        page.wait_for_function(f"() => document.querySelector('#map').dataset.drawn !== '{before}'")
    assert counts[0] >= 10
    assert counts[2] > counts[0], "zooming in shows more labels"
    assert watch.problems == []
