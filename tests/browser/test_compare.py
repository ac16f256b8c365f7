"""Compare pages in the browser: linked cameras, choices encoded in the URL, and layout on desktop and phone."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from explorer.runs.run.reader import open_run
from tests.app.conftest import write_steerable_run
from tests.browser.conftest import App, Watch, save_screenshot, serve_in_thread
from tests.browser.test_pages import CONTRAST
from tests.fake_host import FakeHost

pytestmark = pytest.mark.browser

PAIR = "/compare?v=1&a=first/0&b=second/0"
RUNS = "/compare?v=1&a=first&b=second"
ALONE = ["only-left", "only-right"]
SVG = "{http://www.w3.org/2000/svg}"
CAMERA = """
(side) => document.querySelector(`#compare-cloud-${side} .js-plotly-plot`)._fullLayout.scene._scene.getCamera().eye
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Two runs with identical data."""
    folder: Path = tmp_path_factory.mktemp("two")
    for name in ("first", "second"):
        write_steerable_run(folder / "runs" / name)
    yield from serve_in_thread(folder, FakeHost(open_run(folder / "runs" / "first")))


def _eyes(page: Page) -> list[dict[str, float]]:
    return [page.evaluate(CAMERA, side) for side in ("left", "right")]


def test_cameras_are_linked_and_stored_in_the_url(page: Page, two: App, watch: Watch) -> None:
    page.goto(f"{two.url}{PAIR}")
    page.wait_for_selector("#compare-clouds[data-linked]")
    assert page.locator("#compare-clouds canvas").count() == 2
    for side in ("left", "right"):
        before = _eyes(page)
        box = page.locator(f"#compare-cloud-{side}").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 150, box["y"] + 150)
        page.mouse.down()
        page.mouse.move(box["x"] + 230, box["y"] + 190, steps=4)
        page.mouse.up()
        page.wait_for_function(
            f"([x]) => ['left', 'right'].every((side) => Math.abs(({CAMERA})(side).x - x) > 0.01) && "
            f"Math.abs(({CAMERA})('left').x - ({CAMERA})('right').x) < 1e-6",
            arg=[before[0]["x"]],
        )
    before = _eyes(page)
    page.hover("#compare-cloud-right")
    page.mouse.wheel(0, 240)
    page.wait_for_function(
        f"([x]) => Math.abs(({CAMERA})('right').x - x) > 0.01 && "
        f"Math.abs(({CAMERA})('left').x - ({CAMERA})('right').x) < 1e-6",
        arg=[before[1]["x"]],
    )
    page.wait_for_function(
        "() => location.search.startsWith('?v=1&cam=') && location.search.endsWith('&a=first/0&b=second/0') && "
        f"Math.abs(parseFloat(location.search.split('cam=')[1]) - ({CAMERA})('right').x) < 1e-3"
    )
    before_reload = _eyes(page)
    page.reload()
    page.wait_for_selector("#compare-clouds[data-linked]")
    assert _eyes(page)[1]["x"] == pytest.approx(before_reload[1]["x"], abs=1e-3)
    assert watch.problems == []


AXES = """() => [...document.querySelectorAll('.compare-strips')].map((side) => ['.strip svg', '.strip-ramp'].map(
  (one) => { const { left, right } = side.querySelector(one).getBoundingClientRect(); return [left, right]; }))"""


def test_strips_align_with_their_axis_and_show_labels(page: Page, two: App, watch: Watch) -> None:
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{two.url}{PAIR}")
        page.wait_for_selector("#compare-clouds[data-linked]")
        for strip, ramp in page.evaluate(AXES):
            assert strip == pytest.approx(ramp, abs=0.6)
    expect(page.locator(".compare-strips .strip[title*='the week begins']")).to_have_count(2)
    table = page.locator("[data-card=strips] details:not(.save-menu)")
    expect(table.locator("td")).to_have_count(0)
    table.locator("summary").click()
    expect(table.locator("th")).to_have_text(["side", "feature", "label", "peak position", "mean activation there"])
    assert set(table.locator("td:first-child").all_inner_texts()) == {"left", "right"}
    assert watch.problems == []


def copied(page: Page, card: str) -> list[list[str]]:
    page.get_by_role("button", name=f"Copy {card}", exact=True).click()
    expect(page.locator("#toast")).to_contain_text("of tab-separated data")
    text = page.evaluate("() => navigator.clipboard.readText()")
    page.evaluate("() => document.getElementById('toast').replaceChildren()")
    return [line.split("\t") for line in text.rstrip("\n").split("\n")]


def test_comparison_cards_are_copied_as_data(page: Page, context: BrowserContext, two: App, watch: Watch) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{two.url}{PAIR}")
    page.wait_for_selector("#compare-clouds[data-linked]")
    head, *points = copied(page, "clouds")
    assert head[:7] == ["side", "run", "cluster", "token_index", "x", "y", "z"]
    assert Counter((*row[:3],) for row in points) == {("left", "first", "0"): 600, ("right", "second", "0"): 600}
    strips = copied(page, "strips")
    assert strips[0] == ["side", "feature", "label", "peak position", "mean activation there"]
    assert [row[0] for row in strips[1:]] == ["left"] * (len(strips) // 2) + ["right"] * (len(strips) // 2)
    assert ["shape", "closed curve", "closed curve"] in copied(page, "facts")
    assert ["value", "Monday", "in both"] in copied(page, "values")
    assert ["feature", "0", "in both"] in copied(page, "values")
    assert copied(page, "alike")[0] == ["cluster", "similarity"]
    page.goto(f"{two.url}{RUNS}")
    matches = copied(page, "matches")
    assert matches[0][:4] == ["left cluster", "left", "right cluster", "right"]
    assert {(row[0], row[2]) for row in matches[1:]} == {("0", "0"), ("1", "1")}
    assert watch.problems == []


@pytest.mark.parametrize("width", [1440, 390])
def test_every_enlarged_card_fills_the_viewport(page: Page, two: App, watch: Watch, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for path, wanted in ((PAIR, ["clouds", "strips", "facts", "values", "alike"]), (RUNS, ["matches", *ALONE])):
        page.goto(f"{two.url}{path}")
        page.wait_for_selector("#compare-clouds[data-linked]" if path == PAIR else ".compare-matches")
        assert [one.get_attribute("data-card") for one in page.locator(".card").all()] == wanted
        for name in wanted:
            page.get_by_role("button", name=f"Enlarge {name}", exact=True).click()
            page.wait_for_selector(f".card[data-card='{name}'][data-enlarged]")
            frame = page.locator(f".card[data-card='{name}']").bounding_box()
            assert frame == {"x": 0, "y": 0, "width": width, "height": 844}, name
            save_screenshot(page, f"compare-{name}-{width}")
            page.keyboard.press("Escape")
    assert watch.problems == []


def test_cameras_stay_linked_when_enlarged(page: Page, two: App, watch: Watch) -> None:
    page.goto(f"{two.url}{PAIR}")
    page.wait_for_selector("#compare-clouds[data-linked]")
    page.get_by_role("button", name="Enlarge clouds").click()
    page.wait_for_function("() => document.getElementById('compare-cloud-left').clientHeight > 450")
    before = _eyes(page)[0]["x"]
    page.hover("#compare-cloud-left")
    page.mouse.wheel(0, 240)
    page.wait_for_function(
        f"([x]) => Math.abs(({CAMERA})('left').x - x) > 0.01 && "
        f"Math.abs(({CAMERA})('left').x - ({CAMERA})('right').x) < 1e-6",
        arg=[before],
    )
    assert watch.problems == []


def test_following_a_link_in_an_enlarged_card_leaves_the_page_interactive(page: Page, two: App, watch: Watch) -> None:
    page.goto(f"{two.url}{RUNS}")
    page.get_by_role("button", name="Enlarge matches").click()
    page.locator(".compare-matches a").first.click()
    page.wait_for_selector("#compare-clouds[data-linked]")
    assert page.locator("[inert], [data-enlarged]").count() == 0
    assert watch.problems == []


def saved(page: Page, card: str, file: Path) -> ElementTree.Element:
    page.get_by_label(f"Save {card}", exact=True).click()
    with page.expect_download() as waiting:
        page.locator(f"[data-card='{card}'] .save-menu [data-do='save-svg']").click()
    waiting.value.save_as(file)
    return ElementTree.parse(file).getroot()


def test_comparison_cards_are_saved_as_images(page: Page, two: App, watch: Watch, tmp_path: Path) -> None:
    page.goto(f"{two.url}{PAIR}")
    page.wait_for_selector("#compare-clouds[data-linked]")
    page.wait_for_function("() => [...document.images].every((one) => one.complete)")
    clouds = saved(page, "clouds", tmp_path / "clouds.svg")
    pictures = [str(one.get("href")) for one in clouds.findall(f".//{SVG}image")]
    assert len(pictures) == 4, "two clouds and two portraits"
    assert all(one.startswith("data:image/png;base64,") for one in pictures)
    page.set_viewport_size(
        {"width": 1440, "height": 300}
    )  # shorter than the strips, so that a sticky axis would overlap them
    strips = saved(page, "strips", tmp_path / "strips.svg")
    heights = {str(one.text): float(str(one.get("y"))) for one in strips.findall(f".//{SVG}text")}
    last = max(at for name, at in heights.items() if name.startswith(("core ", "halo ")))
    assert heights["Monday"] > last, "the axis is below all strips"
    page.goto(f"{two.url}{RUNS}")
    page.wait_for_function("() => document.images.length && [...document.images].every((one) => one.complete)")
    assert len(saved(page, "matches", tmp_path / "matches.svg").findall(f".//{SVG}image")) == 4
    assert watch.problems == []


def test_a_run_compared_with_itself_shows_its_matches(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/compare?v=1&a=planted&b=planted")
    expect(page.locator(".notice")).to_contain_text("Both sides are the same run")
    expect(page.locator(".compare-matches tbody tr")).to_have_count(2)
    page.locator(".compare-matches a").first.click()
    page.wait_for_selector("#compare-clouds[data-linked]")
    assert watch.problems == []


def test_choices_are_urls_and_back_undoes_them(page: Page, two: App, watch: Watch) -> None:
    page.goto(two.url)
    page.get_by_role("link", name="Compare runs").click()
    page.locator(".compare-matches a").first.click()
    page.wait_for_selector("#compare-clouds[data-linked]")
    expect(page.locator(".compare-told")).to_contain_text("in the same order")
    page.get_by_title("Swap the sides").click()
    swapped = ".compare-side.left h3 a[href='/run/second/cluster/0']"
    page.wait_for_selector(swapped)
    page.locator("#compare-left-cluster").click()
    page.locator(".dash-dropdown-option", has_text="all clusters").click()
    page.wait_for_selector(".compare-matches")
    assert page.url.endswith("/compare?v=1&a=second&b=first")
    page.go_back()
    page.wait_for_selector(swapped)
    assert watch.problems == []


def test_a_manifold_links_to_its_counterpart(page: Page, two: App, watch: Watch) -> None:
    page.goto(f"{two.url}/run/first/cluster/1")
    page.get_by_role("link", name="Compare with").click()
    expect(page.locator(".compare-side.right .compare-head h3")).to_have_text("1900, 1910, 1920")
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("name", "path"), [("compare", PAIR), ("compare-runs", RUNS)])
def test_compare_pages_have_contrast_and_fit_a_phone(
    page: Page, two: App, watch: Watch, name: str, path: str, theme: str
) -> None:
    page.goto(f"{two.url}{path}&theme={theme}")
    page.wait_for_selector("#compare-clouds[data-linked]" if name == "compare" else ".compare-matches")
    assert page.evaluate(CONTRAST) == []
    save_screenshot(page, f"{name}-{theme}-1440")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "() => document.documentElement.scrollWidth <= 390 && "
        "[...document.querySelectorAll('canvas')].every((one) => one.getBoundingClientRect().right <= 390)"
    )
    save_screenshot(page, f"{name}-{theme}-390")
    assert watch.problems == []
