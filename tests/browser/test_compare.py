"""Comparing in the browser: one camera for both clouds, choices that are addresses, and pages for every screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.runs.run import open_run
from tests.app.conftest import write_steerable_run
from tests.app.fake_host import FakeHost
from tests.browser.conftest import App, Watch, keep, serve_in_thread
from tests.browser.test_pages import CONTRAST

pytestmark = pytest.mark.browser

PAIR = "/compare?v=1&a=first/0&b=second/0"
CAMERA = """
(side) => document.querySelector(`#compare-cloud-${side} .js-plotly-plot`)._fullLayout.scene._scene.getCamera().eye
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Two runs of one world."""
    folder: Path = tmp_path_factory.mktemp("two")
    for name in ("first", "second"):
        write_steerable_run(folder / "runs" / name)
    yield from serve_in_thread(folder, FakeHost(open_run(folder / "runs" / "first")))


def _eyes(page: Page) -> list[dict[str, float]]:
    return [page.evaluate(CAMERA, side) for side in ("left", "right")]


def test_turning_one_cloud_turns_the_other_and_the_link_keeps_it(page: Page, two: App, watch: Watch) -> None:
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
        "() => location.search.startsWith('?v=1&cam=') && location.search.endsWith('&a=first/0&b=second/0')"
    )
    kept = _eyes(page)
    page.reload()
    page.wait_for_selector("#compare-clouds[data-linked]")
    assert _eyes(page)[1]["x"] == pytest.approx(kept[1]["x"], abs=1e-3)
    assert watch.problems == []


AXES = """() => [...document.querySelectorAll('.compare-side')].map((side) => ['.strip svg', '.strip-ramp'].map(
  (one) => { const { left, right } = side.querySelector(one).getBoundingClientRect(); return [left, right]; }))"""


def test_a_comparisons_strips_stand_over_their_axis_and_tell_labels(page: Page, two: App, watch: Watch) -> None:
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{two.url}{PAIR}")
        page.wait_for_selector("#compare-clouds[data-linked]")
        for strip, ramp in page.evaluate(AXES):
            assert strip == pytest.approx(ramp, abs=0.6)
    expect(page.locator(".compare-strips .strip[title*='the week begins']")).to_have_count(2)
    page.locator(".compare-side.left summary").click()
    expect(page.locator(".compare-side.left th").nth(1)).to_have_text("label")
    assert watch.problems == []


def test_a_run_beside_itself_shows_its_matches(page: Page, app: App, watch: Watch) -> None:
    page.goto(f"{app.url}/compare?v=1&a=planted&b=planted")
    expect(page.locator(".notice")).to_contain_text("one run beside itself")
    expect(page.locator(".compare-matches tbody tr")).to_have_count(2)
    page.locator(".compare-matches a").first.click()
    page.wait_for_selector("#compare-clouds[data-linked]")
    assert watch.problems == []


def test_choices_are_addresses_and_back_undoes_them(page: Page, two: App, watch: Watch) -> None:
    page.goto(two.url)
    page.get_by_role("link", name="Compare runs").click()
    page.locator(".compare-matches a").first.click()
    page.wait_for_selector("#compare-clouds[data-linked]")
    expect(page.locator(".compare-told")).to_contain_text("in the same order")
    page.get_by_title("Swap the sides").click()
    swapped = ".compare-side.left h2 a[href='/run/second/cluster/0']"
    page.wait_for_selector(swapped)
    page.locator("#compare-left-cluster").click()
    page.locator(".dash-dropdown-option", has_text="all clusters").click()
    page.wait_for_selector(".compare-matches")
    assert page.url.endswith("/compare?v=1&a=second&b=first")
    page.go_back()
    page.wait_for_selector(swapped)
    assert watch.problems == []


def test_a_manifold_leads_to_its_counterpart(page: Page, two: App, watch: Watch) -> None:
    page.goto(f"{two.url}/run/first/cluster/1")
    page.get_by_role("link", name="Compare with").click()
    expect(page.locator(".compare-side.right h2")).to_have_text("1900, 1910, 1920")
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("name", "path"), [("compare", PAIR), ("compare-runs", "/compare?v=1&a=first&b=second")])
def test_comparisons_are_readable_on_every_screen(
    page: Page, two: App, watch: Watch, name: str, path: str, theme: str
) -> None:
    page.goto(f"{two.url}{path}&theme={theme}")
    page.wait_for_selector("#compare-clouds[data-linked]" if name == "compare" else ".compare-matches")
    assert page.evaluate(CONTRAST) == []
    keep(page, f"{name}-{theme}-1440")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "() => document.documentElement.scrollWidth <= 390 && "
        "[...document.querySelectorAll('canvas')].every((one) => one.getBoundingClientRect().right <= 390)"
    )
    keep(page, f"{name}-{theme}-390")
    assert watch.problems == []
