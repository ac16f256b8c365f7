"""The feature map: client-side pan, zoom and colouring; lasso and box selection; links to clusters; noise points."""

import random

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from explorer.app.view.selection import read_selection
from explorer.bench.app.browser import COUNTED
from explorer.records.clustering import NOISE
from tests.browser.conftest import NO_WEBGL, App, Watch, exposed, save_screenshot

pytestmark = pytest.mark.browser

MODULES = exposed("atlas/map.js", "ui/format.js", "view/selection.js")
MAP = "modules['atlas/map.js']"
MOVES = f"() => {MAP}.mapView()"
STANDING = f"() => {MAP}.outstandingClusters()"
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

IN_LINK = f"""() => (new URLSearchParams(location.search).get('map') ?? '')
  .endsWith(`,${{modules['ui/format.js'].short({MAP}.mapView().zoom)}}`)"""
"""The URL holds the last view; it is updated with a delay after the last move."""


def open_map(page: Page, app: App, query: str = "") -> tuple[float, float]:
    """Open the atlas; returns the centre of the map in viewport pixels."""
    page.add_init_script(MODULES)
    page.goto(f"{app.url}/run/planted{query}")
    page.wait_for_selector("#map[data-drawn]")
    page.wait_for_selector("a.tile")
    box = page.locator("#map").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def place_of(page: Page, feature: int) -> tuple[float, float]:
    box = page.locator("#map").bounding_box()
    assert box is not None
    x, y = page.evaluate(f"(feature) => {MAP}.pixelOfFeature(feature)", feature)
    return box["x"] + x, box["y"] + y


def drag(page: Page, points: list[tuple[float, float]]) -> None:
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def around(page: Page, features: range) -> list[tuple[float, float]]:
    """Corners of the bounding box of some features, with a margin of 6 pixels."""
    xs, ys = zip(*(place_of(page, feature) for feature in features), strict=True)
    left, top, right, bottom = min(xs) - 6, min(ys) - 6, max(xs) + 6, max(ys) + 6
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_moving_and_colouring_send_no_request_and_upload_no_points(page: Page, app: App, watch: Watch) -> None:
    page.add_init_script(COUNTED)
    x, y = open_map(page, app)
    features = app.host.run.manifest.n_features
    sent = page.evaluate("sentToCard")
    assert sent >= 8 * features, "the points are uploaded to the GPU once"
    before, n_requests = page.evaluate(MOVES), len(watch.requests)

    drag(page, [(x, y), (x + 80, y + 40)])
    page.mouse.wheel(0, -240)
    page.evaluate(FRAME)
    after = page.evaluate(MOVES)
    assert after["zoom"] > before["zoom"]
    assert after["u"] < before["u"]
    assert page.evaluate("sentToCard") == sent
    page.wait_for_function(IN_LINK)

    for by, legend in (
        ("shape", "closed curve (1)open curve (1)"),
        ("regime", "tiling (2)"),
        ("stability", "stability 01"),
        ("rate", "tokenslog scale"),
    ):
        sent = page.evaluate("sentToCard")
        page.evaluate(f"() => dash_clientside.set_props('map-color', {{value: '{by}'}})")
        expect(page.locator("#map-legend")).to_contain_text(legend)
        page.wait_for_function(f"() => location.search.includes('by={by}')")
        assert page.evaluate("sentToCard") - sent < 6_000, "a colour per cluster and level, but no points"
    new_requests = [
        address for address in watch.requests[n_requests:] if "/_dash-update" in address or "/api/" in address
    ]
    assert [address for address in new_requests if "/thumbnail/" not in address] == []

    seen = page.evaluate(MOVES)
    page.reload()
    page.wait_for_selector("#map[data-drawn]")
    again = page.evaluate(MOVES)
    assert all(abs(seen[key] - again[key]) < 0.01 for key in ("u", "v", "zoom")), "a link restores the view"
    expect(page.locator("#map-legend")).to_contain_text("tokens")
    page.locator("#map").focus()
    page.keyboard.press("0")
    page.wait_for_function("() => !location.search.includes('map=')")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => location.search.includes('map=')")
    assert watch.problems == []


def test_lasso_and_box_selection_filter_the_tiles_and_update_the_url(page: Page, app: App, watch: Watch) -> None:
    open_map(page, app)
    first = app.host.run.summary(0).features
    page.locator("[data-tool=lasso]").click()
    corners = around(page, range(first[0], first[-1] + 1))
    drag(page, [*corners, corners[0]])
    expect(page.locator("#tile-count")).to_have_text("1 of 2 clusters")
    page.wait_for_function("() => location.search.includes('sel=0')")
    assert page.evaluate(STANDING) == [0]
    save_screenshot(page, "atlas-selection-dark")
    page.reload()
    expect(page.locator("#tile-count")).to_have_text("1 of 2 clusters")
    page.wait_for_selector("#map[data-drawn]")
    assert page.evaluate(STANDING) == [0]
    page.click("#clear-selection")
    expect(page.locator("#tile-count")).to_have_text("2 clusters")
    expect(page.locator("#clear-selection")).to_be_hidden()
    page.wait_for_function("() => !location.search.includes('sel=')")

    page.locator("[data-tool=box]").click()
    second = app.host.run.summary(1).features
    corners = around(page, range(second[0], second[-1] + 1))
    drag(page, [corners[0], corners[2]])
    page.wait_for_function("() => location.search.includes('sel=1')")
    expect(page.locator("#tile-count")).to_have_text("1 of 2 clusters")
    page.locator("#map").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#tile-count")).to_have_text("2 clusters")
    assert watch.problems == []


def test_selections_are_encoded_as_the_server_decodes_them(page: Page, app: App) -> None:
    open_map(page, app)
    draw = random.Random(0)
    sets = [
        [],
        [0],
        [3, 4, 5, 9],
        list(range(5000)),
        *(sorted(draw.sample(range(9000), n)) for n in (2, 40, 900, 4000)),
    ]
    selection = "modules['view/selection.js']"
    for clusters in sets:
        text = page.evaluate(f"(clusters) => {selection}.writeSelection(clusters)", clusters)
        assert len(text) <= 1_600
        assert read_selection(text) == set(clusters)
        assert sorted(page.evaluate(f"(text) => [...{selection}.readSelection(text)]", text)) == clusters


def test_points_have_tooltips_and_link_to_their_cluster(page: Page, app: App, watch: Watch) -> None:
    open_map(page, app)
    noise = next(f for f, cluster in enumerate(app.host.run.features().cluster) if cluster == -1)
    page.mouse.move(*place_of(page, noise))
    expect(page.locator("#map-tip")).to_contain_text("noise: in no cluster")
    expect(page.locator("#noise-word")).to_have_text("shown in grey")
    page.evaluate("() => dash_clientside.set_props('map-noise', {value: 'hidden'})")
    expect(page.locator("#noise-word")).to_have_text("hidden")
    expect(page.locator(".counted")).to_contain_text(f"{app.host.run.manifest.n_noise} noise, hidden")
    page.mouse.move(5, 5)
    expect(page.locator("#map-tip")).to_be_hidden()
    page.mouse.move(*place_of(page, noise))
    page.evaluate(FRAME)
    expect(page.locator("#map-tip")).to_be_hidden()
    assert "noise=hidden" in page.url

    x, y = place_of(page, app.host.run.summary(1).features[0])
    page.mouse.move(x, y)
    expect(page.locator("#map-tip")).to_contain_text("a century begins (a language model)")
    assert page.locator("#map-tip bdi").first.evaluate("(one) => getComputedStyle(one).unicodeBidi") == "isolate"

    x, y = place_of(page, app.host.run.summary(1).features[3])
    page.mouse.move(x, y)
    expect(page.locator("#map-tip")).to_contain_text(app.host.run.summary(1).label)
    page.mouse.click(x, y)
    page.wait_for_selector("#cloud[data-drawn=scene]")
    assert "/cluster/1" in page.url
    page.go_back()
    page.wait_for_selector("#map[data-drawn]")
    assert "noise=hidden" in page.url
    page.hover("a.tile >> nth=0")
    page.wait_for_function(f"() => String(({STANDING})()) === '0'")
    assert watch.problems == []


def test_tiles_are_shown_without_webgl(page: Page, app: App) -> None:
    page.add_init_script(NO_WEBGL)
    page.goto(f"{app.url}/run/planted")
    expect(page.locator("#map")).to_contain_text("needs WebGL 2")
    expect(page.locator("a.tile")).to_have_count(2)


def test_search_finds_a_feature_outside_all_clusters(page: Page, app: App, watch: Watch) -> None:
    noise = int(np.flatnonzero(app.host.run.features().cluster == NOISE)[-1])
    open_map(page, app, "?v=1&noise=hidden")
    page.fill("#search", str(noise))
    page.get_by_role("button", name=f"feature {noise}").click()
    expect(page.locator("#map-tip")).to_contain_text(f"feature {noise}")
    page.wait_for_function("() => !location.search.includes('noise=') && location.search.includes('map=')")
    box = page.locator("#map").bounding_box()
    assert box is not None
    assert place_of(page, noise) == pytest.approx((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), abs=1)
    save_screenshot(page, "found")
    page.fill("#search", "in no cluster")
    expect(page.locator("#found li")).to_contain_text("fires too rarely to be scored")
    page.fill("#search", "week begins")
    page.get_by_role("link", name="feature 0").click()
    page.wait_for_selector("#cloud[data-drawn=scene]")
    expect(page.locator("#feature-title")).to_have_text("Feature 0 (core)")
    assert watch.problems == []
