"""The manifold page: linked selection, axes, features, and enlarging, copying and saving cards."""

import re
import struct
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import BrowserContext, Download, Page, expect

from explorer.app.ui.format import feature_name
from explorer.app.view.selection import read_picks
from explorer.records.bundle import FeatureLabel
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.reader import Run
from explorer.runs.run.writer import RunWriter
from tests.browser.conftest import PATIENCE_MS, App, Watch, save_screenshot, serve_in_thread, watched
from tests.planted import planted_parts, write_parts

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
TRACE = "(number) => Array.from(document.querySelector('#cloud .js-plotly-plot').data[number].x || [])"
CUT_OFF = """(selector) => [...document.querySelectorAll(selector)]
  .filter((one) => one.scrollWidth > one.clientWidth || one.getBoundingClientRect().right > window.innerWidth)
  .map((one) => one.textContent)"""
"""Text of the elements that overflow their box or the viewport."""
FAR_LEFT = (0.0, 0.0, 0.5, 1.0)
"""Left half of a plane: left, top, right, bottom as fractions of its width and height."""


def open_manifold(page: Page, app: App, query: str = "") -> Run:
    page.goto(f"{app.url}/run/planted/cluster/0{query}")
    page.wait_for_selector("#strips .strip")
    page.wait_for_selector("#cloud[data-drawn=scene]", state="attached")
    return app.host.run


def show_axes(page: Page, axes: str) -> None:
    page.click(f"#axes [data-axes='{axes}']")
    page.wait_for_selector(".plane .plane-dot")


def draw_around(page: Page, box_fractions: tuple[float, float, float, float], pair: str = "12") -> None:
    box = page.locator(f".plane[data-pair='{pair}'] svg").bounding_box()
    assert box is not None
    left, top, right, bottom = box_fractions
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    places = [(box["x"] + 2 + (box["width"] - 4) * x, box["y"] + 2 + (box["height"] - 4) * y) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def picked(page: Page) -> list[int]:
    match = re.search(r"pick=([\d,%2C-]+)", page.url)
    return read_picks(match[1].replace("%2C", ","), 600).tolist() if match else []


def test_a_lasso_selects_points_in_every_view(page: Page, context: BrowserContext, app: App, watch: Watch) -> None:
    run = open_manifold(page, app)
    geometry = run.cluster(0)
    show_axes(page, "all")
    assert page.locator(".plane").count() == 3
    assert page.locator("#page canvas").count() == page.locator("#cloud canvas").count(), "planes use no WebGL"
    draw_around(page, FAR_LEFT)
    expect(page.locator("#contexts p")).to_contain_text("selected")
    chosen = picked(page)
    middle = (geometry.points[:, 0].min() + geometry.points[:, 0].max()) / 2
    assert chosen == [i for i, x in enumerate(geometry.points[:, 0]) if x < middle] or 200 < len(chosen) < 400
    assert all(geometry.points[i, 0] < middle + 0.2 for i in chosen)
    for pair in ("12", "13", "23"):
        assert page.locator(f".plane[data-pair='{pair}'] .plane-dot.picked").count() == len(chosen)
    page.wait_for_function(f"(n) => ({TRACE})(7).length === n", arg=len(chosen))
    assert page.locator(".strip-rug line").count() == len(chosen)
    assert f"{len(chosen)} drawn tokens of 600 selected" in page.locator("#contexts p").inner_text()
    quiet = {int(str(one.get_attribute("data-feature"))) for one in page.locator(".strip.quiet").all()}
    fires = (geometry.codes[chosen] > 0).any(axis=0)
    assert quiet == {int(atom) for atom, any_ in zip(geometry.atoms, fires, strict=True) if not any_}
    assert quiet

    again = watched(context, watch)
    again.goto(page.url)
    again.wait_for_selector(".plane .plane-dot.picked")
    assert again.locator(".plane[data-pair='12'] .plane-dot.picked").count() == len(chosen)
    again.close()
    save_screenshot(page, "manifold-picked")

    page.click("#pick-clear")
    expect(page.locator(".plane-dot.picked")).to_have_count(0)
    assert "pick=" not in page.url
    assert page.evaluate(TRACE, 7) == []
    assert watch.problems == []


def test_click_selects_one_point_and_shift_click_adds(page: Page, app: App, watch: Watch) -> None:
    open_manifold(page, app)
    show_axes(page, "12")
    dots = page.locator(".plane .plane-dot")

    def click(index: int, *keys: str) -> None:
        for key in keys:
            page.keyboard.down(key)
        box = dots.nth(index).bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for key in keys:
            page.keyboard.up(key)

    click(3)
    expect(page.locator("#contexts tr[data-sample]")).to_have_count(1)
    first = picked(page)
    assert len(first) == 1
    click(100, "Shift")
    expect(page.locator("#contexts tr[data-sample]")).to_have_count(2)
    assert set(first) < set(picked(page))
    clicked = "(point) => document.querySelector('#cloud .plot').emit('plotly_click', {points: [point]})"
    page.evaluate(clicked, {"curveNumber": 0, "pointNumber": 7})
    expect(page.locator("#contexts tr[data-sample]")).to_have_count(1)
    expect(page.locator("#contexts tr[data-sample='7']")).to_have_count(1)
    assert picked(page) == [7]
    assert watch.problems == []


def test_axes_show_explained_variance_and_are_stored_in_the_url(page: Page, app: App) -> None:
    open_manifold(page, app)
    labels = page.locator("#axes button").all_inner_texts()
    assert labels == ["3-D", "1–2 · 90 %", "1–3 · 60 %", "2–3 · 40 %", "all"]
    show_axes(page, "13")
    expect(page.locator(".plane-across")).to_have_text("axis 1 · 55 % →")
    expect(page.locator(".plane-up")).to_have_text("↑ axis 3 · 5 %")
    expect(page.locator(".plane .plane-dot")).to_have_count(600)
    assert "axes=13" in page.url
    page.reload()
    page.wait_for_selector(".plane[data-pair='13'] .plane-dot")
    assert page.locator("#axes [aria-pressed=true]").inner_text() == "1–3 · 60 %"
    page.locator("#axes [data-axes='12']").press("Enter")
    page.wait_for_selector(".plane[data-pair='12'] .plane-dot")


def test_planes_follow_the_colours_of_the_cloud(page: Page, app: App) -> None:
    run = open_manifold(page, app, "?v=1&axes=12&color=token")
    expect(page.locator(".legend .kind")).to_have_count(7)
    fills = "() => new Set([...document.querySelectorAll('.plane-dot')].map((dot) => dot.style.fill)).size"
    page.wait_for_function(f"() => ({fills})() === 7")
    kind = page.locator(".legend .kind").first
    kind.click()
    expect(page.locator("#contexts p")).to_contain_text("selected")
    assert len(picked(page)) == int(kind.locator("span").inner_text())
    page.locator("#features .feature-name").nth(3).click()
    expect(page.locator(".legend")).to_contain_text("silent")
    page.wait_for_function(f"() => ({fills})() > 20")
    assert int(page.locator(".strip[aria-pressed=true]").get_attribute("data-feature")) == run.cluster(0).atoms[3]  # type: ignore[arg-type]


def test_hovering_a_strip_marks_the_position_on_the_curve(page: Page, app: App, watch: Watch) -> None:
    run = open_manifold(page, app, "?v=1&axes=all")
    page.wait_for_selector(".plane .plane-dot")
    page.add_style_tag(content=".strip-rows { scrollbar-width: auto !important; scrollbar-gutter: stable; }")
    ramp, area = page.locator(".strip-ramp").bounding_box(), page.locator(".strip svg").first.bounding_box()
    assert ramp is not None and area is not None  # noqa: PT018 - narrows two types
    assert abs(ramp["x"] - area["x"]) < 1
    assert abs(ramp["width"] - area["width"]) < 1
    page.mouse.move(area["x"] + area["width"] * 0.25, area["y"] + 4)
    expect(page.locator(".strip-at")).to_have_text("0.25 Wednesday")
    page.wait_for_function(f"() => ({TRACE})(8).length === 1")
    x, y = page.evaluate(TRACE, 8)[0], page.evaluate(TRACE.replace(".x", ".y"), 8)[0]
    knot = run.cluster(0).curve[32]
    assert (x, y) == pytest.approx(knot[:2], abs=0.06)
    mark = page.locator(".plane[data-pair='12'] .plane-here")
    assert float(str(mark.get_attribute("cx"))) > 0
    page.mouse.move(5, 5)
    page.wait_for_function(f"() => ({TRACE})(8).length === 0")
    page.locator(".strip").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".strip-at")).to_contain_text("0.50")
    page.locator("#contexts tr[data-sample]").nth(2).hover()
    expect(page.locator(".strip-at")).to_be_visible()
    assert watch.problems == []


def test_planes_show_tooltips(page: Page, app: App) -> None:
    open_manifold(page, app, "?v=1&axes=12")
    box = page.locator(".plane .plane-dot").nth(9).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(page.locator(".dash-tooltip .context mark")).to_be_visible()


def test_features_are_sorted_selected_and_queried(page: Page, app: App, watch: Watch) -> None:
    run = open_manifold(page, app)
    rows = page.locator("#features tbody tr")
    assert rows.count() == len(run.cluster(0).atoms)
    assert rows.first.locator(".bins svg rect").count() == 16
    page.locator("#features .sort", has_text="fires on").press("Enter")
    fires = [int(text.replace(",", "")) for text in page.locator("#features tbody td:nth-child(3)").all_inner_texts()]
    assert fires == sorted(fires)
    page.locator("#features .sort", has_text="fires on").press("Enter")
    assert page.locator("#features th[aria-sort=descending]").count() == 1
    assert int(page.locator("#features tbody td:nth-child(3)").first.inner_text().replace(",", "")) == max(fires)

    assert app.host.asked == 0
    named = page.locator("#feature-detail .feature-label")
    expect(named).to_have_text(["the week begins (hand)", "Mondays & <b>meetings</b> (a language model)"])
    name = page.locator("#features .feature-name[data-feature='5']")
    name.press("Enter")
    expect(page.locator("#feature-title")).to_have_text("Feature 5 (core)")
    expect(named).to_have_count(0)
    expect(page.locator("#feature-logits li")).to_have_count(5, timeout=PATIENCE_MS)
    assert app.host.asked == 1
    assert name.get_attribute("aria-pressed") == "true"
    assert "color=feature-5" in page.url
    page.evaluate("addEventListener('click', (event) => event.preventDefault(), { once: true })")
    page.locator("#features tbody tr[data-feature='3'] a").click()
    assert "color=feature-5" in page.url, "following a link selects no feature"
    save_screenshot(page, "manifold-feature")

    link = page.url
    page.goto(link)
    page.wait_for_selector("#strips .strip")
    expect(page.locator("#feature-title")).to_have_text("Feature 5 (core)")
    assert page.locator("#feature-logits li").count() == 0
    assert app.host.asked == 1, "opening a link sends no model request"
    page.click("#feature-ask")
    expect(page.locator("#feature-logits li")).to_have_count(5)
    assert watch.problems == []


def test_an_enlarged_card_fills_the_viewport_and_is_restored(page: Page, app: App, watch: Watch) -> None:
    open_manifold(page, app)
    show_axes(page, "12")
    draw_around(page, FAR_LEFT)
    expect(page.locator("#contexts p")).to_contain_text("selected")
    before = picked(page)
    button = page.get_by_role("button", name="Enlarge cloud")
    button.click()
    box = page.locator("[data-card=cloud]").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 1440, "height": 900}
    page.wait_for_function("() => document.querySelector('.plane svg').clientHeight > 600")
    page.wait_for_function("() => document.querySelectorAll('.plane-dot.picked').length > 0")
    assert page.evaluate("() => document.getElementById('header').inert")
    save_screenshot(page, "manifold-enlarged")
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelector('[data-card=cloud]').getBoundingClientRect().width < 900")
    expect(button).to_be_focused()
    assert not page.evaluate("() => document.getElementById('header').inert")
    assert picked(page) == before
    assert watch.problems == []


@pytest.mark.parametrize("width", [1440, 390])
def test_every_enlarged_card_fills_the_viewport(page: Page, app: App, watch: Watch, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_manifold(page, app)
    cards = [str(one.get_attribute("data-card")) for one in page.locator(".card").all()]
    assert len(cards) >= 7
    for name in cards:
        page.locator(f".card[data-card='{name}'] .enlarge").first.click()
        page.wait_for_selector(f".card[data-card='{name}'][data-enlarged]")
        frame = page.locator(f".card[data-card='{name}']").bounding_box()
        assert frame == {"x": 0, "y": 0, "width": width, "height": 844}, name
        page.keyboard.press("Escape")
    assert watch.problems == []


def test_cards_are_copied_as_data(page: Page, context: BrowserContext, app: App, watch: Watch) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    run = open_manifold(page, app, "?v=1&pick=4,8")

    def copied(card: str) -> list[list[str]]:
        page.get_by_role("button", name=f"Copy {card}").click()
        expect(page.locator("#toast")).to_contain_text("of tab-separated data")
        text = page.evaluate("() => navigator.clipboard.readText()")
        page.evaluate("() => document.getElementById('toast').replaceChildren()")
        return [line.split("\t") for line in text.strip().split("\n")]

    points = copied("cloud")
    assert points[0][:4] == ["token_index", "x", "y", "z"]
    assert len(points) == 601
    assert [row[0] for row in copied("contexts")[1:]] == [str(run.cluster(0).token_index[i]) for i in (4, 8)]
    features = copied("features")
    assert features[0][:3] == ["feature", "label", "fires on"]
    assert features[1][0] == "core 0"
    assert len(features) == 1 + len(run.cluster(0).atoms)
    assert len(features[1][8].split(",")) == 16
    assert features[1][10] == "https://www.neuronpedia.org/planted/2-rings/0"
    strips = copied("strips")
    assert strips[0] == ["feature", "label", "peak position", "mean activation there"]
    assert ["core 0", "the week begins; Mondays & <b>meetings</b>", "Monday"] in [row[:3] for row in strips]
    assert "variance explained" in [row[0] for row in copied("numbers")]
    assert ["model", "planted/rings"] in copied("provenance")
    page.click("#steer-run")
    page.wait_for_selector("#bands .arm")
    assert len(copied("steering")) > 100
    assert watch.problems == []


def saved(page: Page, card: str, kind: str) -> Download:
    page.get_by_label(f"Save {card}", exact=True).click()
    with page.expect_download() as waiting:
        page.locator(f"[data-card='{card}'] .save-menu [data-do='save-{kind}']").click()
    return waiting.value


def test_strips_are_saved_as_svg_with_resolved_colours(page: Page, app: App, watch: Watch, tmp_path: Path) -> None:
    run = open_manifold(page, app)
    download = saved(page, "strips", "svg")
    assert re.fullmatch(r"[\w-]+-strips\.svg", download.suggested_filename)
    download.save_as(tmp_path / "strips.svg")
    drawn = ElementTree.parse(tmp_path / "strips.svg").getroot()
    paths = drawn.findall(f".//{SVG}path")
    assert len(paths) == len(run.cluster(0).atoms), "all features, including those scrolled out of view"
    fills = {str(path.get("fill")) for path in paths}
    assert len(fills) > 6
    assert all(re.fullmatch(r"rgb\(\d+, ?\d+, ?\d+\)", fill) for fill in fills)
    texts = {str(text.text) for text in drawn.findall(f".//{SVG}text")}
    assert {"core 0", "Monday"} <= texts
    assert b"var(" not in (tmp_path / "strips.svg").read_bytes()
    assert watch.problems == []


def test_the_cloud_is_saved_as_an_image_with_its_labels(page: Page, app: App, watch: Watch, tmp_path: Path) -> None:
    open_manifold(page, app)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.cloud-label')].some((n) => n.style.visibility === 'visible')"
    )
    shown = page.locator(".cloud-picture").bounding_box()
    assert shown is not None
    saved(page, "cloud", "png").save_as(tmp_path / "cloud.png")
    data = (tmp_path / "cloud.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">I", data[16:20])[0] == pytest.approx(2 * (shown["width"] + 32), abs=4)
    saved(page, "cloud", "svg").save_as(tmp_path / "cloud.svg")
    drawn = ElementTree.parse(tmp_path / "cloud.svg").getroot()
    images = drawn.findall(f".//{SVG}image")
    assert [str(image.get("href"))[:22] for image in images] == ["data:image/png;base64,"]
    assert "Monday" in {text.text for text in drawn.findall(f".//{SVG}text")}
    assert watch.problems == []


def test_the_page_fits_a_phone(page: Page, app: App) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_manifold(page, app, "?v=1&axes=all")
    page.wait_for_selector(".plane .plane-dot")
    page.wait_for_function("() => document.documentElement.scrollWidth <= 390")
    tools = page.locator("[data-card=cloud] .tool.enlarge").bounding_box()
    assert tools is not None
    assert tools["x"] + tools["width"] <= 390
    save_screenshot(page, "manifold-axes-390")


def test_feature_labels_are_shown_wherever_a_feature_is_named(page: Page, app: App, watch: Watch) -> None:
    run = open_manifold(page, app)
    name = feature_name(0, run.labels().of(0))
    assert "the week begins" in name
    strip = page.locator(".strip[data-feature='0']")
    expect(strip).to_have_attribute("title", re.compile(f"^Feature {name} \\(core\\) fires most at "))
    expect(page.locator(".strip[data-feature='1']")).to_have_attribute(
        "title", re.compile(r"^Feature 1 \(core\) fires")
    )
    page.click("#color-by")
    page.locator(".dash-dropdown-option", has_text="the week begins").click()
    expect(page.locator("#color-by")).to_have_text(f"core {name}")
    expect(strip).to_have_attribute("aria-pressed", "true")
    page.fill("#try-text", "Monday")
    page.press("#try-text", "Enter")
    page.locator("#try-tokens button", has_text="Monday").click()
    expect(page.locator("#try-detail li")).to_contain_text(f"core features: {name}, 1, 2")
    assert watch.problems == []


def test_a_long_label_does_not_widen_the_page(page: Page, tmp_path: Path, app: App, watch: Watch) -> None:
    """The colour dropdown truncates long labels, on a desktop and on a phone."""
    labels = LabelTable.pack([FeatureLabel(one, "nothing but words " * 12, "") for one in range(12)])
    with RunWriter(tmp_path / "runs" / "planted") as writer:
        write_parts(writer, replace(planted_parts(), labels=labels))
    for served in serve_in_thread(tmp_path, app.host):
        page.goto(f"{served.url}/run/planted/cluster/0?v=1&color=feature-0")
        page.wait_for_selector("#cloud[data-drawn=scene]")
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.click("#color-by")
            page.wait_for_selector(".dash-dropdown-option")
            page.wait_for_function("(width) => document.documentElement.scrollWidth <= width", arg=width)
            assert page.evaluate(CUT_OFF, ".dash-dropdown-option") == []
            save_screenshot(page, f"long-label-{width}")
            page.keyboard.press("Escape")
            choice, card = (page.locator(one).bounding_box() for one in ("#color-by", ".cloud-box"))
            assert choice is not None
            assert card is not None
            assert card["x"] <= choice["x"]
            assert choice["x"] + choice["width"] <= card["x"] + card["width"]
    assert watch.problems == []
